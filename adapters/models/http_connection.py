"""One HTTP/1.1 connection, seen from the client: a request goes out, its response comes in piece by piece."""

import asyncio
from typing import cast

import httptools

HIGH_WATER = 256 * 1024  # bytes of body not yet read: then the provider has to wait


class BrokenResponse(Exception):
    """What came is no HTTP."""


class Connection(asyncio.Protocol):
    """Carries one request at a time; `reusable` says when the next may follow."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}  # of the response, names in lower case
        self.complete = True  # the response has come to its end
        self.transport: asyncio.Transport
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._head_complete = False
        self._body: list[bytes] = []
        self._unread = 0
        self._arrival: asyncio.Future[None] | None = None
        self._kept_alive = False
        self._lost = False
        self._error: Exception | None = None

    @property
    def status(self) -> int:
        return self._parser.get_status_code()

    @property
    def reusable(self) -> bool:
        return self.complete and self._kept_alive and not self._lost

    def send(self, request: bytes) -> None:
        self.headers, self.complete, self._head_complete = {}, False, False
        self._parser = httptools.HttpResponseParser(self)
        self.transport.write(request)

    async def head(self) -> None:
        """Wait for status and headers."""
        while not self._head_complete:
            if self._lost:
                raise self._error or ConnectionError("the connection was closed before there was an answer")
            await self._something()

    async def read(self) -> bytes:
        """The next piece of the body; empty at its end, and where the other side closes without one."""
        while not self._body:
            if self.complete:
                return b""
            if self._lost:
                if self._error is not None:
                    raise self._error
                return b""
            await self._something()
        piece = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body.clear()
        if self._unread > HIGH_WATER and not self._lost:
            self.transport.resume_reading()
        self._unread = 0
        return piece

    def abort(self) -> None:
        """Close at once, whatever is still to come."""
        self.transport.abort()

    async def _something(self) -> None:
        self._arrival = self._loop.create_future()
        try:
            await self._arrival
        finally:
            self._arrival = None

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    # The transport calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's has the methods but not the base class

    def data_received(self, data: bytes) -> None:
        if self.complete:  # nobody asked
            self.transport.abort()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._error = BrokenResponse(str(error))
            self.transport.abort()
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        self._lost = True
        self._error = self._error or error
        self._wake()

    # The parser calls these.

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._head_complete = True

    def on_body(self, body: bytes) -> None:
        self._body.append(body)
        self._unread += len(body)
        if self._unread > HIGH_WATER:
            self.transport.pause_reading()

    def on_message_complete(self) -> None:
        self.complete = True
        self._kept_alive = self._parser.should_keep_alive()  # a moment later the parser has forgotten
