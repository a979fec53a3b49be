"""A worker dies (kill -9), and in the end nobody can tell from the answer."""

import asyncio
import os
from random import Random

from tests.chaos.answer import Observation, approves
from tests.chaos.battered import Battered
from tests.chaos.reader import Frame
from tests.chaos.till import begins, begun
from tests.chaos.verdict import judge, told
from tests.stack import JsonDict

ANSWERS = 10
LASTS = 4.0  # seconds, of an answer that nobody disturbs
ORDER = 'Please:\nuse look_up {"item": "tea", "seconds": 0.3}\nuse charge {"item": "tea", "seconds": 0.5}'
LONG_ORDER = 'use look_up {"item": "tea", "seconds": 2}\nuse charge {"item": "tea", "seconds": 2}'
FOUND_OUT = "I looked into the till: it is paid."


async def test_ten_answers_survive_the_death_of_all_workers_each_at_another_random_moment(stack: Battered) -> None:
    """One kill that meets ten answers of random age is ten kills at random moments."""
    random = Random(os.environ.get("CHAOS_SEED", "worker dies"))
    ages = sorted((random.uniform(0, LASTS) for _ in range(ANSWERS)), reverse=True)
    async with Observation(stack.urls, random) as observation:
        for age, next_age in zip(ages, [*ages[1:], 0], strict=True):
            await observation.start(ORDER, "shop")
            await asyncio.sleep(age - next_age)
        stack.kill("worker-1", "worker-2")
    for answer in observation.answers:
        await judge(stack.stack, answer)
        assert answer.outcome == "completed"
    assert len({tuple(told(answer)) for answer in observation.answers}) == 1


async def test_a_tool_killed_in_the_middle_is_repeated_if_that_is_harmless_and_else_a_person_is_asked(
    stack: Battered,
) -> None:
    async def person(call: JsonDict) -> JsonDict:
        if "unknown" in (call["reason"] or ""):
            return {"call_id": call["call_id"], "decision": "respond", "text": FOUND_OUT}
        return await approves(call)

    async with Observation(stack.urls, Random(1), person) as observation:
        answer = await observation.start(LONG_ORDER, "shop")
        looking_up = (await answer.until(lambda frame: starts(frame, "look_up"))).data["call_id"]
        charging = (await answer.until(lambda frame: starts(frame, "charge"))).data["call_id"]
        await begins(stack.stack.data_dir, answer.id, looking_up)
        await begins(stack.stack.data_dir, answer.id, charging)
        stack.kill("worker-1", "worker-2")
    await judge(stack.stack, answer)
    assert len(answer.asked) == 2
    assert begun(stack.stack.data_dir, answer.id, looking_up) == 2
    assert begun(stack.stack.data_dir, answer.id, charging) == 1
    assert any(FOUND_OUT in text for text in told(answer))


def starts(frame: Frame, tool: str) -> bool:
    return frame.type == "tool.started" and bool(frame.data["name"] == tool)
