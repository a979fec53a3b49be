"""Everything stops at once, in order or not, while one answer waits for a person and another one is being spoken."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random

from tests.chaos.answer import Observation, approves
from tests.chaos.battered import battered
from tests.chaos.verdict import judge, told
from tests.stack import JsonDict

ORDER = 'use look_up {"item": "tea"}\nuse charge {"item": "tea"}'
WORDS = " ".join(f"word{number}" for number in range(1, 61))


async def test_both_answers_outlive_a_stop_and_a_kill_of_the_whole_stack(
    free_ports: Callable[[int], int], tmp_path: Path
) -> None:
    port, may_decide = free_ports(12), asyncio.Event()

    async def person(call: JsonDict) -> JsonDict:
        await may_decide.wait()
        return await approves(call)

    async with AsyncExitStack() as last:
        async with Observation([f"http://127.0.0.1:{port}"], Random(1), person) as observation:
            async with battered(port, tmp_path, workers=1, apis=1) as first:
                waiting = await observation.start(ORDER, "shop")
                speaking = await observation.start("slow 60", "shop")
                await waiting.until(lambda frame: frame.type == "generation.paused")
                await speaking.until(lambda frame: frame.type == "text.delta")
                await first.end(signal.SIGTERM)
            async with battered(port, tmp_path, workers=1, apis=1) as second:
                [approval] = (await second.stack.view(waiting.id))["approvals"]
                await second.end(signal.SIGKILL)
            third = await last.enter_async_context(battered(port, tmp_path, workers=1, apis=1))
            assert (await third.stack.view(waiting.id))["approvals"] == [approval]
            may_decide.set()
        for answer in (waiting, speaking):
            await judge(third.stack, answer)
            assert answer.outcome == "completed"
        assert told(speaking) == [WORDS]
