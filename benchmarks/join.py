"""Joining an answer that is already long: snapshot and tail instead of everything that was ever said."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from activities.snapshots import BYTES_PER_EVENT
from benchmarks.findings import Findings, Table, Target
from benchmarks.measure import percentile
from benchmarks.pen import SNAPSHOT_EVERY, pen, words
from benchmarks.reader import Heard
from benchmarks.stage import Stage, stage
from domain.content import TextPart
from domain.events import Event, TextDelta
from domain.ids import GenerationId
from domain.view import View, fold

LENGTHS = (10_000, 100_000)  # deltas, each an entry of its own
JOINS = 30


@dataclass(frozen=True)
class Grown:
    """A log of so many deltas, kept as the worker keeps it: with snapshots at its distances, trimmed behind them."""

    generation: GenerationId
    deltas: int
    tail: int  # events behind the snapshot
    last: int  # number of the last event
    mark: bytes  # how it ends


@dataclass(frozen=True)
class Join:
    """Milliseconds from before the connection to the first and to the last byte there was; and how many."""

    first: float
    complete: float
    size: int


async def join() -> Findings:
    async with stage() as here:
        logs = [await _grow(here, length) for length in LENGTHS]
        joins = {grown: [await _join(here, grown) for _ in range(JOINS)] for grown in logs}
    return Findings(
        about="A running generation whose log was written directly, through the log's own adapter and with the worker's"
        " snapshots; it is read through the API, each time over a new connection. The tail is the longest that the"
        f" distance of the snapshots allows. p50 and p99 of {JOINS} joins in ms.",
        tables=[
            Table(
                ("deltas", "tail", "bytes", "first byte p50", "p99", "complete p50", "p99"),
                [_row(grown, found) for grown, found in joins.items()],
            )
        ],
        targets=[target for grown, found in joins.items() for target in _targets(grown, found)],
    )


def _row(grown: Grown, joins: list[Join]) -> tuple[str, ...]:
    first, complete = [each.first for each in joins], [each.complete for each in joins]
    times = (percentile(first, 50), percentile(first, 99), percentile(complete, 50), percentile(complete, 99))
    return (str(grown.deltas), str(grown.tail), str(joins[0].size), *(f"{each:.1f}" for each in times))


def _targets(grown: Grown, joins: list[Join]) -> Iterator[Target]:
    yield Target(f"first byte p50, {grown.deltas} deltas", percentile([each.first for each in joins], 50), 3, "ms")
    yield Target(f"complete p50, {grown.deltas} deltas", percentile([each.complete for each in joins], 50), 5, "ms")


async def _grow(here: Stage, deltas: int) -> Grown:
    tail = max(SNAPSHOT_EVERY, len(words(deltas)) // 2 // BYTES_PER_EVENT)
    async with pen(here) as writing:
        await writing.write(deltas - tail)
        await writing.write(tail, snapshots=False)
        return Grown(writing.generation, deltas, tail, writing.last, writing.mark)


async def _join(here: Stage, grown: Grown) -> Join:
    began = time.monotonic_ns()
    reader = await here.read(grown.generation, after=None)
    await reader.sees(grown.mark)
    events = reader.heard()
    reader.close()
    assert _said(events) == words(grown.deltas)
    assert events[-1].seq == grown.last
    assert len(events) == grown.tail + 1
    return Join((reader.first() - began) / 1e6, (events[-1].at - began) / 1e6, reader.size())


def _said(events: list[Heard]) -> str:
    """What a screen shows: the snapshot's view with the tail folded in, which has to follow it without a hole."""
    snapshot, *tail = events
    assert snapshot.type == "snapshot"
    assert [event.seq for event in tail] == list(range(snapshot.seq + 1, snapshot.seq + 1 + len(tail)))
    view = fold(View.model_validate(snapshot.data["view"]), ((event.seq, _parsed(event)) for event in tail))
    assert view is not None
    assert view.message is not None
    return "".join(part.text for part in view.message.parts if isinstance(part, TextPart))


def _parsed(event: Heard) -> Event:
    return TextDelta.model_validate(event.data)
