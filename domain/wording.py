"""What the model is told when a call did not simply run. One place, plain words, exactly what happened."""

import json
from collections.abc import Mapping, Sequence

from domain.approval import Decision
from domain.content import Actor
from domain.ids import QuestionId
from domain.limits import REASON_CHARS, cut
from domain.question import Answer, Question

EXPIRED = "This call was not run: the time to decide on it ran out without a decision. Nobody refused it."
UNANSWERED = "Nobody answered in time. Nobody refused to answer; go on without, or say what you would need to know."
NOBODY_THERE = "Go on with what you know, and say what you had to assume."
STOPPED = "This call was not run: the answer was stopped before."
NO_SUCH_TOOL = "There is no tool of this name. Use one of the tools you were given."
LOST = (
    "It is unknown whether this call took effect: the process that ran it died before there was a result. "
    "Approve to run it again, respond with what you found out, or reject to go on without it."
)
LOST_UNASKED = (
    "It is unknown whether this call took effect: the process that ran it died before there was a result. "
    "Do not simply repeat it; find out first, or tell the user."
)


def rejected(by: Actor, reason: str | None, policy_reason: str | None, *, lost: bool = False) -> str:
    """A person said no. Their reason counts; without one, the policy's. `lost`: no to running it once more."""
    why = reason or policy_reason
    no = f"{LOST_UNASKED} {by.name} refused to run it again." if lost else f"{by.name} refused this call."
    return no + (f" Reason: {cut(why, REASON_CHARS)}" if why else "")


def denied(because: str, reason: str | None) -> str:
    """The policy said no."""
    return f"This call is not allowed ({because})." + (f" {reason}" if reason else "")


def invalid(problem: str) -> str:
    """The arguments do not fit; the model may try again."""
    return f"The arguments do not fit this tool, so it was not run: {problem}"


def responded(decision: Decision) -> str:
    """A person answered in the tool's place."""
    return cut(decision.text or "")


def answered(questions: Sequence[Question], answers: Mapping[QuestionId, Answer]) -> str:
    """A person answered the model's questions. JSON, so that no answer can look like two."""
    told = [{"id": question.id, "question": question.text, "answer": answers[question.id]} for question in questions]
    return json.dumps({"answers": told}, ensure_ascii=False)
