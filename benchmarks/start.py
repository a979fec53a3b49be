"""From the click on "send" to the model, and to the first word on a screen."""

import time

from benchmarks.findings import Findings, Table
from benchmarks.measure import percentile
from benchmarks.stage import Stage, stage
from benchmarks.streams import exact

WARM_UP, STARTS, TOKENS = 5, 50, 3


async def start() -> Findings:
    async with stage() as here:
        for _ in range(WARM_UP):
            await _start(here)
        await here.provider.reset()
        starts = [await _start(here) for _ in range(STARTS)]
        asked = [record.received_at.timestamp() for record in await here.provider.requests()]
    assert len(asked) == STARTS
    posted, answered, seen = zip(*starts, strict=True)
    ways = {
        "POST → its answer": answered,
        "POST → the provider has the request": [(at - began) * 1000 for at, began in zip(asked, posted, strict=True)],
        "POST → first token at a reader who opens the stream after the answer": seen,
    }
    return Findings(
        about=f"{STARTS} generations one after the other, each in a new conversation; ms.",
        tables=[
            Table(
                ("way", "p50", "p99"),
                [(way, f"{percentile(took, 50):.0f}", f"{percentile(took, 99):.0f}") for way, took in ways.items()],
            )
        ],
    )


async def _start(here: Stage) -> tuple[float, float, float]:
    """When it was posted (seconds of the world's clock, which the provider writes down), and two ways in ms."""
    at, began = time.time(), time.monotonic_ns()
    generation = await here.start(f"bench {TOKENS} at 50")
    answered = time.monotonic_ns()
    reader = await here.read(generation)
    await reader.ended()
    events = reader.heard()
    exact(events, TOKENS)
    first = next(event.at for event in events if event.type == "text.delta")
    return at, (answered - began) / 1e6, (first - began) / 1e6
