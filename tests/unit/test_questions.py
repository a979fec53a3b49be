"""What a model may ask, what answers it, and what the policy has to do with it."""

from collections.abc import Sequence
from typing import Any

import pytest

from adapters.schema import schema_errors
from domain.ask_user import ASK_USER, OPTIONS, problem, questions_in
from domain.content import JsonObject
from domain.decide import decide
from domain.errors import (
    AlreadyDecided,
    AnswersMismatch,
    ApprovalIdRequired,
    ApprovalMismatch,
    InvalidBody,
    PauseExpired,
)
from domain.facts import QuestionsAnswered
from domain.generation import pending
from domain.ids import ApprovalId, CallId, QuestionId
from domain.policy import Policy, PolicyTightening, Rule, tighten
from domain.question import Answer, Option, Question, settle
from domain.verdict import Judgement, Opinion, facts_of, judge_call
from tests.builders import (
    ANN,
    NOW,
    WHICH,
    WHY,
    a_request,
    after,
    answered,
    decision,
    question_of,
    questioned,
    resume,
)


# What may be asked.
def asked(*questions: JsonObject) -> JsonObject:
    return {"questions": list(questions)}


def test_a_question_is_completed_with_what_it_leaves_out() -> None:
    given = asked(
        {"text": "Why?"},
        {"id": "q1", "text": "Which?", "description": "For the door.", "options": [{"label": "Red"}]},
        {"text": "And?", "options": [{"label": "Yes", "value": "y"}], "multi_select": True},
    )
    assert schema_errors(ASK_USER.parameters, given) == []
    assert problem(given) is None
    assert questions_in(given) == (
        Question(id=QuestionId("q2"), text="Why?"),
        Question(
            id=QuestionId("q1"), text="Which?", description="For the door.", options=(Option(label="Red", value="Red"),)
        ),
        Question(id=QuestionId("q3"), text="And?", options=(Option(label="Yes", value="y"),), multi_select=True),
    )


WHAT = {"text": "What?"}


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        asked(),
        asked(WHAT, WHAT, WHAT, WHAT, WHAT),
        asked({"text": "  "}),
        asked({"text": "x" * 1_001}),
        asked({"id": "", "text": "What?"}),
        asked({"text": "What?", "options": [{"label": f"{number}"} for number in range(OPTIONS + 1)]}),
        asked({"text": "What?", "options": ["red"]}),
        asked({"text": "What?", "deadline": "now"}),
        asked({"id": "a", "text": "What?"}, {"id": "a", "text": "Why?"}),
        asked({"text": "What?", "options": [{"label": "Red"}, {"label": "red", "value": "Red"}]}),
    ],
)
def test_what_nobody_could_answer_is_not_asked(arguments: JsonObject) -> None:
    assert schema_errors(ASK_USER.parameters, arguments) or problem(arguments)


# What answers it.
BOTH = WHICH.model_copy(update={"multi_select": True})


def settled(*questions: Question, **answers: Answer) -> dict[QuestionId, Answer]:
    return settle(questions, {QuestionId(name): answer for name, answer in answers.items()})


@pytest.mark.parametrize(
    ("question", "answer", "counts_as"),
    [
        (WHICH, ("green",), ("green",)),
        (WHICH, "green", ("green",)),
        (WHICH, "Neither, thank you.", "Neither, thank you."),
        (BOTH, ("green", "red"), ("red", "green")),
        (BOTH, ("red", "red"), ("red",)),
        (WHICH, ("red", "red"), ("red",)),
    ],
)
def test_an_option_is_chosen_by_its_value_and_own_words_are_taken_as_they_are(
    question: Question, answer: Answer, counts_as: Answer
) -> None:
    assert settled(question, which=answer) == {"which": counts_as}


@pytest.mark.parametrize(
    ("questions", "answers", "missing", "unknown"),
    [
        ((WHICH, WHY), {}, ["which", "why"], []),
        ((WHICH, WHY), {"why": "so"}, ["which"], []),
        ((WHICH, WHY), {"why": " \n", "which": ()}, ["which", "why"], []),
        ((WHY,), {"why": "so", "where": "here"}, [], ["where"]),
        ((WHY,), {"where": "here"}, ["why"], ["where"]),
    ],
)
def test_each_question_is_answered_and_nothing_else(
    questions: Sequence[Question], answers: dict[str, Answer], missing: list[str], unknown: list[str]
) -> None:
    with pytest.raises(AnswersMismatch) as caught:
        settled(*questions, **answers)
    assert caught.value.members == {"missing": missing, "unknown": unknown}


@pytest.mark.parametrize(
    ("question", "answer"), [(WHICH, ("blue",)), (WHICH, ("red", "green")), (BOTH, ("red", "blue")), (WHY, ("so",))]
)
def test_what_is_chosen_is_among_the_options(question: Question, answer: Answer) -> None:
    with pytest.raises(AnswersMismatch) as caught:
        settled(question, **{question.id: answer})
    assert [error["question_id"] for error in caught.value.members["errors"]] == [question.id]


