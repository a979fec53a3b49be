"""The log, against a real Valkey: dense numbers, nothing doubled, nobody stale, and what happens when Redis forgets."""

import asyncio
import time

import pytest
from redis.asyncio import Redis

from adapters.redis_log import RedisLog
from domain.errors import StaleWriter
from domain.events import Event, frame
from domain.ids import GenerationId
from domain.ports import Mishap, Writer
from domain.view import fold
from tests.event_builders import finished, started, text, turn
from tests.integration.conftest import RETENTION

OUTBOX = Writer(name="outbox", epoch=1)
MODEL = Writer(name="model", epoch=1)


async def kept(log: RedisLog, generation: GenerationId) -> list[tuple[int, Event]]:
    return await log.events_after(generation, 0)


async def forget(redis: Redis, generation: GenerationId) -> None:
    await redis.delete(*(f"fermata:{{{generation}}}:{name}" for name in ("log", "meta", "snapshot")))


async def test_concurrent_writers_are_numbered_densely_and_in_their_own_order(
    valkey_url: str, log: RedisLog, redis: Redis, generation: GenerationId
) -> None:
    other = RedisLog(valkey_url, retention=RETENTION)
    await log.append(generation, OUTBOX, 1, [started(generation)])

    async def write(name: str, through: RedisLog) -> None:
        for n in range(0, 30, 3):
            said = [text(f"{name} {n + i}") for i in range(3)]
            await through.append(generation, Writer(name=name, epoch=1), n + 1, said)

    await asyncio.gather(*(write(f"w{i}", (log, other)[i % 2]) for i in range(12)))
    await other.aclose()
    events = (await kept(log, generation))[1:]
    assert [seq for seq, _ in events] == list(range(2, 362))
    for i in range(12):
        said = [event.text for _, event in events if event.type == "text.delta" and event.text.startswith(f"w{i} ")]
        assert said == [f"w{i} {n}" for n in range(30)]
    assert await redis.xrange(f"fermata:{{{generation}}}:log", count=2, min="17") == [
        (b"%d-0" % seq, {b"f": b"id: %d\n" % seq + frame(event)}) for seq, event in events[15:17]
    ]


async def test_a_repeated_batch_doubles_nothing(log: RedisLog, generation: GenerationId) -> None:
    await log.append(generation, OUTBOX, 1, [started(generation), turn()])
    await log.append(generation, MODEL, 1, [text("a")])
    assert await log.append(generation, OUTBOX, 1, [started(generation), turn()]) == 3
    assert await log.append(generation, OUTBOX, 2, [turn(), text("b")]) == 4
    assert await kept(log, generation) == [(1, started(generation)), (2, turn()), (3, text("a")), (4, text("b"))]


async def test_a_writer_is_fenced_out_by_its_successor_and_by_nobody_else(
    log: RedisLog, mishaps: list[Mishap], generation: GenerationId
) -> None:
    await log.append(generation, OUTBOX, 1, [started(generation)])
    await log.append(generation, MODEL, 1, [turn()])
    await log.append(generation, Writer(name="model", epoch=2), 1, [turn(attempt=2)])
    with pytest.raises(StaleWriter):
        await log.append(generation, MODEL, 2, [text("zombie")])
    await log.append(generation, OUTBOX, 2, [text("alive")])
    assert [seq for seq, _ in await kept(log, generation)] == [1, 2, 3, 4]
    assert mishaps == ["fenced"]


async def test_after_the_end_nothing_is_written_and_the_end_may_be_repeated(
    log: RedisLog, generation: GenerationId
) -> None:
    await log.append(generation, OUTBOX, 1, [started(generation)])
    assert await log.append(generation, OUTBOX, 2, [finished()], seal=True) == 2
    assert await log.append(generation, OUTBOX, 2, [finished()], seal=True) == 2
    with pytest.raises(StaleWriter):
        await log.append(generation, MODEL, 1, [turn()])
    assert await log.last(generation) == (2, True)


async def test_only_an_ended_log_expires(log: RedisLog, redis: Redis, generation: GenerationId) -> None:
    keys = [f"fermata:{{{generation}}}:{name}" for name in ("log", "meta", "snapshot")]
    await log.append(generation, OUTBOX, 1, [started(generation)])
    view = fold(None, [(1, started(generation))])
    assert view is not None
    await log.save_snapshot(generation, view)
    assert [await redis.ttl(key) for key in keys] == [-1, -1, -1]
    await log.append(generation, OUTBOX, 2, [turn(), finished()], seal=True)
    await log.save_snapshot(generation, view.model_copy(update={"cursor": 2}))
    assert all([0 < await redis.ttl(key) <= RETENTION.total_seconds() for key in keys])


