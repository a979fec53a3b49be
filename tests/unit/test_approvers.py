"""Who decides: people with a role, several who must agree, not who asked; and others once the time is over."""

from collections.abc import Collection
from datetime import timedelta
from itertools import permutations

import pytest

from domain.advance import advance
from domain.approval import Approval, Escalation, Vote, may_decide, still_open, with_votes
from domain.content import Actor
from domain.decide import ExtendRequest, answer, decide, extend
from domain.errors import (
    AlreadyDecided,
    ApprovalMismatch,
    ConcurrencyLimit,
    DecisionNotAllowed,
    IllegalFact,
    NotAnApprover,
    PauseExpired,
)
from domain.events import ApprovalDecided, ApprovalExpired, ApprovalRequested, ApprovalVoted
from domain.facts import CallsJudged, Extended, Settled
from domain.generation import Ended, ExpireApproval, Generation, pending, todo
from domain.ids import CallId
from domain.policy import OWNER, Approvers, Expiry, Policy, Rule
from domain.verdict import judge
from tests.builders import (
    ANN,
    BOB,
    CYD,
    NOW,
    WHICH,
    acting,
    after,
    approval_id,
    decided,
    decision,
    judgement,
    judging,
    lost,
    resume,
    run,
    timed_out,
    told,
    types,
)

BOSS = Approvers(roles=("boss",))
TWO = Approvers(roles=("boss",), quorum=2)
OTHERS = Approvers(roles=("boss",), requester_may_approve=False)
LATER = Expiry(after=timedelta(hours=2), then="escalate", to=("board",))
A, B = CallId("a"), CallId("b")
YES, NO = decision("a", "approve"), decision("a", "reject")


def waiting_for(approvers: Approvers, *call_ids: str, expiry: Expiry | None = None) -> Generation:
    """Ann's generation, paused for these people."""
    kinds = ("approve", "reject", "edit", "respond") if approvers.quorum == 1 else ("approve", "reject")
    ids = call_ids or ("a",)
    given = {"approvers": approvers, "allowed_decisions": kinds, "expiry": expiry}
    return after(judging(*ids), CallsJudged(turn=1, judgements=tuple(judgement(id, "ask", **given) for id in ids)))


def voted(generation: Generation, *people: Actor) -> Generation:
    for person in people:
        generation = after(generation, decide(generation, resume(generation, YES, by=person, roles=("boss",)), NOW))
    return generation


def test_only_the_last_vote_needs_a_slot() -> None:
    waiting, full = waiting_for(TWO), {"limit": 1, "running": 1}
    first = resume(waiting, YES, by=BOB, roles=("boss",), slots=full)
    assert decide(waiting, first, NOW).decisions == (YES,)  # type: ignore[union-attr]
    last = resume(voted(waiting, BOB), YES, by=CYD, roles=("boss",), slots=full)
    with pytest.raises(ConcurrencyLimit) as refused:
        decide(voted(waiting, BOB), last, NOW)
    assert refused.value.members == full


# The right.
@pytest.mark.parametrize(
    ("approvers", "person", "roles", "expected"),
    [
        (OWNER, ANN, (), True),
        (OWNER, BOB, ("boss",), False),
        (BOSS, BOB, ("clerk", "boss"), True),
        (BOSS, BOB, ("Boss", "clerk"), False),
        (BOSS, BOB, (), False),
        (BOSS, ANN, (), False),
        (BOSS, ANN, ("boss",), True),
        (OTHERS, ANN, ("boss",), False),
        (OTHERS, BOB, ("boss",), True),
    ],
)
@pytest.mark.parametrize("kind", ["approve", "reject", "edit", "respond"])
def test_whatever_is_decided_needs_the_same_right(
    approvers: Approvers, person: Actor, roles: Collection[str], expected: bool, kind: str
) -> None:
    generation = waiting_for(approvers)
    (approval,) = pending(generation)
    assert may_decide(approval, person.id, roles, owner=ANN.id) == expected
    said = decision("a", kind, text="Done.", arguments={})  # type: ignore[arg-type]  # parametrized
    request = resume(generation, said, by=person, roles=tuple(roles), via="http")
    more = ExtendRequest(
        generation_id=request.generation_id,
        approval_id=approval.id,
        more=timedelta(hours=1),
        by=person,
        roles=tuple(roles),
        via="http",
    )
    if expected:
        assert decide(generation, request, NOW).by == person
        assert extend(generation, more, NOW).by == person
        return
    for refused in (lambda: decide(generation, request, NOW), lambda: extend(generation, more, NOW)):
        with pytest.raises(NotAnApprover) as caught:
            refused()
        assert caught.value.members.get("approvers", []) == list(approvers.roles)


