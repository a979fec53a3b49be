"""The step that calls the model and publishes what it says, as it says it."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Annotated

from pydantic import Field
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.heartbeat import failures_before, note_failure, stopped_on_request, supervised
from activities.publish import Publisher
from domain.approval import digest
from domain.compose import compose
from domain.content import Part, ReasoningPart, TextPart, ToolCallPart, Usage, Value, is_empty
from domain.errors import ModelCallError, ModelRetryable
from domain.events import Event, FinishReason, ReasoningDelta, TextDelta, ToolCallDelta, ToolCallStarted, TurnStarted
from domain.facts import CallMade, ModelCut, ModelFailed, ModelReplied
from domain.ids import CallId, GenerationId
from domain.ports import (
    CallChunk,
    CallOpened,
    Log,
    Model,
    ModelReply,
    ModelRequest,
    ReasoningChunk,
    Store,
    StoredGeneration,
    TextChunk,
    TurnRecord,
    Writer,
)
from domain.prompt import CHARS_PER_TOKEN, ModelSaid, Said, UserSaid, prompt

EPOCHS_PER_TURN = 1_000  # more attempts of one turn than the engine makes
LAST_WORDS = timedelta(seconds=2)


class ModelStep(Value):
    generation_id: GenerationId
    turn: int


ModelOutcome = Annotated[ModelReplied | ModelFailed | ModelCut, Field(discriminator="fact")]


@dataclass(slots=True)
class Draft:
    """What has been said so far in this attempt, for the case that it is cut."""

    texts: dict[int, list[str]] = field(default_factory=dict)
    reasoning: set[int] = field(default_factory=set)

    def add(self, chunk: TextChunk | ReasoningChunk) -> None:
        self.texts.setdefault(chunk.part, []).append(chunk.text)
        if isinstance(chunk, ReasoningChunk):
            self.reasoning.add(chunk.part)

    def parts(self) -> tuple[Part, ...]:
        """Text and reasoning; a call whose arguments were still coming is nothing anybody could run."""
        whole = ((number, "".join(pieces)) for number, pieces in sorted(self.texts.items()))
        parts = (ReasoningPart(text=text) if n in self.reasoning else TextPart(text=text) for n, text in whole)
        return tuple(part for part in parts if not is_empty(part))


class ModelSteps:
    """Needs the model, the store for what is said, and the log for who listens."""

    def __init__(self, model: Model, store: Store, log: Log, *, snapshot_every: int) -> None:
        self._model, self._store, self._log, self._snapshot_every = model, store, log, snapshot_every

    @activity.defn(name="call_model")
    async def call_model(self, step: ModelStep) -> ModelOutcome:
        """One reply. Safe to run twice: a higher attempt voids the lower one's events and fences its writer out, and a
        reply that was stored before its attempt could report it is reported, not asked for again.
        """
        attempt = activity.info().attempt
        writer = Writer(name="model", epoch=step.turn * EPOCHS_PER_TURN + attempt)
        async with Publisher(self._log, step.generation_id, writer, snapshot_every=self._snapshot_every) as publisher:
            publisher.publish(TurnStarted(turn=step.turn, attempt=attempt))
            turns = await self._store.turns(step.generation_id)
            kept = next((turn for turn in turns if turn.turn == step.turn and not turn.partial), None)
            if kept is not None:
                await publisher.flush()
                return _replied(kept.model_copy(update={"attempt": attempt}))
            stored = await self._store.load(step.generation_id)
            earlier = [turn for turn in turns if turn.turn < step.turn]
            request = await self._request(step, stored, earlier, attempt)
            return await self._attempt(
                step,
                request,
                publisher,
                _call_ids(earlier),
                last=failures_before() + 1 >= stored.request.agent.max_attempts,
            )

    async def _attempt(
        self, step: ModelStep, request: ModelRequest, publisher: Publisher, used: frozenset[CallId], *, last: bool
    ) -> ModelOutcome:
        """One call of the model, with each way it can end."""
        draft = Draft()
        try:
            body = self._stream(step, request, publisher, draft, used)
            return _replied(await supervised(body, leave_at_shutdown=True))
        except asyncio.CancelledError:
            if not stopped_on_request():
                raise
            cut = await self._cut(step, request, draft)
            await _told(publisher)
            return cut
        except ModelCallError as error:
            if isinstance(error, ModelRetryable) and not last:
                note_failure()
                raise ApplicationError(str(error), type=error.code, next_retry_delay=error.retry_after) from error
            failed = await self._failed(step, request, draft, error)
            await _told(publisher)
            return failed

    async def _request(
        self, step: ModelStep, stored: StoredGeneration, turns: Sequence[TurnRecord], attempt: int
    ) -> ModelRequest:
        agent = stored.request.agent
        history = await self._store.history(stored.request.conversation_id, stored.request.user_message_id)
        own = compose(
            turns,
            await self._store.calls(step.generation_id),
            await self._store.steers(step.generation_id),
            None,
        )
        return ModelRequest(
            model=agent.model,
            instructions=agent.instructions,
            said=prompt(history, own, context_tokens=self._model.context_tokens(agent.model)),
            tools=agent.tools,
            parameters=agent.parameters,
            first_byte_timeout=agent.first_byte_timeout,
            silence_timeout=agent.silence_timeout,
            attempt=attempt,
        )

    async def _stream(
        self, step: ModelStep, request: ModelRequest, publisher: Publisher, draft: Draft, used: frozenset[CallId]
    ) -> TurnRecord:
        """Publish chunk by chunk; keep the reply before anybody is told that it is complete."""
        reply: ModelReply | None = None
        async for chunk in self._model.stream(request):
            match chunk:
                case ModelReply():
                    reply = chunk
                case TextChunk() | ReasoningChunk():
                    draft.add(chunk)
                    publisher.publish(_event(chunk, step.turn, request.attempt))
                case CallOpened() | CallChunk():
                    fresh = replace(chunk, call_id=_fresh(chunk.call_id, used, step.turn))
                    publisher.publish(_event(fresh, step.turn, request.attempt))
            await publisher.drained()
        if reply is None:
            raise ModelRetryable("truncated", f"The answer of {request.model!r} ended without an end.")
        record = TurnRecord(
            turn=step.turn,
            attempt=request.attempt,
            parts=tuple(_with_fresh_id(part, used, step.turn) for part in reply.parts if not is_empty(part)),
            finish_reason=reply.finish_reason,
            usage=reply.usage,
            cost=reply.cost,
        )
        await self._store.save_turn(step.generation_id, record)
        await publisher.flush(snapshot=True)
        return record

    async def _cut(self, step: ModelStep, request: ModelRequest, draft: Draft) -> ModelCut:
        record = self._partial(step, request, draft, "cut")
        if record.parts:
            await self._store.save_turn(step.generation_id, record)
        return ModelCut(
            turn=step.turn,
            attempt=request.attempt,
            produced=bool(record.parts),
            usage=record.usage,
            cost=record.cost,
        )

    async def _failed(self, step: ModelStep, request: ModelRequest, draft: Draft, error: ModelCallError) -> ModelFailed:
        record = self._partial(step, request, draft, "error")
        if record.parts:
            await self._store.save_turn(step.generation_id, record)
        return ModelFailed(
            turn=step.turn,
            attempt=request.attempt,
            code=error.code,
            message=str(error),
            produced=bool(record.parts),
            usage=record.usage if record.parts else Usage(),
            cost=record.cost if record.parts else 0.0,
        )

    def _partial(self, step: ModelStep, request: ModelRequest, draft: Draft, finish: FinishReason) -> TurnRecord:
        """What a call that did not end by itself leaves; the provider never counted it, so the usage is an estimate."""
        usage = Usage(
            input_tokens=(len(request.instructions) + sum(map(_length, request.said))) // CHARS_PER_TOKEN,
            output_tokens=sum(len(piece) for text in draft.texts.values() for piece in text) // CHARS_PER_TOKEN,
            estimated=True,
        )
        return TurnRecord(
            turn=step.turn,
            attempt=request.attempt,
            parts=draft.parts(),
            finish_reason=finish,
            usage=usage,
            cost=self._model.cost(request.model, usage),
        )


async def _told(publisher: Publisher) -> None:
    """Let the last deltas out, if the log is there; what they said is stored, and comes with the end of the turn."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LAST_WORDS.total_seconds()):
            await publisher.flush(snapshot=True)


def _replied(record: TurnRecord) -> ModelReplied:
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


def _call_ids(turns: Iterable[TurnRecord]) -> frozenset[CallId]:
    return frozenset(part.call_id for turn in turns for part in turn.parts if isinstance(part, ToolCallPart))


def _fresh(call_id: CallId, used: frozenset[CallId], turn: int) -> CallId:
    """Some providers number their calls anew in every reply; within a generation a call id names one call."""
    return CallId(f"{call_id}-{turn}") if call_id in used else call_id


def _with_fresh_id(part: Part, used: frozenset[CallId], turn: int) -> Part:
    if not isinstance(part, ToolCallPart):
        return part
    return part.model_copy(update={"call_id": _fresh(part.call_id, used, turn)})


def _event(chunk: TextChunk | ReasoningChunk | CallOpened | CallChunk, turn: int, attempt: int) -> Event:
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


def _length(said: Said) -> int:
    match said:
        case UserSaid(text=text):
            return len(text)
        case ModelSaid(parts=parts):
            return sum(len(part.output or "") if isinstance(part, ToolCallPart) else len(part.text) for part in parts)
