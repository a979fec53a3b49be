"""Reading for many: one Pub/Sub connection per process, over which the log rings for every reader."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Final, Self

from redis.asyncio import Connection
from redis.exceptions import RedisError

from adapters.redis_clients import answering, bare_connection, command_client
from adapters.redis_kept import Kept, last_numbers, ring_channel
from adapters.redis_reading import Batch, Counts, Reading
from domain.errors import CursorAhead, LogExpired, Unavailable
from domain.ids import GenerationId
from domain.view import View

Rebuild = Callable[[GenerationId], Awaitable[View | None]]

RECONNECT_PAUSE: Final = timedelta(milliseconds=200)

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Channel:
    """The readers of one generation in this process."""

    generation: GenerationId
    name: bytes
    kept: Kept
    readings: set[Reading] = field(default_factory=set)
    subscribed: asyncio.Event = field(default_factory=asyncio.Event)
    mending: asyncio.Lock = field(default_factory=asyncio.Lock)
    rang: bool = False


class Ring:
    """Opens readings. To be entered once per process; leaving it ends no reading, whoever holds one closes it.

    `rebuild` tells what the record knows of a generation, and None of one that has not started: its log was lost, and
    is begun anew with that.
    `silence` is how long a lost last ring may go unnoticed, `bound` how many bytes may wait for a slow reader.
    """

    def __init__(
        self,
        url: str,
        *,
        rebuild: Rebuild | None = None,
        silence: timedelta = timedelta(seconds=5),
        bound: int = 1_000_000,
    ) -> None:
        self._url, self._rebuild, self._silence, self._bound = url, rebuild, silence, bound
        self._client = command_client(url)
        self._channels: dict[bytes, Channel] = {}
        self._subscribed: set[bytes] = set()
        self._changed = asyncio.Event()  # the channels, against what is subscribed
        self._unanswered: set[bytes] = set()
        self._answered = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.counts = Counts()

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._stay_connected()), asyncio.create_task(self._notice_lost_rings())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        await self._client.aclose()

    async def open(self, generation: GenerationId, after: int | None) -> Reading:
        """A reading from beyond the cursor on; without a cursor it begins with a snapshot.

        If there is no log yet, the reading waits for it. Raises CursorAhead, and Unavailable if Redis is away.
        """
        channel = self._channel(generation)
        reading = Reading(
            channel.kept,
            after,
            bound=self._bound,
            patience=self._silence,
            mend=partial(self._mend, channel),
            close=partial(self._leave, channel),
            counts=self.counts,
        )
        channel.readings.add(reading)
        self.counts.readers += 1
        try:
            async with answering():
                await channel.subscribed.wait()
            standing = await channel.kept.standing()
            if standing is not None and after is not None:
                seq, sealed = standing
                if after > seq:
                    raise CursorAhead(generation_id=generation, cursor=after, last=seq)
                reading.finished = sealed and after == seq
        except BaseException:
            reading.close()
            raise
        if reading.finished:
            reading.close()
        else:
            self.counts.opened += 1
            self.counts.replays += after is not None
        return reading

    def _channel(self, generation: GenerationId) -> Channel:
        name = ring_channel(generation)
        channel = self._channels.get(name)
        if channel is None:
            channel = self._channels[name] = Channel(generation, name, Kept(self._client, generation))
            if name in self._subscribed:
                channel.subscribed.set()
            self._changed.set()
        return channel

    def _leave(self, channel: Channel, reading: Reading) -> None:
        if reading in channel.readings:
            channel.readings.discard(reading)
            self.counts.readers -= 1
        if not channel.readings and self._channels.get(channel.name) is channel:
            del self._channels[channel.name]
            self._changed.set()

    async def _mend(self, channel: Channel) -> None:
        """Begin a lost log anew; one of its readers is enough for that."""
        if self._rebuild is None:
            return
        async with channel.mending:
            if await channel.kept.view(with_end=False) is None:
                view = await self._rebuild(channel.generation)
                if view is None:
                    return
                if view.outcome is not None and await channel.kept.standing() is None:
                    raise LogExpired()  # it would never expire again; who comes back is told that there is no more
                await channel.kept.restore(view)

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
                for channel in self._channels.values():
                    channel.subscribed.clear()
                await connection.disconnect(nowait=True)
            await asyncio.sleep(RECONNECT_PAUSE.total_seconds())

    async def _listen(self, connection: Connection) -> None:
        """Hand out what comes, and never wait for anything else: Redis drops a subscriber that reads too slowly."""
        while True:
            match await connection.read_response():
                case [b"message", name, payload]:
                    if channel := self._channels.get(name):
                        channel.rang = True
                        batch = _batch(payload)
                        for reading in channel.readings:
                            reading.ring(batch)
                case [b"subscribe", name, _]:
                    self._subscribed.add(name)
                    if channel := self._channels.get(name):
                        channel.subscribed.set()
                        for reading in channel.readings:
                            reading.look()  # what rang while the connection was down is in the Stream only
                    self._note_answer(name)
                case (
                    [b"unsubscribe", name, _] | [b"pong", name] | (bytes() as name)
                ):  # the last: pong, nothing subscribed
                    self._note_answer(name)

    async def _subscribe(self, connection: Connection) -> None:
        """Keep what is subscribed equal to what is read, one answered command at a time; when idle, ask for a sign."""
        while True:
            self._changed.clear()
            wanted = self._channels.keys()
            if missing := wanted - self._subscribed:
                await self._command(connection, b"SUBSCRIBE", missing)
            elif unread := self._subscribed - wanted:
                self._subscribed -= unread  # before it is sent: who opens one of them now has to wait for a new one
                await self._command(connection, b"UNSUBSCRIBE", unread)
            else:
                try:
                    async with asyncio.timeout(self._silence.total_seconds()):
                        await self._changed.wait()
                except TimeoutError:
                    await self._command(connection, b"PING", {b"alive"})

    async def _command(self, connection: Connection, verb: bytes, names: set[bytes]) -> None:
        self._unanswered = set(names)
        self._answered.clear()
        async with answering():
            await connection.send_command(verb, *names)
            await self._answered.wait()

    def _note_answer(self, name: bytes) -> None:
        self._unanswered.discard(name)
        if not self._unanswered:
            self._answered.set()

    async def _notice_lost_rings(self) -> None:
        """Nothing would follow a lost last ring: compare readers for whom it was silent with where their log stands."""
        while True:
            await asyncio.sleep(self._silence.total_seconds())
            silent = [channel for channel in self._channels.values() if not channel.rang]
            for channel in self._channels.values():
                channel.rang = False
            with suppress(Unavailable):
                numbers = await last_numbers(self._client, [channel.generation for channel in silent])
                for channel, seq in zip(silent, numbers, strict=True):
                    for reading in channel.readings:
                        if reading.cursor not in (None, seq):
                            reading.look()


def _batch(payload: bytes) -> Batch:
    end = payload.index(b"\n")
    first, last, sealed = payload[:end].split(b" ")
    return Batch(int(first), int(last), sealed == b"1", payload[end + 1 :])
