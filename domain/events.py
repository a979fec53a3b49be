"""What a client may see: the events of a generation, which are also the wire format (one entry, one SSE message)."""

import json
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from domain.approval import Approval, DecidedKind, Scope, Via
from domain.content import Actor, ErrorInfo, JsonObject, Message, Part, ToolStatus, Usage, Value
from domain.ids import ApprovalId, CallId, ConversationId, GenerationId, MessageId, QuestionId, SteerId
from domain.policy import OnExpiry
from domain.question import Answer

Outcome = Literal["completed", "failed", "aborted", "expired", "replaced"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "error", "cut"]


class AgentRef(Value):
    id: str
    name: str
    model: str


class Steer(Value):
    """A message of the user to the running generation, waiting for the next turn."""

    id: SteerId
    text: str
    position: int


class Totals(Usage):
    """Usage with its cost in US dollars (None: unknown)."""

    cost: float | None = None


class CallUsage(Totals):
    kind: Literal["primary", "title"] = "primary"


class GenerationStarted(Value):
    type: Literal["generation.started"] = "generation.started"
    generation_id: GenerationId
    conversation_id: ConversationId
    agent: AgentRef
    user_message: Message | None = None
    response_message_id: MessageId
    created_at: datetime
    started_at: datetime
    continues: GenerationId | None = None
    temporal_url: str | None = None


class TurnStarted(Value):
    """A model call begins. An attempt above 1 voids everything of this turn that a lower attempt said."""

    type: Literal["turn.started"] = "turn.started"
    turn: int
    attempt: int


class TextDelta(Value):
    type: Literal["text.delta"] = "text.delta"
    turn: int
    attempt: int
    part: int
    text: str


class ReasoningDelta(Value):
    type: Literal["reasoning.delta"] = "reasoning.delta"
    turn: int
    attempt: int
    part: int
    text: str


class ToolCallStarted(Value):
    type: Literal["tool_call.started"] = "tool_call.started"
    turn: int
    attempt: int
    part: int
    call_id: CallId
    name: str


class ToolCallDelta(Value):
    """A fragment of the arguments' JSON text."""

    type: Literal["tool_call.delta"] = "tool_call.delta"
    turn: int
    attempt: int
    part: int
    call_id: CallId
    arguments: str


class TurnCompleted(Value):
    type: Literal["turn.completed"] = "turn.completed"
    turn: int
    attempt: int
    parts: tuple[Part, ...] = ()
    finish_reason: FinishReason
    usage: Usage
    cost: float | None = None


class ApprovalRequested(Value):
    type: Literal["approval.requested"] = "approval.requested"
    approval: Approval


class ApprovalDecided(Value):
    type: Literal["approval.decided"] = "approval.decided"
    approval_id: ApprovalId
    call_id: CallId
    decision: DecidedKind
    by: Actor
    at: datetime
    reason: str | None = None
    arguments: JsonObject | None = None
    text: str | None = None
    answers: dict[QuestionId, Answer] | None = None  # to the questions, if it was about those
    scope: Scope = "once"
    via: Via | None = None
    client: str | None = None  # what the decider's program calls itself


class ApprovalVoted(Value):
    """Somebody approves a call, and `needed` more must: it is still open."""

    type: Literal["approval.voted"] = "approval.voted"
    approval_id: ApprovalId
    call_id: CallId
    decision: Literal["approve"] = "approve"
    by: Actor
    at: datetime
    needed: int
    reason: str | None = None
    via: Via | None = None
    client: str | None = None


class ApprovalExpired(Value):
    """Nobody decided in time. `then` escalate: others are asked, by the `approval.requested` that follows."""

    type: Literal["approval.expired"] = "approval.expired"
    approval_id: ApprovalId
    then: OnExpiry


class ApprovalExtended(Value):
    """There is more time to decide."""

    type: Literal["approval.extended"] = "approval.extended"
    approval_id: ApprovalId
    expires_at: datetime
    by: Actor
    at: datetime


class GenerationPaused(Value):
    """A segment ends: people are asked."""

    type: Literal["generation.paused"] = "generation.paused"
    approvals: tuple[ApprovalId, ...]
    segment: int


class GenerationResumed(Value):
    """A segment begins: nobody is asked any more."""

    type: Literal["generation.resumed"] = "generation.resumed"
    approvals: tuple[ApprovalId, ...]
    segment: int


class ToolStarted(Value):
    type: Literal["tool.started"] = "tool.started"
    turn: int
    call_id: CallId
    name: str
    arguments: JsonObject
    attempt: int


class ToolCompleted(Value):
    """A call has its result, whoever gave it: the tool, a person, or the policy. Without output it is in the store."""

    type: Literal["tool.completed"] = "tool.completed"
    turn: int
    call_id: CallId
    status: ToolStatus
    output: str | None = None
    is_error: bool
    artifacts: tuple[str, ...] = ()
    duration_ms: int = 0


class UsageUpdated(Value):
    type: Literal["usage.updated"] = "usage.updated"
    generation: Totals
    call: CallUsage


class TitleUpdated(Value):
    type: Literal["title.updated"] = "title.updated"
    title: str


class SteerQueued(Steer):
    type: Literal["steer.queued"] = "steer.queued"


class SteerApplied(Steer):
    type: Literal["steer.applied"] = "steer.applied"


class SteerCancelled(Steer):
    type: Literal["steer.cancelled"] = "steer.cancelled"


class SteerReturned(Steer):
    type: Literal["steer.returned"] = "steer.returned"


class GenerationFinished(Value):
    """The only terminal event, and the last. `early`: it was stopped before the model had said anything."""

    type: Literal["generation.finished"] = "generation.finished"
    outcome: Outcome
    error: ErrorInfo | None = None
    early: bool = False
    message: Message | None = None
    user_message: Message | None = None
    title: str | None = None
    usage: Usage = Usage()
    cost: float | None = None
    unused_steers: tuple[Steer, ...] = ()
    finished_at: datetime


Event = Annotated[
    GenerationStarted
    | TurnStarted
    | TextDelta
    | ReasoningDelta
    | ToolCallStarted
    | ToolCallDelta
    | TurnCompleted
    | ApprovalRequested
    | ApprovalDecided
    | ApprovalVoted
    | ApprovalExpired
    | ApprovalExtended
    | GenerationPaused
    | GenerationResumed
    | ToolStarted
    | ToolCompleted
    | UsageUpdated
    | TitleUpdated
    | SteerQueued
    | SteerApplied
    | SteerCancelled
    | SteerReturned
    | GenerationFinished,
    Field(discriminator="type"),
]

_EVENT: TypeAdapter[Event] = TypeAdapter(Event)


def frame(event: Event) -> bytes:
    """The SSE frame without its `id` line, which the log adds when it numbers the entry.

    Deltas are most of all traffic and have a form of their own here: one JSON string is cheaper than one model dump.
    """
    match event:
        case TextDelta() | ReasoningDelta():
            data = (
                f'{{"type":"{event.type}","turn":{event.turn},"attempt":{event.attempt},"part":{event.part},'
                f'"text":{json.dumps(event.text)}}}'
            )
        case _:
            data = event.model_dump_json()
    return f"event: {event.type}\ndata: {data}\n\n".encode()


def parse_frame(text: bytes) -> Event:
    """The event in a frame, with or without its `id` line."""
    data = text[text.index(b"data: ") + 6 :].rstrip(b"\n")
    return _EVENT.validate_json(data)


def is_terminal(event: Event) -> bool:
    """Whether nothing can come after this event."""
    return isinstance(event, GenerationFinished)
