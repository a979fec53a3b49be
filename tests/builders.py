"""What a test is given, readable: requests, facts, and generations in each phase, made by the machine itself."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from domain.advance import advance, begin
from domain.agent import AgentSpec, ToolSpec
from domain.approval import Approval, CallRequest, Decision, digest
from domain.ask_user import ASK_USER
from domain.content import Actor, JsonObject, ToolStatus, Usage
from domain.decide import ResumeRequest
from domain.events import Event, ToolCompleted
from domain.facts import (
    ApprovalTimedOut,
    CallJudgement,
    CallMade,
    CallsJudged,
    DecisionsMade,
    Fact,
    ModelReplied,
    QuestionsAnswered,
    Steered,
    StopRequested,
    ToolLost,
    ToolReturned,
)
from domain.generation import Acting, Call, Generation, RunTool, pending
from domain.ids import ApprovalId, CallId, ConversationId, GenerationId, MessageId, QuestionId, SteerId
from domain.moves import Step
from domain.policy import DecisionKind, Policy, Verdict
from domain.question import Answer, Option, Question
from domain.start import StartRequest

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ANN = Actor(id="ann", name="Ann")
BOB = Actor(id="bob", name="Bob")
CYD = Actor(id="cyd", name="Cyd")
OFF = Policy()
ASKING = Policy(enabled=True)
USAGE = Usage(input_tokens=100, output_tokens=10)
ARGUMENTS: JsonObject = {"to": "Oslo"}
WHY = Question(id=QuestionId("why"), text="Why?")
WHICH = Question(
    id=QuestionId("which"),
    text="Which one?",
    options=(Option(label="Red", value="red"), Option(label="Green", value="green")),
)
TOOL = ToolSpec(name="book", description="Books a journey.", parameters={"type": "object"})


def a_request(
    *,
    policy: Policy = ASKING,
    max_turns: int = 25,
    titled: bool = False,
    approvals: Literal["supported", "unsupported"] = "supported",
) -> StartRequest:
    return StartRequest(
        generation_id=GenerationId("gen_1"),
        conversation_id=ConversationId("conversation-1"),
        tenant="default",
        owner=ANN,
        user_message_id=MessageId("message-1"),
        response_message_id=MessageId("message-2"),
        agent=AgentSpec(
            id="assistant",
            name="Assistant",
            model="demo:echo",
            tools=(TOOL, ASK_USER),
            policy=policy,
            max_turns=max_turns,
            title_model="demo:title" if titled else None,
        ),
        created_at=NOW - timedelta(seconds=1),
        approvals=approvals,
        wants_title=titled,
    )


# Facts.
def call(call_id: str, arguments: JsonObject | None = None) -> CallMade:
    return CallMade(call_id=CallId(call_id), name=TOOL.name, digest=digest(TOOL.name, arguments or ARGUMENTS))


def asking(call_id: str) -> CallMade:
    """A call that asks the user; what it asks is in its judgement."""
    return CallMade(call_id=CallId(call_id), name=ASK_USER.name, digest=digest(ASK_USER.name, call_id))


def replied(*call_ids: str, turn: int = 1, usage: Usage = USAGE, cost: float | None = 0.5) -> ModelReplied:
    return ModelReplied(
        turn=turn,
        attempt=1,
        calls=tuple(call(call_id) for call_id in call_ids),
        finish_reason="tool_calls" if call_ids else "stop",
        usage=usage,
        cost=cost,
    )


def judged(turn: int = 1, /, **verdicts: Verdict) -> CallsJudged:
    return CallsJudged(
        turn=turn, judgements=tuple(judgement(call_id, verdict) for call_id, verdict in verdicts.items())
    )


def judgement(call_id: str, verdict: Verdict, **more: Any) -> CallJudgement:
    return CallJudgement(call_id=CallId(call_id), verdict=verdict, because="a test", **more)


def decision(call_id: str, kind: DecisionKind, **more: Any) -> Decision:
    return Decision(call_id=CallId(call_id), decision=kind, **more)


def decided(generation: Generation, *decisions: Decision, by: Actor = ANN) -> DecisionsMade:
    return DecisionsMade(approval_id=approval_id(generation), decisions=decisions, by=by)


def answered(approval: ApprovalId, given: Mapping[str, Answer], by: Actor = ANN) -> QuestionsAnswered:
    answers = {QuestionId(name): answer for name, answer in given.items()}
    return QuestionsAnswered(approval_id=approval, answers=answers, by=by)


def returned(call_id: str, status: ToolStatus = "completed", turn: int = 1) -> ToolReturned:
    return ToolReturned(turn=turn, call_id=CallId(call_id), status=status, duration_ms=7)


def lost(call_id: str, turn: int = 1) -> ToolLost:
    return ToolLost(turn=turn, call_id=CallId(call_id))


def timed_out(generation: Generation) -> ApprovalTimedOut:
    return ApprovalTimedOut(approval_id=approval_id(generation))


def steered(steer_id: str, text: str = "Shorter, please.") -> Steered:
    return Steered(id=SteerId(steer_id), text=text)


ABORT = StopRequested(outcome="aborted")
REPLACE = StopRequested(outcome="replaced")


# Generations.
def thinking(**given: Any) -> Generation:
    return begin(a_request(**given), NOW)[0]


def judging(*call_ids: str, **given: Any) -> Generation:
    return after(thinking(**given), replied(*call_ids))


def acting(policy: Policy = ASKING, approvals: str = "supported", **verdicts: Verdict) -> Generation:
    """The calls of the first turn, each with the verdict it got."""
    return after(judging(*verdicts, policy=policy, approvals=approvals), judged(**verdicts))


def questioned(policy: Policy = ASKING, approvals: str = "supported", **verdicts: Verdict) -> Generation:
    """The first turn of a model that asks the user two questions in the call `q`, beside calls with their verdicts."""
    reply = replied(*verdicts)
    reply = reply.model_copy(update={"calls": (*reply.calls, asking("q")), "finish_reason": "tool_calls"})
    asked = judgement("q", "ask", questions=(WHICH, WHY))
    judged_so = judged(**verdicts).model_copy(update={"judgements": (*judged(**verdicts).judgements, asked)})
    return after(thinking(policy=policy, approvals=approvals), reply, judged_so)


def question_of(generation: Generation) -> Approval:
    return next(approval for approval in pending(generation) if approval.questions)


def stopping(*facts: Fact, **given: Any) -> Generation:
    return after(thinking(**given), *facts, ABORT)


def finishing() -> Generation:
    return after(thinking(titled=True), replied())


def ended() -> Generation:
    return after(thinking(), replied())


# Acts.
def told(generation: Generation, *facts: Fact, now: datetime = NOW) -> Step:
    """The state after the facts, and all events that told of them."""
    events: list[Event] = []
    for fact in facts:
        generation, more = advance(generation, fact, now)
        events += more
    return generation, events


def after(generation: Generation, *facts: Fact, now: datetime = NOW) -> Generation:
    return told(generation, *facts, now=now)[0]


def types(events: list[Event]) -> list[str]:
    return [event.type for event in events]


# What is expected.
def result(call_id: str, status: ToolStatus, output: str | None = None, *, duration_ms: int = 0) -> ToolCompleted:
    return ToolCompleted(
        turn=1,
        call_id=CallId(call_id),
        status=status,
        output=output,
        is_error=status != "completed",
        duration_ms=duration_ms,
    )


def run(call_id: str, *, arguments: JsonObject | None = None, run: int = 1) -> RunTool:
    shown = digest(TOOL.name, ARGUMENTS if arguments is None else arguments)
    return RunTool(turn=1, call_id=CallId(call_id), name=TOOL.name, digest=shown, arguments=arguments, run=run)


# What a generation holds.
def approval_id(generation: Generation) -> ApprovalId:
    return pending(generation)[0].id


def asked(generation: Generation) -> list[CallRequest]:
    return [request for approval in pending(generation) for request in approval.calls]


def the_call(generation: Generation, call_id: str) -> Call:
    assert isinstance(generation.phase, Acting)
    return next(call for call in generation.phase.calls if call.call_id == call_id)


def resume(generation: Generation, *decisions: Decision, **more: Any) -> ResumeRequest:
    """A decision on the first approval that waits, unless `more` says otherwise."""
    given: dict[str, Any] = {
        "generation_id": generation.request.generation_id,
        "approval_id": approval_id(generation) if pending(generation) else None,
        "decisions": decisions,
        "by": ANN,
    }
    return ResumeRequest(**{**given, **more})
