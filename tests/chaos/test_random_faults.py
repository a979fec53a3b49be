"""Many answers at once while whatever there is dies, freezes and comes back, at random.

CHAOS_SECONDS is how long (`make chaos` takes minutes), CHAOS_SEED repeats the choices of a run that failed.
"""

import asyncio
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from random import Random

import pytest

from tests.chaos.answer import Observation
from tests.chaos.battered import Battered
from tests.chaos.verdict import judge
from tests.stack import JsonDict

SEED = os.environ.get("CHAOS_SEED") or secrets.token_hex(4)
SECONDS = float(os.environ.get("CHAOS_SECONDS", "15"))
ROUND = min(SECONDS, 30.0)  # of faults; then everything heals, and is judged
USERS = 12
RECOVERY = 120  # seconds, beyond the faults of a round

ORDERS = (
    *('use look_up {"item": "tea", "seconds": 0.5}\nuse charge {"item": "tea", "seconds": 1}',) * 6,
    'use charge {"item": "tea"}\nuse charge {"item": "cake", "seconds": 2}',
    "slow 40",
    "fail",
    "error",
)


@pytest.mark.timeout(SECONDS * 6 + RECOVERY)
async def test_whatever_dies_every_answer_ends_once_and_everybody_agrees_on_it(stack: Battered) -> None:
    print(f"CHAOS_SEED={SEED} CHAOS_SECONDS={SECONDS:g}")
    for number in range(max(1, round(SECONDS / ROUND))):
        await a_round(stack, f"{SEED}/{number}")


async def a_round(stack: Battered, seed: str) -> None:
    """Each has a random of their own, so that a seed repeats what everybody does, if not when the rest happens."""
    random, people = Random(seed), Random(f"{seed}/people")
    end = asyncio.get_running_loop().time() + ROUND
    harmed = set[str]()
    async with Observation(stack.urls, people, lambda call: decide(people, call)) as observation:
        async with asyncio.TaskGroup() as group:
            for user in range(USERS):
                group.create_task(use(observation, Random(f"{seed}/{user}"), end))
            while asyncio.get_running_loop().time() < end:
                await asyncio.sleep(random.uniform(0.5, 3))
                harm, name = random.choice(HARMS)
                print(f"{harm.__name__} {name}")
                harm(stack, name, random)
                harmed.add(name)
        stack.thaw()
    await stack.whole()
    for answer in observation.answers:
        await judge(stack.stack, answer, torn="valkey" in harmed)


async def use(observation: Observation, random: Random, end: float) -> None:
    """One conversation: a person who mostly waits for the answer, and sometimes stops it or talks over it."""
    conversation: JsonDict = {}
    while asyncio.get_running_loop().time() < end:
        answer = await observation.start(random.choice(ORDERS), "shop", **conversation)
        conversation = {"conversation_id": answer.conversation}
        mood = random.choice(("waits", "waits", "waits", "waits", "stops it", "talks over it"))
        if mood == "waits":
            await answer.until(lambda frame: frame.type == "generation.finished")
        else:
            await asyncio.sleep(random.uniform(0, 4))
            if mood == "stops it":
                await observation.abort(answer)


async def decide(random: Random, call: JsonDict) -> JsonDict:
    await asyncio.sleep(random.uniform(0, 1))
    decision = random.choice(("approve", "approve", "approve", "edit", "reject", "respond"))
    more: dict[str, JsonDict] = {"edit": {"arguments": {"item": "cake"}}, "respond": {"text": "It is paid already."}}
    return {"call_id": call["call_id"], "decision": decision, **more.get(decision, {})}


def kill(stack: Battered, name: str, _: Random) -> None:
    stack.kill(name)


def leave(stack: Battered, name: str, _: Random) -> None:
    stack.leave(name)


def freeze(stack: Battered, name: str, random: Random) -> None:
    with suppress(FileNotFoundError):  # it is dead
        asyncio.get_running_loop().call_later(random.uniform(0.5, 8), stack.thaw, stack.freeze(name))


Harm = Callable[[Battered, str, Random], None]
HARMS: tuple[tuple[Harm, str], ...] = (
    *((harm, name) for harm in (kill, kill, leave, freeze) for name in ("worker-1", "worker-2")),
    *((harm, name) for harm in (kill, leave, freeze) for name in ("api-1", "api-2")),
    *((harm, name) for harm in (kill, freeze) for name in ("temporal", "valkey")),
)
