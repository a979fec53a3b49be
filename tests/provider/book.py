"""What the provider remembers: replies still to give, requests it has had, and how each of them ended."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue, TypeAdapter

from tests.provider.prompt import Prompt
from tests.provider.script import Reply

KEEP = 1000
"""Requests remembered; the counts go on beyond it."""


class Record(BaseModel):
    """One request to a model. It is live until it is finished (all of the reply was sent) or disconnected."""

    model_config = ConfigDict(frozen=True)

    received_at: datetime
    path: str
    headers: dict[str, str]  # without those that carry a secret
    body: JsonValue
    purpose: Literal["answer", "title"] | None  # absent: not understood, answered with 400
    ended_at: datetime | None = None
    finished: bool = False
    disconnected: bool = False  # the client left before the end


Records = TypeAdapter(list[Record])


class Stats(BaseModel):
    """Counts since the start or the last reset; `calls == live + finished + disconnects`."""

    model_config = ConfigDict(frozen=True)

    calls: int
    live: int
    finished: int
    disconnects: int


class Book:
    """The memory between two resets. A reset starts a new book; requests still live are crossed off in the old one."""

    def __init__(self) -> None:
        self._replies: list[Reply] = []
        self._records: dict[int, Record] = {}
        self._seen: set[int] = set()
        self._calls = 0
        self._finished = 0
        self._disconnects = 0

    @property
    def records(self) -> list[Record]:
        return list(self._records.values())

    @property
    def stats(self) -> Stats:
        ended = self._finished + self._disconnects
        return Stats(
            calls=self._calls, live=self._calls - ended, finished=self._finished, disconnects=self._disconnects
        )

    def script(self, replies: Iterable[Reply]) -> int:
        """Put replies at the end of the queue; the number now waiting."""
        self._replies.extend(replies)
        return len(self._replies)

    def take(self, prompt: Prompt) -> Reply | None:
        """Use up the first waiting reply that fits the request."""
        for at, reply in enumerate(self._replies):
            if reply.purpose == prompt.purpose and (reply.match is None or reply.match in prompt.user_text):
                return self._replies.pop(at)
        return None

    def seen_before(self, prompt: Prompt) -> bool:
        """Whether the same was said before, instructions aside: they may carry the time of day."""
        said = hash((prompt.purpose, prompt.items))
        seen = said in self._seen
        self._seen.add(said)
        return seen

    def open(self, record: Record) -> Callable[[bool], None]:
        """Enter a request; the result is to be called with whether the client left before the end."""
        self._calls += 1
        number = self._calls
        self._records[number] = record
        self._records.pop(number - KEEP, None)

        def close(client_left: bool) -> None:
            self._finished += not client_left
            self._disconnects += client_left
            if number in self._records:
                ending = {"ended_at": datetime.now(UTC), "finished": not client_left, "disconnected": client_left}
                self._records[number] = record.model_copy(update=ending)

        return close
