"""Publishing without waiting: what gathers while one append is under way becomes the next one."""

import asyncio
from types import TracebackType
from typing import Final, NoReturn, Self

from activities.snapshots import Snapshots
from domain.coalesce import coalesce
from domain.events import Event, ReasoningDelta, TextDelta, ToolCallDelta
from domain.ids import GenerationId
from domain.ports import Log, Writer

PENDING_CHARS: Final = 1_000_000  # what an answer may gather in memory while the log is away


class Publisher:
    """One writer of one generation. What stopped it (StaleWriter, mostly) is raised at the next publish or flush, and
    at once by `stopped`.

    Leaving its context drops what was not flushed: then the attempt has failed, and the next one voids it.
    """

    def __init__(self, log: Log, generation: GenerationId, writer: Writer, *, snapshot_every: int = 256) -> None:
        self._log, self._generation, self._writer = log, generation, writer
        self._snapshots = Snapshots(log, generation, snapshot_every)
        self._position = 0
        self._pending: list[Event] = []
        self._chars = 0
        self._pump: asyncio.Task[None] | None = None
        self._end: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)
        await self._snapshots.aclose()

    def publish(self, event: Event) -> None:
        """Let it be written as soon as possible. Called once per token, so it only appends to a list."""
        if self._pump is None or self._pump.done():
            if self._pump is not None:
                self._pump.result()
            self._pump = asyncio.create_task(self._write())
            self._pump.add_done_callback(self._note_end)
        self._pending.append(event)
        match event:
            case TextDelta(text=text) | ReasoningDelta(text=text) | ToolCallDelta(arguments=text):
                self._chars += len(text)
            case _:
                pass

    async def flush(self, *, snapshot: bool = False) -> None:
        """Wait until everything is written, and the view stored if wanted."""
        if self._pump is not None:
            await asyncio.shield(self._pump)  # a cancelled caller may still want the rest to be written
        if snapshot:
            await self._snapshots.save()

    async def stopped(self) -> NoReturn:
        """Raise what stopped it, when that happens: a model that is silent just then would never be told."""
        raise await asyncio.shield(self._end)

    async def drained(self, bound: int = PENDING_CHARS) -> None:
        """Wait if more text than `bound` is waiting: the log is away, and memory is not endless."""
        if self._chars > bound:
            await self.flush()

    async def _write(self) -> None:
        while self._pending:
            batch, self._pending, self._chars = coalesce(self._pending), [], 0
            last = await self._log.append(self._generation, self._writer, self._position + 1, batch)
            self._position += len(batch)
            self._snapshots.took(batch, last)

    def _note_end(self, pump: asyncio.Task[None]) -> None:
        if not pump.cancelled() and (error := pump.exception()) is not None:
            self._end.set_result(error)
