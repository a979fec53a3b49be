"""The view: what a screen shows after which events."""

from typing import Any

import pytest

from domain.approval import Approval, CallRequest
from domain.content import (
    ErrorInfo,
    Message,
    Part,
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
    ApprovalRequested,
    CallUsage,
    Event,
    GenerationFinished,
    GenerationPaused,
    GenerationResumed,
    GenerationStarted,
    Outcome,
    ReasoningDelta,
    Steer,
    SteerApplied,
    SteerCancelled,
    SteerQueued,
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
)
from domain.ids import ApprovalId, CallId, ConversationId, GenerationId, MessageId, SteerId
from domain.view import View, fold
from tests.builders import ANN, NOW, USAGE

A, B = CallId("a"), CallId("b")
APPROVAL = ApprovalId("apr_1")
QUESTION = Message(
    id=MessageId("message-1"), parent_id=None, role="user", parts=(TextPart(text="Oslo?"),), created_at=NOW
)
STARTED = GenerationStarted(
    generation_id=GenerationId("gen_1"),
    conversation_id=ConversationId("conversation-1"),
    agent=AgentRef(id="assistant", name="Assistant", model="demo:echo"),
    user_message=QUESTION,
    response_message_id=MessageId("message-2"),
    created_at=NOW,
    started_at=NOW,
    temporal_url="https://temporal.example/job",
)


def view_of(*events: Event) -> View:
    view = fold(None, enumerate((STARTED, *events), start=1))
    assert view is not None
    return view


def parts(*events: Event) -> tuple[Part, ...]:
    view = view_of(*events)
    assert view.message is not None
    return view.message.parts


def turn(number: int = 1, attempt: int = 1) -> TurnStarted:
    return TurnStarted(turn=number, attempt=attempt)


def text(said: str, *, part: int = 0, turn: int = 1, attempt: int = 1) -> TextDelta:
    return TextDelta(turn=turn, attempt=attempt, part=part, text=said)


def replied(*said: Part, turn: int = 1) -> TurnCompleted:
    return TurnCompleted(turn=turn, attempt=1, parts=said, finish_reason="stop", usage=USAGE)


def a_call(call_id: CallId = A, **more: Any) -> ToolCallPart:
    return ToolCallPart(call_id=call_id, name="book", **{"arguments": {"to": "Oslo"}, **more})


def requested(*call_ids: CallId, approval_id: ApprovalId = APPROVAL) -> ApprovalRequested:
    calls = tuple(
        CallRequest(call_id=c, name="book", reason="Costs money.", allowed_decisions=("approve",), digest="d")
        for c in call_ids
    )
    return ApprovalRequested(
        approval=Approval(id=approval_id, turn=1, calls=calls, created_at=NOW, expires_at=NOW),
    )


def decided(call_id: CallId, decision: str = "approve", **more: Any) -> ApprovalDecided:
    given = {"approval_id": APPROVAL, "call_id": call_id, "decision": decision, "by": ANN, "at": NOW}
    return ApprovalDecided(**{**given, **more})


def completed(call_id: CallId = A, **more: Any) -> ToolCompleted:
    given = {"turn": 1, "call_id": call_id, "status": "completed", "output": "Booked.", "is_error": False}
    return ToolCompleted(**{**given, **more})


def finished(outcome: Outcome = "completed", **more: Any) -> GenerationFinished:
    return GenerationFinished(outcome=outcome, finished_at=NOW, **more)


def test_a_generation_that_has_begun_shows_an_empty_answer_to_the_question() -> None:
    assert view_of() == View(
        id=STARTED.generation_id,
        conversation_id=STARTED.conversation_id,
        agent=STARTED.agent,
        status="running",
        created_at=NOW,
        started_at=NOW,
        message=Message(
            id=STARTED.response_message_id,
            parent_id=QUESTION.id,
            role="assistant",
            parts=(),
            unfinished=True,
            created_at=NOW,
            generation_id=STARTED.generation_id,
        ),
        user_message=QUESTION,
        cost=0.0,
        cursor=1,
        temporal_url="https://temporal.example/job",
    )


def test_without_a_beginning_there_is_nothing_to_show() -> None:
    assert fold(None, [(2, text("lost"))]) is None


def test_the_cursor_is_the_last_event_folded_in() -> None:
    view = fold(None, [(1, STARTED), (7, turn())])
    assert view is not None
    assert view.cursor == 7


def test_folding_on_from_a_snapshot_is_the_same_as_folding_everything() -> None:
    events: list[tuple[int, Event]] = list(
        enumerate((STARTED, turn(), text("a"), text("b"), replied(TextPart(text="ab"), a_call()), completed()), start=1)
    )
    for cut in range(len(events)):
        assert fold(fold(None, events[:cut]), events[cut:]) == fold(None, events)


