"""`fermata approvals`, `approve`, `reject` and `answer`: what waits for a person, and deciding it from a shell."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal

from rich.table import Table
from rich.text import Text

from console.answering import answer, hint
from console.client import Api, Problem
from console.deciding import refusal, told
from console.legible import brief, clock, line, now
from console.transcript import awaited
from domain.approval import CallRequest, Decision
from domain.errors import ApprovalNotFound, Refused
from domain.ids import ApprovalId
from domain.record import StoredApproval


def table(waiting: Iterable[StoredApproval], at: datetime) -> Table:
    """One row for each approval, one line in it for each call that is still open. What waits for others says so."""
    shown = Table("Approval", "Agent", "Calls", "Until", "Waits for", box=None, pad_edge=False)
    shown.columns[0].no_wrap = True  # an id that is cut can be given to no command
    shown.columns[3].no_wrap = True
    for stored in waiting:
        approval = stored.approval
        calls = "\n".join(_rows(stored))
        whom = awaited(approval) if stored.may_decide else f"{awaited(approval)}, not yours"
        cells = (approval.id, line(stored.agent.name), calls, clock(approval.expires_at, at), whom)
        shown.add_row(*(Text(cell) for cell in cells))  # Text: no markup in what others wrote
    return shown


def decide_all(api: Api, approval_id: ApprovalId, kind: Literal["approve", "reject"], reason: str | None) -> list[str]:
    """Give every open call of the approval the same decision; the receipt as lines.

    Raises ApprovalNotFound if it waits for nobody here, and Refused in words for people.
    """
    found = _waiting(api, approval_id)
    if found.approval.questions:
        raise Refused(f"{approval_id} asks a question; answer it: `fermata answer {approval_id} ANSWER`.")
    calls = open_calls(found)
    names = {call.call_id: call.name for call in found.approval.calls}
    decisions = [Decision(call_id=call.call_id, decision=kind, reason=reason) for call in calls]
    try:
        receipt = api.decide(found.generation_id, approval_id, decisions)
    except Problem as problem:
        raise Refused(refusal(problem, names, now())) from problem
    return told(approval_id, receipt, names, now())


def answer_all(api: Api, approval_id: ApprovalId, said: Sequence[str]) -> list[str]:
    """Answer the questions of the approval in their order; the receipt as lines. Raises what `decide_all` raises."""
    found = _waiting(api, approval_id)
    questions = found.approval.questions
    if not questions:
        raise Refused(f"{approval_id} asks no question; decide it: `fermata approve {approval_id}`, or `reject`.")
    if len(said) != len(questions):
        asked = "; ".join(f"{line(question.text)} ({hint(question)})" for question in questions)
        raise Refused(f"Give one answer for each question: {asked}. Put quotes around it if it has blanks.")
    names = {call.call_id: call.name for call in found.approval.calls}
    answers = {question.id: answer(question, each) for question, each in zip(questions, said, strict=True)}
    try:
        receipt = api.answer(found.generation_id, approval_id, answers)
    except Problem as problem:
        raise Refused(refusal(problem, names, now())) from problem
    return told(approval_id, receipt, names, now())


def _rows(stored: StoredApproval) -> list[str]:
    """One for each question, or call that is open."""
    if stored.approval.questions:
        return [f"asks: {line(question.text)}" for question in stored.approval.questions]
    return [f"{line(call.name)}  {brief(call.arguments)}" for call in open_calls(stored)]


def open_calls(stored: StoredApproval) -> list[CallRequest]:
    return [call for call in stored.approval.calls if call.call_id in stored.receipt.remaining]


def _waiting(api: Api, approval_id: ApprovalId) -> StoredApproval:
    try:
        found = api.approval(approval_id)
    except Problem as problem:
        if problem.code != "approval_not_found":
            raise
        found = None
    if found is None or found.status != "pending":
        raise ApprovalNotFound(
            f"No approval {approval_id!r} waits for you: decided, expired, or not yours. "
            "`fermata approvals` lists those that do."
        )
    return found
