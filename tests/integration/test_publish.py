"""Publishing tokens: cheap for the producer, whole for the readers, with snapshots that keep joining cheap."""

import asyncio

import pytest
from redis.asyncio import Redis

from activities.publish import Publisher
from adapters.redis_log import RedisLog
from domain.content import TextPart
from domain.errors import StaleWriter
from domain.events import TextDelta
from domain.ids import GenerationId
from domain.ports import Writer
from domain.view import View, fold
from tests.event_builders import started, text, turn

OUTBOX = Writer(name="outbox", epoch=1)
MODEL = Writer(name="model", epoch=1)


def said(view: View | None) -> str:
    assert view is not None
    assert view.message is not None
    return "".join(part.text for part in view.message.parts if isinstance(part, TextPart))


async def snapshot(redis: Redis, generation: GenerationId) -> View | None:
    stored = await redis.hget(f"fermata:{{{generation}}}:snapshot", "view")
    return None if stored is None else View.model_validate_json(stored)


async def test_what_gathers_during_an_append_becomes_one_event(log: RedisLog, generation: GenerationId) -> None:
    words = [f"{n} " for n in range(1000)]
    await log.append(generation, OUTBOX, 1, [started(generation)])
    async with Publisher(log, generation, MODEL) as publisher:
        publisher.publish(turn())
        for n, word in enumerate(words):
            publisher.publish(text(word))
            if n % 50 == 0:
                await asyncio.sleep(0)
        await publisher.flush()
    events = await log.events_after(generation, 0)
    assert "".join(event.text for _, event in events if isinstance(event, TextDelta)) == "".join(words)
    assert len(events) < 100


async def test_a_snapshot_is_the_fold_of_everybodys_events(
    log: RedisLog, redis: Redis, generation: GenerationId
) -> None:
    await log.append(generation, OUTBOX, 1, [started(generation)])
    async with Publisher(log, generation, MODEL) as publisher:
        publisher.publish(turn())
        for n in range(60):
            publisher.publish(text(f"{n} "))
            if n % 7 == 0:
                await publisher.flush()
                await log.append(generation, OUTBOX, n // 7 + 2, [text(f"[{n}] ")])
        await publisher.flush(snapshot=True)
    events = await log.events_after(generation, 0)
    assert await snapshot(redis, generation) == fold(None, events)
    assert events[-1][1] == text("57 58 59 ")


async def test_the_tail_since_the_last_snapshot_stays_short(
    log: RedisLog, redis: Redis, generation: GenerationId
) -> None:
    await log.append(generation, OUTBOX, 1, [started(generation)])
    async with Publisher(log, generation, MODEL, snapshot_every=10) as publisher:
        publisher.publish(turn())
        for n in range(200):
            publisher.publish(text(f"{n} "))
            await publisher.flush()
        kept, last = await snapshot(redis, generation), await log.last(generation)
    assert kept is not None
    assert last is not None
    assert last[0] - 25 < kept.cursor < last[0]


async def test_a_log_that_is_lost_meanwhile_is_mended_from_memory(
    log: RedisLog, redis: Redis, generation: GenerationId
) -> None:
    await log.append(generation, OUTBOX, 1, [started(generation)])
    async with Publisher(log, generation, MODEL) as publisher:
        publisher.publish(turn())
        for word in ("one ", "two ", "three "):
            publisher.publish(text(word))
            await publisher.flush()
        await publisher.flush(snapshot=True)
        await redis.delete(*(f"fermata:{{{generation}}}:{name}" for name in ("log", "meta", "snapshot")))
        publisher.publish(text("four "))
        await publisher.flush()
        async with asyncio.timeout(10):
            while (view := await log.view(generation)) is None:
                pass
        assert said(view) == "one two three four "
        publisher.publish(text("five"))
        await publisher.flush()
    assert said(await log.view(generation)) == "one two three four five"


async def test_a_stale_writer_is_told_at_the_next_flush_and_at_the_next_word(
    log: RedisLog, generation: GenerationId
) -> None:
    await log.append(generation, OUTBOX, 1, [started(generation)])
    await log.append(generation, Writer(name="model", epoch=2), 1, [turn(attempt=2)])
    async with Publisher(log, generation, MODEL) as publisher:
        publisher.publish(turn())
        with pytest.raises(StaleWriter):
            await publisher.flush()
        with pytest.raises(StaleWriter):
            publisher.publish(text("zombie"))
    assert len(await log.events_after(generation, 0)) == 2


async def test_a_producer_is_held_while_too_much_waits_for_the_log(
    log: RedisLog, redis: Redis, generation: GenerationId
) -> None:
    await log.append(generation, OUTBOX, 1, [started(generation)])
    async with Publisher(log, generation, MODEL) as publisher:
        await redis.client_pause(60_000, all=False)
        try:
            publisher.publish(turn())
            await asyncio.sleep(0)  # on its way, and stuck
            publisher.publish(text("x" * 100))
            await publisher.drained(bound=100)
            publisher.publish(text("x"))
            held = asyncio.create_task(publisher.drained(bound=100))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await asyncio.shield(held)
        finally:
            await redis.client_unpause()
        await held
        await publisher.flush()
    assert said(await log.view(generation)) == "x" * 101


async def test_leaving_ends_everything_that_still_runs(log: RedisLog, redis: Redis, generation: GenerationId) -> None:
    await log.append(generation, OUTBOX, 1, [started(generation)])
    before = asyncio.all_tasks()
    await redis.client_pause(60_000, all=False)
    try:
        async with Publisher(log, generation, MODEL) as publisher:
            publisher.publish(turn())
            await asyncio.sleep(0)
    finally:
        await redis.client_unpause()
    await log.append(generation, OUTBOX, 2, [text("alive")])
    assert asyncio.all_tasks() <= before | {asyncio.current_task()}


async def test_a_refusal_is_known_although_nothing_more_is_said(log: RedisLog, generation: GenerationId) -> None:
    await log.append(generation, OUTBOX, 1, [started(generation)])
    await log.append(generation, Writer(name="model", epoch=2), 1, [turn(attempt=2)])
    async with Publisher(log, generation, MODEL) as publisher:
        publisher.publish(turn())
        with pytest.raises(StaleWriter):
            async with asyncio.timeout(5):
                await publisher.stopped()
