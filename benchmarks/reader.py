"""A reader of one generation's events that costs next to nothing: it notes when which bytes came, and parses later."""

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httptools


@dataclass(frozen=True, slots=True)
class Heard:
    """One event, and the moment (`time.monotonic_ns`) its last byte was here."""

    at: int
    seq: int
    type: str
    data: dict[str, Any]


class Reader(asyncio.Protocol):
    def __init__(self, request: bytes) -> None:
        self._request = request
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: list[tuple[int, bytes]] = []
        self._more = asyncio.Event()
        self._lost = False
        self._answered = asyncio.Event()

    async def answered(self) -> None:
        """Until the server has begun its answer, with or without events yet."""
        await self._answered.wait()
        assert self._parser.get_status_code() == 200, self._parser.get_status_code()

    async def sees(self, mark: bytes) -> None:
        """Until these bytes have come."""
        searched, rest = 0, b""
        while True:
            fresh = rest + b"".join(piece for _, piece in self._pieces[searched:])
            if mark in fresh:
                return
            searched, rest = len(self._pieces), fresh[-len(mark) :]
            assert not self._lost, f"the stream ended without {mark!r}"
            self._more.clear()
            await self._more.wait()

    async def ended(self) -> None:
        while not self._lost:
            self._more.clear()
            await self._more.wait()

    def first(self) -> int:
        """When the first byte of the body came."""
        return self._pieces[0][0]

    def size(self) -> int:
        """Bytes of the body so far."""
        return sum(len(piece) for _, piece in self._pieces)

    def heard(self) -> list[Heard]:
        """All events so far."""
        assert self._parser.get_status_code() == 200, self._parser.get_status_code()
        events: list[Heard] = []
        rest = b""
        for at, piece in self._pieces:
            *frames, rest = (rest + piece).split(b"\n\n")
            events += [_heard(at, frame) for frame in frames if frame.startswith(b"id: ") or b"\nid: " in frame]
        return events

    def close(self) -> None:
        self._transport.abort()

    # The transport and the parser call these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment] # uvloop's has only its methods
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._lost = True
        self._more.set()
        self._answered.set()

    def on_headers_complete(self) -> None:
        self._answered.set()

    def on_body(self, body: bytes) -> None:
        self._pieces.append((time.monotonic_ns(), body))
        self._more.set()


async def read(url: str, generation: str, after: int | None = 0) -> Reader:
    """Open the stream of a generation's events; without a cursor it begins with a snapshot."""
    address = urlsplit(url)
    query = "" if after is None else f"?after={after}"
    path = f"/api/generations/{generation}/events{query}"
    request = f"GET {path} HTTP/1.1\r\nhost: {address.netloc}\r\nconnection: close\r\n\r\n".encode()
    loop = asyncio.get_running_loop()
    _, reader = await loop.create_connection(lambda: Reader(request), address.hostname or "", address.port or 80)
    return reader


def _heard(at: int, frame: bytes) -> Heard:
    fields = dict(line.split(b": ", 1) for line in frame.split(b"\n"))
    return Heard(at, int(fields[b"id"]), fields[b"event"].decode(), json.loads(fields[b"data"]))
