"""How long Redis keeps a log: while its generation lives, however long, and for the retention time after its end."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from redis.asyncio import Redis

from tests.configurations import configuration, write
from tests.integration.sockets import SocketReader, redis_url, resident
from tests.outsider import a_word, eventually, types, writing
from tests.provider.process import ProviderProcess
from tests.stack import Stack, fermata_dev

pytest_plugins = ["tests.workshop"]
RETENTION = "1s"
AT_ONCE = 8


@pytest.fixture(scope="module")
async def forgetful(
    provider: ProviderProcess, free_ports: Callable[[int], int], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stack]:
    """A stack that keeps the log of an ended generation for a second."""
    directory = tmp_path_factory.mktemp("forgetful")
    kept = {"retention": {"log": RETENTION}, "title": {"enabled": False}}
    file = write(directory, configuration(provider.url, **kept))
    async with fermata_dev(free_ports(10), directory / "data", "--config", str(file)) as stack:
        yield stack


@pytest.fixture
async def redis(forgetful: Stack) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url(forgetful)) as client:
        yield client


async def lifetimes(redis: Redis, generation: str) -> dict[str, int]:
    """Milliseconds that each key of this generation has yet to live; -1: it does not expire."""
    keys = {key.decode() async for key in redis.scan_iter(f"*{generation}*")}
    return {key.rpartition(":")[2]: await redis.pttl(key) for key in keys}


async def test_only_the_end_makes_a_log_expire(forgetful: Stack, redis: Redis) -> None:
    for_ever = {"log": -1, "meta": -1, "snapshot": -1}
    paused = await forgetful.start(writing(a_word()), agent="clerk")
    await forgetful.paused(paused["id"])
    assert await lifetimes(redis, paused["id"]) == for_ever

    ended = await forgetful.start("echo short")
    await forgetful.read(ended["id"])
    assert all(0 < left <= 1000 for left in (await lifetimes(redis, ended["id"])).values())
    await eventually(lambda: gone(redis, ended["id"]))
    view = await forgetful.view(ended["id"])
    assert (view["outcome"], view["cursor"]) == ("completed", 0)  # from the record
    assert (await forgetful.http.get(f"/api/generations/{ended['id']}/events")).status_code == 204

    assert await lifetimes(redis, paused["id"]) == for_ever  # it has been silent for longer than that
    assert (await forgetful.approve(paused["id"])).status_code == 200
    assert types(await forgetful.read(paused["id"], after=1))[-1] == "generation.finished"
    await eventually(lambda: gone(redis, paused["id"]))


async def gone(redis: Redis, generation: str) -> bool:
    return not await lifetimes(redis, generation)


@pytest.mark.parametrize("count", [50, pytest.param(1_000, marks=[pytest.mark.long, pytest.mark.timeout(900)])])
async def test_generations_that_have_ended_leave_nothing_behind(forgetful: Stack, redis: Redis, count: int) -> None:
    processes = {name: forgetful.pid(name) for name in ("api-1", "worker-1")}
    before, slots = await redis.dbsize(), asyncio.Semaphore(AT_ONCE)

    async def live_and_end(number: int) -> None:
        async with slots:
            started = await forgetful.start(f"echo this is answer {number}")
            reader = await SocketReader.open(forgetful.url, started["id"])
            assert b"event: generation.finished\n" in await reader.rest()

    await asyncio.gather(*map(live_and_end, range(count // 5)))  # what a process grows by once is no leak
    at_first = {name: resident(pid) for name, pid in processes.items()}
    await asyncio.gather(*map(live_and_end, range(count // 5, count)))
    grown = {name: resident(pid) - at_first[name] for name, pid in processes.items()}
    print(f"{count} generations; megabytes at the first fifth: {at_first}, more at the end: {grown}")

    async def clean() -> bool:
        return (await redis.dbsize(), await redis.pubsub_channels()) == (before, [])

    await eventually(clean)
    assert await redis.pubsub_numpat() == 0
    assert all(megabytes < 30 for megabytes in grown.values())
