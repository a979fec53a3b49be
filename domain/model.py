"""The model as the steps call it: a request, and a reply chunk by chunk."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from domain.agent import ToolSpec
from domain.content import JsonObject, Part, Usage
from domain.events import FinishReason
from domain.ids import CallId
from domain.prompt import Said


# Chunks are on the hot path: slotted dataclasses, not validated models.
@dataclass(frozen=True, slots=True)
class TextChunk:
    part: int
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningChunk:
    part: int
    text: str


@dataclass(frozen=True, slots=True)
class CallOpened:
    part: int
    call_id: CallId
    name: str


@dataclass(frozen=True, slots=True)
class CallChunk:
    """A fragment of the arguments' JSON text of the call opened at this part."""

    part: int
    call_id: CallId
    arguments: str


@dataclass(frozen=True, slots=True)
class ModelReply:
    """The end of a reply: its parts whole, with the provider's signatures; cost in US dollars, None if unknown."""

    parts: tuple[Part, ...]
    finish_reason: FinishReason
    usage: Usage
    cost: float | None


Chunk = TextChunk | ReasoningChunk | CallOpened | CallChunk | ModelReply


@dataclass(frozen=True, slots=True)
class ModelRequest:
    model: str  # "provider:name"
    instructions: str
    said: Sequence[Said]
    tools: Sequence[ToolSpec]
    parameters: JsonObject
    first_byte_timeout: timedelta
    silence_timeout: timedelta
    attempt: int = 1


class Model(Protocol):
    """Calls models. No retries here: whatever fails is raised as ModelRetryable or ModelFinal."""

    def stream(self, request: ModelRequest) -> AsyncIterator[Chunk]:
        """The reply, chunk by chunk; parts are numbered densely from 0 as they appear; ModelReply comes last.

        A stream that ends without a finish reason is ModelRetryable, never half an answer. Closing the iterator, or
        cancelling its task, closes the provider's connection.
        """

    def context_tokens(self, model: str) -> int | None:
        """Size of the model's context window in tokens, if known."""

    def cost(self, model: str, usage: Usage) -> float | None:
        """US dollars for that usage; None if the price is unknown."""
