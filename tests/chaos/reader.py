"""A reader as browsers have it: it comes back with its cursor, to whichever server answers, until told to stop."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import cycle

import httpx2

from domain.events import parse_frame
from domain.view import View, fold
from tests.stack import JsonDict

COMES_BACK_AFTER = timedelta(milliseconds=50)
GIVES_UP_AFTER = timedelta(seconds=30)  # of silence; the server says every 15 s that it is there
OVER, AWAY = 204, frozenset({502, 503})


@dataclass(frozen=True)
class Frame:
    """As it came; `seq` is its number, if it has one, and `at` the moment by the monotonic clock."""

    seq: int | None
    type: str
    raw: bytes
    at: float

    @property
    def data(self) -> JsonDict:
        return dict(json.loads(self.raw[self.raw.index(b"data: ") + 6 :]))

    def speaks(self, attempt: int) -> bool:
        """Whether this is text, of that attempt."""
        return self.type == "text.delta" and bool(self.data["attempt"] == attempt)


@dataclass
class Reader:
    """`cursor`: None asks for a snapshot first. `stays`: frames after which it hangs up and comes back, if ever.

    `tell` is called with every frame.
    """

    urls: Sequence[str]
    generation: str
    cursor: int | None = None
    stays: int | None = None
    tell: Callable[[Frame], None] = lambda frame: None
    frames: list[Frame] = field(default_factory=list)
    connections: int = 0

    async def read(self) -> None:
        """Everything, to the answer that there is no more."""
        async with httpx2.AsyncClient(trust_env=False, timeout=GIVES_UP_AFTER.total_seconds()) as http:
            for url in cycle(self.urls):
                try:
                    if await self._stay(http, url):
                        return
                except httpx2.TransportError:
                    pass
                await asyncio.sleep(COMES_BACK_AFTER.total_seconds())

    async def _stay(self, http: httpx2.AsyncClient, url: str) -> bool:
        """One connection. Whether there is nothing more to come."""
        headers = {} if self.cursor is None else {"Last-Event-ID": str(self.cursor)}
        path = f"{url}/api/generations/{self.generation}/events"
        async with http.stream("GET", path, headers=headers) as response:
            if response.status_code == OVER or response.status_code in AWAY:
                return response.status_code == OVER
            assert response.status_code == 200, (response.status_code, await response.aread())
            self.connections += 1
            taken = 0
            async for frame in _frames(response.aiter_raw()):
                self.frames.append(frame)
                self.cursor = self.cursor if frame.seq is None else frame.seq
                self.tell(frame)
                taken += 1
                if taken == self.stays:
                    break
        return False

    def view(self) -> View | None:
        """What a screen shows that was fed with all of this."""
        return shown(self.frames)


def shown(frames: Sequence[Frame]) -> View | None:
    view: View | None = None
    for frame in frames:
        if frame.type == "snapshot":
            view = View.model_validate(frame.data["view"])
        elif frame.seq is not None:
            view = fold(view, [(frame.seq, parse_frame(frame.raw))])
    return view


async def _frames(chunks: AsyncIterator[bytes]) -> AsyncIterator[Frame]:
    """Frames with data; keep-alives and hints pass by. What a cut leaves of a frame is no frame."""
    rest = b""
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n\n")
        for raw in whole:
            fields = dict(line.split(b": ", 1) for line in raw.split(b"\n") if b": " in line)
            if b"data" in fields:
                seq = int(fields[b"id"]) if b"id" in fields else None
                yield Frame(seq, fields[b"event"].decode(), raw, time.monotonic())
