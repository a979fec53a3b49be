"""From the provider's socket to a reader's: how late each token is, and what it costs in every process on its way."""

import asyncio
import gc
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from benchmarks.findings import Findings, Table, Target
from benchmarks.ingest import lean
from benchmarks.measure import cpu_of, percentile, spent
from benchmarks.reader import Heard, Reader
from benchmarks.stage import Stage, stage, together
from tests.provider.script import Reply, Silence, Stamps
from tests.provider.stamp import sent_at

# Streams, and seconds until the first token of any of them: long enough to start them all, one by one. The more stand
# there, the longer the next one takes: each beats its heart, and every beat is a transaction of the engine.
STREAMS = {1: 1, 16: 4, 100: 20, 300: 60}
RATE = 50  # tokens per second and stream
SETTLE, WINDOW = 1.0, 5.0  # seconds: all streams run, and nobody looks yet; then the seconds that count
AT_ONCE = 4  # starts
COUNT = round((SETTLE + WINDOW + 1) * RATE)  # tokens per stream


@dataclass(frozen=True)
class Run:
    streams: int
    latencies: list[float]  # milliseconds, of the tokens in the window
    cost: dict[str, float]  # µs of CPU per token in the window, by process

    @property
    def chain(self) -> float:
        """What a token costs us, without the engine beside it."""
        return self.cost["worker"] + self.cost["API"] + self.cost["Valkey"]


async def tokens() -> Findings:
    async with stage() as here:
        await (await here.read(await here.start("hello"))).ended()  # what happens only once is not for a token to pay
        runs = [await _run(here, streams, standing) for streams, standing in STREAMS.items()]
        last = runs[-1]
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


async def _run(here: Stage, streams: int, standing: float) -> Run:
    begin = time.monotonic() + standing

    async def start(index: int) -> Reader:
        """A stream whose first token comes at the common moment; spread over one beat, as if they did not know."""
        lasts = begin + index / streams / RATE - time.monotonic()
        reply = Reply(steps=(Silence(lasts=timedelta(seconds=max(0.0, lasts))), Stamps(count=COUNT, rate=RATE)))
        await here.provider.script(reply)
        reader = await here.read(await here.start("say something"))
        await reader.sees(b"event: turn.started")
        return reader

    readers = await together(streams, AT_ONCE, start)
    assert time.monotonic() < begin + SETTLE, f"{streams} streams were not up after {standing} s"
    gc.collect()
    gc.disable()  # our own pauses are no latency of theirs
    await asyncio.sleep(begin + SETTLE - time.monotonic())
    opened, before = time.monotonic_ns(), cpu_of(here.pids)
    await asyncio.sleep(WINDOW)
    closed, after = time.monotonic_ns(), cpu_of(here.pids)
    await asyncio.gather(*(reader.ended() for reader in readers))
    gc.enable()
    arrivals = [arrival for reader in readers for arrival in exact(reader.heard(), COUNT)]
    latencies = [(at - sent) / 1e6 for sent, at in arrivals if opened <= sent < closed]
    cost = {name: used * 1e6 / max(1, len(latencies)) for name, used in spent(before, after).items()}
    return Run(streams, latencies, cost)


def exact(events: list[Heard], count: int) -> list[tuple[int, int]]:
    """When each token was sent and came; refuses any gap, any double, any token too few, and another final text."""
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [event.type for event in events if event.type == "generation.finished"] == [events[-1].type]
    arrivals = [(sent, event.at) for event in events if event.type == "text.delta" for sent in sent_at(_text(event))]
    moments = [sent for sent, _ in arrivals]
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
