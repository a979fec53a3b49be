"""A reader as a browser has it: it comes back with its cursor, to whichever server answers, until it is told to stop."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import cycle
from typing import NamedTuple

import httpx2

from domain.events import parse_frame
from domain.view import View, fold
from tests.stack import JsonDict

COMES_BACK_AFTER = timedelta(milliseconds=50)
OVER, STARTING_UP = 204, frozenset({502, 503})


class Frame(NamedTuple):
    seq: int | None
    type: str
    raw: bytes

    @property
    def data(self) -> JsonDict:
        return dict(json.loads(self.raw[self.raw.index(b"data: ") + 6 :]))


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
        async with httpx2.AsyncClient(trust_env=False, timeout=httpx2.Timeout(30)) as http:
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
            if response.status_code in STARTING_UP:
                return False
            if response.status_code == OVER:
                return True
            assert response.status_code == 200, (response.status_code, await response.aread())
            self.connections += 1
            taken = 0
            async for frame in _frames(response.aiter_raw()):
                self.frames.append(frame)
                self.cursor = self.cursor if frame.seq is None else frame.seq
                self.tell(frame)
                taken += 1
                if taken == self.stays:
                    return False
        return False

    @property
    def events(self) -> list[tuple[int, Frame]]:
        """What was numbered, without the snapshots."""
        return [(frame.seq, frame) for frame in self.frames if frame.seq is not None and frame.type != "snapshot"]

    def view(self) -> View | None:
        """What a screen shows that was fed with all of this."""
        view: View | None = None
        for frame in self.frames:
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
                yield Frame(seq, fields[b"event"].decode(), raw)
