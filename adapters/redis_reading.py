"""One reader's way through a log: from its cursor through what is kept, then live, then to the end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, NamedTuple

from adapters.redis_kept import Kept, Page, Snapshot
from domain.errors import CursorAhead, Unavailable

TORN_PATIENCE: Final = timedelta(milliseconds=500)  # a writer that meets a torn log is faster and knows more
AWAY_PAUSE: Final = timedelta(milliseconds=500)


class Batch(NamedTuple):
    """One ring: the numbers of its first and last event, whether the last one is the end, and the frames."""

    first: int
    last: int
    sealed: bool
    frames: bytes


class Spliced(NamedTuple):
    """What may be forwarded, where that leads, and whether something is missing after it."""

    frames: list[bytes]
    cursor: int
    ended: bool
    hole: bool


def splice(cursor: int, batches: Iterable[Batch]) -> Spliced:
    """Forward what follows the cursor; skip what is known; stop at the first batch that does neither."""
    frames: list[bytes] = []
    ended = False
    for batch in batches:
        if batch.first == cursor + 1:
            frames.append(batch.frames)
            cursor, ended = batch.last, batch.sealed
        elif batch.last > cursor:
            return Spliced(frames, cursor, ended, hole=True)
    return Spliced(frames, cursor, ended, hole=False)


class Fetched(NamedTuple):
    """What is kept after a cursor; for a reader without one the snapshot, and what is kept after that."""

    snapshot: Snapshot | None
    page: Page


def gap_frame(requested: int, first_kept: int) -> bytes:
    data = b'{"type":"gap","requested":%d,"first_kept":%d}' % (requested, first_kept)
    return b"event: gap\ndata: %b\n\n" % data


@dataclass(slots=True)
class Counts:
    """What the readers of one process did so far."""

    readers: int = 0
    opened: int = 0
    replays: int = 0
    snapshots: int = 0
    gaps: int = 0
    catch_ups: int = 0


class Reading:
    """An async iterator of ready-made bytes, several frames in each; it ends after the terminal event.

    `finished`: the cursor was the terminal event, and there is nothing to read. Whoever holds a reading closes it.
    """

    def __init__(
        self,
        kept: Kept,
        after: int | None,
        *,
        bound: int,
        patience: timedelta,
        mend: Callable[[], Awaitable[None]],
        close: Callable[["Reading"], None],
        counts: Counts,
    ) -> None:
        self.cursor = after  # None: nothing is shown yet, a snapshot comes first
        self.begun = False  # there was a log, the last time it was read
        self.finished = False
        self.interrupted = False
        self._kept, self._bound, self._patience, self._mend, self._close = kept, bound, patience, mend, close
        self._counts = counts
        self._fetched: Fetched | None = None  # and not shown yet
        self._missed: Page | None = None  # the read that showed a gap, until the reader was told
        self._behind = True  # the Stream has what the queue has not
        self._ended = False
        self._deadline: float | None = None
        self._queue: list[Batch] = []
        self._queued = 0
        self._rung = asyncio.Event()

    async def begin(self) -> None:
        """The first look at what is kept, which is shown first. Raises CursorAhead."""
        self._fetched = await self._fetch_anew()
        if self._fetched is None or self.cursor is None:
            return
        seq = self._fetched.page.seq
        if seq is not None and self.cursor > seq:
            raise CursorAhead(generation_id=self._kept.generation, cursor=self.cursor, last=seq)
        self.finished = self._fetched.page.sealed and self.cursor == seq

    def ring(self, batch: Batch) -> None:
        """Called for each batch, for every reader in turn: never waits, and what does not fit is dropped."""
        if not self._behind:
            self._queue.append(batch)
            self._queued += len(batch.frames)
            if self._queued > self._bound:
                self.look()
        self._rung.set()

    def look(self) -> None:
        """Something may have been missed: go on from the Stream."""
        self._behind = True
        self._empty_queue()
        self._rung.set()

    def interrupt(self) -> None:
        """End before the end: this process goes away, and the reader goes on elsewhere with its cursor."""
        self.interrupted = True
        self._rung.set()

    def close(self) -> None:
        self._close(self)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while not self._ended and not self.interrupted:
                try:
                    if self._fetched or self._behind or self.cursor is None or not self.begun:
                        async for chunk in self._catch_up():
                            yield chunk
                        if self.cursor is None or not self.begun:
                            await self._wait_for_beginning()
                    else:
                        await self._rung.wait()
                        if frames := self._take(self.cursor):
                            yield b"".join(frames)
                except Unavailable:  # the reader stays: what it missed is read when Redis is back
                    self.look()
                    await asyncio.sleep(AWAY_PAUSE.total_seconds())
        finally:
            self.close()

    def _take(self, cursor: int) -> list[bytes]:
        """Everything that has rung and follows."""
        batches = self._empty_queue()
        spliced = splice(cursor, batches)
        self.cursor, self._ended = spliced.cursor, spliced.ended
        if spliced.hole:
            self.look()
        return spliced.frames

    async def _catch_up(self) -> AsyncIterator[bytes]:
        """What is kept, up to the end as it stands; nothing if there is nothing to show yet."""
        self._counts.catch_ups += 1
        fetched, self._fetched = self._fetched, None
        if fetched is None:
            fetched = await self._fetch_anew()
        while fetched is not None:
            snapshot, page = fetched
            if page.follows:
                head = b"" if snapshot is None else self._gap(snapshot) + snapshot.frame
                self._counts.snapshots += snapshot is not None
                self.cursor, self._ended = page.cursor, page.complete and page.sealed
                if chunk := head + b"".join(page.frames):
                    yield chunk
                if page.complete:
                    return
            elif snapshot is None:
                self._missed, self.cursor = page, None
            else:  # torn, and not mended yet
                return
            fetched = await self._fetch()

    async def _fetch_anew(self) -> Fetched | None:
        self._behind = False  # before reading: what rings from here on is queued, and cut where it was read as well
        self._empty_queue()
        return await self._fetch()

    async def _fetch(self) -> Fetched | None:
        """The next that is kept; None if there is nothing to show yet."""
        cursor, snapshot = self.cursor, None
        if cursor is None:
            snapshot = await self._snapshot()
            if snapshot is None:
                return None
            cursor = snapshot.cursor
        page = await self._kept.page(cursor)
        self.begun = page.seq is not None
        return Fetched(snapshot, page)

    async def _snapshot(self) -> Snapshot | None:
        snapshot = await self._kept.snapshot()
        if snapshot is None and (view := await self._kept.view(with_end=False)) is not None:
            snapshot = Snapshot(view.cursor, view.model_dump_json().encode())
        return snapshot

    def _gap(self, snapshot: Snapshot) -> bytes:
        missed, self._missed, self._deadline = self._missed, None, None
        if missed is None:
            return b""
        self._counts.gaps += 1
        return gap_frame(missed.after, missed.numbers[0] if missed.numbers else snapshot.cursor + 1)

    async def _wait_for_beginning(self) -> None:
        """Wait for the first event of a log that has not begun, or for a writer to mend a torn one; then do it here.

        One that is not there may be either, also to a reader from the start on: only the record can tell.
        """
        now = asyncio.get_running_loop().time()
        if self._deadline is None:
            torn = self._missed is not None or await self._kept.standing() is not None
            self._deadline = now + (min(TORN_PATIENCE, self._patience) if torn else self._patience).total_seconds()
        try:
            async with asyncio.timeout_at(self._deadline):
                await self._rung.wait()
        except TimeoutError:
            self._deadline = None
            await self._mend()

    def _empty_queue(self) -> list[Batch]:
        queue, self._queue, self._queued = self._queue, [], 0
        self._rung.clear()
        return queue
