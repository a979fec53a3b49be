"""The state of one generation: a frozen value whose phase says where it stands, and `todo` says what must run now.

How it moves is in `advance.py`. A change to either changes workflow code: branch on `rules`, and record a history.
"""

from datetime import datetime
from typing import Annotated, Literal, assert_never

from pydantic import Field

from domain.approval import Approval, Receipt
from domain.content import ErrorInfo, JsonObject, ToolStatus, Value
from domain.events import Outcome, Steer, Totals
from domain.ids import ApprovalId, CallId
from domain.policy import OWNER, Approvers
from domain.start import StartRequest

RULES = 1  # version of the rules; a generation keeps the one it began with


# The calls of the turn in hand.
class Asked(Value):
    """A person is asked."""

    state: Literal["asked"] = "asked"
    approval_id: ApprovalId


class Allowed(Value):
    """May run, with the stored arguments or with the edited ones. `run` counts how often it was let go."""

    state: Literal["allowed"] = "allowed"
    digest: str
    arguments: JsonObject | None = None
    run: int = 1


class Answered(Value):
    """Has its result, whoever gave it."""

    state: Literal["answered"] = "answered"
    status: ToolStatus


CallState = Annotated[Asked | Allowed | Answered, Field(discriminator="state")]


class Call(Value):
    """`approvers`: who decides it, also if it is lost and may have to run again."""

    call_id: CallId
    name: str
    digest: str
    state: CallState
    runs: int = 0
    approvers: Approvers = OWNER


class UnjudgedCall(Value):
    call_id: CallId
    name: str
    digest: str


# The phases.
class Thinking(Value):
    """The model is called."""

    phase: Literal["thinking"] = "thinking"
    turn: int


class Judging(Value):
    """The policy judges the calls of the reply."""

    phase: Literal["judging"] = "judging"
    turn: int
    calls: tuple[UnjudgedCall, ...]


class Acting(Value):
    """Calls run, or wait for a person; each on its own."""

    phase: Literal["acting"] = "acting"
    turn: int
    calls: tuple[Call, ...]
    approvals: tuple[Approval, ...] = ()


class Stopping(Value):
    """What runs is being cancelled; its last words are awaited."""

    phase: Literal["stopping"] = "stopping"
    turn: int
    calls: tuple[Call, ...] = ()
    outcome: Outcome
    error: ErrorInfo | None = None


class Finishing(Value):
    """The answer is complete; only its title is awaited."""

    phase: Literal["finishing"] = "finishing"
    turn: int
    since: datetime


class Ended(Value):
    phase: Literal["ended"] = "ended"
    turn: int
    outcome: Outcome
    error: ErrorInfo | None = None
    early: bool = False


Phase = Annotated[Thinking | Judging | Acting | Stopping | Finishing | Ended, Field(discriminator="phase")]


# The title of the conversation, made beside its first answer.
class NoTitle(Value):
    title: Literal["none"] = "none"


class AwaitedTitle(Value):
    title: Literal["awaited"] = "awaited"


class GivenTitle(Value):
    title: Literal["given"] = "given"
    text: str


Title = Annotated[NoTitle | AwaitedTitle | GivenTitle, Field(discriminator="title")]


class Generation(Value):
    """Where one answer stands. `spoken` counts the turns in which the model has said something."""

    rules: int = RULES
    request: StartRequest
    phase: Phase
    title: Title = NoTitle()
    segment: int = 1
    spoken: int = 0
    totals: Totals = Totals(cost=0.0)
    steers: tuple[Steer, ...] = ()
    receipts: tuple[Receipt, ...] = ()


# Work: what must be running. Each piece has a key; the shell starts and cancels by key and decides nothing.
class CallModel(Value):
    turn: int

    @property
    def key(self) -> str:
        return f"model/{self.turn}"


class JudgeCalls(Value):
    turn: int
    call_ids: tuple[CallId, ...]

    @property
    def key(self) -> str:
        return f"judge/{self.turn}"


class RunTool(Value):
    turn: int
    call_id: CallId
    name: str
    digest: str
    arguments: JsonObject | None
    run: int

    @property
    def key(self) -> str:
        return f"tool/{self.call_id}/{self.run}"


class ExpireApproval(Value):
    approval_id: ApprovalId
    at: datetime

    @property
    def key(self) -> str:
        return f"expire/{self.approval_id}/{self.at.isoformat()}"


class MakeTitle(Value):
    @property
    def key(self) -> str:
        return "title"


class EndTitleWait(Value):
    at: datetime

    @property
    def key(self) -> str:
        return "title-wait"


class Settle(Value):
    """Wait until all that was cancelled has ended."""

    @property
    def key(self) -> str:
        return "settle"


Work = CallModel | JudgeCalls | RunTool | ExpireApproval | MakeTitle | EndTitleWait | Settle


def todo(generation: Generation) -> tuple[Work, ...]:
    """What must be running now."""
    title: tuple[Work, ...] = (MakeTitle(),) if isinstance(generation.title, AwaitedTitle) else ()
    match generation.phase:
        case Thinking(turn=turn):
            return (CallModel(turn=turn), *title)
        case Judging(turn=turn, calls=calls):
            return (JudgeCalls(turn=turn, call_ids=tuple(call.call_id for call in calls)), *title)
        case Acting() as acting:
            tools = tuple(
                RunTool(
                    turn=acting.turn,
                    call_id=call.call_id,
                    name=call.name,
                    digest=call.state.digest,
                    arguments=call.state.arguments,
                    run=call.state.run,
                )
                for call in acting.calls
                if isinstance(call.state, Allowed)
            )
            timers = tuple(ExpireApproval(approval_id=a.id, at=a.expires_at) for a in acting.approvals)
            return (*tools, *timers, *title)
        case Stopping():
            return (Settle(),)
        case Finishing(since=since):
            return (*title, EndTitleWait(at=since + generation.request.agent.title_timeout))
        case Ended():
            return ()
        case _:
            assert_never(generation.phase)


def pending(generation: Generation) -> tuple[Approval, ...]:
    """The approvals people are asked for; not empty means the generation is paused."""
    return generation.phase.approvals if isinstance(generation.phase, Acting) else ()
