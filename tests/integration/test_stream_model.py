"""Join, resume and live are one algorithm: whatever happens to it, a client's view is the fold of what was written.

A model of the stream, driven by hypothesis against a real Valkey: a step writes, breaks or reads something, and after
each of them every client is judged by what the log took.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis.asyncio import Redis

from activities.announce import OUTBOX
from activities.publish import Publisher
from adapters.redis_kept import SNAPSHOT_SCRIPT, ring_channel
from adapters.redis_log import RedisLog
from adapters.redis_ring import Ring
from domain.errors import CursorAhead, StaleWriter
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
from domain.ports import TurnRecord, Writer
from domain.pricing import add_costs
from domain.view import View
from tests.builders import NOW, USAGE
from tests.integration.conftest import RETENTION
from tests.integration.stream_model import Client, Record, Truth, WitnessedLog
from tests.integration.wire import Wire

PATIENT, QUICK = 0, 1  # two API processes: one only listens, one also looks after a silence
SILENCE = (timedelta(hours=1), timedelta(milliseconds=25))
BOUND = (1_000_000, 300)
DEADLINE = 5.0
SNAPSHOT_EVERY = 6
EPOCHS_PER_TURN = 100

Deaf = frozenset[int]


@dataclass
class World:
    """What all examples share: a Redis, a worker's log, and two API processes, each on a wire of its own."""

    redis: Redis
    log: RedisLog
    wires: list[Wire]
    rings: list[Ring]
    generations: dict[GenerationId, Record]

    @classmethod
    @asynccontextmanager
    async def made(cls, url: str) -> AsyncIterator["World"]:
        generations: dict[GenerationId, Record] = {}

        async def rebuild(generation: GenerationId) -> View | None:
            return await generations[generation].rebuild()

        async with AsyncExitStack() as stack:
            redis = await stack.enter_async_context(Redis.from_url(url))
            log = RedisLog(url, retention=RETENTION)
            stack.push_async_callback(log.aclose)
            wires = [await stack.enter_async_context(Wire(url).strung()) for _ in SILENCE]
            rings = [
                await stack.enter_async_context(Ring(wire.url, rebuild=rebuild, silence=silence, bound=bound))
                for wire, silence, bound in zip(wires, SILENCE, BOUND, strict=True)
            ]
            yield cls(redis, log, wires, rings, generations)


