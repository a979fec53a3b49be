"""The API's writes: a start is claimed in the record before the engine sees it, and withdrawn if the engine refuses."""

from typing import Literal

from sqlalchemy import delete, exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database import reading
from adapters.database.engine import Database, insert
from adapters.database.tables import NOT_ENDED, conversations, generations, messages
from domain.errors import (
    ConversationNotFound,
    IdempotencyMismatch,
    InvalidRequest,
    MessageNotFound,
    ParentUnfinished,
    PredecessorMismatch,
)
from domain.ids import ROOT, GenerationId, MessageId
from domain.record import Claimed, NewStart
from domain.start import StartRequest


class Starts:
    """Claims are serialised per conversation and per idempotency key, over any number of processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, start: NewStart) -> Claimed:
        """Note the start as submitted, or find the earlier one with the same key. Whatever is raised, nothing changed.

        Raises ConversationNotFound, MessageNotFound, IdempotencyMismatch, InvalidRequest, ParentUnfinished,
        PredecessorMismatch (with `latest`).
        """
        while True:
            async with self._database.writing() as connection:
                claimed = await _claim(connection, start)
                if claimed is None or claimed.replayed:
                    await connection.rollback()  # a conversation made for a request that is a repeat must not stay
            if claimed is not None:
                return claimed
            # Another request with this key was faster, in another conversation; it has committed, so now it is found.

    async def accepted(self, generation: GenerationId, status: Literal["queued", "running"]) -> None:
        """The engine took the start. Says nothing new if the worker was faster."""
        async with self._database.writing() as connection:
            await connection.execute(
                update(generations).where(generations.c.id == generation, _SUBMITTED).values(status=status)
            )

    async def withdraw(self, generation: GenerationId) -> None:
        """The engine refused the start: it never was, and neither was a conversation that has nothing else."""
        async with self._database.writing() as connection:
            conversation = await connection.scalar(
                select(generations.c.conversation_id).where(generations.c.id == generation, _SUBMITTED)
            )
            if conversation is None:
                return
            # Claims take this lock too. Without it, one that is being made now would be deleted with its conversation.
            this = conversations.c.id == conversation
            await connection.execute(select(conversations.c.id).where(this).with_for_update())
            await connection.execute(delete(generations).where(generations.c.id == generation, _SUBMITTED))
            await connection.execute(
                delete(conversations).where(
                    this,
                    ~exists().where(messages.c.conversation_id == conversation),
                    ~exists().where(generations.c.conversation_id == conversation),
                )
            )


_SUBMITTED = generations.c.status == "submitted"


async def _claim(connection: AsyncConnection, start: NewStart) -> Claimed | None:
    """None if another request took the key meanwhile."""
    request = start.request
    await _take_conversation(connection, request)
    earlier = await _same_key(connection, start)
    if earlier is not None:
        return earlier
    latest = await _latest(connection, request)
    if request.expected_generation not in (None, latest):
        raise PredecessorMismatch(latest=latest)
    await _check_messages(connection, start)
    first = latest is None  # every message comes from a generation
    request = request.model_copy(update={"wants_title": request.wants_title and first, "continues": latest})
    new = insert(connection, generations).values(
        id=request.generation_id,
        conversation_id=request.conversation_id,
        tenant=request.tenant,
        owner=request.owner.id,
        request=request.model_dump(mode="json"),
        text=start.text,
        parent_message_id=start.parent_message_id,
        user_message_id=request.user_message_id,
        response_message_id=request.response_message_id,
        status="submitted",
        idempotency_key=start.idempotency_key,
        body_digest=start.body_digest,
        created_at=request.created_at,
    )
    key = [generations.c.tenant, generations.c.owner, generations.c.idempotency_key]
    added = await connection.scalar(new.on_conflict_do_nothing(index_elements=key).returning(generations.c.id))
    return None if added is None else Claimed(request=request, status="submitted", first=first, latest=latest)


async def _take_conversation(connection: AsyncConnection, request: StartRequest) -> None:
    """Make the conversation, or lock it until the transaction ends."""
    new = insert(connection, conversations).values(
        id=request.conversation_id,
        tenant=request.tenant,
        owner=request.owner.id,
        agent=request.agent.id,
        created_at=request.created_at,
        updated_at=request.created_at,
    )
    untouched = {"updated_at": conversations.c.updated_at}
    taken = new.on_conflict_do_update(index_elements=[conversations.c.id], set_=untouched)
    whose = (await connection.execute(taken.returning(conversations.c.tenant, conversations.c.owner))).one()
    if (whose.tenant, whose.owner) != (request.tenant, request.owner.id):
        raise ConversationNotFound(f"There is no conversation {request.conversation_id!r}.")


async def _same_key(connection: AsyncConnection, start: NewStart) -> Claimed | None:
    if start.idempotency_key is None:
        return None
    rows = await connection.execute(
        select(generations).where(
            generations.c.tenant == start.request.tenant,
            generations.c.owner == start.request.owner.id,
            generations.c.idempotency_key == start.idempotency_key,
        )
    )
    row = rows.one_or_none()
    if row is None:
        return None
    if row.body_digest != start.body_digest:
        raise IdempotencyMismatch()
    return Claimed(request=StartRequest.model_validate(row.request), status=row.status, replayed=True)


async def _latest(connection: AsyncConnection, request: StartRequest) -> GenerationId | None:
    here = select(generations.c.id).where(generations.c.conversation_id == request.conversation_id)
    return await connection.scalar(here.order_by(generations.c.created_at.desc(), generations.c.id.desc()).limit(1))


async def _check_messages(connection: AsyncConnection, start: NewStart) -> None:
    request, parent = start.request, start.parent_message_id
    user_message = await reading.message(connection, request.conversation_id, request.user_message_id)
    if start.regenerate:
        if user_message is None or user_message.role != "user":
            raise MessageNotFound(f"There is no message of the user {request.user_message_id!r} in this conversation.")
    elif user_message is not None or await _is_promised(connection, request, request.user_message_id):
        raise InvalidRequest(f"The message id {request.user_message_id!r} is taken. Send a new one, or none.")
    if parent is None or parent == ROOT:
        return
    if await _is_being_written(connection, request, parent):
        raise ParentUnfinished()
    if await reading.message(connection, request.conversation_id, parent) is None:
        raise MessageNotFound(f"There is no message {parent!r} in this conversation.")


async def _is_promised(connection: AsyncConnection, request: StartRequest, message: MessageId) -> bool:
    """Whether a generation of this conversation will store a message of that id, or did."""
    promised = exists().where(
        generations.c.conversation_id == request.conversation_id,
        or_(generations.c.user_message_id == message, generations.c.response_message_id == message),
    )
    return bool(await connection.scalar(select(promised)))


async def _is_being_written(connection: AsyncConnection, request: StartRequest, message: MessageId) -> bool:
    writing = exists().where(
        generations.c.conversation_id == request.conversation_id,
        generations.c.response_message_id == message,
        generations.c.status.in_(NOT_ENDED),
    )
    return bool(await connection.scalar(select(writing)))
