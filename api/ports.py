"""What the routes need of the world beside the engine and the log. `app.py` brings the adapters."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, Protocol

from domain.agent import Agent
from domain.content import JsonObject, Message
from domain.grants import Grant
from domain.ids import ApprovalId, ConversationId, GenerationId, WebhookId
from domain.ports import Conditions, Engine, Slots
from domain.record import (
    ApprovalFilter,
    Claimed,
    Conversation,
    NewStart,
    Page,
    StatusFilter,
    StoredApproval,
    StoredDecision,
    StoredGeneration,
)
from domain.view import View
from domain.webhook import Delivery, Webhook


class Starts(Protocol):
    """Claims starts in the record, so that the same request is one generation whatever happens in between."""

    async def claim(self, start: NewStart) -> Claimed: ...

    async def accepted(self, generation: GenerationId, status: Literal["queued", "running"]) -> None: ...

    async def withdraw(self, generation: GenerationId) -> None: ...


class Queries(Protocol):
    """Reads the record; what is another's is as unknown as what never was."""

    async def check_owner(self, tenant: str, owner: str, generation: GenerationId) -> None: ...

    async def generation(self, tenant: str, owner: str, generation: GenerationId) -> StoredGeneration: ...

    async def generations(
        self,
        tenant: str,
        owner: str,
        *,
        status: StatusFilter | None = None,
        conversation: ConversationId | None = None,
        limit: int = 50,
        before: str | None = None,
    ) -> Page[StoredGeneration]: ...

    async def view(self, generation: GenerationId) -> View: ...

    async def conversations(
        self, tenant: str, owner: str, *, limit: int = 50, before: str | None = None
    ) -> Page[Conversation]: ...

    async def conversation(self, tenant: str, owner: str, conversation: ConversationId) -> Conversation: ...

    async def messages(self, tenant: str, owner: str, conversation: ConversationId) -> list[Message]: ...

    async def decidable(
        self, tenant: str, person: str, roles: Collection[str], generation: GenerationId
    ) -> StoredGeneration: ...

    async def approval(
        self, tenant: str, person: str, roles: Collection[str], approval: ApprovalId
    ) -> StoredApproval: ...

    async def approvals(
        self,
        tenant: str,
        person: str,
        roles: Collection[str],
        *,
        status: ApprovalFilter = "pending",
        limit: int = 50,
        before: str | None = None,
    ) -> Page[StoredApproval]: ...

    async def decisions(self, generation: GenerationId) -> list[StoredDecision]: ...

    async def counts(self) -> dict[str, int]: ...


class Grants(Protocol):
    """What is allowed for good in a conversation. Whose it is has been asked before."""

    async def listed(self, conversation: ConversationId) -> Sequence[Grant]: ...

    async def revoke(self, conversation: ConversationId, tool: str) -> bool: ...


class Logs(Protocol):
    """Views of what was logged."""

    async def view(self, generation: GenerationId) -> View | None: ...

    async def exists(self, generation: GenerationId) -> bool: ...


class Reading(Protocol):
    """One reader's stream of ready-made bytes, unless its cursor is the terminal event already."""

    @property
    def begun(self) -> bool: ...

    @property
    def finished(self) -> bool: ...

    @property
    def interrupted(self) -> bool: ...

    def interrupt(self) -> None: ...

    def close(self) -> None: ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...


class Lasting(Protocol):
    """A response that is open until something ends it."""

    def leave(self) -> None:
        """This process goes away."""
        ...


class Counts(Protocol):
    """What the readers of this process did so far."""

    readers: int
    opened: int
    replays: int
    snapshots: int
    gaps: int
    catch_ups: int


class Readers(Protocol):
    """Opens streams. Raises CursorAhead."""

    @property
    def counts(self) -> Counts: ...

    async def open(self, generation: GenerationId, after: int | None) -> Reading: ...


class Bells(Protocol):
    """Tells when an inbox may have changed."""

    def hearing(
        self, tenant: str, person: str, roles: Collection[str], rang: asyncio.Event
    ) -> AbstractContextManager[None]:
        """Inside, the event is set for each change, but a ring may be lost: look into the record all the same."""


class Webhooks(Protocol):
    """Those of tenants; another tenant's is as unknown as what never was: WebhookNotFound."""

    async def add(self, webhook: Webhook) -> Webhook: ...  # raises TooManyWebhooks

    async def of_tenant(self, tenant: str) -> tuple[Webhook, ...]: ...

    async def get(self, tenant: str, webhook: WebhookId) -> Webhook: ...

    async def delete(self, tenant: str, webhook: WebhookId) -> None: ...


class Deliveries(Protocol):
    """What became of what webhooks were to be told."""

    async def of_webhook(self, webhook: WebhookId, *, limit: int, before: str | None) -> Page[Delivery]: ...


CheckReceiver = Callable[[str], Awaitable[None]]  # raises InvalidRequest for a URL that webhooks may not lead to
SchemaErrors = Callable[[JsonObject, JsonObject], Sequence[JsonObject]]  # each {pointer, message}


@dataclass(frozen=True)
class Parts:
    """All that the routes use, made once in `app.py`."""

    engine: Engine
    starts: Starts
    queries: Queries
    grants: Grants
    logs: Logs
    readers: Readers
    bells: Bells
    slots: Slots
    webhooks: Webhooks
    deliveries: Deliveries
    check_receiver: CheckReceiver
    agents: Mapping[str, Agent]
    schema_errors: SchemaErrors
    conditions: Conditions
    checks: Mapping[str, Callable[[], Awaitable[bool]]]  # by name: whether it answers
    development: bool
    keepalive: timedelta
    streams: set[Lasting]  # those that are open