def test_who_reaches_the_engine_itself_stands_in_for_the_owner_and_for_no_role() -> None:
    generation = waiting_for(OWNER)
    assert decide(generation, resume(generation, YES, by=BOB), NOW).by == BOB
    generation = waiting_for(BOSS)
    with pytest.raises(NotAnApprover, match="Only people with the role boss decide this"):
        decide(generation, resume(generation, YES, by=BOB), NOW)
    assert decide(generation, resume(generation, YES, by=BOB, roles=("boss",)), NOW).by == BOB


def test_calls_that_different_people_decide_are_asked_about_apart_and_others_together() -> None:
    asked = {"a": BOSS, "b": OWNER, "c": BOSS, "d": TWO}
    judgements = tuple(judgement(id, "ask", approvers=approvers) for id, approvers in asked.items())
    generation = after(judging(*asked), CallsJudged(turn=1, judgements=judgements))
    approvals = pending(generation)
    shown = {(a.approver, a.quorum): [call.call_id for call in a.calls] for a in approvals}
    assert shown == {("boss", 1): ["a", "c"], (None, 1): ["b"], ("boss", 2): ["d"]}
    assert [a.id for a in approvals] == sorted({a.id for a in approvals})
    owners = next(a for a in approvals if not a.approvers)
    with pytest.raises(NotAnApprover):
        decide(generation, resume(generation, decision("b", "approve"), approval_id=owners.id, by=BOB, via="http"), NOW)


def test_a_rule_says_who_decides_its_calls_and_no_others() -> None:
    rule = Rule(tool="pay", verdict="ask", approvers=("boss",), quorum=2, requester_may_approve=False)
    policy = Policy(enabled=True, rules=(rule,))
    asked = judge(policy, "pay")
    assert asked.approvers == Approvers(roles=("boss",), quorum=2, requester_may_approve=False)
    assert asked.allowed_decisions == ("approve", "reject")
    assert judge(policy, "play").approvers == OWNER
    only_edits = rule.model_copy(update={"allowed_decisions": ("edit",)})
    assert judge(Policy(enabled=True, rules=(only_edits,)), "pay").allowed_decisions == ("reject",)


def test_a_call_that_was_lost_is_asked_about_again_of_those_who_let_it_run() -> None:
    generation = voted(waiting_for(TWO), BOB, CYD)
    generation = after(generation, lost("a"))
    (approval,) = pending(generation)
    assert (approval.approvers, approval.quorum, approval.votes) == (("boss",), 2, ())
    assert approval.calls[0].allowed_decisions == ("approve", "reject")
    assert todo(voted(generation, BOB)) == (ExpireApproval(approval_id=approval.id, at=approval.expires_at),)
    assert todo(voted(generation, BOB, CYD)) == (run("a", run=2),)


