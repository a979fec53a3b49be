"""From the provider's socket to a reader's: how late each token is, and what it costs in every process on its way."""

import asyncio
import gc
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import NamedTuple

from benchmarks.findings import Findings, Table, Target
from benchmarks.ingest import lean
from benchmarks.measure import cpu_of, percentile, spent
from benchmarks.reader import Heard, Reader
from benchmarks.stage import Stage, stage, together
from tests.provider.script import Refuse, Reply, Stamps
from tests.provider.stamp import sent_at

STREAMS = (1, 16, 100, 300)
RATE = 50  # tokens per second and stream
SETTLE, WINDOW = 1.0, 5.0  # seconds: all streams run, and nobody looks yet; then the seconds that count
WAKING = 0.05  # seconds per stream: until all of them speak
AT_ONCE = 4  # starts


class Arrival(NamedTuple):
    """Of one token, in nanoseconds of the monotonic clock."""

    sent: int
    at: int


@dataclass(frozen=True)
class Run:
    streams: int
    latencies: list[float]  # milliseconds, of the tokens in the window
    cost: dict[str, float]  # µs of CPU per token in the window, by process
    starting: float  # seconds per stream

    @property
    def chain(self) -> float:
        """What a token costs us, without the engine beside it."""
        return self.cost["worker"] + self.cost["API"] + self.cost["Valkey"]


async def tokens() -> Findings:
    async with stage() as here:
        last = await _run(here, 1, starting=1)  # what happens only once is not for a token to pay
        runs = [last := await _run(here, streams, last.starting) for streams in STREAMS]
        reading = await lean(here.provider, streams=last.streams, seconds=WINDOW)
    return Findings(
        about=f"{WINDOW:g} s of streams at {RATE} tokens/s, one reader each, after all are up. Latency from the"
        " provider's send to the reader's socket, in ms. CPU per token in µs; that of the worker includes reading the"
        " provider's stream and the heartbeats, and at few streams all that an idle process does.",
        tables=[
            Table(
                ("streams", "p50", "p99", "max", *last.cost, "worker + API + Valkey"),
                [_row(run) for run in runs],
            )
        ],
        targets=(
            Target(f"p50 at {last.streams} streams", percentile(last.latencies, 50), 1, "ms"),
            Target(f"p99 at {last.streams} streams", percentile(last.latencies, 99), 5, "ms"),
            Target(f"reading the provider's stream, {last.streams} streams", reading, 60, "µs per token"),
            Target(
                f"worker beyond that + API + Valkey, {last.streams} streams", last.chain - reading, 90, "µs per token"
            ),
        ),
    )


def _row(run: Run) -> tuple[str, ...]:
    latencies = (percentile(run.latencies, percent) for percent in (50, 99, 100))
    costs = (*run.cost.values(), run.chain)
    return (str(run.streams), *(f"{each:.2f}" for each in latencies), *(f"{each:.0f}" for each in costs))


async def _run(here: Stage, streams: int, starting: float) -> Run:
    """`starting`: what it takes to start a stream; all of them are up before the first one speaks."""
    now = time.monotonic()
    begin = now + 1 + 2 * streams * starting
    count = round((streams * WAKING + SETTLE + WINDOW + 2) * RATE)

    async def start(index: int) -> Reader:
        """A stream that waits for the common beginning without costing anything: the provider asks it to come again.

        The beginnings are spread over one beat of the streams, since they would not know of each other.
        """
        name = f"stream {index}."
        wait = timedelta(seconds=max(0.0, begin + index / streams / RATE - time.monotonic()))
        later, speech = Refuse(fault="rate_limit", retry_after=wait), Stamps(count=count, rate=RATE)
        await here.provider.script(Reply(steps=(later,), match=name), Reply(steps=(speech,), match=name))
        reader = await here.read(await here.start(name))
        await reader.sees(b"event: turn.started")
        return reader

    readers = await together(streams, AT_ONCE, start)
    starting = (time.monotonic() - now) / streams
    assert time.monotonic() < begin, (
        f"{streams} streams were not up before the first spoke: the machine is too busy"
    )
    await asyncio.gather(*(reader.sees(b"event: text.delta") for reader in readers))
    gc.collect()
    gc.disable()  # our own pauses are no latency of theirs
    await asyncio.sleep(SETTLE)
    opened, before = time.monotonic_ns(), cpu_of(here.pids)
    await asyncio.sleep(WINDOW)
    closed, after = time.monotonic_ns(), cpu_of(here.pids)
    await asyncio.gather(*(reader.ended() for reader in readers))
    gc.enable()
    read = [exact(reader.heard(), count) for reader in readers]
    assert min(arrivals[-1].sent for arrivals in read) > closed, "some streams ended before the last one began"
    tokens = [arrival for arrivals in read for arrival in arrivals if opened <= arrival.sent < closed]
    latencies = [(arrival.at - arrival.sent) / 1e6 for arrival in tokens]
    cost = {name: used * 1e6 / len(tokens) for name, used in spent(before, after).items()}
    return Run(streams, latencies, cost, starting)


def exact(events: list[Heard], count: int) -> list[Arrival]:
    """When each token was sent and came; refuses any gap, any double, any token too few, and another final text."""
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [event.type for event in events if event.type == "generation.finished"] == [events[-1].type]
    deltas = [event for event in events if event.type == "text.delta"]
    arrivals = [Arrival(sent, event.at) for event in deltas for sent in sent_at(_text(event))]
    moments = [arrival.sent for arrival in arrivals]
    assert len(moments) == count, f"{len(moments)} tokens instead of {count}"
    assert all(earlier < later for earlier, later in pairwise(moments))
    end = events[-1].data
    assert end["outcome"] == "completed", end
    assert list(sent_at(_final(end["message"]["parts"]))) == moments
    return arrivals


def _text(event: Heard) -> str:
    return str(event.data["text"])


def _final(parts: Iterable[dict[str, str]]) -> str:
    return "".join(part["text"] for part in parts if part["type"] == "text")
