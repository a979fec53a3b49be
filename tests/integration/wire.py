"""A wire to Redis on which rings get lost: everything passes, except, while it is deaf, what was published."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import assert_never
from urllib.parse import urlsplit

from hiredis import Reader

from devstack.ports import HOST

Reply = bytes | int | list["Reply"]
CHUNK = 65_536


class Wire:
    """Carries the connections of one process. Only those that subscribe are looked into."""

    def __init__(self, redis_url: str) -> None:
        self._redis = urlsplit(redis_url)
        self.url = redis_url
        self.deaf = False
        self._subscribers: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def strung(self) -> AsyncIterator["Wire"]:
        carrying: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(
            lambda *both: carrying.add(asyncio.create_task(self._carry(*both))), HOST, 0
        )
        async with server:
            self.url = self._redis._replace(netloc=f"{HOST}:{server.sockets[0].getsockname()[1]}").geturl()
            yield self
        for task in carrying:
            task.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)

    def cut(self) -> None:
        """End all subscriptions, as a restart of a proxy would."""
        for subscriber in self._subscribers:
            subscriber.transport.abort()

    async def _carry(self, client_in: asyncio.StreamReader, client_out: asyncio.StreamWriter) -> None:
        redis_in, redis_out = await asyncio.open_connection(self._redis.hostname, self._redis.port)
        asking = asyncio.create_task(self._carry_questions(client_in, redis_out, client_out))
        try:
            await self._carry_answers(redis_in, client_out)
        finally:
            asking.cancel()
            self._subscribers.discard(client_out)
            client_out.close()
            redis_out.close()

    async def _carry_questions(
        self, client_in: asyncio.StreamReader, redis_out: asyncio.StreamWriter, client_out: asyncio.StreamWriter
    ) -> None:
        while data := await client_in.read(CHUNK):
            if b"\r\nSUBSCRIBE\r\n" in data:
                self._subscribers.add(client_out)
            redis_out.write(data)
        redis_out.close()

    async def _carry_answers(self, redis_in: asyncio.StreamReader, client_out: asyncio.StreamWriter) -> None:
        replies = Reader()
        while data := await redis_in.read(CHUNK):
            if client_out in self._subscribers:
                replies.feed(data)
                data = b"".join(encoded(reply) for reply in self._heard(replies))
            client_out.write(data)

    def _heard(self, replies: Reader) -> Iterator[Reply]:
        while (reply := replies.gets()) is not False:
            if not (self.deaf and isinstance(reply, list) and reply[0] == b"message"):
                yield reply


def encoded(reply: Reply) -> bytes:
    match reply:
        case bytes():
            return b"$%d\r\n%b\r\n" % (len(reply), reply)
        case int():
            return b":%d\r\n" % reply
        case list():
            return b"*%d\r\n%b" % (len(reply), b"".join(map(encoded, reply)))
        case _:
            assert_never(reply)