# The ladder.
PAUSED = questioned(a="ask")
QUESTION = question_of(PAUSED)
GIVEN: dict[str, Any] = {"approval_id": QUESTION.id, "answers": {"which": ("red",), "why": "It is warm."}}


def test_answers_are_taken_with_who_gave_them() -> None:
    request = resume(PAUSED, by=ANN, via="http", client="curl/8", **GIVEN)
    expected = answered(QUESTION.id, {"which": ("red",), "why": "It is warm."}, ANN)
    assert decide(PAUSED, request, NOW) == expected.model_copy(update={"via": "http", "client": "curl/8"})


@pytest.mark.parametrize(
    ("refusal", "wrong"),
    [
        (InvalidBody, {"decisions": (decision("q", "approve"),)}),
        (ApprovalIdRequired, {"approval_id": None}),
        (ApprovalMismatch, {"approval_id": ApprovalId("apr_other")}),
        (AnswersMismatch, {"answers": {"why": "so"}}),
        (AnswersMismatch, {"answers": None}),
        (AnswersMismatch, {"answers": None, "decisions": (decision("q", "approve"),)}),
        (AnswersMismatch, {"answers": None, "decisions": (decision("q", "respond", text="red"),)}),
        (AnswersMismatch, {"approval_id": pending(PAUSED)[0].id}),
    ],
)
def test_what_does_not_answer_is_refused_and_leaves_the_pause_as_it_was(
    refusal: type[Exception], wrong: dict[str, Any]
) -> None:
    before = PAUSED.model_dump_json()
    with pytest.raises(refusal) as caught:
        decide(PAUSED, resume(PAUSED, **{**GIVEN, **wrong}), NOW)
    assert type(caught.value) is refusal
    assert PAUSED.model_dump_json() == before


def test_answers_come_once_and_not_too_late() -> None:
    with pytest.raises(PauseExpired):
        decide(PAUSED, resume(PAUSED, **GIVEN), QUESTION.expires_at)
    alone = questioned()
    request = resume(alone, answers={"which": "red", "why": "so"})
    fact = decide(alone, request, NOW)
    assert isinstance(fact, QuestionsAnswered)
    with pytest.raises(AlreadyDecided):
        decide(after(alone, fact), request, NOW)


# The policy.
def judged(policy: Policy, *, approvals: Any = "supported", opinions: Sequence[Opinion] = ()) -> Judgement:
    request = a_request(policy=policy, approvals=approvals)
    call = facts_of(request, CallId("q"), ASK_USER.name, {})
    return judge_call(request, call, lambda condition, _: condition == "true", opinions)


NAME = ASK_USER.name


@pytest.mark.parametrize(
    ("verdict", "policy"),
    [
        ("ask", Policy()),
        ("ask", Policy(enabled=True)),
        ("ask", Policy(enabled=True, mode="dont_ask")),
        ("ask", Policy(enabled=True, mode="bypass")),
        ("ask", Policy(enabled=True, deny=("*",))),
        ("ask", Policy(enabled=True, deny=("ask_*",))),
        ("ask", Policy(enabled=True, rules=(Rule(tool="*", verdict="deny"),))),
        ("ask", Policy(enabled=True, allow=(NAME,))),
        ("ask", Policy(enabled=True, ask=(NAME,))),
        ("ask", Policy(enabled=True, rules=(Rule(tool=NAME, when="false", verdict="deny"),))),
        ("deny", Policy(enabled=True, deny=(NAME,))),
        ("deny", Policy(enabled=True, rules=(Rule(tool=NAME, when="true", verdict="deny"),))),
        ("deny", tighten(Policy(enabled=True), PolicyTightening(deny=(NAME,)))),
    ],
)
def test_the_policy_counts_only_where_it_speaks_of_the_tool_by_name(verdict: str, policy: Policy) -> None:
    assert judged(policy).verdict == verdict


def test_the_general_reason_is_not_for_questions_and_that_of_a_rule_is() -> None:
    policy = Policy(enabled=True, reason="{tool} costs money.")
    assert judged(policy).reason is None
    rule = Rule(tool=NAME, verdict="ask", reason="Ask the owner.")
    assert judged(policy.model_copy(update={"rules": (rule,)})).reason == "Ask the owner."


def test_a_hook_may_deny_a_question() -> None:
    assert judged(Policy(enabled=True), opinions=(Opinion(hook="no", verdict="deny"),)).verdict == "deny"


def test_where_nobody_can_be_asked_the_model_is_told_so() -> None:
    judgement = judged(Policy(), approvals="unsupported")
    assert (judgement.verdict, judgement.because) == ("deny", "nobody can be asked here")
