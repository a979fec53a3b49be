"""Reading for many: over the process's one subscription the log rings for every reader."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Self

from adapters.redis_clients import answering, command_client
from adapters.redis_kept import Kept, last_numbers, ring_channel
from adapters.redis_reading import Batch, Counts, Reading
from adapters.redis_subscription import Subscription
from domain.errors import LogExpired, Unavailable
from domain.ids import GenerationId
from domain.view import View

Rebuild = Callable[[GenerationId], Awaitable[View | None]]


@dataclass(slots=True, eq=False)
class Channel:
    """The readers of one generation in this process, as the subscription's listener."""

    generation: GenerationId
    kept: Kept
    readings: set[Reading] = field(default_factory=set)
    subscribed: asyncio.Event = field(default_factory=asyncio.Event)
    mending: asyncio.Lock = field(default_factory=asyncio.Lock)
    rang: bool = False

    def hears(self) -> None:
        self.subscribed.set()
        for reading in self.readings:
            reading.look()  # what rang while the connection was down is in the Stream only

    def heard(self, payload: bytes) -> None:
        self.rang = True
        batch = _batch(payload)
        for reading in self.readings:
            reading.ring(batch)

    def deaf(self) -> None:
        self.subscribed.clear()


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
        self._rebuild, self._silence, self._bound = rebuild, silence, bound
        self._client = command_client(url)
        self.subscription = Subscription(url, silence=silence)  # others may listen on it as well
        self._channels: dict[GenerationId, Channel] = {}
        self._noticing: asyncio.Task[None] | None = None
        self.counts = Counts()

    async def __aenter__(self) -> Self:
        await self.subscription.__aenter__()
        self._noticing = asyncio.create_task(self._notice_lost_rings())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._noticing is not None:
            self._noticing.cancel()
            await asyncio.wait([self._noticing])
        await self.subscription.__aexit__(kind, error, traceback)
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
            await reading.begin()
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
        channel = self._channels.get(generation)
        if channel is None:
            channel = self._channels[generation] = Channel(generation, Kept(self._client, generation))
            self.subscription.add(ring_channel(generation), channel)
        return channel

    def _leave(self, channel: Channel, reading: Reading) -> None:
        if reading in channel.readings:
            channel.readings.discard(reading)
            self.counts.readers -= 1
        if not channel.readings and self._channels.get(channel.generation) is channel:
            del self._channels[channel.generation]
            self.subscription.remove(ring_channel(channel.generation), channel)

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
