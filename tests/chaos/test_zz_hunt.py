import asyncio, os
from random import Random
import pytest
from tests.chaos.test_redis_away import *
from tests.chaos.test_random_faults import use, decide
SEED=os.environ.get("CHAOS_SEED","net")
SECS=float(os.environ.get("CHAOS_SECONDS","40"))

async def cut(away, s):
    away.network.cut()

@pytest.mark.timeout(400)
async def test_hunt(away):
    random, people = Random(SEED), Random(f"{SEED}/p")
    end = asyncio.get_running_loop().time() + SECS
    async with Observation(away.stack.urls, people, lambda call: decide(people, call)) as o:
        async with asyncio.TaskGroup() as group:
            for user in range(10):
                group.create_task(use(o, Random(f"{SEED}/{user}"), end))
            while asyncio.get_running_loop().time() < end:
                await asyncio.sleep(random.uniform(.2, 2))
                harm = random.choice([cut, cut, refused, lost, lost, full])
                s = random.choice([.05, .3, 1, 3, 6, 9])
                print(harm.__name__, s, flush=True)
                await harm(away, s)
    bad = []
    print(len(o.answers))
    for a in o.answers:
        try: await judge(away.stack.stack, a)
        except AssertionError as e:
            import traceback; traceback.print_exc()
            bad.append(a)
            print("BAD", a.id, [(f.seq, f.type, f.data.get('attempt')) for f in a.frames if f.type!='reasoning.delta'], a.frames[-1].data)
    assert not bad
