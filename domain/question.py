"""A question of the model to a person, and whether what comes back answers it."""

from collections.abc import Mapping, Sequence

from domain.content import Value
from domain.errors import AnswersMismatch
from domain.ids import QuestionId

Answer = str | tuple[str, ...]
"""In the person's own words, or the values of the options that were chosen."""


class Option(Value):
    label: str
    value: str


class Question(Value):
    """Without options it is answered by a text. With options too, in place of them: none of them may fit."""

    id: QuestionId
    text: str
    description: str = ""
    options: tuple[Option, ...] = ()
    multi_select: bool = False


def settle(questions: Sequence[Question], answers: Mapping[QuestionId, Answer]) -> dict[QuestionId, Answer]:
    """The answers, in the order of the questions and of their options. Raises AnswersMismatch unless all are answered.

    A text that is the value of an option is a choice of it.
    """
    missing = [question.id for question in questions if not _says_something(answers.get(question.id, ""))]
    unknown = sorted(answers.keys() - {question.id for question in questions})
    if missing or unknown:
        raise AnswersMismatch(missing=missing, unknown=unknown)
    settled = {question.id: _chosen(question, answers[question.id]) for question in questions}
    errors = [
        {"question_id": question.id, "message": problem}
        for question in questions
        if (problem := _problem(question, settled[question.id])) is not None
    ]
    if errors:
        what = "; ".join(f"{error['question_id']}: {error['message']}" for error in errors)
        raise AnswersMismatch(f"The answers do not fit the questions. {what}", missing=[], unknown=[], errors=errors)
    return settled


def length(answers: Mapping[QuestionId, Answer]) -> int:
    """Characters, in all."""
    return sum(len(text) for answer in answers.values() for text in _texts(answer))


def shown(answer: Answer) -> str:
    """The answer in one line."""
    return ", ".join(_texts(answer))


def _texts(answer: Answer) -> tuple[str, ...]:
    return (answer,) if isinstance(answer, str) else answer


def _says_something(answer: Answer) -> bool:
    return any(text.strip() for text in _texts(answer))


def _chosen(question: Question, answer: Answer) -> Answer:
    values = [option.value for option in question.options]
    if isinstance(answer, str):
        return (answer,) if answer in values else answer
    strange = [value for value in answer if value not in values]
    return (*(value for value in values if value in answer), *strange)


def _problem(question: Question, answer: Answer) -> str | None:
    if isinstance(answer, str):
        return None
    if not question.options:
        return "there is nothing to choose from; answer with a text"
    values = {option.value for option in question.options}
    if strange := [value for value in answer if value not in values]:
        return f"{strange[0][:100]!r} is not the value of an option; one's own words are a text, not a list"
    if len(answer) > 1 and not question.multi_select:
        return "choose one option only"
    return None
