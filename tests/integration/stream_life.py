"""The stage of the stream's model: a world with two API processes, and the steps that a generation's life is made of.

Two rings stand for two API processes. The patient one never looks without being rung; the quick one does so after a
short silence, and has room for little.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from activities.announce import OUTBOX
from adapters.redis_kept import log_key, meta_key, ring_channel, snapshot_key
from adapters.redis_log import RedisLog
from adapters.redis_ring import Ring
from domain.content import TextPart
from domain.errors import CursorAhead, StaleWriter
from domain.events import TitleUpdated
from domain.ids import GenerationId
from domain.ports import Writer
from domain.view import View
from tests.integration.conftest import RETENTION
from tests.integration.stream_model import Client, Truth
from tests.integration.stream_writers import Record, WitnessedLog, Writers
from tests.integration.wire import Wire

PATIENT, QUICK = 0, 1
SILENCE = (timedelta(hours=1), timedelta(milliseconds=25))
ROOM = (1_000_000, 300)
DEADLINE = 2.0
MOST_CLIENTS = 6

Deaf = frozenset[int]  # the rings that hear nothing of a step
NOBODY: Deaf = frozenset()


@dataclass
class World:
    """What all lives share: Redis, a worker's way to it, and two API processes, each behind a wire of its own."""

    redis: Redis
    log: RedisLog
    records: dict[GenerationId, Record] = field(default_factory=dict)
    wires: list[Wire] = field(default_factory=list)
    rings: list[Ring] = field(default_factory=list)

    async def rebuild(self, generation: GenerationId) -> View | None:
        return await self.records[generation].view()


@asynccontextmanager
async def a_world(url: str) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        log = RedisLog(url, retention=RETENTION)
        stack.push_async_callback(log.aclose)
        world = World(await stack.enter_async_context(Redis.from_url(url)), log)
        for silence, room in zip(SILENCE, ROOM, strict=True):
            wire = await stack.enter_async_context(Wire(url).strung())
            ring = Ring(wire.url, rebuild=world.rebuild, silence=silence, bound=room)
            world.wires.append(wire)
            world.rings.append(await stack.enter_async_context(ring))
        yield world


