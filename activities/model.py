"""The step that calls the model and publishes what it says, as it says it."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Annotated

from pydantic import Field
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities import metrics
from activities.heartbeat import stopped_on_request, supervised
from activities.publish import Publisher
from activities.reply import Draft, call_ids, cut, event, failure, replied, whole, with_fresh_id
from activities.slots import kept
from domain.compose import compose
from domain.content import Usage, Value
from domain.errors import ModelCallError, ModelRetryable
from domain.events import FinishReason, TurnStarted
from domain.facts import ModelCut, ModelFailed, ModelReplied
from domain.ids import CallId, GenerationId
from domain.model import Model, ModelReply, ModelRequest
from domain.ports import Log, Slots, Store, Writer, whose
from domain.prompt import prompt
from domain.record import StoredGeneration, TurnRecord

EPOCHS_PER_TURN = 1_000  # more attempts of one turn than the engine makes

# If the log is away for longer, the answer begins without it, and ends there without its last words: what they said is
# stored, and comes with the end of the turn.
FENCE_TIME = timedelta(seconds=1)
LAST_WORDS = timedelta(seconds=2)


class ModelStep(Value):
    generation_id: GenerationId
    turn: int


ModelOutcome = Annotated[ModelReplied | ModelFailed | ModelCut, Field(discriminator="fact")]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the model. `used`: the call ids of earlier turns; `failures`: of earlier attempts; `began`: the
    attempt, on the monotonic clock.
    """

    generation: GenerationId
    turn: int
    request: ModelRequest
    used: frozenset[CallId]
    failures: int
    began: float
    draft: Draft = field(default_factory=Draft)


class ModelSteps:
    """Needs the model, the store for what is said, the log for who listens, and the slots of users."""

    def __init__(self, model: Model, store: Store, log: Log, slots: Slots, *, snapshot_every: int) -> None:
        self._model, self._store, self._log, self._slots = model, store, log, slots
        self._snapshot_every = snapshot_every

    @activity.defn(name="call_model")
    async def call_model(self, step: ModelStep) -> ModelOutcome:
        """One reply. Safe to run twice: a higher attempt voids the lower one's events and fences its writer out, and a
        reply that was stored before its attempt could report it is reported, not asked for again.
        """
        generation, attempt, began = step.generation_id, activity.info().attempt, time.monotonic()
        writer = Writer(name="model", epoch=step.turn * EPOCHS_PER_TURN + attempt)
        async with Publisher(self._log, generation, writer, snapshot_every=self._snapshot_every) as publisher:
            publisher.publish(TurnStarted(turn=step.turn, attempt=attempt))
            turns = await self._store.turns(generation)
            noted = next((turn for turn in turns if turn.turn == step.turn), None)
            if noted is not None and not noted.partial:
                await publisher.flush()
                return replied(noted.model_copy(update={"attempt": attempt}))
            stored = await self._store.load(generation)
            earlier = [turn for turn in turns if turn.turn < step.turn]
            request = await self._request(stored, earlier, attempt)
            failures = noted.failures if noted is not None else 0
            await _flushed(publisher, FENCE_TIME)  # a worker that slept through its successor stops here
            call = Call(generation, step.turn, request, call_ids(earlier), failures, began)
            async with kept(partial(self._slots.hold, whose(stored.request), generation)):
                return await self._end(call, publisher, last=failures + 1 >= stored.request.agent.max_attempts)

    async def _request(self, stored: StoredGeneration, turns: Sequence[TurnRecord], attempt: int) -> ModelRequest:
        generation, agent = stored.request.generation_id, stored.request.agent
        history = await self._store.history(stored.request.conversation_id, stored.request.user_message_id)
        own = compose(turns, await self._store.calls(generation), await self._store.steers(generation))
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

    async def _end(self, call: Call, publisher: Publisher, *, last: bool) -> ModelOutcome:
        """The call, with each way it can end."""
        model = call.request.model
        try:
            speaking = self._stream(call, publisher)
            record = await supervised(speaking, leave_at_shutdown=True, unless=publisher.stopped())
            metrics.model_called(model, "replied", record.finish_reason, record.usage)
            return replied(record)
        except asyncio.CancelledError:
            if not stopped_on_request():
                raise
            record = await self._keep_draft(call, "cut")
            await _flushed(publisher, LAST_WORDS, snapshot=True)
            metrics.model_called(model, "cut", "stopped", record.usage)
            return cut(record)
        except ModelCallError as error:
            if isinstance(error, ModelRetryable) and not last:
                # In the store, since the engine counts every attempt: also those whose worker died or left.
                noted = failure(call.turn, call.request.attempt, call.failures + 1)
                await self._store.save_turn(call.generation, noted)
                metrics.model_called(model, "retried", error.code)
                raise ApplicationError(str(error), type=error.code, next_retry_delay=error.retry_after) from error
            failed = await self._failed(call, error)
            await _flushed(publisher, LAST_WORDS, snapshot=True)
            metrics.model_called(model, "failed", error.code, failed.usage)
            return failed

    async def _stream(self, call: Call, publisher: Publisher) -> TurnRecord:
        """Publish chunk by chunk; keep the reply before anybody is told that it is complete."""
        request, reply, silent = call.request, None, True
        async for chunk in self._model.stream(request):
            match chunk:
                case ModelReply():
                    reply = chunk
                case _:
                    if silent:
                        silent = False
                        metrics.first_token(request.model, timedelta(seconds=time.monotonic() - call.began))
                    call.draft.add(chunk)
                    publisher.publish(event(with_fresh_id(chunk, call.used, call.turn), call.turn, request.attempt))
            await publisher.drained()
        if reply is None:
            raise ModelRetryable("truncated", f"The answer of {request.model!r} ended without an end.")
        record = whole(reply, call.turn, request.attempt, call.used)
        await self._store.save_turn(call.generation, record)
        await publisher.flush(snapshot=True)
        return record

    async def _failed(self, call: Call, error: ModelCallError) -> ModelFailed:
        record = await self._keep_draft(call, "error")
        return ModelFailed(
            turn=record.turn,
            attempt=record.attempt,
            code=error.code,
            message=str(error),
            produced=bool(record.parts),
            usage=record.usage if record.parts else Usage(),
            cost=record.cost if record.parts else 0.0,
        )

    async def _keep_draft(self, call: Call, finish: FinishReason) -> TurnRecord:
        usage = call.draft.usage(call.request)
        record = TurnRecord(
            turn=call.turn,
            attempt=call.request.attempt,
            parts=call.draft.parts(),
            finish_reason=finish,
            usage=usage,
            cost=self._model.cost(call.request.model, usage),
        )
        if record.parts:
            await self._store.save_turn(call.generation, record)
        return record


async def _flushed(publisher: Publisher, patience: timedelta, *, snapshot: bool = False) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(patience.total_seconds()):
            await publisher.flush(snapshot=snapshot)
