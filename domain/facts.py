"""Facts: things that did happen, fed to the machine. Named by past participles; they carry no content, only sizes."""

from datetime import datetime
from typing import Literal

from domain.approval import Decision, Via
from domain.content import Actor, ToolStatus, Usage, Value
from domain.events import FinishReason
from domain.ids import ApprovalId, CallId, QuestionId, SteerId
from domain.policy import OWNER, Approvers, DecisionKind, Expiry, Verdict
from domain.question import Answer, Question


class CallMade(Value):
    """A tool call in a model's reply; its arguments are in the store under the call id."""

    call_id: CallId
    name: str
    digest: str


class ModelReplied(Value):
    fact: Literal["model_replied"] = "model_replied"
    turn: int
    attempt: int
    calls: tuple[CallMade, ...] = ()
    finish_reason: FinishReason
    usage: Usage = Usage()
    cost: float | None = None


class ModelFailed(Value):
    """The model call failed for good. `produced`: it had said something, which is in the store."""

    fact: Literal["model_failed"] = "model_failed"
    turn: int
    attempt: int = 1
    code: str
    message: str
    produced: bool = False
    usage: Usage = Usage()
    cost: float | None = None


class ModelCut(Value):
    """The model call was stopped on request. `produced`: it had said something, which is in the store."""

    fact: Literal["model_cut"] = "model_cut"
    turn: int
    attempt: int = 1
    produced: bool
    usage: Usage = Usage(estimated=True)
    cost: float | None = None


class CallJudgement(Value):
    """What the policy says of one call. `invalid`: the arguments do not fit the tool; nobody is asked about those.

    `digest`: of the arguments with which a hook had it go on, None if with its own. `questions`: what it asks the user.
    """

    call_id: CallId
    verdict: Verdict
    because: str
    reason: str | None = None
    allowed_decisions: tuple[DecisionKind, ...] = ()
    expiry: Expiry | None = None
    approvers: Approvers = OWNER
    always_allowable: bool = False
    digest: str | None = None
    invalid: str | None = None
    questions: tuple[Question, ...] = ()


class CallsJudged(Value):
    fact: Literal["calls_judged"] = "calls_judged"
    turn: int
    judgements: tuple[CallJudgement, ...]


class DecisionsMade(Value):
    """Decisions that passed the ladder of refusals."""

    fact: Literal["decisions_made"] = "decisions_made"
    approval_id: ApprovalId
    decisions: tuple[Decision, ...]
    by: Actor
    via: Via | None = None
    client: str | None = None


class QuestionsAnswered(Value):
    """Answers that passed the ladder of refusals: one for each question."""

    fact: Literal["questions_answered"] = "questions_answered"
    approval_id: ApprovalId
    answers: dict[QuestionId, Answer]
    by: Actor
    via: Via | None = None
    client: str | None = None


class ApprovalTimedOut(Value):
    fact: Literal["approval_timed_out"] = "approval_timed_out"
    approval_id: ApprovalId


class Extended(Value):
    """Somebody who may decide wants more time for it."""

    fact: Literal["extended"] = "extended"
    approval_id: ApprovalId
    until: datetime
    by: Actor


class ToolReturned(Value):
    """A tool has a result, good or bad; it is in the store under the call id."""

    fact: Literal["tool_returned"] = "tool_returned"
    turn: int
    call_id: CallId
    status: ToolStatus
    duration_ms: int = 0


class ToolLost(Value):
    """The worker died between start and result of a tool that must not run twice: nobody knows what it did."""

    fact: Literal["tool_lost"] = "tool_lost"
    turn: int
    call_id: CallId


class Steered(Value):
    fact: Literal["steered"] = "steered"
    id: SteerId
    text: str


class SteerWithdrawn(Value):
    fact: Literal["steer_withdrawn"] = "steer_withdrawn"
    id: SteerId


class StopRequested(Value):
    fact: Literal["stop_requested"] = "stop_requested"
    outcome: Literal["aborted", "replaced"]
    reason: str | None = None


class Settled(Value):
    """After a stop: nothing is running any more."""

    fact: Literal["settled"] = "settled"


class TitleMade(Value):
    """The title call ended; None if it failed, which harms nothing."""

    fact: Literal["title_made"] = "title_made"
    title: str | None = None
    usage: Usage | None = None
    cost: float | None = None


class TitleTimedOut(Value):
    fact: Literal["title_timed_out"] = "title_timed_out"


Fact = (
    ModelReplied
    | ModelFailed
    | ModelCut
    | CallsJudged
    | DecisionsMade
    | QuestionsAnswered
    | ApprovalTimedOut
    | Extended
    | ToolReturned
    | ToolLost
    | Steered
    | SteerWithdrawn
    | StopRequested
    | Settled
    | TitleMade
    | TitleTimedOut
)
