"""The API's reads. Tenant and owner are part of every question; what is another's is as unknown as what never was."""

from collections.abc import Collection, Sequence

from sqlalchemy import and_, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database import inbox, reading
from adapters.database.engine import Database
from adapters.database.paging import fetch_page
from adapters.database.tables import LIVE, conversations, decisions, generations, messages, tool_calls
from domain.compose import rebuild
from domain.content import Message
from domain.errors import ConversationNotFound, GenerationNotFound
from domain.ids import ApprovalId, ConversationId, GenerationId
from domain.record import (
    ApprovalFilter,
    Conversation,
    LiveGeneration,
    Page,
    StatusFilter,
    StoredApproval,
    StoredDecision,
    StoredGeneration,
)
from domain.view import View

OWNERS = 10_000  # generations whose owner is remembered


class Queries:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._owners: dict[GenerationId, tuple[str, str]] = {}

    async def check_owner(self, tenant: str, owner: str, generation: GenerationId) -> None:
        """Raises GenerationNotFound. An owner never changes, so those who come back need no database.

        After a cut a thousand readers ask this at once.
        """
        if self._owners.get(generation) == (tenant, owner):
            return
        await self.generation(tenant, owner, generation)
        if len(self._owners) >= OWNERS:
            del self._owners[next(iter(self._owners))]
        self._owners[generation] = tenant, owner

    async def generation(self, tenant: str, owner: str, generation: GenerationId) -> StoredGeneration:
        """Raises GenerationNotFound."""
        return await self.decidable(tenant, owner, (), generation)

    async def generations(
        self,
        tenant: str,
        owner: str,
        *,
        status: StatusFilter | None = None,
        conversation: ConversationId | None = None,
        limit: int = 50,
        before: str | None = None,
    ) -> Page[StoredGeneration]:
        """What the engine has taken; a start that is only claimed is not listed."""
        table = generations.c
        query = select(generations).where(table.tenant == tenant, table.owner == owner, table.status != "submitted")
        if status is not None:
            query = query.where(table.status.in_(LIVE if status == "live" else (status,)))
        if conversation is not None:
            query = query.where(table.conversation_id == conversation)
        async with self._database.reading() as connection:
            return await fetch_page(
                connection, query, StoredGeneration, at=table.created_at, key=table.id, limit=limit, before=before
            )

    async def view(self, generation: GenerationId) -> View:
        """The view as far as the record knows it, for when the log is gone. Raises GenerationNotFound."""
        async with self._database.reading() as connection:
            stored = await reading.generation(connection, generation)
            request = stored.request
            return rebuild(
                stored,
                turns=await reading.turns(connection, generation),
                calls=await reading.calls(connection, generation),
                steers=await reading.steers(connection, generation),
                pending=await reading.pending(connection, generation),
                decided=await reading.decisions(connection, generation),
                user_message=await reading.message(connection, request.conversation_id, request.user_message_id),
                response=await reading.message(connection, request.conversation_id, request.response_message_id),
                title=await reading.title(connection, request.conversation_id),
            )

    async def conversations(
        self, tenant: str, owner: str, *, limit: int = 50, before: str | None = None
    ) -> Page[Conversation]:
        """Those in which something was said, the last moved first."""
        table = conversations.c
        said = exists().where(messages.c.conversation_id == table.id)
        query = select(conversations).where(table.tenant == tenant, table.owner == owner, said)
        async with self._database.reading() as connection:
            page = await fetch_page(
                connection, query, Conversation, at=table.updated_at, key=table.id, limit=limit, before=before
            )
            return Page(items=await _with_live(connection, page.items), next=page.next)

    async def conversation(self, tenant: str, owner: str, conversation: ConversationId) -> Conversation:
        """Raises ConversationNotFound."""
        async with self._database.reading() as connection:
            found = await _owned(connection, tenant, owner, conversation)
            return (await _with_live(connection, [found]))[0]

    async def messages(self, tenant: str, owner: str, conversation: ConversationId) -> list[Message]:
        """All branches, oldest first. Raises ConversationNotFound."""
        async with self._database.reading() as connection:
            await _owned(connection, tenant, owner, conversation)
            tree = select(messages).where(messages.c.conversation_id == conversation).order_by(messages.c.ordinal)
            return [reading.as_message(row) for row in await connection.execute(tree)]

    async def decidable(
        self, tenant: str, person: str, roles: Collection[str], generation: GenerationId
    ) -> StoredGeneration:
        """The generation, if the person is its owner or has a role that an approval of it asks for.

        Raises GenerationNotFound.
        """
        who = inbox.Person(tenant, person, roles)
        async with self._database.reading() as connection:
            found = await reading.generation(connection, generation)
            request = found.request
            if (request.tenant, request.owner.id) == (tenant, person) or (
                roles and await inbox.has_part_in(connection, who, generation)
            ):
                return found
        raise GenerationNotFound(f"There is no generation {generation!r}.")

    async def approval(self, tenant: str, person: str, roles: Collection[str], approval: ApprovalId) -> StoredApproval:
        """Whether it still waits or not. Raises ApprovalNotFound."""
        async with self._database.reading() as connection:
            return await inbox.one(connection, inbox.Person(tenant, person, roles), approval)

    async def approvals(
        self,
        tenant: str,
        person: str,
        roles: Collection[str],
        *,
        status: ApprovalFilter = "pending",
        limit: int = 50,
        before: str | None = None,
    ) -> Page[StoredApproval]:
        """Those that wait are listed oldest first, all others newest first. `settled`: those that wait no more."""
        async with self._database.reading() as connection:
            return await inbox.page(connection, inbox.Person(tenant, person, roles), status, limit, before)

    async def counts(self) -> dict[str, int]:
        """How many generations of all owners stand where; what is only claimed does not count."""
        status = generations.c.status
        grouped = select(status, func.count().label("number")).where(status != "submitted").group_by(status)
        async with self._database.reading() as connection:
            return {row.status: row.number for row in await connection.execute(grouped)}

    async def decisions(self, generation: GenerationId) -> list[StoredDecision]:
        """Who decided what, oldest first."""
        table, ledger = decisions.c, tool_calls.c
        of_call = and_(ledger.generation_id == table.generation_id, ledger.call_id == table.call_id)
        lines = select(decisions, ledger.name).outerjoin(tool_calls, of_call).where(table.generation_id == generation)
        async with self._database.reading() as connection:
            rows = await connection.execute(lines.order_by(table.ordinal))
            return [StoredDecision.model_validate(row._asdict()) for row in rows]


async def _owned(connection: AsyncConnection, tenant: str, owner: str, conversation: ConversationId) -> Conversation:
    table = conversations.c
    named = select(conversations).where(table.id == conversation, table.tenant == tenant, table.owner == owner)
    row = (await connection.execute(named)).one_or_none()
    if row is None:
        raise ConversationNotFound(f"There is no conversation {conversation!r}.")
    return Conversation.model_validate(row._asdict())


async def _with_live(connection: AsyncConnection, found: Sequence[Conversation]) -> tuple[Conversation, ...]:
    """The conversations with what runs in them; where nothing runs yet, with the first that waits."""
    table = generations.c
    live = select(table.conversation_id, table.id, table.status).where(
        table.conversation_id.in_([item.id for item in found]), table.status.in_(LIVE)
    )
    rows = (await connection.execute(live.order_by(table.created_at.desc(), table.id.desc()))).all()
    watched: dict[str, LiveGeneration] = {}
    for row in sorted(rows, key=lambda row: row.status != "queued"):  # later ones replace earlier ones
        watched[row.conversation_id] = LiveGeneration.model_validate(row._asdict())
    return tuple(item.model_copy(update={"live": watched.get(item.id)}) for item in found)
