"""From the provider's socket to a reader's: how late each token is, and what it costs in every process on its way."""

import gc
import math

from benchmarks.findings import Findings, Table, Target
from benchmarks.ingest import lean
from benchmarks.measure import percentile
from benchmarks.stage import stage
from benchmarks.streams import RATE, WINDOW, Run, TooMany, run
from tests.provider.process import provider_process

STREAMS = (1, 16, 100, 300)


async def tokens() -> Findings:
    gc.disable()  # our own pauses are no latency of theirs
    try:
        runs, limit = await _runs()
        async with provider_process() as provider:
            reading = await lean(provider, streams=runs[-1].streams, seconds=WINDOW)
    finally:
        gc.enable()
    return Findings(
        about=f"{WINDOW:g} s of streams at {RATE} tokens/s, one reader each, after all are up. Latency from the"
        " provider's send to the reader's socket, in ms. CPU per token in µs; that of the worker includes reading the"
        " provider's stream and the heartbeats, and at few streams all that an idle process does. What went to Valkey"
        " is per token too, commands inside of its scripts included. The targets are for"
        f" {STREAMS[-1]} streams. {limit}",
        tables=[
            Table(
                ("streams", "p50", "p99", "max", *runs[-1].cost, "worker + API + Valkey", "others, cores"),
                [_row(each) for each in runs],
            ),
            Table(
                ("streams", "commands to Valkey", "bytes to Valkey"),
                [(str(each.streams), *(f"{count:.1f}" for count in each.asked.values())) for each in runs],
            ),
        ],
        targets=_targets(runs[-1], reading),
    )


async def _runs() -> tuple[list[Run], str]:
    """The runs that this machine can carry, and why it were not more."""
    async with stage() as here:
        runs = [await run(here, 1, starting=1)]  # what happens only once is not for a token to pay
        try:
            for streams in STREAMS:
                runs.append(await run(here, streams, runs[-1].starting))
        except TooMany as reason:
            return runs[1:], f"{STREAMS[len(runs) - 1]} are too many here: {reason}."
    return runs[1:], ""


def _row(each: Run) -> tuple[str, ...]:
    latencies = (f"{percentile(each.latencies, percent):.2f}" for percent in (50, 99, 100))
    costs = (f"{cost:.0f}" for cost in (*each.cost.values(), each.chain))
    return (str(each.streams), *latencies, *costs, f"{each.others:.1f}")


def _targets(last: Run, reading: float) -> list[Target]:
    reached = last.streams == STREAMS[-1]
    p50, p99 = percentile(last.latencies, 50), percentile(last.latencies, 99)
    return [
        Target("latency p50", p50 if reached else math.inf, 1, "ms"),
        Target("latency p99", p99 if reached else math.inf, 5, "ms"),
        Target(f"reading the provider's stream, {last.streams} streams", reading, 60, "µs per token"),
        Target(f"worker beyond that + API + Valkey, {last.streams} streams", last.chain - reading, 90, "µs per token"),
        Target(f"commands to Valkey, {last.streams} streams", last.asked["commands"], 4, "per token"),
        Target(f"bytes to Valkey, {last.streams} streams", last.asked["bytes"], 220, "per token"),
    ]
