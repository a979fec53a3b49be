"""An API dies (kill -9), or leaves (SIGTERM, a deploy): what was open there goes on elsewhere."""

import asyncio
from random import Random

import httpx2

from tests.chaos.answer import Observation
from tests.chaos.battered import Battered
from tests.chaos.verdict import judge, told
from tests.outsider import problem

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


async def test_a_server_that_leaves_says_so_to_whoever_still_waits_for_an_answer(stack: Battered) -> None:
    async with httpx2.AsyncClient(base_url=stack.urls[1], trust_env=False, timeout=30) as second:
        started = await stack.stack.start("slow 4000", agent="shop")
        before = await readers(second)
        waiting = asyncio.create_task(second.get(f"/api/generations/{started['id']}", params={"wait": 60}))
        async with asyncio.timeout(20):
            while await readers(second) == before:  # noqa: ASYNC110 - it happens in another process
                await asyncio.sleep(0.02)
        stack.leave("api-2")
        assert problem(await waiting, 503, "unavailable")
        assert int((await waiting).headers["Retry-After"]) > 0
    assert (await stack.stack.http.post(f"/api/generations/{started['id']}/abort")).status_code == 200


async def readers(server: httpx2.AsyncClient) -> float:
    lines = (await server.get("/metrics")).text.splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("fermata_readers ")))