class Stream(RuleBasedStateMachine):
    """One generation, its writers and its readers."""

    runner: ClassVar[asyncio.Runner]
    world: ClassVar[World]
    clients = Bundle("clients")
    deaf = st.sampled_from([frozenset[int](), frozenset({PATIENT}), frozenset({QUICK}), frozenset({PATIENT, QUICK})])

    def __init__(self) -> None:
        super().__init__()
        self.generation = GenerationId(f"gen_{uuid4().hex}")
        self.truth, self.record = Truth(), Record(self.generation)
        self.world.generations[self.generation] = self.record
        self.log = WitnessedLog(self.world.log, self.truth)
        self.keys = [f"fermata:{{{self.generation}}}:{name}" for name in ("log", "meta", "snapshot")]
        self.outbox: list[Event] = []
        self.position = 0
        self.model: Publisher | None = None
        self.speaking = False
        self.fenced = False
        self.attempt = TurnStarted(turn=0, attempt=0)
        self.part = 0
        self.zombies: list[Publisher] = []
        self.batches: list[bytes] = []
        self.everyone: list[Client] = []
        self.sealed = False
        self.broken = False

    def do(self, step: Coroutine[Any, Any, None], deaf: Deaf = frozenset()) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(DEADLINE):
                for number in deaf:
                    self.world.wires[number].deaf = True
                await step
                channel = ring_channel(self.generation)
                for wire in self.world.wires:
                    if self.truth.last and not self.truth.lost:
                        await wire.until_rung(channel, self.truth.last)
                    wire.deaf = False

        try:
            self.runner.run(bounded())
            for client in self.everyone:
                client.judge()
        except BaseException:
            self.broken = True
            raise

    # Writing.
    @precondition(lambda self: not self.record.started)
    @rule(deaf=deaf)
    def start(self, deaf: Deaf) -> None:
        self.outbox.append(self.record.opening)
        self.do(self._announce(), deaf)

    @precondition(lambda self: self.record.started and not self.outbox and not self.sealed)
    @rule(deaf=deaf)
    def call_model(self, deaf: Deaf) -> None:
        """The next turn, or another attempt of this one, whose predecessor lives on."""
        now = self.attempt
        if self.speaking and self.model is not None:
            self.zombies.append(self.model)
            self.attempt = TurnStarted(turn=now.turn, attempt=now.attempt + 1)
        else:
            self.attempt = TurnStarted(turn=now.turn + 1, attempt=1)
        self.do(self._call(), deaf)

    async def _call(self) -> None:
        writer = Writer(name="model", epoch=self.attempt.turn * EPOCHS_PER_TURN + self.attempt.attempt)
        self.model = Publisher(self.log, self.generation, writer, snapshot_every=SNAPSHOT_EVERY)
        self.speaking, self.part = True, 0
        self.model.publish(self.attempt)
        await self.model.flush()
        self.fenced = True

    @precondition(lambda self: self.speaking)
    @rule(
        words=st.lists(st.sampled_from(["a ", "bc ", "\n", "é"]), min_size=1, max_size=4), anew=st.booleans(), deaf=deaf
    )
    def say(self, words: Sequence[str], anew: bool, deaf: Deaf) -> None:
        """Deltas: each a batch of its own, but for the last two."""
        self.part += anew
        self.do(self._say(words), deaf)

    async def _say(self, words: Sequence[str]) -> None:
        assert self.model is not None
        kind = ReasoningDelta if self.part % 3 == 1 else TextDelta
        for number, word in enumerate(words):
            self.model.publish(kind(turn=self.attempt.turn, attempt=self.attempt.attempt, part=self.part, text=word))
            if number < len(words) - 2:
                await self.model.flush()
        await self.model.flush()
        self.fenced = True

    @precondition(lambda self: self.speaking)
    @rule(snapshot=st.booleans())
    def reply(self, snapshot: bool) -> None:
        """The model is done: its reply is in the record, and not announced yet."""
        assert self.model is not None
        self.do(self.model.flush(snapshot=snapshot))
        self.speaking = False
        view, at = self.truth.view, {"turn": self.attempt.turn, "attempt": self.attempt.attempt}
        parts = view.message.parts[view.turn_offset :] if view is not None and view.message is not None else ()
        said = {**at, "parts": parts, "finish_reason": "stop", "usage": USAGE, "cost": 0.5}
        self.record.turns.append(TurnRecord.model_validate(said))
        totals = Totals.model_validate(
            {
                **sum((turn.usage for turn in self.record.turns[1:]), USAGE).model_dump(),
                "cost": 0.5 * len(self.record.turns),
            }
        )
        self.outbox += [
            TurnCompleted.model_validate(said),
            UsageUpdated(generation=totals, call=CallUsage(**USAGE.model_dump(), cost=0.5)),
        ]

    @precondition(lambda self: self.outbox)
    @rule(deaf=deaf)
    def announce(self, deaf: Deaf) -> None:
        self.do(self._announce(), deaf)

    @precondition(lambda self: self.record.started and self.record.title is None and not self.sealed)
    @rule(deaf=deaf)
    def give_title(self, deaf: Deaf) -> None:
        self.outbox.append(TitleUpdated(title="Oslo"))
        self.do(self._announce(), deaf)

    @precondition(lambda self: self.record.started and not (self.sealed or self.speaking or self.outbox))
    @rule(deaf=st.sampled_from([frozenset[int](), frozenset({QUICK})]))
    def finish(self, deaf: Deaf) -> None:
        """The end. Nothing tells who only listens of a lost last ring, so that it is not lost."""
        view = self.truth.view
        assert view is not None
        self.outbox.append(
            GenerationFinished(
                outcome="completed",
                message=view.message and view.message.model_copy(update={"unfinished": False}),
                user_message=view.user_message,
                title=view.title,
                usage=view.usage,
                cost=view.cost,
                finished_at=NOW,
            )
        )
        self.do(self._announce(seal=True), deaf)
        self.sealed = True

    async def _announce(self, *, seal: bool = False) -> None:
        """Store first, then the log; twice, since a step may be repeated after its answer was lost."""
        events, self.outbox = self.outbox, []
        for event in events:
            self.record.keep(event)
        last = await self.log.append(self.generation, OUTBOX, self.position + 1, events, seal=seal)
        assert last == await self.world.log.append(self.generation, OUTBOX, self.position + 1, events, seal=seal)
        self.position += len(events)

    # Breaking.
    @precondition(lambda self: self.zombies and self.fenced)
    @rule()
    def a_zombie_writes(self) -> None:
        self.do(self._refused(self.zombies.pop()))

    async def _refused(self, zombie: Publisher) -> None:
        zombie.publish(TextDelta(turn=1, attempt=1, part=0, text="zombie"))
        with pytest.raises(StaleWriter):
            await zombie.flush()

    @precondition(lambda self: self.sealed)
    @rule()
    def write_after_the_end(self) -> None:
        self.do(self._write_after_the_end())

    async def _write_after_the_end(self) -> None:
        for writer, position in ((OUTBOX, self.position + 1), (Writer(name="model", epoch=9_999), 1)):
            with pytest.raises(StaleWriter):
                await self.world.log.append(self.generation, writer, position, [TitleUpdated(title="late")])

    @precondition(lambda self: self.truth.view and not self.truth.lost)
    @rule(bound=st.sampled_from([20_000, 3, 0]), deaf=deaf)
    def keep_a_snapshot(self, bound: int, deaf: Deaf) -> None:
        """As writers do, with another bound."""
        self.do(self._keep_a_snapshot(bound), deaf)

    async def _keep_a_snapshot(self, bound: int) -> None:
        if (view := await self.log.view(self.generation)) is not None and view.outcome is None:
            save = self.world.redis.register_script(SNAPSHOT_SCRIPT)
            await save(keys=self.keys[2:], args=[view.cursor, view.model_dump_json(), bound, ""])
        for entry_id, _ in await self.world.redis.xrange(self.keys[0], count=1):
            self.truth.kept_from = max(self.truth.kept_from, int(entry_id.split(b"-")[0]))

    @precondition(lambda self: self.truth.last and not self.sealed)
    @rule()
    def redis_forgets(self) -> None:
        self.truth.lose()
        self.fenced = False
        self.do(self._forget())

    async def _forget(self) -> None:
        await self.world.redis.delete(*self.keys)

    @precondition(lambda self: self.truth.last)
    @rule(first=st.integers(0, 20), count=st.integers(1, 5))
    def an_old_ring_comes_again(self, first: int, count: int) -> None:
        self.do(self._ring_again(first, count))

    async def _ring_again(self, first: int, count: int) -> None:
        numbers = list(self.truth.events)[first : first + count] or [self.truth.last]
        numbers = [n for i, n in enumerate(numbers) if n == numbers[0] + i]
        header = b"%d %d %d\n" % (numbers[0], numbers[-1], self.sealed and numbers[-1] == self.truth.last)
        batch = header + b"".join(map(self.truth.frame, numbers))
        await self.world.redis.publish(ring_channel(self.generation).decode(), batch)

    # Reading.
    @precondition(lambda self: len(self.everyone) < 6)
    @rule(target=clients, after=st.none() | st.integers(0, 12), at=st.sampled_from([PATIENT, QUICK]))
    def join(self, after: int | None, at: int) -> Client:
        """Without a cursor, at the start, or with the cursor and the view of somebody who has read before."""
        numbers = [0, *self.truth.events]
        client = Client(self.truth, None if after is None else numbers[min(after, len(numbers) - 1)])
        self.do(self._open(client, at))
        self.everyone.append(client)
        return client

    async def _open(self, client: Client, at: int) -> None:
        reading = await self.world.rings[at].open(self.generation, client.cursor)
        assert reading.finished == (self.sealed and client.cursor == self.truth.last)
        client.ended |= reading.finished
        if not reading.finished:
            client.follow(reading)

    @rule(client=clients)
    def hang_up(self, client: Client) -> None:
        self.do(client.hang_up())

    @rule(client=clients, at=st.sampled_from([PATIENT, QUICK]))
    def come_back(self, client: Client, at: int) -> None:
        self.do(self._come_back(client, at))

    async def _come_back(self, client: Client, at: int) -> None:
        await client.hang_up()
        await self._open(client, at)

    @rule(client=clients)
    def stall_or_go_on(self, client: Client) -> None:
        if client.goes_on.is_set():
            client.goes_on.clear()
        else:
            client.goes_on.set()

    @precondition(lambda self: self.truth.last and not self.truth.lost)
    @rule(beyond=st.integers(1, 3), at=st.sampled_from([PATIENT, QUICK]))
    def bring_a_foreign_cursor(self, beyond: int, at: int) -> None:
        self.do(self._bring_a_foreign_cursor(self.truth.last + beyond, at))

    async def _bring_a_foreign_cursor(self, cursor: int, at: int) -> None:
        with pytest.raises(CursorAhead):
            await self.world.rings[at].open(self.generation, cursor)

    # Judging.
    @invariant()
    def the_log_has_what_it_took(self) -> None:
        self.do(self._compare_the_log())

    async def _compare_the_log(self) -> None:
        entries = await self.world.redis.xrange(self.keys[0])
        numbers = [int(entry_id.split(b"-")[0]) for entry_id, _ in entries]
        assert numbers == ([] if self.truth.lost else list(self.truth.events)[len(self.truth.events) - len(numbers) :])
        assert [fields[b"f"] for _, fields in entries] == [self.truth.frame(n) for n in numbers]

    def teardown(self) -> None:
        try:
            if not self.broken:
                self._come_to_the_end()
        finally:
            self.broken = True
            self.runner.run(self._clean_up())

    def _come_to_the_end(self) -> None:
        """Everybody, also who comes when all is over, has seen the same in the end."""
        if not self.record.started:
            self.start(frozenset())
        if self.speaking:
            self.reply(snapshot=False)
        if self.outbox:
            self.announce(frozenset())
        if not self.sealed:
            self.finish(frozenset())
        for at in (PATIENT, QUICK):
            for cursor in (None, 0):
                late = Client(self.truth, cursor)
                self.do(self._open(late, at))
                self.everyone.append(late)
        self.do(self._read_to_the_end())
        for client in self.everyone:
            assert client.ended
            assert client.view == self.truth.view
        self.do(self._come_back(self.everyone[0], PATIENT))

    async def _read_to_the_end(self) -> None:
        for client in self.everyone:
            client.goes_on.set()
            if client.reading is None and not client.ended:
                await self._open(client, PATIENT)
        for client in self.everyone:
            if client.reading is not None:
                await client.until_end()

    async def _clean_up(self) -> None:
        for client in self.everyone:
            await client.hang_up()
        for publisher in [*self.zombies, *([self.model] if self.model else [])]:
            await publisher.__aexit__(None, None, None)
        await self.world.redis.delete(*self.keys)


@pytest.fixture
def stream(valkey_url: str) -> Iterator[type[Stream]]:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        world = runner.run(stack.enter_async_context(World.made(valkey_url)))
        yield type("Here", (Stream,), {"runner": runner, "world": world})
        runner.run(stack.aclose())


def test_every_client_sees_what_was_written(stream: type[Stream]) -> None:
    run_state_machine_as_test(
        stream,
        settings=settings(
            max_examples=60,
            stateful_step_count=30,
            derandomize=True,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_long(stream: type[Stream]) -> None:
    import os
    run_state_machine_as_test(
        stream,
        settings=settings(
            max_examples=int(os.environ.get("N", "200")), stateful_step_count=30, deadline=None, print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
