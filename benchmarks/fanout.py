"""One answer and many readers: how late its tokens are at all of them, and what a delivery costs."""

import asyncio
import gc
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.findings import Findings, Table, Target
from benchmarks.measure import cpu_of, percentile, spent
from benchmarks.reader import Reader
from benchmarks.stage import Stage, stage, together
from benchmarks.streams import RATE, SETTLE, WINDOW, TooMany, exact
from tests.provider.script import Reply, Stamps, ToolCall

READERS = (50, 200, 500)
AT_ONCE = 50
TOKENS = round((SETTLE + WINDOW + 1) * RATE)


@dataclass(frozen=True)
class Run:
    readers: int
    latencies: list[float]  # milliseconds, of the deliveries in the window
    cost: Mapping[str, float]  # µs of CPU per delivery in the window, by process


async def fanout() -> Findings:
    gc.disable()  # our own pauses are no latency of theirs
    try:
        runs, limit = await _runs()
    finally:
        gc.enable()
    last, most = runs[-1], READERS[-1]
    return Findings(
        about=f"{WINDOW:g} s of one answer at {RATE} tokens/s, with so many readers. Latency from the provider's send"
        " to a reader's socket, in ms. CPU per delivery (of one token to one reader) in µs; the readers, all of them in"
        f" one process, take it from the same machine. {limit}",
        tables=[Table(("readers", "p50", "p99", "max", "deliveries/s", *last.cost), [_row(each) for each in runs])],
        targets=[
            Target(
                f"latency p99, {most} readers",
                percentile(last.latencies, 99) if last.readers == most else math.inf,
                15,
                "ms",
            )
        ],
    )


async def _runs() -> tuple[list[Run], str]:
    """The runs that this machine can carry, and why it were not more."""
    runs: list[Run] = []
    async with stage() as here:
        await _run(here, 1)  # what happens only once is not for a delivery to pay
        for readers in READERS:
            try:
                runs.append(await _run(here, readers))
            except TooMany as reason:
                if not runs:
                    raise
                return runs, f"{readers} are too many here: {reason}."
    return runs, ""


def _row(each: Run) -> tuple[str, ...]:
    latencies = (f"{percentile(each.latencies, percent):.1f}" for percent in (50, 99, 100))
    costs = (f"{cost:.1f}" for cost in each.cost.values())
    return (str(each.readers), *latencies, f"{len(each.latencies) / WINDOW:.0f}", *costs)


async def _run(here: Stage, count: int) -> Run:
    """The answer waits for a click until all of its readers are there."""
    name = f"for {count}"
    speech = Stamps(count=TOKENS, rate=RATE)
    await here.provider.script(Reply(steps=(ToolCall(name="moment"),), match=name), Reply(steps=(speech,), match=name))
    generation = await here.start(name, agent="careful")

    async def attach(_: int) -> Reader:
        reader = await here.read(generation)
        await reader.sees(b"event: generation.paused")
        return reader

    readers = await together(count, AT_ONCE, attach)
    (await here.stack.approve(generation)).raise_for_status()
    await asyncio.gather(*(reader.sees(b"event: text.delta") for reader in readers))
    await asyncio.sleep(SETTLE)
    opened, before = time.monotonic_ns(), cpu_of(here.pids)
    await asyncio.sleep(WINDOW)
    closed, used = time.monotonic_ns(), spent(before, cpu_of(here.pids))
    await asyncio.gather(*(reader.ended() for reader in readers))
    latencies: list[float] = []
    for reader in readers:  # one after the other: parsed, half a million events need much room
        arrivals = exact(reader.heard(), TOKENS)
        if arrivals[-1].sent < closed:
            raise TooMany("the answer was over before it had been looked at")
        latencies += [(arrival.at - arrival.sent) / 1e6 for arrival in arrivals if opened <= arrival.sent < closed]
    return Run(count, latencies, {name: seconds * 1e6 / len(latencies) for name, seconds in used.items()})
