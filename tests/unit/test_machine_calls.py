"""The machine by example: the calls of a turn, which run, which wait for a person, which are lost."""

from datetime import timedelta

from domain import wording
from domain.approval import digest
from domain.events import ApprovalRequested, GenerationPaused
from domain.facts import CallsJudged, Settled
from domain.generation import CallModel, ExpireApproval, JudgeCalls, pending, todo
from domain.ids import CallId
from domain.policy import Expiry, Policy
from tests.builders import (
    ABORT,
    ARGUMENTS,
    NOW,
    OFF,
    TOOL,
    acting,
    after,
    approval_id,
    asked,
    decided,
    decision,
    judged,
    judgement,
    judging,
    lost,
    replied,
    result,
    returned,
    run,
    the_call,
    thinking,
    timed_out,
    told,
    types,
)

SHOWN = digest(TOOL.name, ARGUMENTS)
DENYING = Policy(enabled=True, expiry=Expiry(then="deny"))
A, B = CallId("a"), CallId("b")


# Calls.
def test_a_policy_that_is_off_judges_nobody_and_asks_nobody() -> None:
    generation, events = told(thinking(policy=OFF), replied("a", "b"))
    assert todo(generation) == (run("a"), run("b"))
    assert types(events) == ["turn.completed", "usage.updated"]


def test_a_policy_that_is_on_judges_every_call_of_the_reply() -> None:
    assert todo(judging("a", "b")) == (JudgeCalls(turn=1, call_ids=(A, B)),)


def test_calls_that_need_nobody_run_while_others_wait() -> None:
    generation = acting(a="ask", b="allow")
    expiry = ExpireApproval(approval_id=approval_id(generation), at=NOW + timedelta(hours=24))
    assert todo(generation) == (run("b"), expiry)
    assert [request.call_id for request in asked(generation)] == [A]


def test_one_approval_asks_for_all_calls_of_the_turn_and_then_the_generation_pauses() -> None:
    generation, events = told(judging("a", "b"), judged(a="ask", b="ask"))
    (approval,) = pending(generation)
    assert [request.call_id for request in approval.calls] == [A, B]
    assert events == [
        ApprovalRequested(approval=approval),
        GenerationPaused(approvals=(approval.id,), segment=1),
    ]


def test_a_request_shows_what_the_decision_will_be_bound_to() -> None:
    why = judgement("a", "ask", reason="Costs money.", allowed_decisions=("approve", "reject"))
    generation = after(judging("a"), CallsJudged(turn=1, judgements=(why,)))
    (request,) = asked(generation)
    assert request.model_dump(exclude_defaults=True) == {
        "call_id": "a",
        "name": "book",
        "description": TOOL.description,
        "reason": "Costs money.",
        "because": "a test",
        "allowed_decisions": ("approve", "reject"),
        "digest": SHOWN,
    }


def test_a_denied_call_gets_its_result_at_once_and_the_model_goes_on() -> None:
    generation, events = told(judging("a"), judged(a="deny"))
    assert events == [result("a", "denied", "This call is not allowed (a test).")]
    assert todo(generation) == (CallModel(turn=2),)


def test_nobody_is_asked_about_arguments_that_do_not_fit() -> None:
    bad = judgement("a", "ask", invalid="`to` is missing.")
    generation, events = told(judging("a"), CallsJudged(turn=1, judgements=(bad,)))
    assert events == [result("a", "failed", wording.invalid("`to` is missing."))]
    assert todo(generation) == (CallModel(turn=2),)


def test_the_next_turn_waits_for_the_last_result() -> None:
    generation = after(acting(a="allow", b="allow"), returned("b"))
    assert todo(generation) == (run("a"),)
    generation, events = told(generation, returned("a", "failed"))
    assert events == [result("a", "failed", duration_ms=7)]
    assert todo(generation) == (CallModel(turn=2),)


# Lost calls.
def test_a_person_is_asked_about_a_lost_call_whatever_the_policy_says() -> None:
    generation, events = told(after(thinking(policy=OFF), replied("a")), lost("a"))
    assert types(events) == ["approval.requested", "generation.paused"]
    assert [(request.call_id, request.reason) for request in asked(generation)] == [(A, wording.LOST)]


def test_a_lost_call_that_is_approved_again_is_a_new_run() -> None:
    generation = after(acting(a="allow"), lost("a"))
    generation = after(generation, decided(generation, decision("a", "approve")))
    assert todo(generation) == (run("a", run=2),)


def test_a_lost_call_joins_the_pause_that_is_there() -> None:
    generation, events = told(acting(a="ask", b="allow"), lost("b"))
    assert types(events) == ["approval.requested"]
    assert len(pending(generation)) == 2
    generation, events = told(generation, decided(generation, decision("a", "reject")))
    assert "generation.resumed" not in types(events)


def test_a_lost_call_where_nobody_can_be_asked_is_told_as_unknown() -> None:
    generation = after(thinking(policy=OFF, approvals="unsupported"), replied("a"))
    generation, events = told(generation, lost("a"))
    assert events == [result("a", "unknown", wording.LOST_UNASKED)]
    assert todo(generation) == (CallModel(turn=2),)


def test_the_model_never_hears_that_a_lost_call_was_not_run() -> None:
    generation = after(acting(DENYING, a="allow"), lost("a"))
    unknown = result("a", "unknown", wording.LOST_UNASKED)
    assert unknown in told(generation, timed_out(generation))[1]
    assert unknown in told(generation, ABORT, Settled())[1]
    told_on_refusal = f"{wording.LOST_UNASKED} Ann refused to run it again. Reason: Enough."
    _, events = told(generation, decided(generation, decision("a", "reject", reason="Enough.")))
    assert events[-1] == result("a", "rejected", told_on_refusal)


def test_a_lost_call_keeps_the_arguments_a_person_gave_it() -> None:
    edited = {"to": "Rome"}
    generation = acting(a="ask")
    generation = after(generation, decided(generation, decision("a", "edit", arguments=edited)), lost("a"))
    assert the_call(generation, "a").digest == digest(TOOL.name, edited)
    assert asked(generation)[0].digest == digest(TOOL.name, edited)
