"""What one call of the model leaves behind: its events, its record, and the fact. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from domain.approval import digest
from domain.content import Part, ReasoningPart, TextPart, ToolCallPart, Usage, is_empty
from domain.events import Event, ReasoningDelta, TextDelta, ToolCallDelta, ToolCallStarted
from domain.facts import CallMade, ModelCut, ModelReplied
from domain.ids import CallId
from domain.model import CallChunk, CallOpened, ModelReply, ModelRequest, ReasoningChunk, TextChunk
from domain.prompt import CHARS_PER_TOKEN, ModelSaid, Said, UserSaid
from domain.record import TurnRecord

Chunk = TextChunk | ReasoningChunk | CallOpened | CallChunk


@dataclass(slots=True)
class Draft:
    """What has been said so far in this attempt, for the case that it is cut."""

    texts: dict[int, list[str]] = field(default_factory=dict)
    reasoning: set[int] = field(default_factory=set)

    def add(self, chunk: Chunk) -> None:
        """A call whose arguments are still coming is nothing anybody could run, so it is not kept."""
        if isinstance(chunk, TextChunk | ReasoningChunk):
            self.texts.setdefault(chunk.part, []).append(chunk.text)
        if isinstance(chunk, ReasoningChunk):
            self.reasoning.add(chunk.part)

    def parts(self) -> tuple[Part, ...]:
        whole = ((number, "".join(pieces)) for number, pieces in sorted(self.texts.items()))
        parts = (ReasoningPart(text=text) if n in self.reasoning else TextPart(text=text) for n, text in whole)
        return tuple(part for part in parts if not is_empty(part))

    def usage(self, request: ModelRequest) -> Usage:
        """An estimate: the provider never counted a call that did not end by itself."""
        return Usage(
            input_tokens=(len(request.instructions) + sum(map(_length, request.said))) // CHARS_PER_TOKEN,
            output_tokens=sum(len(piece) for text in self.texts.values() for piece in text) // CHARS_PER_TOKEN,
            estimated=True,
        )


def event(chunk: Chunk, turn: int, attempt: int) -> Event:
    """Once per token, so never by `model_construct`: skipping the validation takes three times as long as doing it."""
    match chunk:
        case TextChunk(part, text):
            return TextDelta(turn=turn, attempt=attempt, part=part, text=text)
        case ReasoningChunk(part, text):
            return ReasoningDelta(turn=turn, attempt=attempt, part=part, text=text)
        case CallOpened(part, call_id, name):
            return ToolCallStarted(turn=turn, attempt=attempt, part=part, call_id=call_id, name=name)
        case CallChunk(part, call_id, fragment):
            return ToolCallDelta(turn=turn, attempt=attempt, part=part, call_id=call_id, arguments=fragment)


def whole(reply: ModelReply, turn: int, attempt: int, used: frozenset[CallId]) -> TurnRecord:
    """The record of a reply that ended by itself. `used`: the call ids of earlier turns."""
    return TurnRecord(
        turn=turn,
        attempt=attempt,
        parts=tuple(_with_fresh_id(part, used, turn) for part in reply.parts if not is_empty(part)),
        finish_reason=reply.finish_reason,
        usage=reply.usage,
        cost=reply.cost,
    )


def failure(turn: int, attempt: int, failures: int) -> TurnRecord:
    """The record of an attempt of which nothing is kept but that the provider failed, so often by now."""
    return TurnRecord(
        turn=turn, attempt=attempt, parts=(), finish_reason="error", usage=Usage(), cost=0.0, failures=failures
    )


def replied(record: TurnRecord) -> ModelReplied:
    return ModelReplied(
        turn=record.turn,
        attempt=record.attempt,
        calls=tuple(
            CallMade(call_id=part.call_id, name=part.name, digest=digest(part.name, part.arguments))
            for part in record.parts
            if isinstance(part, ToolCallPart)
        ),
        finish_reason=record.finish_reason,
        usage=record.usage,
        cost=record.cost,
    )


def cut(record: TurnRecord) -> ModelCut:
    return ModelCut(
        turn=record.turn,
        attempt=record.attempt,
        produced=bool(record.parts),
        usage=record.usage,
        cost=record.cost,
    )


def call_ids(turns: Iterable[TurnRecord]) -> frozenset[CallId]:
    return frozenset(part.call_id for turn in turns for part in turn.parts if isinstance(part, ToolCallPart))


def with_fresh_id(chunk: Chunk, used: frozenset[CallId], turn: int) -> Chunk:
    """Some providers number their calls anew in every reply; within a generation a call id names one call."""
    match chunk:
        case CallOpened() | CallChunk():
            return replace(chunk, call_id=_fresh(chunk.call_id, used, turn))
        case _:
            return chunk


def _with_fresh_id(part: Part, used: frozenset[CallId], turn: int) -> Part:
    if not isinstance(part, ToolCallPart):
        return part
    return part.model_copy(update={"call_id": _fresh(part.call_id, used, turn)})


def _fresh(call_id: CallId, used: frozenset[CallId], turn: int) -> CallId:
    return CallId(f"{call_id}-{turn}") if call_id in used else call_id


def _length(said: Said) -> int:
    match said:
        case UserSaid(text=text):
            return len(text)
        case ModelSaid(parts=parts):
            return sum(len(part.output or "") if isinstance(part, ToolCallPart) else len(part.text) for part in parts)
