"""A running generation whose log we write ourselves: as the worker does, through the log's own adapter."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from activities.snapshots import Snapshots
from adapters.redis_log import RedisLog
from benchmarks.stage import Stage
from domain.events import Event, TextDelta
from domain.ids import GenerationId
from domain.ports import Writer
from tests.provider.script import Reply, Silence

BATCH = 250
SNAPSHOT_EVERY = 256
RETENTION = timedelta(hours=1)
WRITER = Writer(name="benchmark", epoch=1)


class Pen:
    """`deltas` is how many it has written, each an event of its own; `last` the number of the last one."""

    def __init__(self, log: RedisLog, generation: GenerationId) -> None:
        self.generation = generation
        self.deltas = self.last = 0
        self._log, self._snapshots = log, Snapshots(log, generation, SNAPSHOT_EVERY)

    async def write(self, deltas: int, *, snapshots: bool = True) -> None:
        """So many more. `snapshots`: at the worker's distances, and one at the end."""
        end = self.deltas + deltas
        while self.deltas < end:
            batch: list[Event] = [_delta(number) for number in range(self.deltas, min(self.deltas + BATCH, end))]
            self.last = await self._log.append(self.generation, WRITER, self.deltas + 1, batch)
            self.deltas += len(batch)
            if snapshots:
                self._snapshots.took(batch, self.last)
        if snapshots:
            await self._snapshots.save()

    @property
    def mark(self) -> bytes:
        """How the last event ends, on the wire."""
        return f'"text":"{word(self.deltas - 1)}"}}\n\n'.encode()

    async def aclose(self) -> None:
        await self._snapshots.aclose()


@asynccontextmanager
async def pen(here: Stage) -> AsyncIterator[Pen]:
    """The model of this generation never says a word."""
    await here.provider.script(Reply(steps=(Silence(),)))
    generation = GenerationId(await here.start("say nothing"))
    reader = await here.read(generation)
    await reader.sees(b"event: turn.started")
    reader.close()
    log = RedisLog(here.redis_url, retention=RETENTION)
    held = Pen(log, generation)
    try:
        yield held
    finally:
        await held.aclose()
        await log.aclose()


def word(number: int) -> str:
    return f"{number:05d} "


def words(deltas: int) -> str:
    return "".join(map(word, range(deltas)))


def _delta(number: int) -> TextDelta:
    return TextDelta(turn=1, attempt=1, part=0, text=word(number))
