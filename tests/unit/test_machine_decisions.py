"""The machine by example: what a decision, or the lack of one, makes of the calls that wait for it."""

from datetime import timedelta

import pytest

from domain import wording
from domain.advance import advance
from domain.approval import Decided, Receipt, digest
from domain.content import ErrorInfo
from domain.decide import ExtendRequest, extend
from domain.errors import IllegalFact, PauseExpired
from domain.events import (
    ApprovalDecided,
    ApprovalExpired,
    ApprovalExtended,
    GenerationFinished,
    GenerationPaused,
    GenerationResumed,
    ToolCompleted,
)
from domain.facts import Extended, Settled
from domain.generation import CallModel, Ended, ExpireApproval, pending, todo
from domain.ids import ApprovalId, CallId
from domain.limits import TOOL_OUTPUT_CHARS
from domain.policy import Expiry, Policy
from tests.builders import (
    ANN,
    ARGUMENTS,
    BOB,
    NOW,
    TOOL,
    USAGE,
    acting,
    after,
    approval_id,
    decided,
    decision,
    judged,
    replied,
    result,
    run,
    steered,
    timed_out,
    told,
    types,
)

SHOWN = digest(TOOL.name, ARGUMENTS)
DENYING = Policy(enabled=True, expiry=Expiry(then="deny"))
A, B = CallId("a"), CallId("b")


# Decisions.
def test_an_approved_call_runs_with_what_was_shown() -> None:
    generation = acting(a="ask")
    paused_with = approval_id(generation)
    generation, events = told(generation, decided(generation, decision("a", "approve")))
    assert todo(generation) == (run("a"),)
    assert events == [
        ApprovalDecided(approval_id=paused_with, call_id=A, decision="approve", by=ANN, at=NOW),
        GenerationResumed(approvals=(paused_with,), segment=2),
    ]


def test_an_edited_call_runs_with_the_edited_arguments() -> None:
    generation, edited = acting(a="ask"), {"to": "Rome"}
    generation, events = told(generation, decided(generation, decision("a", "edit", arguments=edited)))
    assert todo(generation) == (run("a", arguments=edited),)
    assert isinstance(events[0], ApprovalDecided)
    assert events[0].arguments == edited


def test_a_rejected_call_does_not_run_and_the_model_hears_who_and_why() -> None:
    generation = acting(a="ask")
    generation, events = told(generation, decided(generation, decision("a", "reject", reason="Too dear."), by=BOB))
    assert todo(generation) == (CallModel(turn=2),)
    assert events[-1] == result("a", "rejected", "Bob refused this call. Reason: Too dear.")


def test_the_policy_gives_the_reason_of_a_person_who_gave_none() -> None:
    generation = acting(Policy(enabled=True, reason="{tool} costs money, {tool}!"), a="ask")
    _, events = told(generation, decided(generation, decision("a", "reject")))
    assert events[-1] == result("a", "rejected", "Ann refused this call. Reason: book costs money, book!")


def test_a_text_given_in_the_tools_place_is_a_good_result() -> None:
    generation = acting(a="ask")
    generation, events = told(generation, decided(generation, decision("a", "respond", text="It is booked.")))
    assert todo(generation) == (CallModel(turn=2),)
    assert events[-1] == result("a", "completed", "It is booked.")


def test_a_text_given_in_the_tools_place_is_cut_like_a_tools_output() -> None:
    generation = acting(a="ask")
    _, events = told(generation, decided(generation, decision("a", "respond", text="x" * (TOOL_OUTPUT_CHARS + 1))))
    assert isinstance(events[-1], ToolCompleted)
    assert (events[-1].output or "").endswith(f"[cut here: 1 of {TOOL_OUTPUT_CHARS + 1} characters left out]")


def test_a_partial_decision_lets_its_call_run_and_the_pause_goes_on() -> None:
    generation = acting(a="ask", b="ask")
    waiting = approval_id(generation)
    generation, events = told(generation, decided(generation, decision("b", "approve")))
    assert todo(generation) == (run("b"), ExpireApproval(approval_id=waiting, at=NOW + timedelta(hours=24)))
    assert types(events) == ["approval.decided"]
    assert generation.receipts == (
        Receipt(
            approval_id=waiting,
            decided=(Decided(call_id=B, decision="approve", by=ANN, at=NOW),),
            remaining=(A,),
        ),
    )


def test_the_receipt_names_everybody_who_decided_a_part() -> None:
    generation = acting(a="ask", b="ask")
    generation = after(generation, decided(generation, decision("b", "approve")))
    generation = after(generation, decided(generation, decision("a", "reject"), by=BOB))
    (receipt,) = generation.receipts
    assert [(line.call_id, line.by) for line in receipt.decided] == [(B, ANN), (A, BOB)]
    assert receipt.remaining == ()


def test_the_resumption_is_told_between_the_decision_and_its_results() -> None:
    generation = acting(a="ask", b="ask")
    generation = after(generation, steered("s"))
    _, events = told(generation, decided(generation, decision("a", "reject"), decision("b", "reject")))
    assert types(events) == [
        *("approval.decided", "approval.decided", "generation.resumed"),
        *("tool.completed", "tool.completed", "steer.applied"),
    ]


