"""The model of a stream: what the log took, and whether what a client is shown can be true."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from adapters.redis_reading import Reading
from domain.errors import LogExpired
from domain.events import Event, GenerationFinished, TurnCompleted, TurnStarted, frame, is_terminal
from domain.view import View, fold


@dataclass
class Truth:
    """Everything the log took, by number, whether it still has it or not; and the view after each event."""

    events: dict[int, Event] = field(default_factory=dict)
    views: dict[int, View] = field(default_factory=dict)
    kept_from: int = 1  # who has seen less than what comes before this may be told of a gap
    losses: int = 0
    lost: bool = False  # and nothing was written since

    @property
    def last(self) -> int:
        return max(self.events, default=0)

    @property
    def view(self) -> View | None:
        return self.views.get(self.last)

    def take(self, batch: Sequence[Event], last: int) -> None:
        first = last - len(batch) + 1
        if self.lost:
            assert first > self.last + 1, "a lost log goes on where no old cursor can be taken for a new one"
        else:
            assert first == self.last + 1, "numbers are dense"
        self.lost = False
        for seq, event in enumerate(batch, first):
            view = fold(self.view, [(seq, event)])
            assert view is not None
            self.events[seq], self.views[seq] = event, view

    def lose(self) -> None:
        self.losses, self.lost, self.kept_from = self.losses + 1, True, self.last + 2

    def compare(self, kept: Sequence[tuple[int, Event]]) -> None:
        """This is in the log now."""
        taken = [] if self.lost else list(self.events.items())
        assert list(kept) == taken[len(taken) - len(kept) :], "only the oldest may go"
        self.kept_from = max([self.kept_from, *(seq for seq, _ in kept[:1])])

    def frame(self, seq: int) -> bytes:
        return b"id: %d\n" % seq + frame(self.events[seq])


class Client:
    """Follows a stream as a browser does, with its cursor and its view. `judge` tells whether what came was right.

    Who is shown a snapshot of the record instead of the log's lacks what had been said of the current turn. From the
    next event on that says all of it again, its view must be the true one like everyone's.
    """

    def __init__(self, truth: Truth, cursor: int | None) -> None:
        """With a cursor it has the view that belongs to it: it has been here before."""
        self.cursor, self.ended = cursor, False
        self.view = None if cursor is None else truth.views.get(cursor)
        self.reading: Reading | None = None
        self.ring: int | None = None  # where it reads, or read last
        self.seen = cursor or 0  # in what came, judged or not
        self.takes = asyncio.Event()
        self.takes.set()
        self._truth, self._whole, self._gap = truth, True, False
        self._came: list[bytes] = []
        self._more = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<client at {self.cursor}>"

    def follow(self, reading: Reading, ring: int) -> None:
        self.reading, self.ring = reading, ring
        self._task = asyncio.create_task(self._read(reading))

    async def hang_up(self) -> None:
        if self.reading is not None and self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self.reading.close()
            self.reading = None

    async def until_seen(self, number: int) -> None:
        while self.seen < number:
            self._more.clear()
            await self._more.wait()

    async def until_over(self) -> None:
        """Wait until there comes no more: it has ended by itself, or it was cut."""
        assert self._task is not None
        await asyncio.wait({self._task})
        self.judge()
        assert self.ended or self.reading is None, "a stream ends with the terminal event only"
        self.reading = None

    async def _read(self, reading: Reading) -> None:
        try:
            async for chunk in reading:
                assert chunk.endswith(b"\n\n")
                self._came += [received + b"\n\n" for received in chunk.split(b"\n\n")[:-1]]
                self.seen = int(self._came[-1].split(b"\n")[0].removeprefix(b"id: "))
                self._more.set()
                await self.takes.wait()
        except LogExpired:  # the log was lost, the end is recorded already, and not logged yet: to be asked for again
            assert self._truth.losses
            self.reading = None

    def judge(self) -> None:
        if self._task is not None and self._task.done() and not self._task.cancelled():
            self._task.result()
        came, self._came = self._came, []
        for received in came:
            assert not self.ended, "nothing follows the terminal event"
            said = json.loads(received[received.index(b"data: ") + 6 :])
            match said["type"]:
                case "gap":
                    self._judge_gap(said["requested"], said["first_kept"])
                case "snapshot":
                    assert received.startswith(b"id: %d\n" % said["cursor"])
                    self._judge_snapshot(said["cursor"], View.model_validate(said["view"]))
                case _:
                    self._judge_event(received)

    def _judge_gap(self, requested: int, first_kept: int) -> None:
        assert requested == self.cursor
        assert requested < first_kept - 1
        assert requested + 1 < self._truth.kept_from, "only who lacks something is told so"
        self._gap = True

    def _judge_snapshot(self, cursor: int, view: View) -> None:
        assert self.cursor is None or (self._gap and cursor > self.cursor), "it comes first, or after a gap"
        assert view.cursor == cursor
        self.cursor, self.view, self._gap = cursor, view, False
        self._whole = view == self._truth.views.get(cursor)
        assert self._whole or self._truth.losses, "a snapshot is the fold of all that was written"

    def _judge_event(self, received: bytes) -> None:
        assert self.cursor is not None
        assert not self._gap
        self.cursor += 1
        assert received == self._truth.frame(self.cursor), "the same bytes for everyone; none missing, none twice"
        event, truth = self._truth.events[self.cursor], self._truth.views[self.cursor]
        self.view = fold(self.view, [(self.cursor, event)])
        self.ended = is_terminal(event)
        assert self.view is not None
        if isinstance(event, TurnStarted | TurnCompleted | GenerationFinished) and self.view.turn <= truth.turn:
            assert self.view.message == truth.message
            assert (self.view.turn, self.view.turn_offset) == (truth.turn, truth.turn_offset)
            self._whole |= self.view == truth
        assert self.view == truth or not self._whole, "a view is the fold of all that was written"
