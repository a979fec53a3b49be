"""Messages as rows: the tree of a conversation, whose branches are walked from a leaf to the root."""

from datetime import datetime

from sqlalchemy import case, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database import reading
from adapters.database.engine import insert
from adapters.database.tables import conversations, generations, messages
from adapters.database.types import instant
from domain.content import Message, TextPart
from domain.errors import GenerationNotFound
from domain.ids import ROOT, ConversationId, MessageId
from domain.start import StartRequest


async def ask(connection: AsyncConnection, request: StartRequest) -> Message:
    """The message that is answered, stored unless it was there. Raises GenerationNotFound."""
    asked = select(generations.c.text, generations.c.parent_message_id)
    row = (await connection.execute(asked.where(generations.c.id == request.generation_id))).one_or_none()
    if row is None:
        raise GenerationNotFound(f"There is no generation {request.generation_id!r}.")
    kept = await reading.message(connection, request.conversation_id, request.user_message_id)
    if kept is not None:
        return kept
    parent = row.parent_message_id or await _newest(connection, request.conversation_id)
    message = Message(
        id=request.user_message_id,
        parent_id=None if parent == ROOT else parent,
        role="user",
        parts=(TextPart(text=row.text),),
        created_at=request.created_at,
        generation_id=request.generation_id,
        metadata=request.metadata,
    )
    await save(connection, request.conversation_id, message)
    return message


async def save(connection: AsyncConnection, conversation: ConversationId, message: Message) -> None:
    values = {"conversation_id": conversation, **message.model_dump(mode="json"), "created_at": message.created_at}
    new = insert(connection, messages).values(values)
    await connection.execute(
        new.on_conflict_do_update(
            index_elements=[messages.c.conversation_id, messages.c.id],
            set_={name: new.excluded[name] for name in Message.model_fields if name != "id"},
            where=or_(messages.c.unfinished, ~new.excluded.unfinished),
        )
    )


async def branch(connection: AsyncConnection, conversation: ConversationId, leaf: MessageId) -> list[Message]:
    here = messages.c.conversation_id == conversation
    link = select(messages.c.id, messages.c.parent_id)
    above = link.where(here, messages.c.id == leaf).cte("above", recursive=True)
    above = above.union(link.where(here, messages.c.id == above.c.parent_id))
    # A message is stored after its parent, so the order of insertion leads down the branch.
    path = select(messages).where(here, messages.c.id.in_(select(above.c.id))).order_by(messages.c.ordinal)
    return [reading.as_message(row) for row in await connection.execute(path)]


async def touch(connection: AsyncConnection, conversation: ConversationId, at: datetime, **changes: str) -> None:
    """Note that the conversation moved; a late or repeated write does not move it back."""
    latest = case((conversations.c.updated_at < at, instant(at)), else_=conversations.c.updated_at)
    await connection.execute(
        update(conversations).where(conversations.c.id == conversation).values(updated_at=latest, **changes)
    )


async def _newest(connection: AsyncConnection, conversation: ConversationId) -> MessageId | None:
    newest = select(messages.c.id).where(messages.c.conversation_id == conversation)
    return await connection.scalar(newest.order_by(messages.c.ordinal.desc()).limit(1))
