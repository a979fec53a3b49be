"""The wire format: each event is one frame of one line, and comes out as it went in."""

import json
from datetime import UTC, datetime
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.approval import Approval, CallRequest
from domain.content import (
    Actor,
    ErrorInfo,
    JsonObject,
    Message,
    ReasoningPart,
    SteerPart,
    TextPart,
    ToolCallPart,
    Usage,
)
from domain.events import (
    AgentRef,
    ApprovalDecided,
    ApprovalExpired,
    ApprovalExtended,
    ApprovalRequested,
    ApprovalVoted,
    CallUsage,
    Event,
    GenerationFinished,
    GenerationPaused,
    GenerationResumed,
    GenerationStarted,
    ReasoningDelta,
    Steer,
    SteerApplied,
    SteerCancelled,
    SteerQueued,
    SteerReturned,
    TextDelta,
    TitleUpdated,
    ToolCallDelta,
    ToolCallStarted,
    ToolCompleted,
    ToolStarted,
    Totals,
    TurnCompleted,
    TurnStarted,
    UsageUpdated,
    frame,
    is_terminal,
    parse_frame,
)
from domain.ids import ApprovalId, CallId, ConversationId, GenerationId, MessageId, SteerId

NOW = datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC)
CALL, APPROVAL, GENERATION = CallId("call_1"), ApprovalId("apr_1"), GenerationId("gen_1")
ANN = Actor(id="ann", name="Ann")
USAGE = Usage(input_tokens=7, output_tokens=3)
TRICKY = 'a\r\nb\n\nc\u2028d\u2029e\x85f\x00g"h\\i 😀 data: j'
MESSAGE = Message(
    id=MessageId("message-2"),
    parent_id=MessageId("message-1"),
    role="assistant",
    parts=(
        TextPart(text=TRICKY),
        ReasoningPart(text=TRICKY, signature="s"),
        ToolCallPart(call_id=CALL, name="book", arguments={TRICKY: [1, 2.5, None, {"x": TRICKY}]}, output=TRICKY),
        SteerPart(text=TRICKY),
    ),
    usage=USAGE,
    cost=None,
    created_at=NOW,
    generation_id=GENERATION,
)
REQUEST = CallRequest(
    call_id=CALL,
    name="book",
    arguments={"to": TRICKY},
    allowed_decisions=("approve", "reject"),
    json_schema={"type": "object"},
    digest="d",
)
STEER = Steer(id=SteerId("str_1"), text=TRICKY, position=1).model_dump()
EVENTS: list[Event] = [
    GenerationStarted(
        generation_id=GENERATION,
        conversation_id=ConversationId("conversation-1"),
        agent=AgentRef(id="assistant", name=TRICKY, model="demo:echo"),
        user_message=MESSAGE,
        response_message_id=MessageId("message-2"),
        created_at=NOW,
        started_at=NOW,
    ),
    TurnStarted(turn=1, attempt=2),
    TextDelta(turn=1, attempt=2, part=0, text=TRICKY),
    ReasoningDelta(turn=1, attempt=2, part=1, text=TRICKY),
    ToolCallStarted(turn=1, attempt=2, part=2, call_id=CALL, name="book"),
    ToolCallDelta(turn=1, attempt=2, part=2, call_id=CALL, arguments=TRICKY),
    TurnCompleted(turn=1, attempt=2, parts=MESSAGE.parts, finish_reason="tool_calls", usage=USAGE, cost=0.5),
    ApprovalRequested(approval=Approval(id=APPROVAL, turn=1, calls=(REQUEST,), created_at=NOW, expires_at=NOW)),
    ApprovalDecided(approval_id=APPROVAL, call_id=CALL, decision="reject", by=ANN, at=NOW, reason=TRICKY),
    ApprovalVoted(approval_id=APPROVAL, call_id=CALL, by=ANN, at=NOW, needed=1, reason=TRICKY),
    ApprovalExpired(approval_id=APPROVAL, then="deny"),
    ApprovalExtended(approval_id=APPROVAL, expires_at=NOW, by=ANN, at=NOW),
    GenerationPaused(approvals=(APPROVAL,), segment=1),
    GenerationResumed(approvals=(APPROVAL,), segment=2),
    ToolStarted(turn=1, call_id=CALL, name="book", arguments={TRICKY: TRICKY}, attempt=1),
    ToolCompleted(turn=1, call_id=CALL, status="failed", output=TRICKY, is_error=True, artifacts=("file_1",)),
    UsageUpdated(generation=Totals(input_tokens=7, cost=None), call=CallUsage(input_tokens=7, kind="title")),
    TitleUpdated(title=TRICKY),
    SteerQueued(**STEER),
    SteerApplied(**STEER),
    SteerCancelled(**STEER),
    SteerReturned(**STEER),
    GenerationFinished(
        outcome="failed",
        error=ErrorInfo(code="overloaded", message=TRICKY),
        message=MESSAGE,
        usage=USAGE,
        unused_steers=(Steer(**STEER),),
        finished_at=NOW,
    ),
]
every_event = pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)


def test_there_is_an_example_of_every_event() -> None:
    assert [type(event) for event in EVENTS] == list(get_args(get_args(Event)[0]))


@every_event
def test_an_event_comes_out_as_it_went_in(event: Event) -> None:
    assert parse_frame(frame(event)) == event


@every_event
def test_an_event_comes_out_with_its_number_too(event: Event) -> None:
    assert parse_frame(b"id: 17\n" + frame(event)) == event


@every_event
def test_a_frame_has_one_line_of_data_whatever_is_in_it(event: Event) -> None:
    lines = frame(event).split(b"\n")
    assert [line.partition(b": ")[0] for line in lines] == [b"event", b"data", b"", b""]
    assert b"\r" not in frame(event)
    assert lines[0] == f"event: {event.type}".encode()


@every_event
def test_the_data_says_the_type_again(event: Event) -> None:
    assert data(event)["type"] == event.type


@every_event
def test_only_the_last_event_is_terminal(event: Event) -> None:
    assert is_terminal(event) == (event.type == "generation.finished")


@settings(max_examples=50, derandomize=True, deadline=None)
@given(st.sampled_from([TextDelta, ReasoningDelta]), st.text(), st.integers(0, 2**31), st.integers(1, 99))
def test_the_short_way_for_deltas_says_the_same_as_the_long_one(
    kind: type[TextDelta | ReasoningDelta], text: str, part: int, attempt: int
) -> None:
    event = kind(turn=3, attempt=attempt, part=part, text=text)
    assert data(event) == event.model_dump(mode="json")
    assert list(data(event)) == list(event.model_dump())
    assert parse_frame(frame(event)) == event
    assert frame(event).count(b"\n") == 3


def test_a_schema_goes_by_its_short_name() -> None:
    (request,) = data(EVENTS[7])["approval"]["calls"]
    assert request["schema"] == {"type": "object"}
    assert "json_schema" not in request


def test_times_are_in_utc_and_say_so() -> None:
    assert data(EVENTS[-1])["finished_at"] == "2026-03-01T12:00:00.000005Z"


def test_what_a_newer_version_adds_is_passed_over() -> None:
    assert parse_frame(b'event: x\ndata: {"type":"title.updated","title":"Oslo","mood":"good"}\n\n') == TitleUpdated(
        title="Oslo"
    )


def data(event: Event) -> JsonObject:
    loaded: JsonObject = json.loads(frame(event).split(b"\n")[1].removeprefix(b"data: "))
    return loaded
