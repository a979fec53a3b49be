"""One Pub/Sub connection per process: what is subscribed follows what is listened to, and a broken one is made anew."""

import asyncio
import logging
from datetime import timedelta
from types import TracebackType
from typing import Final, Protocol, Self

from redis.asyncio import Connection
from redis.exceptions import RedisError

from adapters.redis_clients import answering, bare_connection
from domain.errors import Unavailable

RECONNECT_PAUSE: Final = timedelta(milliseconds=200)

logger = logging.getLogger(__name__)


class Listener(Protocol):
    """Who hears one channel. Redis drops a subscriber that reads too slowly, so none of these may wait for anything."""

    def hears(self) -> None:
        """From here on everything is heard; what was said before may have been missed."""

    def heard(self, payload: bytes) -> None:
        """This was said."""

    def deaf(self) -> None:
        """Until it hears again, nothing is heard."""


class Subscription:
    """To be entered once per process. After a `silence` the server is asked for a sign of life."""

    def __init__(self, url: str, *, silence: timedelta) -> None:
        self._url, self._silence = url, silence
        self._listeners: dict[bytes, set[Listener]] = {}
        self._subscribed: set[bytes] = set()
        self._changed = asyncio.Event()  # the listeners, against what is subscribed
        self._unanswered: set[bytes] = set()
        self._answered = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._stay_connected())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def add(self, channel: bytes, listener: Listener) -> None:
        self._listeners.setdefault(channel, set()).add(listener)
        if channel in self._subscribed:
            listener.hears()
        self._changed.set()

    def remove(self, channel: bytes, listener: Listener) -> None:
        if listeners := self._listeners.get(channel):
            listeners.discard(listener)
            if not listeners:
                del self._listeners[channel]
                self._changed.set()

    async def _stay_connected(self) -> None:
        while True:
            connection, listening = bare_connection(self._url), False
            try:
                async with asyncio.TaskGroup() as both, answering():
                    await connection.connect()  # type: ignore[no-untyped-call] # redis-py's gap
                    listening = True
                    both.create_task(self._listen(connection))
                    both.create_task(self._subscribe(connection))
            except* (Unavailable, RedisError, OSError) as errors:
                if listening:
                    logger.warning("the subscription to Redis broke and is made anew: %s", errors.exceptions[0])
            finally:
                self._subscribed.clear()
                for listeners in self._listeners.values():
                    for listener in listeners:
                        listener.deaf()
                await connection.disconnect(nowait=True)
            await asyncio.sleep(RECONNECT_PAUSE.total_seconds())

    async def _listen(self, connection: Connection) -> None:
        """Hand out what comes, and never wait for anything else."""
        while True:
            match await connection.read_response():
                case [b"message", channel, payload]:
                    for listener in self._listeners.get(channel, ()):
                        listener.heard(payload)
                case [b"subscribe", channel, _]:
                    self._subscribed.add(channel)
                    for listener in self._listeners.get(channel, ()):
                        listener.hears()
                    self._note_answer(channel)
                case (
                    [b"unsubscribe", channel, _] | [b"pong", channel] | (bytes() as channel)
                ):  # the last: pong, nothing subscribed
                    self._note_answer(channel)

    async def _subscribe(self, connection: Connection) -> None:
        """Keep what is subscribed equal to what is heard, one answered command at a time; when idle, ask for a sign."""
        while True:
            self._changed.clear()
            wanted = self._listeners.keys()
            if missing := wanted - self._subscribed:
                await self._command(connection, b"SUBSCRIBE", missing)
            elif unheard := self._subscribed - wanted:
                self._subscribed -= unheard  # before it is sent: who adds one of them now has to wait for a new one
                await self._command(connection, b"UNSUBSCRIBE", unheard)
            else:
                try:
                    async with asyncio.timeout(self._silence.total_seconds()):
                        await self._changed.wait()
                except TimeoutError:
                    await self._command(connection, b"PING", {b"alive"})

    async def _command(self, connection: Connection, verb: bytes, channels: set[bytes]) -> None:
        self._unanswered = set(channels)
        self._answered.clear()
        async with answering():
            await connection.send_command(verb, *channels)
            await self._answered.wait()

    def _note_answer(self, channel: bytes) -> None:
        self._unanswered.discard(channel)
        if not self._unanswered:
            self._answered.set()
