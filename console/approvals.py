"""`fermata approvals`, `approve` and `reject`: what waits for a person, and deciding it from a shell."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Literal, NamedTuple

from rich.table import Table
from rich.text import Text

from console.client import Api, Problem
from console.deciding import refusal, told
from console.legible import brief, clock, line, now
from domain.approval import Approval, Decision
from domain.errors import ApprovalNotFound, Refused
from domain.ids import ApprovalId
from domain.view import View


class Waiting(NamedTuple):
    view: View
    approval: Approval


def waiting(api: Api) -> Iterator[Waiting]:
    """The caller's pending approvals, those of the newest generation first."""
    for generation in api.waiting():
        view = api.view(generation)
        yield from (Waiting(view, approval) for approval in view.approvals)


def table(pending: Iterable[Waiting], at: datetime) -> Table:
    """One row for each approval, one line in it for each call."""
    shown = Table("Approval", "Agent", "Calls", "Until", box=None, pad_edge=False)
    shown.columns[0].no_wrap = True  # an id that is cut can be given to no command
    shown.columns[3].no_wrap = True
    for view, approval in pending:
        calls = "\n".join(f"{line(call.name)}  {brief(call.arguments)}" for call in approval.calls)
        cells = (approval.id, line(view.agent.name), calls, clock(approval.expires_at, at))
        shown.add_row(*(Text(cell) for cell in cells))  # Text: no markup in what others wrote
    return shown


def decide_all(api: Api, approval_id: ApprovalId, kind: Literal["approve", "reject"], reason: str | None) -> list[str]:
    """Give every open call of the approval the same decision; the receipt as lines.

    Raises ApprovalNotFound if it waits for nobody here, and Refused in words for people.
    """
    found = next((each for each in waiting(api) if each.approval.id == approval_id), None)
    if found is None:
        raise ApprovalNotFound(
            f"No approval {approval_id!r} waits for you: decided, expired, or not yours. "
            "`fermata approvals` lists those that do."
        )
    calls = found.approval.calls
    names = {call.call_id: call.name for call in calls}
    decisions = [Decision(call_id=call.call_id, decision=kind, reason=reason) for call in calls]
    try:
        receipt = api.decide(found.view.id, approval_id, decisions)
    except Problem as problem:
        raise Refused(refusal(problem, names, now())) from problem
    return told(approval_id, receipt, names, now())