class Life:
    """One generation from before its start to after its end. What cannot happen now is left out."""

    def __init__(self, world: World, bound: int = 20_000) -> None:
        self.world, self.generation = world, GenerationId(f"gen_{uuid4().hex}")
        self.truth = Truth()
        self.writers = Writers(self.generation, WitnessedLog(world.log, world.redis, self.truth, bound), self.truth)
        world.records[self.generation] = self.writers.record
        self.clients: list[Client] = []

    # Writing.
    async def start(self) -> None:
        if not self.writers.started:
            await self.writers.start()

    async def say(self, words: Sequence[str], anew: bool = False) -> None:
        if self.live:
            await self.writers.say(words, anew=anew)

    async def say_while_a_title_comes(self, words: Sequence[str], title: str) -> None:
        if self.writers.model:
            await asyncio.gather(self.writers.say(words, anew=False), self.writers.give_a_title(title))

    async def give_a_title(self, title: str) -> None:
        if self.live:
            await self.writers.give_a_title(title)

    async def try_again(self) -> None:
        if self.writers.model:
            await self.writers.call_model()

    async def reply(self, snapshot: bool = False, told: bool = True) -> None:
        """The model is done. If it is not told at once, it is before anything new starts."""
        if self.writers.model:
            await self.writers.reply(snapshot=snapshot)
            if told:
                await self.writers.announce()
                await self.writers.keep_the_view()

    async def keep_a_late_view(self, back: int) -> None:
        if self.truth.last:
            await self.writers.keep_a_late_view(self._back(back))

    async def finish(self, at: int, enough: int) -> None:
        """While everybody comes back, and unless there was not much yet."""
        if self.live and len(self.truth.events) >= enough:
            self.world.wires[PATIENT].deaf = False
            for client in self.clients:
                await client.hang_up()
                client.judge()
            await asyncio.gather(self.writers.finish(), *(self._open(client, at) for client in self.clients))

    @property
    def live(self) -> bool:
        return self.writers.started and not self.writers.sealed

    def _back(self, events: int) -> int:
        numbers = list(self.truth.events)
        return numbers[max(0, len(numbers) - 1 - events)]

    # Breaking.
    async def redis_forgets(self) -> None:
        if self.live:
            self.truth.lose()
            self.writers.fenced = False
            await self._forget()

    async def _forget(self) -> None:
        await self.world.redis.delete(*(key(self.generation) for key in (log_key, meta_key, snapshot_key)))

    async def a_zombie_writes(self) -> None:
        if self.writers.zombies and self.writers.fenced:
            await self.writers.let_a_zombie_write()

    async def an_old_ring_comes_again(self, back: int, count: int) -> None:
        if self.truth.last:
            first = self._back(back)
            numbers = [number for number in self.truth.events if number >= first][:count]
            in_a_row = [number for place, number in enumerate(numbers) if number == first + place]
            ended = self.writers.sealed and in_a_row[-1] == self.truth.last
            header = b"%d %d %d\n" % (first, in_a_row[-1], ended)
            batch = header + b"".join(map(self.truth.frame, in_a_row))
            await self.world.redis.publish(ring_channel(self.generation).decode(), batch)

    async def a_wire_is_cut(self, at: int) -> None:
        self.world.wires[at].cut()

    async def redis_drops_everyone(self) -> None:
        await self.world.redis.client_kill_filter(_type="normal", skipme=True)

    # Reading.
    async def join(self, after: int | None, at: int) -> None:
        """Without a cursor, at the start, or with that of somebody who has read before."""
        if len(self.clients) < MOST_CLIENTS:
            seen = [0, *self.truth.events]
            client = Client(self.truth, None if after is None else seen[min(after, len(seen) - 1)])
            self.clients.append(client)
            await self._open(client, at)

    async def _open(self, client: Client, at: int) -> None:
        reading = await self.world.rings[at].open(self.generation, client.cursor)
        if reading.finished:
            assert client.cursor == self.truth.last
            client.ended = True
        else:
            client.follow(reading, at)

    async def hang_up(self, who: int) -> None:
        for client in self._client(who):
            await client.hang_up()

    async def come_back(self, who: int, at: int) -> None:
        for client in self._client(who):
            await client.hang_up()
            client.judge()
            await self._open(client, at)

    async def stall_or_go_on(self, who: int) -> None:
        for client in self._client(who):
            if client.takes.is_set():
                client.takes.clear()
            else:
                client.takes.set()

    async def the_quick_catch_up(self) -> None:
        """Whatever they have not heard of, and also with a log that is gone."""
        for client in self.clients:
            if self.writers.started and client.ring == QUICK and client.reading and client.takes.is_set():
                await client.until_seen(self.truth.last + self.truth.lost)

    @property
    def shown(self) -> list[str]:
        """The text on the first client's screen, part by part."""
        view = self.clients[0].view
        assert view is not None
        assert view.message is not None
        return [part.text for part in view.message.parts if isinstance(part, TextPart)]

    def _client(self, who: int) -> list[Client]:
        return self.clients[who % len(self.clients) :][:1] if self.clients else []

    # Judging.
    async def take(self, step: Awaitable[None], deaf: Deaf = NOBODY) -> None:
        async with asyncio.timeout(DEADLINE):
            for number, wire in enumerate(self.world.wires):
                wire.deaf = number in deaf
            await step
            self.truth.compare(await self.world.log.events_after(self.generation, 0))  # meanwhile the step's rings come
            for wire in self.world.wires:
                wire.deaf = False
            for client in self.clients:
                client.judge()

    async def come_to_the_end(self) -> None:
        """Everybody sees the same in the end, also who comes when all is over."""
        await self.take(self.start())
        if self.live:
            await self.take(self.writers.finish(), frozenset({QUICK}))  # the patient would never know of a lost end
        await self.take(self.keep_a_late_view(back=0))
        for after, at in ((None, QUICK), (0, PATIENT)):
            self.clients.append(Client(self.truth, after))
            await self.take(self._open(self.clients[-1], at))
        for client in self.clients:
            await self.take(self._read_to_the_end(client))
            assert client.view == self.truth.view
            await self.take(self._open(client, QUICK))
            assert client.reading is None
        with pytest.raises(CursorAhead):
            await self.world.rings[PATIENT].open(self.generation, self.truth.last + 1)
        for writer, position in ((OUTBOX, self.writers.position + 1), (Writer(name="tool", epoch=1), 1)):
            with pytest.raises(StaleWriter):
                await self.world.log.append(self.generation, writer, position, [TitleUpdated(title="late")])

    async def _read_to_the_end(self, client: Client) -> None:
        client.takes.set()
        while client.reading or not client.ended:
            if not client.reading:
                await self._open(client, PATIENT)
            else:
                await client.until_over()

    async def aclose(self) -> None:
        for client in self.clients:
            await client.hang_up()
        await self.writers.aclose()
        await self._forget()


@asynccontextmanager
async def a_life(world: World, bound: int = 20_000) -> AsyncIterator[Life]:
    life = Life(world, bound)
    try:
        yield life
        await life.come_to_the_end()
    finally:
        await life.aclose()
