"""A network that misbehaves when it is told to: a TCP proxy between clients and one server, all on this host."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

HOST: Final = "127.0.0.1"
PIECE: Final = 65_536
RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # SO_LINGER on, zero seconds: close() sends RST


class Cut(Exception):
    """The connection has carried what it may."""


class Proxy:
    """Lets everything pass until it is told otherwise. `cuts`: how many connections it has reset."""

    def __init__(self, port: int, target: int) -> None:
        self.port, self.cuts = port, 0
        self._target = target
        self._passing = asyncio.Event()
        self._limit: int | None = None
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        """Reset every connection; new ones are none the worse for it."""
        for connection in self._connections:
            connection.cancel()

    def cut_after(self, size: int) -> None:
        """Reset every connection that begins from now on, once so many bytes have come from the server."""
        self._limit = size

    def black_hole(self) -> None:
        """Keep and accept connections, and let nothing pass: all of it arrives when the network heals, however late."""
        self._passing.clear()

    def refuse(self) -> None:
        """Reset every connection, and take no new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()

    async def heal(self) -> None:
        self._limit = None
        self._passing.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._connect, HOST, self.port)

    async def _connect(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        connection, limit = asyncio.current_task(), self._limit
        assert connection is not None
        self._connections.add(connection)
        ends = [to_client]
        try:
            await self._passing.wait()
            from_server, to_server = await asyncio.open_connection(HOST, self._target)
            ends.append(to_server)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(from_client, to_server))
                both.create_task(self._pump(from_server, to_client, limit))
            for end in ends:
                end.close()
        except* (OSError, Cut, asyncio.CancelledError):  # that is the end of this task, however it came
            self._reset(ends)
        finally:
            self._connections.discard(connection)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, limit: int | None = None) -> None:
        """One direction, to its end. Raises Cut at the limit."""
        passed = 0
        while piece := await source.read(PIECE):
            await self._passing.wait()
            if limit is not None:
                piece = piece[: limit - passed]
            sink.write(piece)
            await sink.drain()
            passed += len(piece)
            if passed == limit:
                raise Cut
        await self._passing.wait()
        sink.write_eof()

    def _reset(self, ends: list[asyncio.StreamWriter]) -> None:
        self.cuts += 1
        for end in ends:
            end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            end.transport.abort()


@asynccontextmanager
async def proxy(port: int, target: int) -> AsyncIterator[Proxy]:
    """A network that is well at first; leaving takes it down.

    `port` is to lie below those that the kernel hands out, or somebody else may have it when the network heals.
    """
    network = Proxy(port, target)
    await network.heal()
    try:
        yield network
    finally:
        network.refuse()
        await asyncio.gather(*network._connections, return_exceptions=True)
