"""The ladder of refusals: which answer a decision gets, and that a refused one leaves the pause as it was."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.approval import Decided, Receipt
from domain.decide import ResumeAnswer, ResumeRequest, answer, decide, sole_approval
from domain.errors import (
    AlreadyDecided,
    ApprovalIdRequired,
    ApprovalMismatch,
    ApprovalNotFound,
    ArgumentsInvalid,
    DecisionNotAllowed,
    FermataError,
    IncompleteDecision,
    InvalidBody,
    NotAnApprover,
    NotPaused,
    PauseExpired,
    UndecidedCalls,
    UnknownCall,
)
from domain.facts import CallsJudged, DecisionsMade
from domain.generation import Generation, pending
from domain.ids import ApprovalId, CallId
from tests.builders import (
    ABORT,
    ANN,
    BOB,
    NOW,
    acting,
    after,
    approval_id,
    decided,
    decision,
    ended,
    judgement,
    judging,
    lost,
    resume,
    thinking,
    timed_out,
)

A, B = CallId("a"), CallId("b")
OTHER = ApprovalId("apr_other")
DEADLINE = NOW + timedelta(hours=24)
ERRORS = ({"call_id": "a", "pointer": "/to", "message": "missing"},)

PAUSED = after(
    judging("a", "b"),
    CallsJudged(
        turn=1,
        judgements=(
            judgement("a", "ask", allowed_decisions=("approve", "edit", "respond")),
            judgement("b", "ask", allowed_decisions=("approve", "reject")),
        ),
    ),
)
BOTH = (decision("a", "approve"), decision("b", "approve"))


def refusal(generation: Generation, request: ResumeRequest, now: datetime = NOW) -> FermataError:
    """The refusal of the request, which has changed nothing."""
    before = generation.model_dump_json()
    with pytest.raises(FermataError) as caught:
        decide(generation, request, now)
    assert generation.model_dump_json() == before
    return caught.value


def accepted(generation: Generation, request: ResumeRequest, now: datetime = NOW) -> DecisionsMade:
    fact = decide(generation, request, now)
    assert isinstance(fact, DecisionsMade)
    return fact


def test_a_full_decision_is_accepted_with_who_decided() -> None:
    made = decide(PAUSED, resume(PAUSED, *BOTH, by=ANN, via="http", client="curl/8"), NOW)
    assert made == DecisionsMade(approval_id=approval_id(PAUSED), decisions=BOTH, by=ANN, via="http", client="curl/8")


def test_a_decision_that_says_not_where_it_came_from_came_as_it_was_sent() -> None:
    request = resume(PAUSED, *BOTH)
    assert [decide(PAUSED, request, NOW).via, decide(PAUSED, request, NOW, sent_as="signal").via] == [
        "update",
        "signal",
    ]


# A request that is wrong in every way, and then, rung by rung, right in one more.
WORST: dict[str, Any] = {
    "decisions": (decision("a", "approve"), decision("a", "edit")),
    "approval_id": None,
    "by": BOB,
    "via": "http",
}
LADDER: list[tuple[type[FermataError], dict[str, Any]]] = [
    (InvalidBody, {}),
    (NotPaused, {"decisions": ()}),
    (PauseExpired, {"generation": PAUSED}),
    (ApprovalIdRequired, {"now": NOW}),
    (ApprovalMismatch, {"approval_id": OTHER}),
    (UndecidedCalls, {"approval_id": approval_id(PAUSED)}),
    (UndecidedCalls, {"decisions": (decision("x", "edit"),)}),
    (NotAnApprover, {"partial": True}),
    (UnknownCall, {"by": ANN}),
    (DecisionNotAllowed, {"decisions": (decision("b", "edit"), decision("a", "respond"))}),
    (IncompleteDecision, {"decisions": (decision("a", "respond"),), "argument_errors": ERRORS}),
    (ArgumentsInvalid, {"decisions": (decision("a", "edit", arguments={}),)}),
]


@pytest.mark.parametrize(
    "rung", range(len(LADDER)), ids=[f"{i}-{error.__name__}" for i, (error, _) in enumerate(LADDER)]
)
def test_the_first_refusal_of_the_ladder_is_the_answer(rung: int) -> None:
    given: dict[str, Any] = {"generation": ended(), "now": DEADLINE, **WORST}
    for _, repair in LADDER[: rung + 1]:
        given |= repair
    generation, now = given.pop("generation"), given.pop("now")
    assert type(refusal(generation, resume(PAUSED, **given), now)) is LADDER[rung][0]


def test_what_has_climbed_the_whole_ladder_is_accepted() -> None:
    edit = decision("a", "edit", arguments={"to": "Rome"})
    assert accepted(PAUSED, resume(PAUSED, edit, partial=True), NOW).decisions == (edit,)


@pytest.mark.parametrize("generation", [thinking(), judging("a"), acting(a="allow"), after(PAUSED, ABORT), ended()])
def test_only_a_paused_generation_takes_decisions(generation: Generation) -> None:
    assert isinstance(refusal(generation, resume(PAUSED, *BOTH)), NotPaused)


def test_the_deadline_itself_is_too_late_and_the_moment_before_is_not() -> None:
    assert refusal(PAUSED, resume(PAUSED, *BOTH), DEADLINE).members == {"expires_at": DEADLINE.isoformat()}
    assert accepted(PAUSED, resume(PAUSED, *BOTH), DEADLINE - timedelta(microseconds=1)).decisions == BOTH


def test_a_decision_without_an_approval_id_hears_which_ones_wait() -> None:
    assert refusal(PAUSED, resume(PAUSED, *BOTH, approval_id=None)).members == {"current": [approval_id(PAUSED)]}


def test_a_decision_on_another_approval_hears_which_one_waits() -> None:
    error = refusal(PAUSED, resume(PAUSED, *BOTH, approval_id=OTHER))
    assert error.members == {"current": approval_id(PAUSED), "receipt": None}


def test_calls_left_open_are_named_unless_the_decision_is_partial() -> None:
    assert refusal(PAUSED, resume(PAUSED, decision("a", "approve"))).members == {"calls": [B]}
    assert accepted(PAUSED, resume(PAUSED, decision("a", "approve"), partial=True), NOW).decisions == BOTH[:1]


def test_a_partial_decision_decides_something() -> None:
    assert refusal(PAUSED, resume(PAUSED, partial=True)).members == {"calls": [A, B]}


@pytest.mark.parametrize(
    ("error", "decisions"),
    [
        (UnknownCall, (*BOTH, decision("x", "approve"))),
        (DecisionNotAllowed, (decision("a", "reject"), decision("b", "approve"))),
        (DecisionNotAllowed, (decision("a", "approve", scope="conversation"), decision("b", "approve"))),
        (IncompleteDecision, (decision("a", "edit"), decision("b", "approve"))),
        (IncompleteDecision, (decision("a", "respond"), decision("b", "approve"))),
        (IncompleteDecision, (decision("a", "respond", text=""), decision("b", "approve"))),
    ],
)
def test_a_refusal_names_the_call_it_is_about(error: type[FermataError], decisions: tuple[Any, ...]) -> None:
    refused = refusal(PAUSED, resume(PAUSED, *decisions))
    assert type(refused) is error
    assert refused.members == {"calls": ["x" if error is UnknownCall else "a"]}


def test_arguments_that_do_not_fit_come_back_with_what_is_wrong() -> None:
    edit = (decision("a", "edit", arguments={}), decision("b", "approve"))
    assert refusal(PAUSED, resume(PAUSED, *edit, argument_errors=ERRORS)).members == {"errors": list(ERRORS)}


def test_who_comes_second_hears_who_was_first() -> None:
    generation = after(PAUSED, decided(PAUSED, *BOTH))
    lines = tuple(Decided(call_id=c, decision="approve", by=ANN, at=NOW) for c in (A, B))
    receipt = Receipt(approval_id=approval_id(PAUSED), decided=lines)
    error = refusal(generation, resume(PAUSED, *BOTH, by=BOB))
    assert (type(error), error.members) == (AlreadyDecided, {"receipt": receipt.model_dump(mode="json")})


def test_a_part_that_is_decided_stays_decided() -> None:
    generation = after(PAUSED, decided(PAUSED, decision("a", "approve")))
    for again in (resume(PAUSED, *BOTH), resume(PAUSED, decision("a", "respond", text="Done."), partial=True)):
        assert isinstance(refusal(generation, again), AlreadyDecided)
    assert accepted(generation, resume(PAUSED, decision("b", "approve")), NOW).decisions == BOTH[1:]


def test_an_expired_approval_is_never_decided() -> None:
    generation = after(PAUSED, timed_out(PAUSED))
    assert isinstance(refusal(generation, resume(PAUSED, *BOTH)), NotPaused)


def test_an_old_approval_is_told_apart_from_the_one_that_waits_now() -> None:
    generation = after(acting(a="ask", b="allow"), lost("b"))
    first, second = pending(generation)
    generation = after(generation, decided(generation, decision("a", "approve")))
    error = refusal(generation, resume(generation, decision("a", "approve"), approval_id=first.id))
    assert type(error) is ApprovalMismatch
    assert error.members["current"] == second.id
    assert error.members["receipt"]["decided"][0]["call_id"] == "a"


def test_the_answer_tells_whether_calls_are_still_open() -> None:
    made = decided(PAUSED, decision("a", "approve"))
    line = Decided(call_id=A, decision="approve", by=ANN, at=NOW)
    half = Receipt(approval_id=made.approval_id, decided=(line,), remaining=(B,))
    assert answer(after(PAUSED, made), made.approval_id) == ResumeAnswer(status="waiting", receipt=half)
    assert answer(after(PAUSED, decided(PAUSED, *BOTH)), made.approval_id).status == "resuming"


def test_the_short_forms_find_their_approval_by_id_alone() -> None:
    assert sole_approval(PAUSED, approval_id(PAUSED)) == pending(PAUSED)[0]
    with pytest.raises(ApprovalNotFound, match="apr_other"):
        sole_approval(PAUSED, OTHER)
