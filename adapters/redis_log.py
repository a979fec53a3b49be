"""The log in Redis: appends are numbered, fenced and announced by one script, and leave the process by group commit.

Nothing here expires while a generation lives. When Redis lost a log, or its end, the next append starts it anew: the
numbers go on from the clock, far above all that were given before, so that an old cursor is recognized as too old.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from hiredis import pack_command
from redis.asyncio import Connection
from redis.exceptions import ResponseError

from adapters.redis_clients import PASSING, answering, bare_connection, command_client
from adapters.redis_kept import Kept, log_key, restart_number
from domain.errors import StaleWriter, Unavailable
from domain.events import Event, frame
from domain.ids import GenerationId
from domain.ports import Mishap, Writer
from domain.view import View

APPEND_SCRIPT: Final = Path(__file__).with_name("append.lua").read_text()
APPEND_SHA: Final = hashlib.sha1(APPEND_SCRIPT.encode(), usedforsecurity=False).hexdigest()
FIRST_PAUSE, LONGEST_PAUSE = timedelta(milliseconds=50), timedelta(seconds=1)
CROWD: Final = 8  # appends that met in one round trip; beyond that a little more waiting saves more than it costs

logger = logging.getLogger(__name__)
Reply = int | bytes


class RedisLog:
    """Fulfils `domain.ports.Log`. Appending waits while Redis is away; reading raises Unavailable.

    `noted` hears of each mishap of an append, in the task that appends.
    """

    def __init__(
        self,
        url: str,
        *,
        retention: timedelta,
        noted: Callable[[Mishap], None] | None = None,
        gap: timedelta = timedelta(milliseconds=1),
    ) -> None:
        self._client = command_client(url)
        self._commit = GroupCommit(bare_connection(url), gap)
        self._retention = retention // timedelta(milliseconds=1)
        self._noted = noted or (lambda _: None)

    async def append(
        self, generation: GenerationId, writer: Writer, position: int, events: Sequence[Event], *, seal: bool = False
    ) -> int:
        key, frames = log_key(generation), [frame(event) for event in events]
        retention = self._retention if seal else ""
        restart: int | str = ""
        while True:
            reply = await self._commit.run(
                *("EVALSHA", APPEND_SHA, 1, key, writer.name, writer.epoch, position, retention, restart, *frames)
            )
            match reply:
                case int():
                    return reply
                case b"lost":
                    self._noted("lost")
                    restart = restart_number()
                    logger.warning("the log of %s was lost, it goes on from number %d", generation, restart)
                case _:
                    why: Mishap = "sealed" if reply == b"sealed" else "fenced"
                    self._noted(why)
                    raise StaleWriter(generation_id=generation, writer=writer.name, why=why)

    async def exists(self, generation: GenerationId) -> bool:
        return await self.last(generation) is not None

    async def last(self, generation: GenerationId) -> tuple[int, bool] | None:
        """Number of the last event, and whether it is the end; None if there is no log."""
        return await Kept(self._client, generation).standing()

    async def view(self, generation: GenerationId) -> View | None:
        return await Kept(self._client, generation).view(with_end=True)

    async def save_snapshot(self, generation: GenerationId, view: View) -> None:
        await Kept(self._client, generation).save(view)

    async def events_after(self, generation: GenerationId, after: int) -> list[tuple[int, Event]]:
        return await Kept(self._client, generation).events(after)

    async def healthy(self) -> bool:
        """Whether Redis answers."""
        try:
            async with answering():
                await self._client.ping()
        except Unavailable:
            return False
        return True

    async def aclose(self) -> None:
        await self._commit.aclose()
        await self._client.aclose()


@dataclass(slots=True, eq=False)
class Waiting:
    command: bytes
    reply: asyncio.Future[Reply]

    def settle(self, reply: Reply | ResponseError) -> bool:
        """Whether that was an answer; if not, the command is to be repeated."""
        if isinstance(reply, PASSING):
            return False
        if not self.reply.done():  # else its caller was cancelled
            if isinstance(reply, ResponseError):
                self.reply.set_exception(reply)
            else:
                self.reply.set_result(reply)
        return True


class GroupCommit:
    """One round trip in flight; the commands that arrive meanwhile form the next one, so that idle means no delay.

    A command is repeated, unchanged and before later ones, until it is answered or its caller is cancelled: it must be
    harmless twice, which positions make of an append.
    """

    def __init__(self, connection: Connection, gap: timedelta) -> None:
        self._connection, self._gap = connection, gap.total_seconds()
        self._waiting: list[Waiting] = []
        self._task: asyncio.Task[None] | None = None

    async def run(self, *command: str | int | bytes) -> Reply:
        packed: bytes = pack_command(command)  # type: ignore[arg-type] # hiredis means a tuple of any length
        waiting = Waiting(packed, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain())
        return await waiting.reply

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        for waiting in self._waiting:
            waiting.reply.cancel()
        await self._connection.disconnect()

    async def _drain(self) -> None:
        pause, now = FIRST_PAUSE, asyncio.get_running_loop().time
        while batch := [waiting for waiting in self._waiting if not waiting.reply.done()]:
            self._waiting, began = [], now()
            unanswered = await self._exchange(batch)
            self._waiting = unanswered + self._waiting
            if unanswered:
                await asyncio.sleep(pause.total_seconds())
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                pause = FIRST_PAUSE
                if self._waiting and len(batch) >= CROWD:
                    await asyncio.sleep(max(0.0, self._gap - (now() - began)))
        self._waiting = []

    async def _exchange(self, batch: list[Waiting]) -> list[Waiting]:
        """Send all, then read and hand out the answers. Returns what has to be repeated."""
        try:
            async with answering():
                if not self._connection.is_connected:
                    await self._connection.connect()  # type: ignore[no-untyped-call] # redis-py's gap
                    await self._connection.send_command("SCRIPT LOAD", APPEND_SCRIPT)
                    await self._connection.read_response()
                await self._connection.send_packed_command(b"".join(waiting.command for waiting in batch))
                replies = [await self._reply() for _ in batch]
        except Unavailable as error:
            logger.warning("%d appends wait: %s", len(batch), error)
            return batch
        except BaseException:
            for waiting in batch:
                waiting.reply.cancel()  # closing, or a bug: nobody may wait for ever
            raise
        unanswered = [waiting for waiting, reply in zip(batch, replies, strict=True) if not waiting.settle(reply)]
        if unanswered:
            await self._connection.disconnect()  # connecting anew loads the script, and finds a new primary
        return unanswered

    async def _reply(self) -> Reply | ResponseError:
        try:
            reply: Reply = await self._connection.read_response()
        except ResponseError as error:
            return error
        return reply
