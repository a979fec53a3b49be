"""All who write one generation, as in production: the outbox, one model attempt after the other, and the record."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from redis.asyncio import Redis

from activities.announce import OUTBOX
from activities.model import EPOCHS_PER_TURN
from activities.publish import Publisher
from adapters.redis_clients import answering
from adapters.redis_kept import SNAPSHOT_SCRIPT, snapshot_key
from adapters.redis_log import RedisLog
from domain.advance import begin
from domain.compose import rebuild
from domain.content import Message, Part, TextPart
from domain.errors import StaleWriter
from domain.events import (
    CallUsage,
    Event,
    GenerationFinished,
    ReasoningDelta,
    TextDelta,
    TitleUpdated,
    Totals,
    TurnCompleted,
    TurnStarted,
    UsageUpdated,
)
from domain.ids import GenerationId
from domain.ports import Writer
from domain.record import StoredGeneration, TurnRecord
from domain.start import StartRequest
from domain.view import View
from tests.builders import NOW, USAGE, a_request
from tests.integration.stream_model import Truth

SNAPSHOT_EVERY = 4  # events: examples are short
COST = 0.5


class WitnessedLog:
    """The log, with a bound of its own, and with the truth told of whatever it takes."""

    def __init__(self, log: RedisLog, redis: Redis, truth: Truth, bound: int) -> None:
        self._log, self._redis, self._truth, self._bound = log, redis, truth, bound
        self.view, self.events_after = log.view, log.events_after

    async def append(
        self, generation: GenerationId, writer: Writer, position: int, events: Sequence[Event], *, seal: bool = False
    ) -> int:
        last = await self._log.append(generation, writer, position, events, seal=seal)
        if last != self._truth.last:  # else it was a repeat
            self._truth.take(events, last)
        return last

    async def save_snapshot(self, generation: GenerationId, view: View) -> None:
        save = self._redis.register_script(SNAPSHOT_SCRIPT)
        async with answering():
            await save(keys=[snapshot_key(generation)], args=[view.cursor, view.model_dump_json(), self._bound, ""])


@dataclass
class Record:
    """What the database has: whole replies, and what the outbox says, before it says it."""

    request: StartRequest
    question: Message
    events: list[Event] = field(default_factory=list)
    turns: list[TurnRecord] = field(default_factory=list)

    async def view(self) -> View | None:
        if not self.events:
            return None
        end = next((event for event in self.events if isinstance(event, GenerationFinished)), None)
        titles = [event.title for event in self.events if isinstance(event, TitleUpdated)]
        return rebuild(
            StoredGeneration(
                request=self.request,
                status=end.outcome if end else "running",
                text="",
                started_at=NOW,
                finished_at=end.finished_at if end else None,
            ),
            turns=self.turns,
            calls=(),
            steers=(),
            pending=(),
            decided=(),
            user_message=self.question,
            response=end.message if end else None,
            title=titles[-1] if titles else None,
        )


class Writers:
    """`outbox`: what is to be announced; nothing new starts before it is. `zombies`: attempts that were succeeded.

    `fenced`: the log knows of the current attempt. What it knew of writers is lost with it.
    """

    def __init__(self, generation: GenerationId, log: WitnessedLog, truth: Truth) -> None:
        self.generation, self._log, self._truth = generation, log, truth
        request = a_request().model_copy(update={"generation_id": generation})
        asked = (TextPart(text="Oslo?"),)
        question = Message(id=request.user_message_id, parent_id=None, role="user", parts=asked, created_at=NOW)
        self.record = Record(request, question)
        self.outbox: list[Event] = []
        self.position = 0
        self.attempt = TurnStarted(turn=0, attempt=0)
        self.model: Publisher | None = None
        self.zombies: list[Publisher] = []
        self.fenced = self.sealed = False
        self._part, self._spoke = 0, False

    @property
    def started(self) -> bool:
        return self.position > 0

    async def start(self) -> None:
        _, (started,) = begin(self.record.request, NOW)
        self.outbox.append(started.model_copy(update={"user_message": self.record.question}))
        await self.announce()

    async def announce(self, *, seal: bool = False) -> None:
        """Store first, then log; and log twice, as when the first answer is lost.

        Only the start is stored last: a reader who asks in between would begin the log, as one that had been lost.
        """
        events, self.outbox = self.outbox, []
        if self.started:
            self.record.events += events
        for _ in range(2):
            last = await self._log.append(self.generation, OUTBOX, self.position + 1, events, seal=seal)
            assert last == self._truth.last
        if not self.started:
            self.record.events += events
        self.position += len(events)
        self.sealed = seal

    async def call_model(self) -> None:
        """The next turn, or another attempt of this one, whose predecessor lives on."""
        now = self.attempt
        if self.model is None:
            self.attempt = TurnStarted(turn=now.turn + 1, attempt=1)
        else:
            self.zombies.append(self.model)
            self.attempt = TurnStarted(turn=now.turn, attempt=now.attempt + 1)
        writer = Writer(name="model", epoch=self.attempt.turn * EPOCHS_PER_TURN + self.attempt.attempt)
        self.model = Publisher(self._log, self.generation, writer, snapshot_every=SNAPSHOT_EVERY)
        self._part, self._spoke = 0, False
        self.model.publish(self.attempt)
        await self.model.flush()
        self.fenced = True

    async def say(self, words: Sequence[str], *, anew: bool) -> None:
        """Fragments of the current part, or anew of another one; each is flushed, but for the last two."""
        if self.outbox:
            await self.announce()
        if self.model is None:
            await self.call_model()
        assert self.model is not None
        self._part += anew and self._spoke
        kind = ReasoningDelta if self._part % 3 == 1 else TextDelta
        for number, word in enumerate(words, start=1):
            self.model.publish(kind(turn=self.attempt.turn, attempt=self.attempt.attempt, part=self._part, text=word))
            if number != len(words) - 1:
                await self.model.flush()
        self._spoke = self.fenced = True

    async def reply(self, *, snapshot: bool) -> None:
        """The model is done: its reply is in the record, and waits to be announced."""
        assert self.model is not None
        await self.model.flush(snapshot=snapshot)
        await self.model.__aexit__(None, None, None)
        self.model = None
        said = {**self.attempt.model_dump(), "parts": self._said(), "finish_reason": "stop"}
        completed = TurnCompleted.model_validate({**said, "type": "turn.completed", "usage": USAGE, "cost": COST})
        self.record.turns.append(TurnRecord.model_validate(completed.model_dump(exclude={"type"})))
        rest = (turn.usage for turn in self.record.turns[1:])
        totals = Totals(**sum(rest, USAGE).model_dump(), cost=COST * len(self.record.turns))
        self.outbox += [completed, UsageUpdated(generation=totals, call=CallUsage(**USAGE.model_dump(), cost=COST))]

    def _said(self) -> tuple[Part, ...]:
        view = self._truth.view
        return view.message.parts[view.turn_offset :] if view is not None and view.message is not None else ()

    async def finish(self) -> None:
        if self.model is not None:
            await self.reply(snapshot=False)
        if self.outbox:
            await self.announce()
        view = self._truth.view
        assert view is not None
        assert view.message is not None
        self.outbox.append(
            GenerationFinished(
                outcome="completed",
                message=view.message.model_copy(update={"unfinished": False}),
                user_message=view.user_message,
                title=view.title,
                usage=view.usage,
                cost=view.cost,
                finished_at=NOW,
            )
        )
        await self.announce(seal=True)

    async def give_a_title(self, title: str) -> None:
        self.outbox.append(TitleUpdated(title=title))
        await self.announce()

    async def keep_a_late_view(self, number: int) -> None:
        """As one who has long been overtaken."""
        await self._log.save_snapshot(self.generation, self._truth.views[number])

    async def keep_the_view(self) -> None:
        """As at the end of a segment."""
        if (view := await self._log.view(self.generation)) is not None:
            await self._log.save_snapshot(self.generation, view)

    async def let_a_zombie_write(self) -> None:
        zombie = self.zombies.pop()
        zombie.publish(TextDelta(turn=1, attempt=1, part=0, text="zombie"))
        with pytest.raises(StaleWriter):
            await zombie.flush()
        await zombie.__aexit__(None, None, None)

    async def aclose(self) -> None:
        for publisher in [*self.zombies, *([self.model] if self.model else [])]:
            await publisher.__aexit__(None, None, None)