# Several who agree.
def test_a_call_runs_when_enough_people_have_approved_and_every_one_of_them_is_told() -> None:
    generation = waiting_for(TWO)
    name = approval_id(generation)
    generation, events = told(generation, decided(generation, YES, by=BOB))
    assert events == [ApprovalVoted(approval_id=name, call_id=A, by=BOB, at=NOW, needed=1)]
    assert pending(generation)[0].votes == (Vote(call_id=A, by=BOB, at=NOW),)
    assert [work for work in todo(generation) if not isinstance(work, ExpireApproval)] == []
    assert answer(generation, name).status == "waiting"
    generation, events = told(generation, decided(generation, YES, by=CYD))
    assert types(events) == ["approval.decided", "generation.resumed"]
    assert todo(generation) == (run("a"),)
    (receipt,) = generation.receipts
    assert ([line.by for line in receipt.decided], receipt.remaining) == ([BOB, CYD], ())


def test_one_person_counts_once() -> None:
    generation = voted(waiting_for(TWO), BOB)
    with pytest.raises(AlreadyDecided) as caught:
        decide(generation, resume(generation, YES, by=BOB, roles=("boss",)), NOW)
    receipt = caught.value.members["receipt"]
    assert ([line["by"]["id"] for line in receipt["decided"]], receipt["remaining"]) == (["bob"], ["a"])
    with pytest.raises(IllegalFact, match="counted twice"):
        advance(generation, decided(generation, YES, by=BOB), NOW)


@pytest.mark.parametrize("by", [BOB, CYD])
def test_one_person_is_enough_to_reject_also_one_who_had_approved(by: Actor) -> None:
    generation = voted(waiting_for(TWO), BOB)
    made = decide(generation, resume(generation, NO, by=by, roles=("boss",)), NOW)
    generation, events = told(generation, made)
    assert isinstance(events[0], ApprovalDecided)
    assert (events[0].decision, events[0].by, pending(generation)) == ("reject", by, ())


@pytest.mark.parametrize("order", list(permutations((BOB, CYD, ANN))))
def test_three_must_be_three_in_any_order(order: tuple[Actor, ...]) -> None:
    generation = waiting_for(Approvers(roles=("boss",), quorum=3))
    for number, person in enumerate(order, 1):
        generation = voted(generation, person)
        assert (run("a") in todo(generation)) == (number == 3)


def test_nobody_agrees_to_what_another_one_wrote() -> None:
    generation = waiting_for(TWO)
    for said in (decision("a", "edit", arguments={"to": "Rome"}), decision("a", "respond", text="Done.")):
        with pytest.raises(DecisionNotAllowed):
            decide(generation, resume(generation, said, by=BOB, roles=("boss",)), NOW)


def test_who_has_approved_a_call_need_not_name_it_again() -> None:
    generation = waiting_for(TWO, "a", "b")
    first = resume(generation, YES, by=BOB, roles=("boss",), partial=True)
    generation = after(generation, decide(generation, first, NOW))
    both = resume(generation, YES, decision("b", "approve"), by=BOB, roles=("boss",))
    with pytest.raises(AlreadyDecided):
        decide(generation, both, NOW)
    rest = resume(generation, decision("b", "approve"), by=BOB, roles=("boss",))
    generation = after(generation, decide(generation, rest, NOW))
    assert [(vote.call_id, vote.by) for vote in pending(generation)[0].votes] == [(A, BOB), (B, BOB)]


def test_the_record_counts_as_the_machine_does() -> None:
    (asked,) = pending(waiting_for(TWO, "a", "b"))
    assert still_open(asked, ()) == (A, B)
    generation = after(waiting_for(TWO, "a", "b"), decided(waiting_for(TWO, "a", "b"), YES, decision("b", "reject")))
    (machines,) = pending(generation)
    said = generation.receipts[0].decided
    assert still_open(asked, said) == tuple(call.call_id for call in machines.calls) == (A,)
    assert with_votes(asked, said).votes == machines.votes


