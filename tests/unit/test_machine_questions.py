"""The machine by example: the model asks the user, and waits for the answer."""

import json
from datetime import timedelta

import pytest

from domain import wording
from domain.advance import advance
from domain.approval import Decided, Receipt
from domain.ask_user import ASK_USER
from domain.content import ErrorInfo
from domain.errors import IllegalFact
from domain.events import ApprovalDecided, ApprovalRequested, GenerationFinished, GenerationResumed
from domain.facts import Settled
from domain.generation import CallModel, Ended, JudgeCalls, pending, todo
from domain.ids import CallId, QuestionId
from domain.policy import Expiry, Policy
from domain.question import Answer
from tests.builders import (
    ABORT,
    ANN,
    BOB,
    NOW,
    OFF,
    WHICH,
    WHY,
    acting,
    after,
    answered,
    approval_id,
    asking,
    decided,
    decision,
    judged,
    judgement,
    question_of,
    questioned,
    replied,
    result,
    run,
    thinking,
    timed_out,
    told,
    types,
)

DENYING = Policy(enabled=True, expiry=Expiry(then="deny"))
Q = CallId("q")
GIVEN: dict[str, Answer] = {"which": ("red",), "why": "It is warm."}


def test_questions_pause_with_an_approval_of_their_own_and_nothing_in_it_to_decide() -> None:
    approval = question_of(questioned())
    (call,) = approval.calls
    assert (approval.kind, approval.questions, approval.expires_at) == (
        "question",
        (WHICH, WHY),
        NOW + timedelta(hours=24),
    )
    assert (call.call_id, call.name, call.allowed_decisions) == (Q, ASK_USER.name, ())


def test_the_answers_are_the_result_and_the_model_goes_on_with_them() -> None:
    generation = questioned()
    approval = question_of(generation).id
    generation, events = told(generation, answered(approval, GIVEN, BOB))
    expected = {
        "answers": [
            {"id": "which", "question": "Which one?", "answer": ["red"]},
            {"id": "why", "question": "Why?", "answer": "It is warm."},
        ]
    }
    answers = {QuestionId("which"): ("red",), QuestionId("why"): "It is warm."}
    assert events == [
        ApprovalDecided(approval_id=approval, call_id=Q, decision="answer", by=BOB, at=NOW, answers=answers),
        GenerationResumed(approvals=(approval,), segment=2),
        result("q", "completed", json.dumps(expected)),
    ]
    assert todo(generation) == (CallModel(turn=2),)
    line = Decided(call_id=Q, decision="answer", by=BOB, at=NOW)
    assert generation.receipts == (Receipt(approval_id=approval, decided=(line,)),)


def test_no_answer_can_be_taken_for_another_ones() -> None:
    sly = 'red"}, {"id": "why", "question": "Why?", "answer": "because'
    output = wording.answered((WHICH, WHY), {WHICH.id: sly, WHY.id: "so"})
    assert [each["answer"] for each in json.loads(output)["answers"]] == [sly, "so"]


def test_calls_that_wait_for_a_decision_are_asked_about_apart_and_each_goes_its_own_way() -> None:
    generation = questioned(a="ask", b="allow")
    tools, question = pending(generation)
    assert (tools.kind, [call.call_id for call in tools.calls], tools.questions) == ("tool_approval", ["a"], ())
    assert tools.id != question.id
    generation, events = told(generation, answered(question.id, GIVEN))
    assert types(events) == ["approval.decided", "tool.completed"]
    assert [approval.id for approval in pending(generation)] == [tools.id]
    generation = after(generation, decided(generation, decision("a", "approve")))
    assert todo(generation) == (run("a"), run("b"))


def test_each_call_with_questions_is_an_approval() -> None:
    reply = replied("x").model_copy(update={"calls": (asking("p"), asking("q"))})
    asked = tuple(judgement(call_id, "ask", questions=(WHY,)) for call_id in ("p", "q"))
    generation = after(thinking(), reply, judged().model_copy(update={"judgements": asked}))
    first, second = pending(generation)
    assert first.id != second.id
    generation = after(generation, answered(first.id, {"why": "One."}))
    assert [approval.id for approval in pending(generation)] == [second.id]
    assert todo(after(generation, answered(second.id, {"why": "Two."}))) == (CallModel(turn=2),)


def test_questions_are_read_also_where_the_policy_is_off() -> None:
    reply = replied("a").model_copy(update={"calls": (*replied("a").calls, asking("q"))})
    generation = after(thinking(policy=OFF), reply)
    assert todo(generation) == (JudgeCalls(turn=1, call_ids=(CallId("a"), Q)),)
    assert type(after(thinking(policy=OFF), replied("a")).phase).__name__ == "Acting"


def test_a_question_that_cannot_be_asked_is_an_error_for_the_model_and_no_pause() -> None:
    reply = replied("x").model_copy(update={"calls": (asking("q"),)})
    wrong = judgement("q", "ask", invalid="two questions have one id")
    generation, events = told(thinking(), reply, judged().model_copy(update={"judgements": (wrong,)}))
    assert not any(isinstance(event, ApprovalRequested) for event in events)
    assert events[-1] == result("q", "failed", wording.invalid("two questions have one id"))
    assert todo(generation) == (CallModel(turn=2),)


def test_without_an_answer_in_time_the_generation_ends() -> None:
    generation = questioned()
    generation, events = told(generation, timed_out(generation), Settled(), now=NOW + timedelta(hours=24))
    assert isinstance(generation.phase, Ended)
    assert isinstance(events[-1], GenerationFinished)
    error = ErrorInfo(code="approval_expired", message="Nobody answered in time, so the answer ended here.")
    assert (events[-1].outcome, events[-1].error) == ("expired", error)


def test_or_the_model_is_told_that_nobody_answered_in_time() -> None:
    generation = questioned(DENYING)
    generation, events = told(generation, timed_out(generation))
    assert events[-1] == result("q", "expired", wording.UNANSWERED)
    assert todo(generation) == (CallModel(turn=2),)


def test_a_stop_closes_the_question() -> None:
    generation = questioned()
    question = question_of(generation).id
    generation, events = told(generation, ABORT, Settled())
    assert result("q", "rejected", wording.STOPPED) in events
    with pytest.raises(IllegalFact):
        advance(generation, answered(question, GIVEN), NOW)


def test_no_answers_to_what_asks_no_question_are_a_bug() -> None:
    generation = acting(a="ask")
    with pytest.raises(IllegalFact):
        advance(generation, answered(approval_id(generation), {}), NOW)


def test_answers_that_are_not_those_asked_for_are_a_bug_and_decisions_too() -> None:
    generation = questioned()
    question = approval_id(generation)
    for wrong in (
        answered(question, {"why": "so"}),
        answered(question, {**GIVEN, "more": "x"}),
        decided(generation, decision("q", "approve"), by=ANN),
    ):
        with pytest.raises(IllegalFact):
            advance(generation, wrong, NOW)
