"""One HTTP/1.1 connection: requests in, acts out. No task per stream: a timer and a generator carry it.

Three hundred streams of fifty tokens a second are fifteen thousand wake-ups a second; each costs a callback here.
"""

import asyncio
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import assert_never, cast

import httptools

from tests.provider.acts import Answer, End, Exchange, Hang, Reset, Until

BURST = 64
"""Acts done in one go before the others have their turn."""
_END = End()
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, zero seconds: close() sends RST
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
)


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes


class Connection(asyncio.Protocol):
    def __init__(self, respond: Callable[[Request], Exchange]) -> None:
        self._respond = respond
        self._parser = httptools.HttpRequestParser(self)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._exchange: Exchange | None = None
        self._keep_alive = True
        self._head_sent = False
        self._timer: asyncio.Handle | None = None
        self._paused = False

    # The transport calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has the methods but not the base class

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        if self._exchange is not None and self._timer is None:
            self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended(client_left=True)

    # The parser calls these.

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        path = self._url.split(b"?")[0].decode("latin-1")
        request = Request(self._parser.get_method().decode(), path, self._headers, bytes(self._body))
        self._url, self._headers, self._body = b"", {}, bytearray()
        if self._exchange is not None:  # a second request before the first is answered: no client of ours does that
            self._transport.close()
            return
        self._keep_alive = self._parser.should_keep_alive()  # the parser forgets it with this callback
        self._exchange, self._head_sent = self._respond(request), False
        self._go_on()

    # The player.

    def _go_on(self) -> None:
        self._timer = None
        if self._exchange is None:
            return
        for _ in range(BURST):
            if self._paused:
                return
            act = next(self._exchange.acts, _END)
            match act:
                case bytes():
                    self._send(act)
                case Until():
                    wait = act.moment - time.monotonic()
                    if wait > 0:
                        self._timer = self._loop.call_later(wait, self._go_on)
                        return
                case Hang():
                    return
                case Reset():
                    self._reset()
                    return
                case Answer():
                    self._answer(act)
                    return
                case End():
                    self._transport.write(b"0\r\n\r\n")
                    self._done()
                    return
                case _:
                    assert_never(act)
        self._timer = self._loop.call_soon(self._go_on)

    def _send(self, data: bytes) -> None:
        chunk = b"%x\r\n%b\r\n" % (len(data), data) if data else b""  # an empty chunk would be the end
        self._transport.write(chunk if self._head_sent else _STREAM_HEAD + chunk)
        self._head_sent = True

    def _answer(self, answer: Answer) -> None:
        lines = [f"HTTP/1.1 {answer.status} {_phrase(answer.status)}", "content-type: application/json"]
        lines += [f"content-length: {len(answer.body)}", *(f"{name}: {value}" for name, value in answer.headers)]
        self._transport.write("\r\n".join([*lines, "", ""]).encode() + answer.body)
        self._done()

    def _reset(self) -> None:
        if self._transport.get_write_buffer_size():  # a reset throws away what the kernel has not got yet
            self._timer = self._loop.call_soon(self._reset)
            return
        self._ended(client_left=False)
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()

    def _done(self) -> None:
        self._ended(client_left=False)
        if not self._keep_alive:
            self._transport.close()

    def _ended(self, *, client_left: bool) -> None:
        exchange, self._exchange = self._exchange, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if exchange is not None:
            exchange.ended(client_left)


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else "Error"
