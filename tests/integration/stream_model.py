"""The model of a stream: what the log took, what the record knows, and what a client may then be shown."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from adapters.redis_log import RedisLog
from adapters.redis_reading import Reading
from domain.advance import begin
from domain.compose import rebuild
from domain.content import Message, TextPart
from domain.events import (
    Event,
    GenerationFinished,
    GenerationStarted,
    TitleUpdated,
    TurnStarted,
    UsageUpdated,
    frame,
    is_terminal,
)
from domain.ids import GenerationId
from domain.ports import StoredGeneration, TurnRecord, Writer
from domain.start import StartRequest
from domain.view import View, fold
from tests.builders import NOW, a_request


@dataclass
class Truth:
    """Everything the log took, by its number, whether it still has it or not; and the view after each event."""

    events: dict[int, Event] = field(default_factory=dict)
    views: dict[int, View] = field(default_factory=dict)
    kept_from: int = 1  # the first number that a reader can rely on
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
            assert first > self.last + 1, "a number was given twice, or cannot be told from one that was"
        else:
            assert first == self.last + 1, "numbers are dense"
        self.lost = False
        for seq, event in enumerate(batch, first):
            view = fold(self.view, [(seq, event)])
            assert view is not None
            self.events[seq], self.views[seq] = event, view

    def lose(self) -> None:
        self.losses, self.lost, self.kept_from = self.losses + 1, True, self.last + 2

    def frame(self, seq: int) -> bytes:
        return b"id: %d\n" % seq + frame(self.events[seq])


class WitnessedLog:
    """The log, with the truth told of whatever it takes."""

    def __init__(self, log: RedisLog, truth: Truth) -> None:
        self._log, self._truth = log, truth
        self.view, self.save_snapshot, self.events_after = log.view, log.save_snapshot, log.events_after

    async def append(
        self, generation: GenerationId, writer: Writer, position: int, events: Sequence[Event], *, seal: bool = False
    ) -> int:
        last = await self._log.append(generation, writer, position, events, seal=seal)
        self._truth.take(events, last)
        return last


@dataclass
class Record:
    """What the database has of the generation: all that the outbox says before it says it, and whole replies."""

    generation: GenerationId
    turns: list[TurnRecord] = field(default_factory=list)
    title: str | None = None
    started: bool = False
    end: GenerationFinished | None = None

    @property
    def request(self) -> StartRequest:
        return a_request().model_copy(update={"generation_id": self.generation})

    @property
    def question(self) -> Message:
        asked = (TextPart(text="Oslo?"),)
        return Message(id=self.request.user_message_id, parent_id=None, role="user", parts=asked, created_at=NOW)

    @property
    def opening(self) -> Event:
        _, (started,) = begin(self.request, NOW)
        return started.model_copy(update={"user_message": self.question})

    def keep(self, event: Event) -> None:
        match event:
            case GenerationStarted():
                self.started = True
            case TitleUpdated(title=title):
                self.title = title
            case GenerationFinished():
                self.end = event
            case _:
                pass

    async def rebuild(self) -> View | None:
        if not self.started:
            return None
        end = self.end
        return rebuild(
            StoredGeneration(
                request=self.request,
                status=end.outcome if end else "running",
                text="Oslo?",
                started_at=NOW,
                finished_at=end.finished_at if end else None,
            ),
            turns=self.turns,
            calls=(),
            steers=(),
            pending=(),
            decided=(),
            user_message=self.question,
            response=end.message if end else None,
            title=self.title,
        )


class Client:
    """Follows a stream as a browser does, with its cursor and its view; `judge` says whether what came was right.

    `pure` is false from a snapshot of the record, which lacks what had been said of the current turn, until the next
    event that says it all again.
    """

    def __init__(self, truth: Truth, cursor: int | None) -> None:
        self.cursor = cursor
        self.view = None if cursor is None else truth.views.get(cursor)
        self.ended = False
        self.reading: Reading | None = None
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self._truth, self._pure, self._gap = truth, True, False
        self._came: list[bytes] = []
        self._task: asyncio.Task[None] | None = None

    def follow(self, reading: Reading) -> None:
        self.reading = reading
        self._task = asyncio.create_task(self._read(reading))

    async def hang_up(self) -> None:
        if self.reading is not None and self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self.reading.close()
            self.judge()
            self.reading = None

    async def until_end(self) -> None:
        assert self._task is not None
        await self._task
        self.judge()
        assert self.ended, "a stream ends with the terminal event only"

    async def _read(self, reading: Reading) -> None:
        async for chunk in reading:
            assert chunk.endswith(b"\n\n")
            self._came += [received + b"\n\n" for received in chunk.split(b"\n\n")[:-1]]
            await self.goes_on.wait()

    def judge(self) -> None:
        came, self._came = self._came, []
        if came and self._task is not None and self._task.done() and not self._task.cancelled():
            self._task.result()
        for received in came:
            self._take(received)

    def _take(self, received: bytes) -> None:
        assert not self.ended, "nothing follows the terminal event"
        lines = received.split(b"\n")
        said = json.loads(received[received.index(b"data: ") + 6 :])
        match said["type"]:
            case "gap":
                assert self.cursor is not None
                assert said["requested"] == self.cursor < said["first_kept"] - 1
                assert self.cursor + 1 < self._truth.kept_from, "a gap is told only to whom something is missing"
                self._gap = True
            case "snapshot":
                assert self._gap or self.cursor is None, "a snapshot comes first, or after a gap"
                assert self.cursor is None or said["cursor"] > self.cursor
                self.cursor, self._gap = int(said["cursor"]), False
                assert lines[0] == b"id: %d" % self.cursor
                self.view = View.model_validate(said["view"])
                self.view = self.view.model_copy(update={"cursor": self.cursor})
                self._pure = self.view == self._truth.views.get(self.cursor)
                assert self._pure or self._truth.losses, "a snapshot is the fold of what had been said"
            case _:
                self._take_event(received)

    def _take_event(self, received: bytes) -> None:
        assert self.cursor is not None
        assert not self._gap
        self.cursor += 1
        assert received == self._truth.frame(self.cursor), "the same bytes for everyone, in order, none missing"
        event = self._truth.events[self.cursor]
        self.view = fold(self.view, [(self.cursor, event)])
        truth = self._truth.views[self.cursor]
        self.ended = is_terminal(event)
        if isinstance(event, TurnStarted | UsageUpdated | GenerationFinished):
            assert self.view is not None
            assert (self.view.message, self.view.turn, self.view.turn_offset) == (
                truth.message,
                truth.turn,
                truth.turn_offset,
            )
            self._pure |= self.view == truth
        assert self.view == truth or not self._pure
