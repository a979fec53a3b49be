"""What the routes need of the world beside the engine and the log. `app.py` brings the adapters."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, Protocol

from domain.agent import Agent
from domain.approval import Receipt
from domain.content import JsonObject, Message
from domain.ids import ApprovalId, ConversationId, GenerationId
from domain.ports import Conditions, Engine, StoredGeneration
from domain.record import Claimed, Conversation, NewStart, Page, StatusFilter, StoredApproval
from domain.view import View


class Starts(Protocol):
    """Claims starts in the record, so that the same request is one generation whatever happens in between."""

    async def claim(self, start: NewStart) -> Claimed: ...

    async def accepted(self, generation: GenerationId, status: Literal["queued", "running"]) -> None: ...

    async def withdraw(self, generation: GenerationId) -> None: ...


class Queries(Protocol):
    """Reads the record; what is another's is as unknown as what never was."""

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

    async def approval(self, tenant: str, owner: str, approval: ApprovalId) -> StoredApproval: ...

    async def receipt(self, generation: GenerationId, approval: ApprovalId) -> Receipt | None: ...

    async def counts(self) -> dict[str, int]: ...


class Logs(Protocol):
    """Views of what was logged."""

    async def view(self, generation: GenerationId) -> View | None: ...

    async def exists(self, generation: GenerationId) -> bool: ...


class Reading(Protocol):
    """One reader's stream of ready-made bytes, unless its cursor is the terminal event already."""

    @property
    def finished(self) -> bool: ...

    @property
    def interrupted(self) -> bool: ...

    def interrupt(self) -> None: ...

    def close(self) -> None: ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...


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


SchemaErrors = Callable[[JsonObject, JsonObject], Sequence[JsonObject]]  # each {pointer, message}


@dataclass(frozen=True)
class Parts:
    """All that the routes use, made once in `app.py`."""

    engine: Engine
    starts: Starts
    queries: Queries
    logs: Logs
    readers: Readers
    agents: Mapping[str, Agent]
    schema_errors: SchemaErrors
    conditions: Conditions
    checks: Mapping[str, Callable[[], Awaitable[bool]]]  # by name: whether it answers
    development: bool
    keepalive: timedelta
