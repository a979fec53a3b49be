"""Rows read into domain values: what the worker and the API both look up."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database import tables
from domain.approval import Approval, Decided, Receipt, still_open
from domain.content import Message
from domain.errors import GenerationNotFound
from domain.events import ApprovalDecided
from domain.ids import ApprovalId, ConversationId, GenerationId, MessageId
from domain.record import CallRecord, StoredGeneration, TurnRecord


async def generation(connection: AsyncConnection, generation_id: GenerationId) -> StoredGeneration:
    """Raises GenerationNotFound."""
    rows = await connection.execute(select(tables.generations).where(tables.generations.c.id == generation_id))
    row = rows.one_or_none()
    if row is None:
        raise GenerationNotFound(f"There is no generation {generation_id!r}.")
    return StoredGeneration.model_validate(row._asdict())


async def turns(connection: AsyncConnection, generation_id: GenerationId) -> list[TurnRecord]:
    table = tables.turns
    rows = await connection.execute(select(table).where(table.c.generation_id == generation_id).order_by(table.c.turn))
    return [TurnRecord.model_validate(row._asdict()) for row in rows]


async def calls(connection: AsyncConnection, generation_id: GenerationId) -> list[CallRecord]:
    table = tables.tool_calls
    lines = select(table).where(table.c.generation_id == generation_id).order_by(table.c.turn, table.c.place)
    return [CallRecord.model_validate(row._asdict()) for row in await connection.execute(lines)]


async def steers(connection: AsyncConnection, generation_id: GenerationId) -> list[tuple[int, str]]:
    table = tables.steers
    heard = select(table).where(table.c.generation_id == generation_id).order_by(table.c.turn, table.c.place)
    return [(row.turn, row.text) for row in await connection.execute(heard)]


async def message(connection: AsyncConnection, conversation: ConversationId, message_id: MessageId) -> Message | None:
    table = tables.messages
    named = select(table).where(table.c.conversation_id == conversation, table.c.id == message_id)
    row = (await connection.execute(named)).one_or_none()
    return None if row is None else as_message(row)


def as_message(row: Row[tuple[object, ...]]) -> Message:
    return Message.model_validate(row._asdict())


async def title(connection: AsyncConnection, conversation: ConversationId) -> str | None:
    table = tables.conversations
    return await connection.scalar(select(table.c.title).where(table.c.id == conversation))


async def pending(connection: AsyncConnection, generation_id: GenerationId) -> list[Approval]:
    """The approvals that wait, oldest first; calls of theirs may be decided already."""
    of = tables.approvals.c
    waiting = select(of.approval).where(of.generation_id == generation_id, of.status == "pending").order_by(of.id)
    return [Approval.model_validate(asked) for asked in await connection.scalars(waiting)]


async def receipt(connection: AsyncConnection, generation_id: GenerationId, approval_id: ApprovalId) -> Receipt | None:
    """What was decided on that approval, oldest first; None if the generation has no such approval."""
    of = tables.approvals.c
    asked = await connection.scalar(select(of.approval).where(of.id == approval_id, of.generation_id == generation_id))
    if asked is None:
        return None
    return (await receipts(connection, [Approval.model_validate(asked)]))[approval_id]


async def receipts(connection: AsyncConnection, asked: Sequence[Approval]) -> dict[ApprovalId, Receipt]:
    """What was decided on each of them, oldest first, and what is still open."""
    table = tables.decisions
    lines = select(table).where(table.c.approval_id.in_([approval.id for approval in asked])).order_by(table.c.ordinal)
    decided = defaultdict[str, list[Decided]](list)
    for row in await connection.execute(lines):
        decided[row.approval_id].append(Decided.model_validate(row._asdict()))
    return {
        approval.id: Receipt(
            approval_id=approval.id,
            decided=tuple(decided[approval.id]),
            remaining=still_open(approval, decided[approval.id]),
        )
        for approval in asked
    }


async def decisions(connection: AsyncConnection, generation_id: GenerationId) -> list[ApprovalDecided]:
    table = tables.decisions
    lines = select(table).where(table.c.generation_id == generation_id).order_by(table.c.ordinal)
    return [ApprovalDecided.model_validate(row._asdict()) for row in await connection.execute(lines)]