# Others.
def test_when_nobody_decides_in_time_others_are_asked_for_as_long_once_more() -> None:
    generation = waiting_for(OTHERS, expiry=LATER)
    (first,) = pending(generation)
    deadline = NOW + timedelta(hours=2)
    assert (first.then, first.escalation) == ("escalate", Escalation(to=("board",), within=timedelta(hours=2)))
    generation, events = told(generation, timed_out(generation), now=deadline)
    (second,) = pending(generation)
    assert events == [ApprovalExpired(approval_id=first.id, then="escalate"), ApprovalRequested(approval=second)]
    assert second == first.model_copy(
        update={
            "id": second.id,
            "created_at": deadline,
            "expires_at": deadline + timedelta(hours=2),
            "then": "end",
            "approver": "board",
            "approvers": ("board",),
            "escalation": None,
            "escalated_from": first.id,
        }
    )
    assert second.id != first.id
    assert todo(generation) == (ExpireApproval(approval_id=second.id, at=second.expires_at),)
    generation = after(generation, timed_out(generation), Settled())
    assert isinstance(generation.phase, Ended)
    assert generation.phase.outcome == "expired"


def test_after_that_only_the_others_decide_and_what_came_before_counts_for_nothing() -> None:
    generation = voted(waiting_for(TWO, expiry=LATER), BOB)
    (first,) = pending(generation)
    with pytest.raises(PauseExpired):
        decide(generation, resume(generation, YES, by=CYD, roles=("boss",)), first.expires_at)
    generation = after(generation, timed_out(generation))
    assert pending(generation)[0].votes == ()
    with pytest.raises(ApprovalMismatch) as caught:
        decide(generation, resume(generation, YES, approval_id=first.id, by=CYD, roles=("boss",)), NOW)
    assert caught.value.members["current"] == approval_id(generation)
    with pytest.raises(NotAnApprover):
        decide(generation, resume(generation, YES, by=CYD, roles=("boss",)), NOW)
    for person in (BOB, CYD):
        made = decide(generation, resume(generation, YES, by=person, roles=("boss", "board")), NOW)
        generation = after(generation, made)
    assert todo(generation) == (run("a"),)


def test_the_timer_of_the_first_ones_changes_nothing_for_the_others() -> None:
    first = waiting_for(BOSS, expiry=LATER)
    generation = after(first, timed_out(first))
    assert told(generation, timed_out(first)) == (generation, [])
    extended = Extended(approval_id=approval_id(first), until=NOW + timedelta(days=3), by=ANN)
    assert told(generation, extended) == (generation, [])


def test_a_call_that_was_decided_before_is_not_asked_about_again() -> None:
    generation = waiting_for(BOSS, "a", "b", expiry=LATER)
    generation = after(generation, decided(generation, YES, by=BOB))
    generation = after(generation, timed_out(generation))
    assert [call.call_id for call in pending(generation)[0].calls] == [B]
    assert run("a") in todo(generation)


def test_the_owner_may_have_others_asked_too_by_the_policy_of_an_agent() -> None:
    generation = acting(Policy(enabled=True, expiry=LATER), a="ask")
    (first,) = pending(generation)
    assert may_decide(first, ANN.id, (), owner=ANN.id)
    (second,) = pending(after(generation, timed_out(generation)))
    assert not may_decide(second, ANN.id, (), owner=ANN.id)


def test_an_approval_of_an_older_version_is_the_owners() -> None:
    (approval,) = pending(acting(a="ask"))
    old = approval.model_dump(mode="json", include={"id", "turn", "calls", "created_at", "expires_at"})
    assert Approval.model_validate(old) == approval


def test_a_question_to_the_user_is_the_owners_whatever_the_rule_and_ends_where_others_would_be_asked() -> None:
    asked = judgement("a", "ask", approvers=TWO, expiry=LATER, questions=(WHICH,))
    generation = after(judging("a"), CallsJudged(turn=1, judgements=(asked,)))
    (approval,) = pending(generation)
    assert (approval.approvers, approval.quorum, approval.then, approval.escalation) == ((), 1, "end", None)
    said = {"answers": {WHICH.id: ("red",)}, "via": "http"}
    with pytest.raises(NotAnApprover):
        decide(generation, resume(generation, by=BOB, roles=("boss", "board"), **said), NOW)
    assert decide(generation, resume(generation, by=ANN, **said), NOW).by == ANN
