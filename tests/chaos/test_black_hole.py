"""A worker that loses its network but lives: another one takes over, and nothing of the first is heard any more."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from uuid import uuid4

import pytest

from tests.chaos.answer import Answer, Observation
from tests.chaos.battered import TEMPORAL, Battered, battered
from tests.chaos.lone_worker import VALKEY, lone_worker
from tests.chaos.reader import Frame
from tests.chaos.verdict import judge, told
from tests.provider.process import ProviderProcess
from tests.provider.script import Reply, Silence, Text
from tests.proxy import Proxy, proxy

READY_WITHIN = timedelta(seconds=30)
HANGS_UP_WITHIN = timedelta(seconds=2)
ENDLESS = Text(text="the zombie speaks " * 2_000, rate=20)
SHORT = Text(text="the zombie speaks " * 20, rate=20)  # over before it can be succeeded
SUCCESSION = "The successor takes its time to say this, so that the zombie could still meddle with it. "


@dataclass
class Isle:
    """A worker, and the network between it and the rest."""

    pid: int
    temporal: Proxy
    redis: Proxy

    def lose(self) -> None:
        """Temporal refuses it, so that no task gets lost with it; Redis is silent, and gets late what was sent."""
        self.temporal.refuse()
        self.redis.black_hole()


@dataclass
class Sea:
    """A stack and two such workers."""

    stack: Battered
    isles: list[Isle]

    async def isle_of(self, answer: Answer) -> Isle:
        """Where the model is called for this answer."""
        pid = await self.stack.caller_of(answer)
        return next(isle for isle in self.isles if isle.pid == pid)


@pytest.fixture(scope="module")
async def whole_sea(
    free_ports: Callable[[int], int], tmp_path_factory: pytest.TempPathFactory, provider: ProviderProcess
) -> AsyncIterator[Sea]:
    first = free_ports(16)
    async with (
        battered(first, tmp_path_factory.mktemp("sea"), workers=0, apis=1, scripted_url=provider.url) as stack,
        isle(stack, "isle-1", first, first + 12, provider) as one,
        isle(stack, "isle-2", first, first + 14, provider) as other,
    ):
        yield Sea(stack, [one, other])


@asynccontextmanager
async def isle(stack: Battered, name: str, first: int, entrance: int, provider: ProviderProcess) -> AsyncIterator[Isle]:
    async with (
        proxy(entrance, first + TEMPORAL) as temporal,
        proxy(entrance + 1, first + VALKEY) as redis,
        lone_worker(
            *(stack.stack, name, "cli", "worker"),
            temporal=temporal.port,
            redis=redis.port,
            SCRIPTED_URL=f"{provider.url}/v1",
        ) as process,
    ):
        assert process.stdout is not None
        async with asyncio.timeout(READY_WITHIN.total_seconds()):
            assert await process.stdout.readline() == b"worker ready\n"
        yield Isle(process.pid, temporal, redis)


@pytest.fixture
async def sea(whole_sea: Sea, provider: ProviderProcess) -> AsyncIterator[Sea]:
    await provider.reset()
    yield whole_sea
    for isle in whole_sea.isles:
        await isle.temporal.heal()
        await isle.redis.heal()


@pytest.mark.parametrize(
    "steps",
    [pytest.param((ENDLESS,), id="speaks"), pytest.param((SHORT, Silence()), id="is silent", marks=pytest.mark.long)],
)
async def test_what_arrives_late_is_refused_and_the_zombie_hangs_up_also_on_a_model_that(
    sea: Sea, provider: ProviderProcess, steps: tuple[Text | Silence, ...]
) -> None:
    async with taken_over(sea, provider, *steps, cut_off=Isle.lose) as zombie:
        assert (await provider.stats()).disconnects == 0
        await zombie.redis.heal()


@pytest.mark.long
async def test_who_loses_only_the_engine_is_refused_when_the_successor_begins(
    sea: Sea, provider: ProviderProcess
) -> None:
    async with taken_over(sea, provider, ENDLESS, cut_off=lambda zombie: zombie.temporal.refuse()):
        pass


@pytest.mark.long
async def test_attempts_that_were_sent_into_the_silence_do_nothing_when_they_arrive(
    sea: Sea, provider: ProviderProcess
) -> None:
    """The engine takes a worker for living that has asked for a task and is silent: it gives it one, and waits."""

    def silence(zombie: Isle) -> None:
        zombie.temporal.black_hole()
        zombie.redis.black_hole()

    async with taken_over(sea, provider, ENDLESS, cut_off=silence) as zombie:
        await zombie.temporal.heal()
        await zombie.redis.heal()


async def test_a_replaced_answer_whose_worker_cannot_be_told_is_as_silent_after_its_end(
    sea: Sea, provider: ProviderProcess
) -> None:
    async with Observation(sea.stack.urls, Random(1)) as observation:
        old = await observation.start(await script(provider, ENDLESS), "narrator")
        zombie = await speaking(sea, old)
        zombie.lose()
        new = await observation.start("slow 20", "shop", conversation_id=old.conversation, on_conflict="replace")
        await old.until(lambda frame: frame.type == "generation.finished")
        assert (await provider.stats()).disconnects == 0
        await zombie.redis.heal()
        await provider.until(lambda stats: stats.disconnects == 1, HANGS_UP_WITHIN)
    for answer, outcome in ((old, "replaced"), (new, "completed")):
        await judge(sea.stack.stack, answer)
        assert answer.outcome == outcome
    assert "".join(told(old)), "what people had read of it is gone"
    assert told(new) == [" ".join(f"word{number}" for number in range(1, 21))]


@asynccontextmanager
async def taken_over(
    sea: Sea, provider: ProviderProcess, *steps: Text | Silence, cut_off: Callable[[Isle], None]
) -> AsyncIterator[Isle]:
    """An answer is taken over from a worker that is cut off while it speaks. After the block that one hangs up on its
    provider before the answer is over, of which nobody hears anything but its successor's words.
    """
    async with Observation(sea.stack.urls, Random(1)) as observation:
        answer = await observation.start(await script(provider, *steps), "narrator")
        zombie = await speaking(sea, answer)
        cut_off(zombie)
        await answer.until(succeeds)
        yield zombie
        await provider.until(lambda stats: stats.disconnects == 1, HANGS_UP_WITHIN)
        assert not answer.over
        await zombie.temporal.heal()
    await judge(sea.stack.stack, answer)
    assert told(answer) == [SUCCESSION]


async def script(provider: ProviderProcess, *steps: Text | Silence) -> str:
    """What to say to be answered with these steps, and whenever it is said again with the succession."""
    word = f"w{uuid4().hex}"
    again = Reply(match=word, steps=(Text(text=SUCCESSION, rate=4),))
    await provider.script(Reply(match=word, steps=steps), again, again, again)
    return word


async def speaking(sea: Sea, answer: Answer) -> Isle:
    """Who speaks, as soon as it does."""
    await answer.until(lambda frame: frame.speaks(attempt=1))
    return await sea.isle_of(answer)


def succeeds(frame: Frame) -> bool:
    return frame.type == "turn.started" and bool(frame.data["attempt"] > 1)
