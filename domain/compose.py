"""What the record says, as clients see it: the message of a generation, and its whole view. Pure.

It shows the same as `domain.view.fold` shows of the same history, which stands in the log while there is one.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce

from domain.approval import Approval, still_open, with_votes
from domain.content import (
    Actor,
    ErrorInfo,
    ErrorPart,
    Message,
    Part,
    SteerPart,
    ToolCallPart,
    Usage,
    is_empty,
)
from domain.events import AgentRef, ApprovalDecided, Outcome, Totals
from domain.ids import CallId
from domain.pricing import add_costs
from domain.record import CallRecord, StoredGeneration, TurnRecord
from domain.view import View


def compose(
    turns: Sequence[TurnRecord],
    calls: Sequence[CallRecord],
    steers: Sequence[tuple[int, str]],
    error: ErrorInfo | None = None,
) -> tuple[Part, ...]:
    """The parts of the message: what was said, turn by turn, and what became of each call."""
    ledger = {call.call_id: call for call in calls}
    said = [part for part in _in_order(turns, steers, ledger) if not is_empty(part)]
    return (*said, ErrorPart(message=error.message)) if error else tuple(said)


def rebuild(
    stored: StoredGeneration,
    *,
    turns: Sequence[TurnRecord],
    calls: Sequence[CallRecord],
    steers: Sequence[tuple[int, str]],
    pending: Sequence[Approval],
    decided: Sequence[ApprovalDecided],
    user_message: Message | None,
    response: Message | None,
    title: str | None,
) -> View:
    """The view, with cursor 0: it continues no log. What only the engine knows, like waiting steers, is not in it."""
    request, agent = stored.request, stored.request.agent
    outcome = _outcome(stored)
    message = response
    if outcome is None:  # also before it starts: who watches need not ask whether there is a message
        message = Message(
            id=request.response_message_id,
            parent_id=request.user_message_id,
            role="assistant",
            parts=compose(turns, calls, steers),
            unfinished=True,
            created_at=stored.started_at or request.created_at,
            generation_id=request.generation_id,
        )
    totals = stored.totals or _totals(turns)
    return View(
        id=request.generation_id,
        conversation_id=request.conversation_id,
        agent=AgentRef(id=agent.id, name=agent.name, model=agent.model),
        status="queued" if stored.status == "submitted" else stored.status,
        outcome=outcome,
        error=stored.error,
        created_at=request.created_at,
        started_at=stored.started_at,
        finished_at=stored.finished_at,
        turn=turns[-1].turn if turns else 0,
        turn_offset=_offset(turns, calls, steers),
        message=message,
        user_message=user_message,
        approvals=_undecided(pending, decided) if outcome is None else (),
        title=title,
        usage=Usage.model_validate(totals.model_dump()),
        cost=totals.cost,
    )


def _in_order(
    turns: Sequence[TurnRecord], steers: Sequence[tuple[int, str]], ledger: Mapping[CallId, CallRecord]
) -> Iterator[Part]:
    """A steer stands before the turn in which it was heard, also while that turn has no reply yet."""
    replies = {turn.turn: turn.parts for turn in turns}
    for number in sorted({*replies, *(turn for turn, _ in steers)}):
        yield from (SteerPart(text=text) for turn, text in steers if turn == number)
        for part in replies.get(number, ()):
            line = ledger.get(part.call_id) if isinstance(part, ToolCallPart) else None
            yield part if line is None else part.model_copy(update=_what_became_of(line))


def _what_became_of(line: CallRecord) -> dict[str, object]:
    by = line.decided_by_id
    return {
        "arguments": line.arguments,
        "status": line.status,
        "output": line.output,
        "is_error": line.is_error,
        "reason": line.reason,
        "decided_by": Actor(id=by, name=line.decided_by_name or by) if by else None,
    }


def _undecided(pending: Sequence[Approval], decided: Sequence[ApprovalDecided]) -> tuple[Approval, ...]:
    """The approvals with the calls that are still open, and the votes on them."""
    waiting = []
    for approval in pending:
        said = [line for line in decided if line.approval_id == approval.id]
        open_calls = still_open(approval, said)
        calls = tuple(call for call in approval.calls if call.call_id in open_calls)
        waiting.append(with_votes(approval, said).model_copy(update={"calls": calls}))
    return tuple(approval for approval in waiting if approval.calls)


def _outcome(stored: StoredGeneration) -> Outcome | None:
    match stored.status:
        case "submitted" | "queued" | "running" | "requires_action":
            return None
        case outcome:
            return outcome


def _offset(turns: Sequence[TurnRecord], calls: Sequence[CallRecord], steers: Sequence[tuple[int, str]]) -> int:
    """Where in the message the last turn begins."""
    if not turns:
        return 0
    *earlier, last = turns
    return len(compose(earlier, calls, [steer for steer in steers if steer[0] <= last.turn]))


def _totals(turns: Sequence[TurnRecord]) -> Totals:
    nothing: float | None = 0.0
    usage = sum((turn.usage for turn in turns), Usage())
    return Totals(**usage.model_dump(), cost=reduce(add_costs, (turn.cost for turn in turns), nothing))
