"""An API dies (kill -9): its readers go on elsewhere, where they were."""

import asyncio
from random import Random

from tests.chaos.answer import Observation
from tests.chaos.battered import Battered
from tests.chaos.verdict import judge, told

ANSWERS = 3
WORDS = " ".join(f"word{number}" for number in range(1, 81))


async def test_readers_of_a_dead_server_go_on_at_the_next_one_exactly_where_they_were(stack: Battered) -> None:
    async with Observation(stack.urls, Random(1)) as observation:
        answers = [await observation.start("slow 80", "shop") for _ in range(ANSWERS)]
        await asyncio.gather(*(answer.until(lambda frame: frame.type == "text.delta") for answer in answers))
        stack.kill("api-1")
    for answer in answers:
        await stack.whole()
        await judge(stack.stack, answer)
        assert told(answer) == [WORDS]
        assert answer.readers[0].connections == 2
