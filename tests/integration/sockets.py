"""Readers as bare sockets: a test decides when they read, and how little. And what serving them costs."""

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httptools

from devstack.ports import HOST, plan_ports
from tests.chaos.reader import Frame
from tests.stack import Stack

KEEP_ALIVE = b": keep-alive"
SEGMENT = 536  # bytes, the least that must be possible: a server's kernel keeps few of them for such a reader
CHUNK = 65_536
MEGABYTE = 1024**2


class SocketReader:
    """One connection. `body` is what has come so far, keep-alives left out; `narrow` readers have no room to speak of,
    on either side of the wire: their server feels at once that they do not read.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []

    @classmethod
    async def open(cls, url: str, generation: str, after: int | None = 0, *, narrow: bool = False) -> "SocketReader":
        address = urlsplit(url)
        connection = socket.socket()
        connection.setblocking(False)
        if narrow:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # the kernel's least
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(connection, (address.hostname, address.port))
        path = f"/api/generations/{generation}/events" + ("" if after is None else f"?after={after}")
        request = f"GET {path} HTTP/1.1\r\nhost: {address.netloc}\r\nconnection: close\r\n\r\n"
        await loop.sock_sendall(connection, request.encode())
        return cls(connection)

    @property
    def body(self) -> bytes:
        frames = b"".join(self._pieces).split(b"\n\n")
        return b"\n\n".join(frame for frame in frames if frame != KEEP_ALIVE)  # inside of another frame it is a fault

    async def read(self, at_most: int) -> int:
        """How many bytes came, once there are some; 0: the server has closed."""
        data = await asyncio.get_running_loop().sock_recv(self._connection, at_most)
        self._parser.feed_data(data)
        return len(data)

    def hurry(self) -> None:
        """Have room from now on."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MEGABYTE)

    async def sees(self, mark: bytes) -> None:
        """Read until this has come."""
        searched, fresh = 0, b""
        while mark not in fresh:
            assert searched < len(self._pieces) or await self.read(CHUNK), f"the stream ended without {mark!r}"
            fresh = fresh[-len(mark) :] + b"".join(self._pieces[searched:])
            searched = len(self._pieces)

    async def rest(self) -> bytes:
        """Read to the end; the whole body."""
        while await self.read(CHUNK):
            pass
        self.close()
        assert self._parser.get_status_code() == 200
        return self.body

    def close(self) -> None:
        self._connection.close()

    def on_body(self, body: bytes) -> None:
        """The parser calls this."""
        self._pieces.append(body)


def frames(body: bytes) -> Iterator[Frame]:
    """The events of a body; what a cut left of the last one is no event."""
    for raw in body.split(b"\n\n")[:-1]:
        fields = dict(line.split(b": ", 1) for line in raw.split(b"\n"))
        seq = int(fields[b"id"]) if b"id" in fields else None
        yield Frame(seq, fields[b"event"].decode(), raw, at=0)


def redis_url(stack: Stack) -> str:
    """Of the Valkey beside it."""
    first = urlsplit(stack.url).port
    assert first is not None
    return f"redis://{HOST}:{plan_ports(first, workers=1, apis=1).valkey}/0"


def resident(pid: int) -> float:
    """Megabytes of memory that a process has in use. Linux only."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MEGABYTE
