"""Redis is away for a while, or has no room: answers wait or go on, and what their readers get is exact in the end."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from random import Random

import pytest
from redis.asyncio import Redis

from devstack import valkey
from devstack.ports import HOST
from tests.chaos.answer import Answer, Observation, approves
from tests.chaos.battered import Battered, battered
from tests.chaos.reader import Frame
from tests.chaos.verdict import judge, told
from tests.conftest import running
from tests.proxy import Proxy, proxy
from tests.stack import JsonDict

A_MOMENT, A_WHILE, LONG = 1.0, 5.0, 60.0  # seconds
SOON = 6.0  # an exchange with Redis may hang for five before it is tried anew
DEMO_WORDS_PER_SECOND = 20


@dataclass
class Away:
    """The stack, the network between it and its Redis, and that Redis from the other side."""

    stack: Battered
    network: Proxy
    redis: Redis


@pytest.fixture(scope="module")
async def away(free_ports: Callable[[int], int], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Away]:
    directory = tmp_path_factory.mktemp("valkey")
    port = free_ports(2)
    entrance = port + 1
    argv = valkey.server_argv(valkey.find_binary(), port, directory)
    url = f"redis://{HOST}:{entrance}/0"
    async with (
        running("valkey", argv, valkey.server_ready(port), directory),
        Redis(host=HOST, port=port) as redis,
        proxy(entrance, port) as network,
        battered(free_ports(12), tmp_path_factory.mktemp("stack"), workers=2, apis=2, redis_url=url) as stack,
    ):
        yield Away(stack, network, redis)


async def refused(away: Away, seconds: float) -> None:
    away.network.refuse()
    await asyncio.sleep(seconds)
    await away.network.heal()


async def lost(away: Away, seconds: float) -> None:
    """Nothing comes through, and nobody is told."""
    away.network.black_hole()
    await asyncio.sleep(seconds)
    await away.network.heal()


async def full(away: Away, seconds: float) -> None:
    await away.redis.config_set("maxmemory", 1)
    await asyncio.sleep(seconds)
    await away.redis.config_set("maxmemory", 0)


Harm = Callable[[Away, float], Coroutine[None, None, None]]


@pytest.mark.timeout(LONG * 4)
@pytest.mark.parametrize(
    ("harm", "seconds"),
    [
        (lost, A_WHILE),
        (full, A_MOMENT),
        pytest.param(refused, A_WHILE, marks=pytest.mark.long),
        pytest.param(full, A_WHILE, marks=pytest.mark.long),
        pytest.param(refused, LONG, marks=pytest.mark.long),
        pytest.param(lost, LONG, marks=pytest.mark.long),
    ],
)
async def test_what_was_said_decided_and_started_meanwhile_is_all_there_afterwards(
    away: Away, harm: Harm, seconds: float
) -> None:
    meanwhile, afterwards = asyncio.Event(), asyncio.Event()

    async def person(call: JsonDict) -> JsonDict:
        await (meanwhile if call["arguments"]["item"] == "tea" else afterwards).wait()
        return await approves(call)

    words = round((seconds + 5) * DEMO_WORDS_PER_SECOND)
    async with Observation(away.stack.urls, Random(1), person) as observation:
        waiting = [await observation.start(order(item), "shop") for item in ("tea", "cake")]
        going_on = await observation.start(f"slow {words}", "shop")
        ending = await observation.start("slow 40", "shop")
        await asyncio.gather(*(answer.until(pauses) for answer in waiting))
        await asyncio.gather(*(answer.until(speaks) for answer in (going_on, ending)))
        harming = asyncio.create_task(harm(away, seconds))
        started = await observation.start("slow 5", "shop")
        meanwhile.set()
        await harming
        afterwards.set()
        healed = time.monotonic()
        async with asyncio.timeout(SOON):
            await going_on.until(lambda frame: frame.at > healed)
    for answer in observation.answers:
        # A log that cannot begin looks lost to its readers once there is room again: they may begin it from the record.
        await judge(away.stack.stack, answer, torn=harm is full and answer is started)
        assert answer.outcome == "completed"
        assert attempts(answer) <= {1}
    assert [told(answer) for answer in (going_on, ending, started)] == [[text(words)], [text(40)], [text(5)]]


def order(item: str) -> str:
    return f'use look_up {{"item": "{item}"}}\nuse charge {{"item": "{item}"}}'


def pauses(frame: Frame) -> bool:
    return frame.type == "generation.paused"


def speaks(frame: Frame) -> bool:
    return frame.type == "text.delta"


def attempts(answer: Answer) -> set[int]:
    return {frame.data["attempt"] for frame in answer.frames if frame.type == "turn.started"}


def text(words: int) -> str:
    return " ".join(f"word{number}" for number in range(1, words + 1))