# What the model says.
def test_fragments_become_the_parts_they_belong_to() -> None:
    assert parts(
        turn(),
        ReasoningDelta(turn=1, attempt=1, part=0, text="Let me "),
        ReasoningDelta(turn=1, attempt=1, part=0, text="see."),
        text("Book", part=1),
        text("ing.", part=1),
        ToolCallStarted(turn=1, attempt=1, part=2, call_id=A, name="book"),
        ToolCallDelta(turn=1, attempt=1, part=2, call_id=A, arguments='{"to":'),
        ToolCallDelta(turn=1, attempt=1, part=2, call_id=A, arguments='"Oslo"}'),
    ) == (
        ReasoningPart(text="Let me see."),
        TextPart(text="Booking."),
        a_call(arguments='{"to":"Oslo"}'),
    )


def test_a_complete_reply_replaces_its_fragments() -> None:
    whole = (ReasoningPart(text="See.", signature="s"), a_call())
    assert parts(turn(), text("See"), replied(*whole)) == whole


def test_a_new_attempt_voids_what_the_lower_one_said() -> None:
    assert parts(turn(), text("Half an ans"), turn(attempt=2), text("An answer.", attempt=2)) == (
        TextPart(text="An answer."),
    )


def test_a_new_attempt_voids_nothing_of_earlier_turns() -> None:
    events = (turn(), replied(a_call()), completed(), turn(2), text("Do", turn=2), turn(2, attempt=2))
    assert parts(*events) == (a_call(status="completed", output="Booked.", is_error=False),)


def test_a_new_attempt_keeps_the_steer_that_came_before_its_turn() -> None:
    steer = SteerApplied(id=SteerId("s"), text="Shorter.", position=1)
    events = (turn(), replied(TextPart(text="One.")), steer, turn(2), text("Two", turn=2), turn(2, attempt=2))
    assert parts(*events) == (TextPart(text="One."), SteerPart(text="Shorter."))


def test_a_fragment_of_a_call_that_was_never_opened_says_nothing() -> None:
    assert parts(turn(), ToolCallDelta(turn=1, attempt=1, part=0, call_id=A, arguments="{")) == ()


# What is left of a log that was lost, told to who was shown the record.
def test_a_turn_whose_beginning_was_lost_comes_behind_the_one_before() -> None:
    before = (turn(), replied(TextPart(text="One.")))
    view = view_of(*before, text("Tw", turn=2), text("o.", turn=2))
    assert (view.turn, view.turn_offset) == (2, 1)
    assert parts(*before, text("Tw", turn=2), text("o.", turn=2)) == (TextPart(text="One."), TextPart(text="Two."))
    assert parts(*before, replied(TextPart(text="Two."), turn=2)) == (TextPart(text="One."), TextPart(text="Two."))


def test_a_turn_before_the_current_one_is_not_told_again() -> None:
    known = (turn(), replied(TextPart(text="One.")), turn(2), text("Two", turn=2))
    again = (turn(attempt=2), text("On"), replied(TextPart(text="One.")))
    assert parts(*known, *again) == parts(*known)


def test_parts_whose_beginning_was_lost_keep_their_places() -> None:
    assert parts(turn(), text("b", part=2), text("c", part=2)) == (
        TextPart(text=""),
        TextPart(text=""),
        TextPart(text="bc"),
    )


# Calls and approvals.
ASKED = (turn(), replied(a_call(A), a_call(B)), requested(A, B), GenerationPaused(approvals=(APPROVAL,), segment=1))


def test_a_pause_shows_what_is_asked() -> None:
    view = view_of(*ASKED)
    assert (view.status, view.approvals) == ("requires_action", (requested(A, B).approval,))
    assert parts(*ASKED) == (a_call(A, reason="Costs money."), a_call(B, reason="Costs money."))


def test_an_approval_that_is_told_again_is_still_one() -> None:
    assert view_of(*ASKED, requested(A, B)).approvals == (requested(A, B).approval,)


def test_a_decided_call_leaves_the_approval_and_the_last_one_closes_it() -> None:
    assert view_of(*ASKED, decided(A)).approvals == (requested(B).approval,)
    assert view_of(*ASKED, decided(A), decided(B)).approvals == ()


