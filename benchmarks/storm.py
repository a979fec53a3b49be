"""A thousand readers who are cut off all at once, and all come back at once, each with its cursor."""

import asyncio
import time
from dataclasses import dataclass

from benchmarks.findings import Findings, Table, Target
from benchmarks.listener import listening
from benchmarks.measure import cpu_of, memory_of, percentile, spent
from benchmarks.pen import Pen, pen, word
from benchmarks.reader import Reader
from benchmarks.stage import Stage, stage, together
from benchmarks.streams import RATE, Arrival, TooMany

CROWD, WARM_UP = 1_000, 100
EVENTS, MISSED = 3_000, 100  # of the crowd's answer: before, and while all are away
CALM, LIVE = 2.0, 15.0  # seconds that the other answer speaks before the storm, and altogether
AT_ONCE = 50


@dataclass(frozen=True)
class Storm:
    idle: float  # bytes of the API's memory for each reader of the crowd
    back: list[float]  # milliseconds from the first knock until each has everything again
    cost: dict[str, float]  # seconds of CPU meanwhile, by process
    calm: list[float]  # milliseconds that the tokens of the other answer were late before, and meanwhile
    meanwhile: list[float]


async def storm() -> Findings:
    async with stage() as here, pen(here) as writing:
        found = await _storm(here, writing)
    return Findings(
        about=f"{CROWD} readers of a running answer of {EVENTS} events, which is written through the log's own adapter."
        f" All are cut off, miss {MISSED} events, and come back at once, in one process. Beside them another answer"
        f" speaks at {RATE} tokens/s to a reader who stays, in a process of its own.",
        tables=[
            Table(
                ("", "p50", "p99", "max"),
                [
                    _row("a reader of the crowd has everything again after, ms", found.back),
                    _row("a token of the other answer is late, before, ms", found.calm),
                    _row("and in the storm, ms", found.meanwhile),
                ],
            ),
            Table(
                ("CPU in the storm, s", *found.cost),
                [("", *(f"{seconds:.2f}" for seconds in found.cost.values()))],
            ),
        ],
        targets=[
            Target("all have caught up after", max(found.back) / 1000, 1.5, "s"),
            Target("longest delay of a live reader", max(found.meanwhile), 100, "ms"),
            Target("memory of the API per idle reader", found.idle / 1024, 30, "KB"),
        ],
    )


def _row(what: str, values: list[float]) -> tuple[str, ...]:
    return (what, *(f"{percentile(values, percent):.1f}" for percent in (50, 99, 100)))


async def _storm(here: Stage, writing: Pen) -> Storm:
    api = {"API": here.pids["API"]}
    await writing.write(EVENTS)
    for reader in await _crowd(here, writing, WARM_UP):  # what the API grows by once is not for a reader to pay
        reader.close()
    before = memory_of(api)
    crowd = await _crowd(here, writing, CROWD)
    idle = spent(before, memory_of(api))["API"] / CROWD
    await _all_hear(writing, crowd)

    tokens = round(LIVE * RATE)
    answer = await here.start(f"bench {tokens} at {RATE}")
    async with listening(here.stack.url, answer, tokens) as arrivals:
        await asyncio.sleep(CALM)
        cursor = writing.last
        for reader in crowd:
            reader.close()
        await writing.write(MISSED)
        cpu, began = cpu_of(here.pids), time.monotonic_ns()
        returned = await asyncio.gather(*(_come_back(here, writing, cursor) for _ in range(CROWD)))
        ended, cost = time.monotonic_ns(), spent(cpu, cpu_of(here.pids))
        live = await arrivals()
    await _all_hear(writing, [reader for reader, _ in returned])
    for reader, _ in returned:
        _check(reader, writing, cursor)
        reader.close()
    if live[-1].sent < ended:
        raise TooMany(f"the storm lasted for more than {LIVE - CALM:g} s")
    return Storm(
        idle=idle,
        back=[(at - began) / 1e6 for _, at in returned],
        cost=cost,
        calm=[_late(each) for each in live if each.sent < began],
        meanwhile=[_late(each) for each in live if began <= each.sent < ended],
    )


async def _crowd(here: Stage, writing: Pen, count: int) -> list[Reader]:
    """Readers who have everything so far, and wait for more."""

    async def attach(_: int) -> Reader:
        reader = await here.read(writing.generation, after=writing.last)
        await reader.answered()
        return reader

    return await together(count, AT_ONCE, attach)


async def _come_back(here: Stage, writing: Pen, cursor: int) -> tuple[Reader, int]:
    """And when it had all that it had missed."""
    reader = await here.read(writing.generation, after=cursor)
    await reader.sees(writing.mark)
    return reader, time.monotonic_ns()


async def _all_hear(writing: Pen, readers: list[Reader]) -> None:
    """One more event: all of them are there, and live."""
    await writing.write(1)
    await asyncio.gather(*(reader.sees(writing.mark) for reader in readers))


def _check(reader: Reader, writing: Pen, cursor: int) -> None:
    """It got what it had missed, and what came then, once and in order."""
    events = reader.heard()
    assert [event.seq for event in events] == list(range(cursor + 1, writing.last + 1))
    first = writing.deltas - len(events)
    assert [event.data["text"] for event in events] == [word(first + at) for at in range(len(events))]


def _late(arrival: Arrival) -> float:
    return (arrival.at - arrival.sent) / 1e6
