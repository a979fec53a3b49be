"""What a thousand answers cost that wait for people, and how fast one of them wakes up."""

import asyncio

from benchmarks.approve import ASK, click, table
from benchmarks.findings import Findings, Table
from benchmarks.measure import MEGABYTE, cpu_of, memory_of, spent
from benchmarks.stage import Stage, stage, together

WARM_UP, PAUSED, RESUMED = 20, 1000, 20
AT_ONCE = 16
IDLE_SECONDS = 10.0
PAGE = 200


async def paused() -> Findings:
    async with stage() as here:
        servers = {name: pid for name, pid in here.pids.items() if name not in ("provider", "readers")}
        await together(WARM_UP, AT_ONCE, lambda _: _pause(here))
        empty = memory_of(servers)
        generations = await together(PAUSED, AT_ONCE, lambda _: _pause(here))
        full = memory_of(servers)
        waiting = await _waiting(here)
        assert len(waiting) == WARM_UP + PAUSED
        assert set(generations) < set(waiting)
        before = cpu_of(servers)
        await asyncio.sleep(IDLE_SECONDS)
        idle = spent(before, cpu_of(servers))
        clicks = [await click(here, generation) for generation in generations[:: PAUSED // RESUMED]]
        assert len(await _waiting(here)) == len(waiting) - RESUMED
    grown = spent(empty, full)
    return Findings(
        about=f"{PAUSED} generations, each in its own conversation, wait for an approval; the API lists them all."
        f" Then {RESUMED} of them, from the oldest to the newest, are approved (second table; ms).",
        tables=[
            Table(
                ("process", "memory before", "with all", "per generation", f"CPU while idle for {IDLE_SECONDS:g} s"),
                [
                    (
                        name,
                        f"{empty[name] / MEGABYTE:.0f} MB",
                        f"{full[name] / MEGABYTE:.0f} MB",
                        f"{grown[name] / PAUSED / 1024:.0f} KB",
                        f"{idle[name] / IDLE_SECONDS:.1%} of a core",
                    )
                    for name in servers
                ],
            ),
            table(clicks),
        ],
    )


async def _pause(here: Stage) -> str:
    generation = await here.start(ASK, agent="careful")
    reader = await here.read(generation)
    await reader.sees(b"event: generation.paused")
    reader.close()
    return generation


async def _waiting(here: Stage) -> list[str]:
    """Every generation that waits for a decision, as the API lists them, page by page."""
    found: list[str] = []
    query = {"status": "requires_action", "limit": str(PAGE)}
    while True:
        page = (await here.stack.http.get("/api/generations", params=query)).raise_for_status().json()
        found += [item["id"] for item in page["items"]]
        if page["next"] is None:
            return found
        query["before"] = page["next"]
