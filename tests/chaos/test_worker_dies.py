"""A worker dies (kill -9): nobody who reads the answer can tell from what they see in the end."""

import asyncio
import os
from random import Random

from tests.chaos.answer import Observation
from tests.chaos.battered import Battered
from tests.chaos.verdict import judge, told

ANSWERS = 10
LASTS = 4.0  # seconds of an answer nobody disturbs
ORDER = 'Please:\nuse look_up {"item": "tea", "seconds": 0.3}\nuse charge {"item": "tea", "seconds": 0.5}'


async def test_ten_answers_survive_the_death_of_all_workers_each_at_another_moment(stack: Battered) -> None:
    """One kill that meets ten answers of random age is ten kills at random moments."""
    random = Random(os.environ.get("CHAOS_SEED", "worker dies"))
    ages = sorted((random.uniform(0, LASTS) for _ in range(ANSWERS)), reverse=True)
    async with Observation(stack.urls, random) as observation:
        now = ages[0]
        for age in ages:
            await asyncio.sleep(now - age)
            now = age
            await observation.start(ORDER, "shop")
        await asyncio.sleep(now)
        stack.kill("worker-1", "worker-2")
    for answer in observation.answers:
        await judge(stack.stack, answer)
        assert answer.finished["outcome"] == "completed"
    assert len({tuple(told(answer)) for answer in observation.answers}) == 1
