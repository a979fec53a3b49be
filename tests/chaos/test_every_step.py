"""A worker dies exactly before and exactly after each step of an answer, not only where chance would have it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random

from tests.chaos.answer import Answer, Observation
from tests.chaos.battered import battered
from tests.chaos.lone_worker import lone_worker
from tests.chaos.verdict import judge, told
from tests.stack import Stack

ORDER = 'use look_up {"item": "tea"}\nuse charge {"item": "tea"}'
LIVES = 3
REACHED = timedelta(seconds=30)


async def test_a_worker_that_dies_before_or_after_any_step_leaves_no_trace(
    free_ports: Callable[[int], int], tmp_path: Path
) -> None:
    """Three workers die one after the other, each at a third of the steps, and what they leave is done by the next."""
    async with battered(free_ports(12), tmp_path, workers=0, apis=1) as held, AsyncExitStack() as lives:
        async with worker(held.stack, "0") as first, Observation(held.urls, Random(0)) as observation:
            undisturbed = await observation.start(ORDER, "shop")
            await undisturbed.until(lambda frame: frame.type == "generation.finished")
        steps = first.steps(undisturbed)
        answers: dict[str, Answer] = {}
        async with Observation(held.urls, Random(1)) as observation:
            for life in range(LIVES):
                async with worker(held.stack, str(life)) as mortal:
                    these = steps[life::LIVES]
                    starts = (observation.start(ORDER, "shop", metadata={"stops": f"{life} {step}"}) for step in these)
                    reached = dict(zip(these, await asyncio.gather(*starts), strict=True))
                    async with asyncio.timeout(REACHED.total_seconds()):
                        await asyncio.gather(*(stopped_or_over(mortal, answer) for answer in reached.values()))
                    answers |= reached
            await lives.enter_async_context(worker(held.stack, "immortal"))
        for step in steps:
            print("judging", step)  # shown when it fails
            await judge(held.stack, answers[step])
            assert told(answers[step]) == told(undisturbed)


@dataclass
class Mortal:
    """A `mortal_worker`, and what it has said."""

    process: asyncio.subprocess.Process
    said: list[list[str]] = field(default_factory=list)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    def steps(self, answer: Answer) -> list[str]:
        return [" ".join(step) for verb, generation, *step in self.said if (verb, generation) == ("passed", answer.id)]

    async def stopped(self, answer: Answer) -> None:
        """Wait until this answer has come to its step."""
        async with self.news:
            await self.news.wait_for(lambda: any(step[:2] == ["stopped", answer.id] for step in self.said))

    async def listen(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            async with self.news:
                self.said.append(line.decode().split())
                self.news.notify_all()


async def stopped_or_over(mortal: Mortal, answer: Answer) -> None:
    """Batches of events differ with the weather, so a few answers never come to their step."""
    over = asyncio.create_task(answer.until(lambda frame: frame.type == "generation.finished"))
    stopped = asyncio.create_task(mortal.stopped(answer))
    _, others = await asyncio.wait({over, stopped}, return_when=asyncio.FIRST_COMPLETED)
    for other in others:
        other.cancel()


@asynccontextmanager
async def worker(stack: Stack, life: str) -> AsyncIterator[Mortal]:
    """One worker for a stack that has none; leaving it is its death."""
    async with lone_worker(stack, f"worker-{life}", "tests.chaos.mortal_worker", life) as process:
        mortal = Mortal(process)
        listening = asyncio.create_task(mortal.listen())
        try:
            yield mortal
        finally:
            listening.cancel()
