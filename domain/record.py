"""What the API puts into the record and reads from it, beside the values that the domain has anyway."""

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Literal, TypeVar, get_args

from domain.approval import Approval
from domain.content import Value
from domain.events import Outcome
from domain.ids import ConversationId, GenerationId, MessageId
from domain.start import StartRequest

Item = TypeVar("Item", bound=Value)
LiveStatus = Literal["queued", "running", "requires_action"]
StoredStatus = Literal["submitted"] | LiveStatus | Outcome
StatusFilter = Literal["live"] | LiveStatus | Outcome
ENDED: tuple[Outcome, ...] = get_args(Outcome)


class NewStart(Value):
    """A request for a generation, to be claimed. `wants_title` in the request means: if it is the conversation's first.

    `regenerate`: the user message of the request is there already, and is answered again.
    """

    request: StartRequest
    text: str
    parent_message_id: MessageId | None = None
    regenerate: bool = False
    idempotency_key: str | None = None
    body_digest: str


class Claimed(Value):
    """The start as it stands in the record. `replayed`: it is that of an earlier request with the same key.

    `first`: nothing came before it in its conversation; `latest`: what came before it. Both are of the moment of the
    claim, so a replay has neither.
    """

    request: StartRequest
    status: StoredStatus
    replayed: bool = False
    first: bool = False
    latest: GenerationId | None = None


class LiveGeneration(Value):
    id: GenerationId
    status: LiveStatus


class Conversation(Value):
    """A conversation as lists show it. `agent` is the one that answered last, `live` the generation to watch."""

    id: ConversationId
    title: str | None
    agent: str
    created_at: datetime
    updated_at: datetime
    live: LiveGeneration | None = None


class StoredApproval(Value):
    approval: Approval
    generation_id: GenerationId
    status: Literal["pending", "decided", "expired", "closed"]


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some items of a list, newest first; `next` is the cursor of the page after it, None at the end."""

    items: tuple[Item, ...]
    next: str | None
