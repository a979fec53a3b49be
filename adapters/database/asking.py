"""Approvals and decisions as rows. Whoever reopens a call (asks about it, or decides it) clears the result it had."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from sqlalchemy import ColumnElement, Update, exists, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.engine import insert
from adapters.database.grants import grant
from adapters.database.tables import approvals, approvers, decisions, generations, tool_calls
from adapters.database.types import Json
from domain.approval import Approval
from domain.events import ApprovalDecided, ApprovalVoted
from domain.ids import ApprovalId, CallId, GenerationId

REOPENED = {"output": None, "is_error": None}


async def save_approval(connection: AsyncConnection, generation: GenerationId, approval: Approval) -> None:
    table = generations.c
    of_its_owner = select(
        literal(approval.id),
        table.id,
        table.tenant,
        table.owner,
        literal(approval.model_dump(mode="json"), Json),
        literal("pending"),
    ).where(table.id == generation)
    columns = ("id", "generation_id", "tenant", "owner", "approval", "status")
    new = insert(connection, approvals).from_select(columns, of_its_owner)
    added = await connection.scalar(
        new.on_conflict_do_nothing(index_elements=[approvals.c.id]).returning(approvals.c.id)
    )
    if added is None:
        return
    for role in dict.fromkeys(approval.approvers):
        await connection.execute(approvers.insert().values(approval_id=approval.id, role=role))
    for call in approval.calls:
        await connection.execute(
            _line(generation, [call.call_id]).values(status="pending", reason=call.reason, **REOPENED)
        )
    await connection.execute(
        update(generations)
        .where(generations.c.id == generation, generations.c.status == "running")
        .values(status="requires_action")
    )


async def extend_approval(
    connection: AsyncConnection, generation: GenerationId, approval: ApprovalId, expires_at: datetime
) -> None:
    this = (approvals.c.generation_id == generation, approvals.c.id == approval, approvals.c.status == "pending")
    row = await connection.scalar(select(approvals.c.approval).where(*this).with_for_update())
    if row is not None:
        extended = Approval.model_validate(row).model_copy(update={"expires_at": expires_at})
        await connection.execute(update(approvals).where(*this).values(approval=extended.model_dump(mode="json")))


async def save_decision(
    connection: AsyncConnection, generation: GenerationId, decided: ApprovalDecided | ApprovalVoted
) -> None:
    line = {"generation_id": generation, "by_id": decided.by.id, "at": decided.at}
    said = decided.model_dump(mode="json", exclude={"type", "needed", "scope"})
    new = insert(connection, decisions).values(said | line)
    column = decisions.c
    once = new.on_conflict_do_nothing(
        index_elements=[column.approval_id, column.call_id, column.by_id, column.decision]
    )
    added = await connection.scalar(once.returning(decisions.c.ordinal))
    if added is None or isinstance(decided, ApprovalVoted):
        return
    if decided.scope == "conversation":
        await grant(connection, generation, decided)
    note: dict[str, object] = {
        "status": "rejected" if decided.decision == "reject" else "approved",
        "decided_by_id": decided.by.id,
        "decided_by_name": decided.by.name,
    }
    if decided.reason is not None:
        note["reason"] = decided.reason
    if decided.arguments is not None:
        note["arguments"] = decided.arguments
    await connection.execute(_line(generation, [decided.call_id]).values(**note, **REOPENED))


async def close_approvals(
    connection: AsyncConnection,
    generation: GenerationId,
    closing: Sequence[ApprovalId],
    status: Literal["decided", "expired"],
) -> list[Approval]:
    closed = await _close(connection, generation, status, approvals.c.id.in_(closing))
    if status == "expired":
        asked = [call.call_id for approval in closed for call in approval.calls]
        await connection.execute(
            _line(generation, asked).where(tool_calls.c.status == "pending").values(status="expired")
        )
    waits = exists().where(approvals.c.generation_id == generation, approvals.c.status == "pending")
    await connection.execute(
        update(generations)
        .where(generations.c.id == generation, generations.c.status == "requires_action", ~waits)
        .values(status="running")
    )
    return closed


async def close_all_approvals(connection: AsyncConnection, generation: GenerationId) -> list[Approval]:
    """Nobody is asked any more: the generation has ended."""
    return await _close(connection, generation, "closed")


async def _close(
    connection: AsyncConnection, generation: GenerationId, status: str, *which: ColumnElement[bool]
) -> list[Approval]:
    rows = await connection.scalars(
        update(approvals)
        .where(approvals.c.generation_id == generation, approvals.c.status == "pending", *which)
        .values(status=status)
        .returning(approvals.c.approval)
    )
    return [Approval.model_validate(row) for row in rows]


def _line(generation: GenerationId, calls: Sequence[CallId]) -> Update:
    return update(tool_calls).where(tool_calls.c.generation_id == generation, tool_calls.c.call_id.in_(calls))
