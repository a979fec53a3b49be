"""Reading, against a real Valkey: whenever a reader comes, and whatever breaks, it sees the log, whole and in order."""

import asyncio
import json
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from adapters.redis_log import RedisLog
from adapters.redis_reading import Reading
from adapters.redis_ring import Ring
from devstack import valkey
from devstack.ports import HOST
from domain.errors import CursorAhead, Unavailable
from domain.events import Event, frame, parse_frame
from domain.ids import GenerationId
from domain.ports import Writer
from domain.view import View, fold
from tests.conftest import running
from tests.event_builders import finished, started, text, turn
from tests.integration.conftest import RETENTION

OUTBOX = Writer(name="outbox", epoch=1)
MODEL = Writer(name="model", epoch=1)
LONG, SHORT = timedelta(hours=1), timedelta(milliseconds=50)


@dataclass
class Client:
    """Follows a reading as a browser does, and keeps the frames."""

    frames: list[bytes] = field(default_factory=list)
    grew: asyncio.Event = field(default_factory=asyncio.Event)

    async def follow(self, reading: Reading) -> None:
        async for chunk in reading:
            assert chunk.endswith(b"\n\n")
            self.frames += [frame + b"\n\n" for frame in chunk.split(b"\n\n")[:-1]]
            self.grew.set()

    async def until(self, seen: Callable[["Client"], bool]) -> None:
        async with asyncio.timeout(20):
            while not seen(self):
                self.grew.clear()
                await self.grew.wait()

    async def until_cursor(self, cursor: int) -> None:
        await self.until(lambda client: client.cursor == cursor)

    @property
    def names(self) -> list[str]:
        return [re.search(rb"event: (\S+)", frame)[1].decode() for frame in self.frames]  # type: ignore[index] # always there

    @property
    def cursor(self) -> int | None:
        numbered = [int(found[1]) for frame in self.frames if (found := re.search(rb"(?m)^id: (\d+)$", frame))]
        return numbered[-1] if numbered else None

    @property
    def view(self) -> View | None:
        """The fold of what was received, from the last snapshot on."""
        view = None
        for received, name in zip(self.frames, self.names, strict=True):
            match name:
                case "snapshot":
                    view = View.model_validate(data(received)["view"])
                case "gap":
                    view = None
                case _:
                    view = fold(view, [(number(received), parse_frame(received))])
        return view


