"""Joining an answer that is already long: snapshot and tail instead of everything that was ever said."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from activities.snapshots import BYTES_PER_EVENT, Snapshots
from adapters.redis_log import RedisLog
from benchmarks.findings import Findings, Table, Target
from benchmarks.measure import percentile
from benchmarks.reader import Heard
from benchmarks.stage import Stage, stage
from domain.content import TextPart
from domain.events import Event, TextDelta
from domain.ids import GenerationId
from domain.ports import Writer
from domain.view import View, fold
from tests.provider.script import Reply, Silence

LENGTHS = (10_000, 100_000)  # deltas, each an entry of its own
JOINS = 30
BATCH = 250
SNAPSHOT_EVERY = 256
RETENTION = timedelta(hours=1)


@dataclass(frozen=True)
class Grown:
    """A log of so many deltas, kept as the worker keeps it: with snapshots at its distances, trimmed behind them."""

    generation: GenerationId
    deltas: int
    tail: int  # events behind the snapshot
    last: int  # number of the last event


@dataclass(frozen=True)
class Join:
    """Milliseconds from before the connection to the first and to the last byte there was; and how many."""

    first: float
    complete: float
    size: int


async def join() -> Findings:
    async with stage() as here:
        log = RedisLog(here.redis_url, retention=RETENTION)
        try:
            logs = [await _grow(here, log, length) for length in LENGTHS]
        finally:
            await log.aclose()
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


async def _grow(here: Stage, log: RedisLog, deltas: int) -> Grown:
    """The model of this generation never says a word; another writer says it all."""
    await here.provider.script(Reply(steps=(Silence(),)))
    generation = GenerationId(await here.start("say nothing"))
    reader = await here.read(generation)
    await reader.sees(b"event: turn.started")
    reader.close()
    snapshots, writer = Snapshots(log, generation, SNAPSHOT_EVERY), Writer(name="benchmark", epoch=1)
    tail = max(SNAPSHOT_EVERY, len(_text(deltas)) // 2 // BYTES_PER_EVENT)
    last = 0
    for begin, end in _batches(deltas - tail, deltas):
        batch: list[Event] = [_delta(number) for number in range(begin, end)]
        last = await log.append(generation, writer, begin + 1, batch)
        if end <= deltas - tail:
            snapshots.took(batch, last)
        if end == deltas - tail:
            await snapshots.save()
    await snapshots.aclose()
    return Grown(generation, deltas, tail, last)


def _batches(*ends: int) -> Iterator[tuple[int, int]]:
    """Ranges that cover everything up to the last end, with a border at each."""
    begin = 0
    for end in ends:
        for at in range(begin, end, BATCH):
            yield at, min(at + BATCH, end)
        begin = end


async def _join(here: Stage, grown: Grown) -> Join:
    began = time.monotonic_ns()
    reader = await here.read(grown.generation, after=None)
    await reader.sees(f'"text":"{_word(grown.deltas - 1)}"}}\n\n'.encode())
    events = reader.heard()
    reader.close()
    assert _said(events) == _text(grown.deltas)
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


def _delta(number: int) -> TextDelta:
    return TextDelta(turn=1, attempt=1, part=0, text=_word(number))


def _word(number: int) -> str:
    return f"{number:05d} "


def _text(deltas: int) -> str:
    return "".join(map(_word, range(deltas)))
