"""What is allowed for good in a conversation, by the decisions that said so."""

from collections.abc import Sequence

from sqlalchemy import delete, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.engine import Database, insert
from adapters.database.tables import generations, grants, tool_calls
from adapters.database.types import Json, UtcDateTime
from domain.events import ApprovalDecided
from domain.grants import MOST_GRANTS, Grant
from domain.ids import ConversationId, GenerationId


class DatabaseGrants:
    """Fulfils `api.ports.Grants`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def listed(self, conversation: ConversationId) -> Sequence[Grant]:
        async with self._database.reading() as connection:
            return await granted(connection, conversation)

    async def revoke(self, conversation: ConversationId, tool: str) -> bool:
        this = (grants.c.conversation_id == conversation, grants.c.tool == tool)
        async with self._database.writing() as connection:
            return await connection.scalar(delete(grants).where(*this).returning(grants.c.tool)) is not None


async def granted(connection: AsyncConnection, conversation: ConversationId) -> Sequence[Grant]:
    """In the order of the tools' names."""
    of = grants.c
    rows = await connection.execute(
        select(of.tool, of.by, of.at).where(of.conversation_id == conversation).order_by(of.tool)
    )
    return [Grant.model_validate(row._asdict()) for row in rows]


async def grant(connection: AsyncConnection, generation: GenerationId, decided: ApprovalDecided) -> None:
    """The tool of the decided call, unless too many are allowed already."""
    here = select(generations.c.conversation_id).where(generations.c.id == generation).scalar_subquery()
    so_many = select(func.count()).where(grants.c.conversation_id == here).scalar_subquery()
    new = select(
        here,
        tool_calls.c.name,
        literal(decided.by.model_dump(mode="json"), Json),
        literal(decided.at, UtcDateTime),
    ).where(tool_calls.c.generation_id == generation, tool_calls.c.call_id == decided.call_id, so_many < MOST_GRANTS)
    await connection.execute(
        insert(connection, grants)
        .from_select(("conversation_id", "tool", "by", "at"), new)
        .on_conflict_do_nothing(index_elements=[grants.c.conversation_id, grants.c.tool])
    )
