"""The snapshots of one generation: whoever writes most of it keeps the folded view, and stores it now and then."""

import asyncio
from contextlib import suppress
from typing import Final

from domain.coalesce import coalesce
from domain.errors import Unavailable
from domain.events import Event
from domain.ids import GenerationId
from domain.ports import Log
from domain.view import View, fold

BYTES_PER_EVENT: Final = 100


class Snapshots:
    """Told of every batch that was logged; folds only when a snapshot is due, and beside the writing.

    The tail that a joining reader replays stays below `every` events, or half of what the snapshot itself weighs:
    with a fixed distance a long answer would be stored over and over. A snapshot that fails is only a slower join.
    """

    def __init__(self, log: Log, generation: GenerationId, every: int) -> None:
        self._log, self._generation, self._every = log, generation, every
        self._view: View | None = None
        self._tail: list[tuple[int, list[Event]]] = []  # own batches since the view, each with its first number
        self._grown, self._spacing, self._last = 0, every, 0
        self._look = False
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def took(self, batch: list[Event], last: int) -> None:
        """The log numbered this batch, up to `last`."""
        first = last - len(batch) + 1
        self._tail.append((first, batch))
        self._grown += len(batch)
        self._look |= first != self._last + 1  # others wrote in between, or the log was lost: better look soon
        self._last = last
        if (self._look or self._grown >= self._spacing) and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._keep_up())

    async def save(self) -> None:
        """Store the view as it is now."""
        async with self._turn:
            with suppress(Unavailable):
                await self._fold()
                await self._store()

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _keep_up(self) -> None:
        with suppress(Unavailable):
            while self._look or self._grown >= self._spacing:
                async with self._turn:
                    due, self._look = self._grown >= self._spacing, False
                    if await self._fold() or due:
                        await self._store()

    async def _fold(self) -> bool:
        """Fold in what was logged since. True if the log has lost events: then only this view still has them."""
        if self._view is None:
            self._view = await self._log.view(self._generation)
        if self._view is None:
            self._tail.clear()
            return False
        cursor, tail, gathered, torn = self._view.cursor, list(self._tail), list[Event](), False
        for first, batch in tail:
            if first > cursor + 1 and (kept := await self._log.events_after(self._generation, cursor)):
                torn |= kept[0][0] > cursor + 1
                gathered += [event for _, event in kept]
                cursor = kept[-1][0]
            gathered += batch[max(0, cursor + 1 - first) :]
            cursor = max(cursor, first + len(batch) - 1)
        self._view = fold(self._view, ((cursor, event) for event in coalesce(gathered)))
        del self._tail[: len(tail)]
        return torn

    async def _store(self) -> None:
        self._grown = 0
        if self._view is not None:
            await self._log.save_snapshot(self._generation, self._view)
            self._spacing = max(self._every, len(self._view.model_dump_json()) // 2 // BYTES_PER_EVENT)