def test_a_generation_may_pause_in_every_turn_each_time_with_a_new_approval() -> None:
    generation = acting(a="ask")
    first = approval_id(generation)
    generation = after(generation, decided(generation, decision("a", "reject")))
    generation, events = told(generation, replied("b", turn=2), judged(2, b="ask"), now=NOW + timedelta(minutes=1))
    assert approval_id(generation) != first
    assert events[-1] == GenerationPaused(approvals=(approval_id(generation),), segment=2)


@pytest.mark.parametrize("late", [decision("b", "approve"), decision("x", "approve")])
def test_a_decision_on_a_call_that_nobody_is_asked_for_is_illegal(late: object) -> None:
    generation = acting(a="ask", b="allow")
    made = decided(generation, decision("a", "approve")).model_copy(update={"decisions": (late,)})
    with pytest.raises(IllegalFact):
        advance(generation, made, NOW)


@pytest.mark.parametrize("decisions", [(), (decision("a", "approve"), decision("a", "reject"))])
def test_no_decision_and_two_decisions_for_one_call_are_illegal(decisions: tuple[object, ...]) -> None:
    generation = acting(a="ask")
    made = decided(generation).model_copy(update={"decisions": decisions})
    with pytest.raises(IllegalFact):
        advance(generation, made, NOW)


def test_an_approval_that_is_not_pending_cannot_be_decided() -> None:
    generation = acting(a="ask")
    made = decided(generation, decision("a", "approve")).model_copy(update={"approval_id": ApprovalId("apr_other")})
    with pytest.raises(IllegalFact):
        advance(generation, made, NOW)


# Expiry.
def test_an_expiry_that_ends_tells_the_model_nothing_and_the_reader_everything() -> None:
    generation = acting(a="ask")
    waiting = approval_id(generation)
    generation, events = told(generation, timed_out(generation), Settled())
    error = ErrorInfo(code="approval_expired", message="Nobody decided in time, so the answer ended here.")
    assert generation.phase == Ended(turn=1, outcome="expired", error=error)
    assert events == [
        ApprovalExpired(approval_id=waiting, then="end"),
        result("a", "expired", wording.EXPIRED),
        GenerationFinished(outcome="expired", error=error, usage=USAGE, cost=0.5, finished_at=NOW),
    ]


def test_an_expiry_that_denies_goes_on_and_says_that_nobody_refused() -> None:
    generation = acting(DENYING, a="ask")
    waiting = approval_id(generation)
    generation, events = told(generation, timed_out(generation))
    assert todo(generation) == (CallModel(turn=2),)
    assert events == [
        ApprovalExpired(approval_id=waiting, then="deny"),
        GenerationResumed(approvals=(waiting,), segment=2),
        result("a", "expired", wording.EXPIRED),
    ]


def test_the_policy_sets_how_long_people_may_think() -> None:
    generation = acting(Policy(enabled=True, expiry=Expiry(after=timedelta(minutes=5))), a="ask")
    assert pending(generation)[0].expires_at == NOW + timedelta(minutes=5)


def test_a_stale_timer_never_ends_a_newer_approval() -> None:
    first = acting(a="ask")
    generation = after(first, decided(first, decision("a", "reject")))
    generation = after(generation, replied("b", turn=2), judged(2, b="ask"), now=NOW + timedelta(minutes=1))
    assert told(generation, timed_out(first)) == (generation, [])


# More time.
def test_an_extended_approval_waits_until_its_new_deadline_and_no_longer_until_the_old_one() -> None:
    generation = acting(a="ask")
    (approval,) = pending(generation)
    later = approval.expires_at + timedelta(hours=1)
    extended = Extended(approval_id=approval.id, until=later, by=BOB)
    generation, events = told(generation, extended)
    assert events == [ApprovalExtended(approval_id=approval.id, expires_at=later, by=BOB, at=NOW)]
    assert todo(generation) == (ExpireApproval(approval_id=approval.id, at=later),)
    assert todo(after(generation, decided(generation, decision("a", "approve")))) == (run("a"),)


def test_more_time_for_what_is_decided_already_changes_nothing() -> None:
    first = acting(a="ask", b="ask")
    extended = Extended(approval_id=approval_id(first), until=NOW + timedelta(days=3), by=ANN)
    running = after(first, decided(first, decision("a", "approve"), decision("b", "approve")))
    assert told(running, extended) == (running, [])
    ended = after(first, timed_out(first), Settled())
    assert told(ended, extended) == (ended, [])


@pytest.mark.parametrize("late", [timedelta(0), timedelta(seconds=1)])
def test_no_time_is_given_once_the_time_is_over(late: timedelta) -> None:
    generation = acting(a="ask")
    (approval,) = pending(generation)
    request = ExtendRequest(
        generation_id=generation.request.generation_id, approval_id=approval.id, more=timedelta(hours=1), by=ANN
    )
    with pytest.raises(PauseExpired):
        extend(generation, request, approval.expires_at + late)
    assert extend(generation, request, approval.expires_at - timedelta(seconds=1)).until == (
        approval.expires_at + timedelta(hours=1)
    )