@pytest.mark.parametrize(
    ("decision", "becomes"),
    [
        (decided(A), {"status": "approved", "reason": "Costs money."}),
        (decided(A, "respond", text="Done."), {"status": "approved", "reason": "Costs money."}),
        (decided(A, "reject", reason="Too dear."), {"status": "rejected", "reason": "Too dear."}),
        (
            decided(A, "edit", arguments={"to": "Rome"}),
            {"status": "approved", "reason": "Costs money.", "arguments": {"to": "Rome"}},
        ),
    ],
)
def test_a_decision_is_noted_on_its_call(decision: ApprovalDecided, becomes: dict[str, Any]) -> None:
    assert parts(*ASKED, decision)[0] == a_call(A, decided_by=ANN, **becomes)


def test_a_decision_on_one_approval_leaves_the_other_alone() -> None:
    other = requested(A, approval_id=ApprovalId("apr_2"))
    assert view_of(*ASKED, other, decided(A)).approvals == (requested(B).approval, other.approval)


def test_an_expired_approval_is_gone_and_its_open_calls_have_expired() -> None:
    events = (*ASKED, decided(B), ApprovalExpired(approval_id=APPROVAL, then="deny"))
    assert view_of(*events).approvals == ()
    assert [part.status for part in parts(*events) if isinstance(part, ToolCallPart)] == ["expired", "approved"]


def test_a_resumed_generation_is_running_again() -> None:
    assert view_of(*ASKED, GenerationResumed(approvals=(APPROVAL,), segment=2)).status == "running"


def test_a_call_shows_that_it_runs_and_then_its_result() -> None:
    started = ToolStarted(turn=1, call_id=A, name="book", arguments={"to": "Rome"}, attempt=1)
    running = (turn(), replied(a_call()), started)
    assert parts(*running) == (a_call(arguments={"to": "Rome"}, status="running"),)
    failed = completed(status="failed", output="Sold out.", is_error=True, artifacts=("file_1",))
    assert parts(*running, failed) == (
        a_call(arguments={"to": "Rome"}, status="failed", output="Sold out.", is_error=True, artifacts=("file_1",)),
    )


# Beside the answer.
def test_steers_wait_until_they_are_heard_or_taken_back() -> None:
    one, two = (Steer(id=SteerId(s), text=s, position=p) for p, s in enumerate("st", start=1))
    queued = [SteerQueued(**steer.model_dump()) for steer in (one, two)]
    assert view_of(*queued).steers == (one, two)
    assert view_of(*queued, SteerCancelled(**one.model_dump())).steers == (two,)
    heard: list[Event] = [*queued, SteerApplied(**one.model_dump())]
    assert view_of(*heard).steers == (two,)
    assert parts(*heard) == (SteerPart(text="s"),)


def test_usage_is_the_sum_so_far_and_an_unknown_cost_stays_unknown() -> None:
    view = view_of(
        UsageUpdated(generation=Totals(input_tokens=7, cost=0.5), call=CallUsage(input_tokens=7, cost=0.5)),
        UsageUpdated(generation=Totals(input_tokens=9, cost=None), call=CallUsage(input_tokens=2, cost=None)),
    )
    assert (view.usage, view.cost) == (Usage(input_tokens=9), None)


def test_a_title_shows_as_soon_as_it_is_there() -> None:
    assert view_of(TitleUpdated(title="Oslo")).title == "Oslo"


# The end.
@pytest.mark.parametrize("outcome", ["completed", "failed", "aborted", "expired", "replaced"])
def test_the_end_shows_the_stored_message_and_nothing_that_waits(outcome: Outcome) -> None:
    error = ErrorInfo(code="c", message="m") if outcome == "failed" else None
    message = QUESTION.model_copy(update={"id": STARTED.response_message_id, "role": "assistant"})
    end = finished(outcome, error=error, message=message, user_message=QUESTION, title="Oslo", usage=USAGE, cost=0.5)
    steer = SteerQueued(id=SteerId("s"), text="s", position=1)
    view = view_of(*ASKED, steer, end)
    assert view.model_dump(exclude=set(view_of().model_dump()) - ENDS_WITH) == {
        "status": outcome,
        "outcome": outcome,
        "error": error.model_dump() if error else None,
        "finished_at": NOW,
        "message": message.model_dump(),
        "user_message": QUESTION.model_dump(),
        "approvals": (),
        "steers": (),
        "title": "Oslo",
        "usage": USAGE.model_dump(),
        "cost": 0.5,
    }


ENDS_WITH = {
    *("status", "outcome", "error", "finished_at", "message", "user_message"),
    *("approvals", "steers", "title", "usage", "cost"),
}


def test_an_early_end_leaves_no_answer() -> None:
    view = view_of(turn(), text("Hal"), finished("aborted", early=True, user_message=QUESTION))
    assert (view.status, view.message, view.user_message) == ("aborted", None, QUESTION)
