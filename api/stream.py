"""A response that lasts: ready-made bytes as they come, keep-alives beside them, and a cut instead of a false end."""

import asyncio
from collections.abc import AsyncIterable, Callable
from datetime import timedelta
from typing import Final

from fastapi import Response
from starlette.types import Message, Receive, Scope, Send

from api.ports import Parts

HEADERS: Final = {"cache-control": "no-store", "connection": "keep-alive", "x-accel-buffering": "no"}
KEEP_ALIVE: Final = b": keep-alive\n\n"
RECONNECT: Final = b"retry: 500\n\n"  # milliseconds; said when this server goes away
GOODBYE: Final = timedelta(seconds=2)
STALLED: Final = timedelta(seconds=60)  # for one piece; looked at with each keep-alive
PIECE: Final = 32_768  # bytes: so much may be copied for a client that does not take it, beside what the server buffers


class EventStream(Response):
    """Sends what `chunks` brings, until it ends, or the client or this server goes away; then it calls `close`.

    `leave` is called when this server goes away: the chunks should end then, and the client is told to come back.
    A client that takes nothing for too long is cut as well. Every event of every reader passes through here, which is
    why this is no library's (docs/adr/0011).
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        parts: Parts,
        chunks: AsyncIterable[bytes],
        *,
        leave: Callable[[], None],
        close: Callable[[], None],
        status_code: int = 200,  # FastAPI's description of a route reads it here
    ) -> None:
        self.status_code, self.background = status_code, None
        self.init_headers(HEADERS)
        self._chunks, self._leave, self._close = chunks, leave, close
        self._keepalive, self._streams = parts.keepalive.total_seconds(), parts.streams
        self._now = asyncio.get_running_loop().time
        self._turn = asyncio.Lock()  # a keep-alive in the middle of an event would tear it
        self._began = 0.0  # to send a piece
        self._left = False

    def leave(self) -> None:
        """This server goes away: say so and break off, so that the client goes on elsewhere with its cursor."""
        self._left = True
        self._leave()
        self._end_within(GOODBYE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(None) as self._limit, asyncio.TaskGroup() as both:
                self._streams.add(self)
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                both.create_task(self._deliver(send))  # not here: each wake-up would pass through all the middleware
                await self._attend(receive, send)
        except TimeoutError:
            if not self._limit.expired():
                raise
        finally:
            self._streams.discard(self)
            self._close()

    async def _deliver(self, send: Send) -> None:
        async for chunk in self._chunks:
            async with self._turn:
                for at in range(0, len(chunk), PIECE):
                    self._began = self._now()
                    await send(_body(chunk[at : at + PIECE]))
        await self._turn.acquire()  # for good: nothing may follow
        self._began = self._now()
        if self._left:
            await send(_body(RECONNECT))  # and no end: the server cuts what is not complete
        else:
            await send(_body(b"", more=False))
        self._end_within(timedelta(0))

    async def _attend(self, receive: Receive, send: Send) -> None:
        """Keep-alives, as long as there is somebody who takes what is sent."""
        while await self._stays(receive) and await self._takes(send):
            pass
        self._end_within(timedelta(0))

    async def _stays(self, receive: Receive) -> bool:
        """Whether the client is still there when the next keep-alive is due."""
        try:
            async with asyncio.timeout(self._keepalive):
                while (await receive())["type"] != "http.disconnect":
                    pass
        except TimeoutError:
            return True
        return False

    async def _takes(self, send: Send) -> bool:
        """Whether a keep-alive goes out, or what is being sent has not been for long."""
        if self._turn.locked():
            return self._now() - self._began < STALLED.total_seconds()
        try:
            async with asyncio.timeout(STALLED.total_seconds()), self._turn:
                await send(_body(KEEP_ALIVE))
        except TimeoutError:
            return False
        return True

    def _end_within(self, rest: timedelta) -> None:
        if not self._limit.expired():
            self._limit.reschedule(self._now() + rest.total_seconds())


def _body(chunk: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": chunk, "more_body": more}