async def test_killed_connections_and_a_flushed_script_lose_and_double_nothing(
    log: RedisLog, redis: Redis, generation: GenerationId
) -> None:
    await log.append(generation, OUTBOX, 1, [started(generation)])

    async def write() -> None:
        for n in range(1, 401):
            await log.append(generation, MODEL, n, [text(str(n))])

    writing = asyncio.create_task(write())
    for seen in (50, 150, 250):
        async with asyncio.timeout(20):
            while ((await log.last(generation)) or (0, False))[0] < seen:
                pass
        await redis.client_kill_filter(_type="normal", skipme=True)
        await redis.script_flush()
    async with asyncio.timeout(20):
        await writing
    assert await kept(log, generation) == [(1, started(generation)), *((n + 1, text(str(n))) for n in range(1, 401))]


async def test_a_cancelled_append_disturbs_nobody(log: RedisLog, generation: GenerationId) -> None:
    await log.append(generation, OUTBOX, 1, [started(generation)])
    appends = [
        asyncio.create_task(log.append(generation, Writer(name=f"w{i}", epoch=1), 1, [text(str(i))])) for i in range(9)
    ]
    await asyncio.sleep(0)
    for append in appends[::2]:
        append.cancel()
    results = await asyncio.gather(*appends, return_exceptions=True)
    assert [isinstance(result, asyncio.CancelledError) for result in results] == [i % 2 == 0 for i in range(9)]
    written = {event.text for _, event in await kept(log, generation) if event.type == "text.delta"}
    assert {"1", "3", "5", "7"} <= written


async def test_a_forgotten_log_goes_on_far_above_every_old_number(
    log: RedisLog, mishaps: list[Mishap], redis: Redis, generation: GenerationId
) -> None:
    before = time.time_ns() // 1_000_000
    await log.append(generation, OUTBOX, 1, [started(generation), turn()])
    await forget(redis, generation)
    first = await log.append(generation, MODEL, 7, [text("a")])
    assert first > before
    assert await log.append(generation, OUTBOX, 3, [text("b")]) == first + 1  # torn already: nothing more was lost
    assert await log.append(generation, MODEL, 7, [text("a")]) == first + 1
    assert await kept(log, generation) == [(first, text("a")), (first + 1, text("b"))]
    assert await log.view(generation) is None
    assert mishaps == ["lost"]


async def test_a_log_that_lost_its_end_is_not_continued_as_if_nothing_were_missing(
    log: RedisLog, redis: Redis, generation: GenerationId
) -> None:
    await log.append(generation, OUTBOX, 1, [started(generation)])
    await log.append(generation, MODEL, 1, [text("a")])
    await redis.hset(f"fermata:{{{generation}}}:meta", mapping={"seq": 1, "position:model": 0})
    await redis.xdel(f"fermata:{{{generation}}}:log", "2-0")
    last = await log.append(generation, MODEL, 2, [text("b")])
    assert await kept(log, generation) == [(last, text("b"))]
    assert last > 1_000_000


async def test_the_view_is_the_fold_of_the_log_with_or_without_a_snapshot(
    log: RedisLog, generation: GenerationId
) -> None:
    events: list[Event] = [started(generation), turn(), *(text(str(n)) for n in range(600)), finished()]
    await log.append(generation, OUTBOX, 1, events[:400])
    view = await log.view(generation)
    assert view == fold(None, enumerate(events[:400], 1))
    assert view is not None
    await log.save_snapshot(generation, view)
    await log.save_snapshot(generation, view.model_copy(update={"cursor": 5, "title": "older"}))
    await log.append(generation, OUTBOX, 401, events[400:], seal=True)
    assert await log.view(generation) == fold(None, enumerate(events, 1))


async def test_a_log_without_bounds_is_trimmed_behind_its_last_but_one_snapshot(
    log: RedisLog, redis: Redis, generation: GenerationId
) -> None:
    await log.append(generation, OUTBOX, 1, [started(generation), turn()])
    for n in range(0, 21_000, 1_000):
        await log.append(generation, MODEL, n + 1, [text("x")] * 1_000)
    view = await log.view(generation)
    assert view is not None
    for cursor in (10_000, 15_000, 20_000):
        await log.save_snapshot(generation, view.model_copy(update={"cursor": cursor}))
    entries = await redis.xrange(f"fermata:{{{generation}}}:log", count=1)
    assert entries == [(b"10001-0", {b"f": b"id: 10001\n" + frame(text("x"))})]


async def test_a_snapshot_of_a_log_that_is_gone_is_not_kept(
    log: RedisLog, redis: Redis, generation: GenerationId
) -> None:
    view = fold(None, [(3, started(generation))])
    assert view is not None
    await log.save_snapshot(generation, view)
    assert not await redis.exists(f"fermata:{{{generation}}}:snapshot")
    assert not await log.exists(generation)
