"""The record shows what the log shows: each history is told twice, as events to fold and as rows to compose."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from domain.agent import AgentSpec
from domain.approval import Approval, CallRequest
from domain.compose import compose, rebuild
from domain.content import (
    Actor,
    ErrorInfo,
    ErrorPart,
    Message,
    Part,
    ReasoningPart,
    SteerPart,
    TextPart,
    ToolCallPart,
    ToolStatus,
    Usage,
)
from domain.events import (
    AgentRef,
    ApprovalDecided,
    ApprovalExpired,
    ApprovalRequested,
    CallUsage,
    Event,
    FinishReason,
    GenerationPaused,
    GenerationStarted,
    SteerApplied,
    SteerQueued,
    TextDelta,
    ToolCompleted,
    ToolStarted,
    Totals,
    TurnCompleted,
    TurnStarted,
    UsageUpdated,
)
from domain.ids import ApprovalId, CallId, ConversationId, GenerationId, MessageId, SteerId
from domain.policy import DecisionKind
from domain.record import CallRecord, StoredGeneration, TurnRecord
from domain.start import StartRequest
from domain.view import View, fold

NOW = datetime(2026, 11, 24, 22, 0, tzinfo=UTC)
ANN = Actor(id="ann", name="Ann")
APR = ApprovalId("apr_1")
USED, COST = Usage(input_tokens=3, output_tokens=2), 0.5

REQUEST = StartRequest(
    generation_id=GenerationId("gen_1"),
    conversation_id=ConversationId("conversation"),
    tenant="acme",
    owner=ANN,
    user_message_id=MessageId("question"),
    response_message_id=MessageId("answer"),
    agent=AgentSpec(id="assistant", name="Assistant", model="demo:script"),
    created_at=NOW,
)
QUESTION = Message(
    id=REQUEST.user_message_id, parent_id=None, role="user", parts=(TextPart(text="Hello"),), created_at=NOW
)
STARTED = GenerationStarted(
    generation_id=REQUEST.generation_id,
    conversation_id=REQUEST.conversation_id,
    agent=AgentRef(id="assistant", name="Assistant", model="demo:script"),
    user_message=QUESTION,
    response_message_id=REQUEST.response_message_id,
    created_at=NOW,
    started_at=NOW,
)
MAIL = ToolCallPart(call_id=CallId("mail"), name="mail", arguments={"to": "bob"})
SEARCH = ToolCallPart(call_id=CallId("search"), name="search", arguments={"q": "x"})


@dataclass(frozen=True)
class History:
    """One history, told twice."""

    events: tuple[Event, ...]
    turns: tuple[TurnRecord, ...]
    calls: tuple[CallRecord, ...] = ()
    steers: tuple[tuple[int, str], ...] = ()
    pending: tuple[Approval, ...] = ()
    decided: tuple[ApprovalDecided, ...] = ()


def record(turn: int, *parts: Part, attempt: int = 1) -> TurnRecord:
    return TurnRecord(turn=turn, attempt=attempt, parts=parts, finish_reason="stop", usage=USED, cost=COST)


def said(turn: int, *parts: Part, attempt: int = 1) -> tuple[Event, ...]:
    """A turn of the model as it is announced, with the totals so far (all turns cost the same)."""
    finish: FinishReason = "tool_calls" if any(isinstance(part, ToolCallPart) for part in parts) else "stop"
    totals = Totals(input_tokens=turn * USED.input_tokens, output_tokens=turn * USED.output_tokens, cost=turn * COST)
    return (
        TurnStarted(turn=turn, attempt=attempt),
        TurnCompleted(turn=turn, attempt=attempt, parts=parts, finish_reason=finish, usage=USED, cost=COST),
        UsageUpdated(generation=totals, call=CallUsage(**USED.model_dump(), cost=COST)),
    )


def line(call: ToolCallPart, **changes: object) -> CallRecord:
    made = CallRecord(call_id=call.call_id, turn=1, name=call.name, arguments=call.arguments)
    return made.model_copy(update=changes)


def ran(call: ToolCallPart, **arguments: object) -> tuple[Event, ...]:
    shown = arguments or call.arguments
    assert isinstance(shown, dict)
    return (
        ToolStarted(turn=1, call_id=call.call_id, name=call.name, arguments=shown, attempt=1),
        result(call, "completed", "sent"),
    )


def result(call: ToolCallPart, status: ToolStatus, output: str) -> ToolCompleted:
    return ToolCompleted(turn=1, call_id=call.call_id, status=status, output=output, is_error=status != "completed")


RAN = {"status": "completed", "output": "sent", "is_error": False}


def asked(*calls: ToolCallPart) -> Approval:
    return Approval(
        id=APR,
        turn=1,
        calls=tuple(
            CallRequest(
                call_id=call.call_id, name=call.name, reason="why", allowed_decisions=("approve",), digest="digest"
            )
            for call in calls
        ),
        created_at=NOW,
        expires_at=NOW + timedelta(hours=24),
    )


def decided(call: ToolCallPart, decision: DecisionKind, **more: object) -> ApprovalDecided:
    made = ApprovalDecided(approval_id=APR, call_id=call.call_id, decision=decision, by=ANN, at=NOW)
    return made.model_copy(update=more)


EDITED = decided(MAIL, "edit", arguments={"to": "eve"})
REJECTED = decided(SEARCH, "reject", reason="not now")
RESPONDED = decided(MAIL, "respond", text="sent")
PAUSED = GenerationPaused(approvals=(APR,), segment=1)
BY_ANN = {"decided_by_id": "ann", "decided_by_name": "Ann"}

HISTORIES = {
    "nothing was said yet": History(events=(), turns=()),
    "a plain answer": History(
        events=said(1, ReasoningPart(text="", signature="sig"), TextPart(text="Hi")),
        turns=(record(1, ReasoningPart(text="", signature="sig"), TextPart(text="Hi")),),
    ),
    "a second attempt voids the first": History(
        events=(
            TurnStarted(turn=1, attempt=1),
            TextDelta(turn=1, attempt=1, part=0, text="Hal"),
            *said(1, TextPart(text="Hi"), attempt=2),
        ),
        turns=(record(1, TextPart(text="Hi"), attempt=2),),
    ),
    "tools run, one is denied": History(
        events=(
            *said(1, TextPart(text="One moment."), MAIL, SEARCH),
            result(SEARCH, "denied", "not allowed"),
            *ran(MAIL),
            *said(2, TextPart(text="Done.")),
        ),
        turns=(record(1, TextPart(text="One moment."), MAIL, SEARCH), record(2, TextPart(text="Done."))),
        calls=(line(MAIL, **RAN), line(SEARCH, status="denied", output="not allowed", is_error=True)),
    ),
    "a tool is running": History(
        events=(*said(1, MAIL), *ran(MAIL)[:1]),
        turns=(record(1, MAIL),),
        calls=(line(MAIL, status="running", run=1, attempt=1),),
    ),
    "the user speaks between two turns": History(
        events=(
            *said(1, MAIL),
            SteerQueued(id=SteerId("str_1"), text="Hurry!", position=1),
            *ran(MAIL),
            SteerApplied(id=SteerId("str_1"), text="Hurry!", position=1),
            *said(2, TextPart(text="Done.")),
        ),
        turns=(record(1, MAIL), record(2, TextPart(text="Done."))),
        calls=(line(MAIL, **RAN),),
        steers=((2, "Hurry!"),),
    ),
    "a person is asked": History(
        events=(*said(1, MAIL, SEARCH), ApprovalRequested(approval=asked(MAIL)), PAUSED, *ran(SEARCH, q="x")),
        turns=(record(1, MAIL, SEARCH),),
        calls=(line(MAIL, reason="why"), line(SEARCH, **RAN)),
        pending=(asked(MAIL),),
    ),
    "one of two calls is decided": History(
        events=(*said(1, MAIL, SEARCH), ApprovalRequested(approval=asked(MAIL, SEARCH)), PAUSED, EDITED),
        turns=(record(1, MAIL, SEARCH),),
        calls=(
            line(MAIL, status="approved", reason="why", arguments={"to": "eve"}, **BY_ANN),
            line(SEARCH, reason="why"),
        ),
        pending=(asked(MAIL, SEARCH),),
        decided=(EDITED,),
    ),
    "an edited call runs, a rejected one does not": History(
        events=(
            *said(1, MAIL, SEARCH),
            ApprovalRequested(approval=asked(MAIL, SEARCH)),
            EDITED,
            REJECTED,
            result(SEARCH, "rejected", "Ann refused this call."),
            *ran(MAIL, to="eve"),
        ),
        turns=(record(1, MAIL, SEARCH),),
        calls=(
            line(MAIL, reason="why", arguments={"to": "eve"}, **RAN, **BY_ANN),
            line(SEARCH, status="rejected", reason="not now", output="Ann refused this call.", is_error=True, **BY_ANN),
        ),
        decided=(EDITED, REJECTED),
    ),
    "a person answers in the tool's place": History(
        events=(
            *said(1, MAIL),
            ApprovalRequested(approval=asked(MAIL)),
            RESPONDED,
            result(MAIL, "completed", "sent"),
        ),
        turns=(record(1, MAIL),),
        calls=(line(MAIL, reason="why", **RAN, **BY_ANN),),
        decided=(RESPONDED,),
    ),
    "nobody decided in time": History(
        events=(
            *said(1, MAIL),
            ApprovalRequested(approval=asked(MAIL)),
            ApprovalExpired(approval_id=APR, then="deny"),
            result(MAIL, "expired", "nobody decided"),
        ),
        turns=(record(1, MAIL),),
        calls=(line(MAIL, reason="why", status="expired", output="nobody decided", is_error=True),),
    ),
}


def from_the_log(history: History) -> View:
    view = fold(None, enumerate((STARTED, *history.events), start=1))
    assert view is not None
    return view


@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES.keys())
def test_the_record_shows_the_same_parts_as_the_log(history: History) -> None:
    message = from_the_log(history).message
    assert message is not None
    assert compose(history.turns, history.calls, history.steers) == message.parts


@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES.keys())
def test_the_record_gives_the_same_view_as_the_log(history: History) -> None:
    paused = PAUSED in history.events
    rebuilt = rebuild(
        StoredGeneration(
            request=REQUEST, status="requires_action" if paused else "running", text="Hello", started_at=NOW
        ),
        turns=history.turns,
        calls=history.calls,
        steers=history.steers,
        pending=history.pending,
        decided=history.decided,
        user_message=QUESTION,
        response=None,
        title=None,
    )
    assert rebuilt == from_the_log(history).model_copy(update={"cursor": 0})


def test_an_error_is_the_last_part() -> None:
    error = ErrorInfo(code="overloaded", message="The model is overloaded.")
    assert compose([record(1, TextPart(text="Hal"))], [], [], error) == (
        TextPart(text="Hal"),
        ErrorPart(message="The model is overloaded."),
    )
    assert compose([], [], [], error) == (ErrorPart(message="The model is overloaded."),)


def test_parts_that_say_nothing_are_left_out() -> None:
    assert compose([record(1, TextPart(text=""), ReasoningPart(text=""), TextPart(text="Hi"))], [], [(1, "")]) == (
        TextPart(text="Hi"),
    )


def test_a_steer_that_still_waits_for_its_reply_comes_last() -> None:
    assert compose([record(1, TextPart(text="Hi"))], [], [(2, "a"), (2, "b")]) == (
        TextPart(text="Hi"),
        SteerPart(text="a"),
        SteerPart(text="b"),
    )


def test_an_unknown_cost_stays_unknown() -> None:
    free = record(1, TextPart(text="Hi")).model_copy(update={"cost": None})
    view = rebuild(
        StoredGeneration(request=REQUEST, status="running", text="Hello", started_at=NOW),
        turns=(free, record(2)),
        calls=(),
        steers=(),
        pending=(),
        decided=(),
        user_message=None,
        response=None,
        title=None,
    )
    assert view.cost is None