def data(received: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(received.split(b"data: ")[1])
    return found


def number(received: bytes) -> int:
    return int(received[4 : received.index(b"\n")])


def numbered(events: Sequence[Event], first: int = 1) -> list[bytes]:
    return [b"id: %d\n" % seq + frame(event) for seq, event in enumerate(events, first)]


@asynccontextmanager
async def following(ring: Ring, generation: GenerationId, after: int | None) -> AsyncIterator[Client]:
    """A client that reads on its own; leaving waits until it has seen the end."""
    client = Client()
    reading = await ring.open(generation, after)
    task = asyncio.create_task(client.follow(reading))
    try:
        yield client
        async with asyncio.timeout(20):
            await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def forget(redis: Redis, generation: GenerationId) -> None:
    await redis.delete(*(f"fermata:{{{generation}}}:{name}" for name in ("log", "meta", "snapshot")))


async def test_everything_from_the_start_then_live_then_the_end(
    valkey_url: str, log: RedisLog, generation: GenerationId
) -> None:
    events: list[Event] = [started(generation), turn(), text("a"), text("b"), finished()]
    async with Ring(valkey_url, silence=LONG) as ring:
        await log.append(generation, OUTBOX, 1, events[:2])
        async with following(ring, generation, 0) as client:
            await client.until_cursor(2)
            await log.append(generation, OUTBOX, 3, events[2:3])
            await client.until_cursor(3)
            await log.append(generation, OUTBOX, 4, events[3:], seal=True)
        assert client.frames == numbered(events)


async def test_who_joins_gets_one_snapshot_and_then_what_follows(
    valkey_url: str, log: RedisLog, generation: GenerationId
) -> None:
    events: list[Event] = [started(generation), turn(), text("a"), text("b"), text("c"), finished()]
    async with Ring(valkey_url, silence=LONG) as ring:
        await log.append(generation, OUTBOX, 1, events[:3])
        async with following(ring, generation, None) as folded:
            await folded.until_cursor(3)
            view = await log.view(generation)
            assert view is not None
            await log.save_snapshot(generation, view)
            await log.append(generation, OUTBOX, 4, events[3:4])
            async with following(ring, generation, None) as stored:
                await stored.until_cursor(4)
                await log.append(generation, OUTBOX, 5, events[4:], seal=True)
    assert folded.names == ["snapshot", "text.delta", "text.delta", "generation.finished"]
    assert folded.frames == stored.frames
    assert stored.frames[1:] == numbered(events[3:], first=4)
    assert data(stored.frames[0]) == {"type": "snapshot", "view": json.loads(view.model_dump_json()), "cursor": 3}


@pytest.mark.parametrize("after", [None, 0, 1])
async def test_what_is_logged_between_opening_and_reading_comes_once(
    valkey_url: str, log: RedisLog, generation: GenerationId, after: int | None
) -> None:
    events: list[Event] = [started(generation), turn(), text("a"), text("b"), finished()]
    await log.append(generation, OUTBOX, 1, events[:2])
    async with Ring(valkey_url, silence=LONG) as ring, following(ring, generation, 0) as witness:
        reading = await ring.open(generation, after)
        await log.append(generation, OUTBOX, 3, events[2:4])
        await witness.until_cursor(4)
        await log.append(generation, OUTBOX, 5, events[4:], seal=True)
        client = Client()
        await client.follow(reading)
    joined = after is None  # one who joins begins with a snapshot up to 2
    assert (client.names[0] == "snapshot") == joined
    assert client.frames[joined:] == numbered(events)[2 if after is None else after :]


@pytest.mark.parametrize("with_snapshot", [True, False])
async def test_after_the_end_one_still_gets_the_snapshot_and_the_end_itself(
    valkey_url: str, log: RedisLog, generation: GenerationId, with_snapshot: bool
) -> None:
    events: list[Event] = [started(generation), turn(), finished()]
    await log.append(generation, OUTBOX, 1, events[:2])
    if with_snapshot and (view := await log.view(generation)) is not None:
        await log.save_snapshot(generation, view)
    await log.append(generation, OUTBOX, 3, events[2:], seal=True)
    if with_snapshot and (view := await log.view(generation)) is not None:
        await log.save_snapshot(generation, view)  # it covers the end, and is not kept
    async with Ring(valkey_url, silence=LONG) as ring:
        async with following(ring, generation, None) as client:
            pass
        assert client.names == ["snapshot", "generation.finished"]
        assert [client.cursor, data(client.frames[0])["cursor"]] == [3, 2]
        assert (await ring.open(generation, 3)).finished
        async with following(ring, generation, 2) as client:
            pass
        assert client.names == ["generation.finished"]


async def test_a_reader_waits_for_a_generation_that_has_not_started(
    valkey_url: str, log: RedisLog, generation: GenerationId
) -> None:
    async with (
        Ring(valkey_url, silence=LONG) as ring,
        following(ring, generation, None) as joined,
        following(ring, generation, 0) as replayed,
    ):
        await log.append(generation, OUTBOX, 1, [started(generation), turn()])
        await joined.until_cursor(2)
        await replayed.until_cursor(2)
        await log.append(generation, OUTBOX, 3, [finished()], seal=True)
    assert joined.names == ["snapshot", "generation.finished"]
    assert replayed.names == ["generation.started", "turn.started", "generation.finished"]


async def test_a_cursor_of_another_generation_is_refused(
    valkey_url: str, log: RedisLog, generation: GenerationId
) -> None:
    await log.append(generation, OUTBOX, 1, [started(generation)])
    async with Ring(valkey_url) as ring:
        with pytest.raises(CursorAhead):
            await ring.open(generation, 2)


@pytest.mark.parametrize("seed", range(4))
async def test_every_reader_sees_the_log_however_often_it_is_cut(
    valkey_url: str, log: RedisLog, redis: Redis, generation: GenerationId, seed: int
) -> None:
    """Readers come and go at random over two processes' rings, while writers write and subscriptions are killed."""
    chance = random.Random(seed)
    words = [f"{n} " for n in range(600)]

    async def write() -> None:
        await log.append(generation, OUTBOX, 1, [started(generation), turn()])
        position = 1
        while position <= len(words):
            batch = words[position - 1 : position - 1 + chance.randint(1, 5)]
            await log.append(generation, MODEL, position, [text(word) for word in batch])
            position += len(batch)
            if chance.random() < 0.05 and (view := await log.view(generation)) is not None:
                await log.save_snapshot(generation, view)
            if chance.random() < 0.02:
                await redis.client_kill_filter(_type="pubsub")
            await asyncio.sleep(chance.choice([0, 0, 0.001]))
        await log.append(generation, OUTBOX, 3, [finished()], seal=True)

    async def read(rings: Sequence[Ring], after: int | None) -> Client:
        client = Client()
        await asyncio.sleep(chance.random() * 0.3)
        while not client.frames or client.names[-1] != "generation.finished":
            reading = await chance.choice(rings).open(generation, after if client.cursor is None else client.cursor)
            following = asyncio.create_task(client.follow(reading))
            await asyncio.wait({following}, timeout=chance.random() * 0.2)
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            reading.close()
        return client

    async with asyncio.timeout(60), Ring(valkey_url) as one, Ring(valkey_url, bound=500) as two:
        writing = asyncio.create_task(write())
        clients = await asyncio.gather(*(read([one, two], after) for after in (None, None, None, 0, 0, 0)))
        await writing
    events = await log.events_after(generation, 0)
    assert [event.text for _, event in events if event.type == "text.delta"] == words
    for client in clients[3:]:
        assert client.frames == numbered([event for _, event in events])
    for client in clients[:3]:
        assert client.names.count("snapshot") == 1
        first = data(client.frames[0])["cursor"]
        assert client.frames[1:] == numbered([event for _, event in events])[first:]
        assert client.view == fold(None, events)


async def test_a_ring_that_is_lost_at_the_very_end_costs_a_look(
    valkey_url: str, log: RedisLog, redis: Redis, generation: GenerationId
) -> None:
    await log.append(generation, OUTBOX, 1, [started(generation)])
    async with Ring(valkey_url, silence=SHORT) as ring, following(ring, generation, 0) as client:
        await client.until_cursor(1)
        async with redis.pipeline(transaction=True) as silently:  # what the script does, without ringing
            silently.xadd(f"fermata:{{{generation}}}:log", {"f": b"id: 2\n" + frame(finished())}, id="2-0")
            silently.hset(f"fermata:{{{generation}}}:meta", mapping={"seq": 2, "sealed": 1})
            await silently.execute()
    assert client.names == ["generation.started", "generation.finished"]


async def test_a_slow_reader_falls_behind_and_catches_up_from_the_log(
    valkey_url: str, log: RedisLog, generation: GenerationId
) -> None:
    events: list[Event] = [started(generation), turn(), *(text(str(n)) for n in range(3000)), finished()]
    async with Ring(valkey_url, silence=LONG, bound=2_000) as ring:
        await log.append(generation, OUTBOX, 1, events[:2])
        slow = await ring.open(generation, 0)
        chunks = aiter(slow)
        received = await anext(chunks)
        async with following(ring, generation, 0) as quick:
            for n in range(2, 3000, 10):
                await log.append(generation, OUTBOX, n + 1, events[n : n + 10])
            await log.append(generation, OUTBOX, 3003 - 1, events[3001:], seal=True)
        async for chunk in chunks:
            assert len(chunk) < 50_000
            received += chunk
    assert received == b"".join(numbered(events)) == b"".join(quick.frames)


async def test_a_cursor_from_before_the_kept_log_gets_a_gap_and_a_snapshot(
    valkey_url: str, log: RedisLog, redis: Redis, generation: GenerationId
) -> None:
    events: list[Event] = [started(generation), turn(), *(text(str(n)) for n in range(10))]
    await log.append(generation, OUTBOX, 1, events)
    view = await log.view(generation)
    assert view is not None
    await log.save_snapshot(generation, view)
    await redis.xtrim(f"fermata:{{{generation}}}:log", minid="9-0", approximate=False)
    await log.append(generation, OUTBOX, 13, [text("x"), finished()], seal=True)
    async with Ring(valkey_url, silence=LONG) as ring, following(ring, generation, 4) as client:
        pass
    assert client.names == ["gap", "snapshot", "text.delta", "generation.finished"]
    assert data(client.frames[0]) == {"type": "gap", "requested": 4, "first_kept": 9}


def recorded(generation: GenerationId) -> tuple[View, Callable[[GenerationId], Awaitable[View | None]]]:
    """What the record knows."""
    view = fold(None, [(0, started(generation)), (0, text("recorded"))])
    assert view is not None

    async def rebuild(wanted: GenerationId) -> View | None:
        return view if wanted == generation else None

    return view, rebuild


@pytest.mark.parametrize("writer_comes", ["while reading", "never before"])
async def test_a_lost_log_is_rebuilt_from_the_record_for_who_reads(
    valkey_url: str, log: RedisLog, redis: Redis, generation: GenerationId, writer_comes: str
) -> None:
    view, rebuild = recorded(generation)
    await log.append(generation, OUTBOX, 1, [started(generation), turn(), text("lost")])
    async with AsyncExitStack() as stack:
        rings = [await stack.enter_async_context(Ring(valkey_url, rebuild=rebuild, silence=SHORT)) for _ in range(2)]
        clients = [await stack.enter_async_context(following(ring, generation, 1)) for ring in rings * 2]
        for client in clients:
            await client.until_cursor(3)
        await forget(redis, generation)
        if writer_comes == "while reading":
            await log.append(generation, MODEL, 5, [text("a")])
        for client in clients:
            await client.until(lambda client: "snapshot" in client.names)
        await log.append(generation, MODEL, 6, [text("b"), finished()], seal=True)
    for client in clients:
        start = client.names.index("gap")
        after = ["text.delta"] * (2 if writer_comes == "while reading" else 1)
        assert client.names[start:] == ["gap", "snapshot", *after, "generation.finished"]
        gap, snapshot = data(client.frames[start]), data(client.frames[start + 1])
        assert (gap["requested"], gap["first_kept"]) == (3, snapshot["cursor"] + 1)
        assert View.model_validate(snapshot["view"]) == view.model_copy(update={"cursor": snapshot["cursor"]})
    # a cursor from before the loss is too old, not beyond the log
    async with Ring(valkey_url) as ring, following(ring, generation, 3) as late:
        pass
    assert late.names[:2] == ["gap", "snapshot"]


async def test_redis_away_for_a_moment_is_only_a_pause(
    valkey_url: str, log: RedisLog, redis: Redis, generation: GenerationId
) -> None:
    await log.append(generation, OUTBOX, 1, [started(generation)])
    async with Ring(valkey_url) as ring, following(ring, generation, 0) as client:
        await client.until_cursor(1)
        for n in range(2, 12):
            await redis.client_kill_filter(_type="pubsub")
            await redis.client_kill_filter(_type="normal", skipme=True)
            await log.append(generation, OUTBOX, n, [text(str(n))])
        await log.append(generation, OUTBOX, 12, [finished()], seal=True)
    assert client.frames == numbered([started(generation), *(text(str(n)) for n in range(2, 12)), finished()])


async def test_nothing_stays_subscribed_when_the_last_reader_has_gone(
    valkey_url: str, redis: Redis, generation: GenerationId
) -> None:
    channel = f"fermata:{{{generation}}}:ring"

    async def subscribers() -> int:
        return int((await redis.pubsub_numsub(channel))[0][1])

    async with Ring(valkey_url) as ring:
        readings = [await ring.open(generation, None) for _ in range(3)]
        assert await subscribers() == 1
        for reading in readings:
            reading.close()
        again = await ring.open(generation, None)  # before the channel was given up, or after: it must be subscribed
        assert await subscribers() == 1
        again.close()
        async with asyncio.timeout(10):
            while await subscribers():
                pass


async def test_a_restart_of_redis_loses_nothing_for_writer_and_reader(
    free_ports: Callable[[int], int], tmp_path: Path, generation: GenerationId
) -> None:
    port = free_ports(1)
    argv, ready = valkey.server_argv(valkey.find_binary(), port, tmp_path), valkey.server_ready(port)
    url = f"redis://{HOST}:{port}/0"
    log = RedisLog(url, retention=RETENTION)
    events: list[Event] = [started(generation), *(text(str(n)) for n in range(2, 100)), finished()]
    async with AsyncExitStack() as stack:
        stack.push_async_callback(log.aclose)
        async with running("valkey", argv, ready, tmp_path):
            ring = await stack.enter_async_context(Ring(url))
            client = await stack.enter_async_context(following(ring, generation, 0))
            for n in range(50):
                await log.append(generation, OUTBOX, n + 1, [events[n]])
            await client.until_cursor(50)
        waiting = asyncio.create_task(log.append(generation, OUTBOX, 51, events[50:60]))
        with pytest.raises(Unavailable):
            await log.view(generation)
        async with running("valkey", argv, ready, tmp_path):
            assert await waiting == 60
            await log.append(generation, OUTBOX, 61, events[60:], seal=True)
            await client.until_cursor(100)
    assert client.frames == numbered(events)
