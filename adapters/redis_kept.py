"""What Redis keeps of one generation, and how it is read: the log (a Stream), where it stands, and the snapshot."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import time_ns
from typing import Final

from redis.asyncio import Redis

from adapters.redis_clients import answering
from domain.coalesce import coalesce
from domain.events import Event, is_terminal, parse_frame
from domain.ids import GenerationId
from domain.view import View, fold

PAGE: Final = 250  # entries per read: bounds what a reader holds, whatever the length of the log
ENTRIES_KEPT: Final = 20_000  # beyond this a log is trimmed behind its last but one snapshot
SNAPSHOT_SCRIPT: Final = Path(__file__).with_name("snapshot.lua").read_text()


def log_key(generation: GenerationId) -> str:
    """The generation is the hash tag, so that all its keys lie in one slot of a cluster."""
    return f"fermata:{{{generation}}}:log"


def meta_key(generation: GenerationId) -> str:
    return f"fermata:{{{generation}}}:meta"


def snapshot_key(generation: GenerationId) -> str:
    return f"fermata:{{{generation}}}:snapshot"


def ring_channel(generation: GenerationId) -> bytes:
    """Where each batch is announced as `<first> <last> <sealed>\\n` and its frames."""
    return f"fermata:{{{generation}}}:ring".encode()


def restart_number() -> int:
    """Where the numbers of a lost log go on: beyond any that was given, so that old cursors are known to be too old.

    A log that is lost again has been counting up from here, so the clock must count faster than one generation writes:
    in steps of 10 µs. That still has 15 digits, which JavaScript and Lua keep exact and the API takes as a cursor.
    """
    return time_ns() // 10_000


async def last_numbers(client: Redis, generations: Sequence[GenerationId]) -> list[int]:
    """Number of the last event of each log, 0 where there is none; one round trip. Raises Unavailable."""
    async with answering(), client.pipeline(transaction=False) as together:
        for generation in generations:
            together.hget(meta_key(generation), "seq")
        return [int(seq or 0) for seq in await together.execute()]


@dataclass(frozen=True, slots=True)
class Page:
    """The entries after a cursor, as many as one read brings, and where the log stood at that moment."""

    after: int
    numbers: list[int]
    frames: list[bytes]
    seq: int | None  # number of the log's last event; None: there is no log
    sealed: bool

    @property
    def cursor(self) -> int:
        return self.numbers[-1] if self.numbers else self.after

    @property
    def follows(self) -> bool:
        """Whether nothing is missing between the cursor and these entries: not trimmed, not lost."""
        return self.numbers[0] == self.after + 1 if self.numbers else (self.seq or 0) == self.after

    @property
    def complete(self) -> bool:
        return self.cursor == (self.seq or 0)


@dataclass(frozen=True, slots=True)
class Snapshot:
    cursor: int
    view: bytes  # JSON as it was stored: it is served without being parsed

    @property
    def frame(self) -> bytes:
        data = b'{"type":"snapshot","view":%b,"cursor":%d}' % (self.view, self.cursor)
        return b"id: %d\nevent: snapshot\ndata: %b\n\n" % (self.cursor, data)


class Kept:
    """One generation's keys. Every method raises Unavailable when Redis is away."""

    def __init__(self, client: Redis, generation: GenerationId) -> None:
        self._client, self.generation = client, generation
        self._log, self._meta, self._snapshot = log_key(generation), meta_key(generation), snapshot_key(generation)

    async def standing(self) -> tuple[int, bool] | None:
        """Number of the last event, and whether it is the end; None if there is no log."""
        async with answering():
            seq, sealed = await self._client.hmget(self._meta, ["seq", "sealed"])
        return None if seq is None else (int(seq), sealed is not None)

    async def page(self, after: int) -> Page:
        async with answering(), self._client.pipeline(transaction=True) as both:  # at one moment, or a tail looks torn
            both.xrange(self._log, min=f"({after}-0", count=PAGE)
            both.hmget(self._meta, ["seq", "sealed"])
            entries, (seq, sealed) = await both.execute()
        return Page(
            after=after,
            numbers=[int(entry_id.split(b"-")[0]) for entry_id, _ in entries],
            frames=[frame for _, (_, frame) in entries],
            seq=None if seq is None else int(seq),
            sealed=sealed is not None,
        )

    async def pages(self, after: int) -> AsyncIterator[Page]:
        """Everything after the cursor, as far as it is kept."""
        page = await self.page(after)
        yield page
        while page.numbers and not page.complete:
            page = await self.page(page.cursor)
            yield page

    async def events(self, after: int) -> list[tuple[int, Event]]:
        found: list[tuple[int, Event]] = []
        async for page in self.pages(after):
            found += zip(page.numbers, map(parse_frame, page.frames), strict=True)
        return found

    async def snapshot(self) -> Snapshot | None:
        async with answering():
            stored = await self._client.hmget(self._snapshot, ["cursor", "view"])
        match stored:
            case bytes(cursor), bytes(view):
                return Snapshot(int(cursor), view)
            case _:
                return None

    async def view(self, *, with_end: bool) -> View | None:
        """The fold of the log, without or with its terminal event; None without a log, or if its beginning is lost."""
        snapshot = await self.snapshot()
        view = None if snapshot is None else View.model_validate_json(snapshot.view)
        async for page in self.pages(0 if view is None else view.cursor):
            if not page.follows:
                return None
            events = [event for event in map(parse_frame, page.frames) if with_end or not is_terminal(event)]
            if events:
                cursor = page.numbers[len(events) - 1]
                view = fold(view, ((cursor, event) for event in coalesce(events)))
        return view

    async def save(self, view: View, *, begin: bool = False) -> None:
        """Keep the view as snapshot unless a newer one is kept. `begin`: begin the log there if there is none."""
        save = self._client.register_script(SNAPSHOT_SCRIPT)
        async with answering():
            await save(
                keys=[self._snapshot], args=[view.cursor, view.model_dump_json(), ENTRIES_KEPT, "1" if begin else ""]
            )

    async def restore(self, view: View) -> None:
        """Begin a lost log anew with what the record knows: as a snapshot that reaches up to what is kept, if anything.

        Without a log the numbers go on from the clock, as they do for a writer that finds it lost.
        """
        page = await self.page(0)
        if page.numbers and page.follows:
            return  # it was not lost: it had not begun, and has by now
        if page.seq is not None and page.sealed:
            cursor = page.seq - 1  # the view is complete; what is left to read is the end
        else:
            cursor = page.numbers[0] - 1 if page.numbers else page.seq or restart_number()
        # Only a log that was not there: one that is lost while this runs may not begin again with numbers it has used.
        await self.save(view.model_copy(update={"cursor": cursor}), begin=page.seq is None)
