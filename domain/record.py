"""What is put into the record and read from it, beside the values that the domain has anyway."""

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Literal, TypeVar, get_args

from domain.approval import Approval, DecidedKind, Receipt, Via
from domain.content import Actor, ErrorInfo, JsonObject, Part, ToolStatus, Usage, Value
from domain.events import AgentRef, FinishReason, Outcome, Totals
from domain.ids import ApprovalId, CallId, ConversationId, GenerationId, MessageId, QuestionId
from domain.question import Answer
from domain.start import StartRequest

Item = TypeVar("Item", bound=Value)
LiveStatus = Literal["queued", "running", "requires_action"]
StoredStatus = Literal["submitted"] | LiveStatus | Outcome
StatusFilter = Literal["live"] | LiveStatus | Outcome
ApprovalStatus = Literal["pending", "decided", "expired", "closed"]
ApprovalFilter = ApprovalStatus | Literal["settled"]
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
    """An approval as it was asked, with what became of it. `owner` is whose conversation it is.

    `may_decide`: it waits for the very person who looks.
    """

    approval: Approval
    generation_id: GenerationId
    conversation_id: ConversationId
    agent: AgentRef
    owner: Actor
    title: str | None
    status: ApprovalStatus
    may_decide: bool = False
    receipt: Receipt


class StoredDecision(Value):
    """A line of the audit trail. `name` is the tool's."""

    approval_id: ApprovalId
    call_id: CallId
    name: str | None
    decision: DecidedKind
    by: Actor
    at: datetime
    reason: str | None
    arguments: JsonObject | None
    text: str | None
    answers: dict[QuestionId, Answer] | None
    via: Via | None
    client: str | None


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some items of a list; `next` is the cursor of the page after it, None at the end."""

    items: tuple[Item, ...]
    next: str | None


# What the steps put into it and read from it.
class TurnRecord(Value):
    """One reply of the model. `partial`: it did not end by itself; what had come is kept.

    `failures`: how often the provider has failed in this turn. Attempts whose worker died or left are not counted.
    """

    turn: int
    attempt: int
    parts: tuple[Part, ...]
    finish_reason: FinishReason
    usage: Usage
    cost: float | None
    failures: int = 0

    @property
    def partial(self) -> bool:
        return self.finish_reason in ("cut", "error")


class CallRecord(Value):
    """The ledger's line for one tool call. `run`/`attempt` name the last dispatch; 0 means never dispatched."""

    call_id: CallId
    turn: int
    name: str
    arguments: JsonObject | str
    status: ToolStatus = "pending"
    run: int = 0
    attempt: int = 0
    output: str | None = None
    is_error: bool | None = None
    duration_ms: int = 0
    reason: str | None = None
    decided_by_id: str | None = None
    decided_by_name: str | None = None


class StoredGeneration(Value):
    request: StartRequest
    status: StoredStatus
    text: str  # what the user wrote
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: ErrorInfo | None = None
    totals: Totals | None = None
