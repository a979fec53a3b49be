"""Whoever is told by webhooks: a server of the test's own, which keeps what it got and answers as it is told to."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from devstack.ports import HOST
from tests.provider.acts import Act, Answer, Exchange, Hang
from tests.provider.connection import Connection, Request
from tests.stack import PATIENCE_SECONDS, JsonDict

TAKEN = Answer(204, b"")
HANGS = Hang()


@dataclass(frozen=True)
class Received:
    """One request."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def told(self) -> JsonDict:
        return dict(json.loads(self.body))

    @property
    def type(self) -> str:
        return str(self.told["type"])

    def is_signed_with(self, secret: str) -> bool:
        """By the words of the specification, and not by any code of ours."""
        signed = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + self.body
        mac = hmac.new(base64.b64decode(secret[len("whsec_") :]), signed, hashlib.sha256)
        return self.headers["webhook-signature"] == "v1," + base64.b64encode(mac.digest()).decode()


class Receiver:
    """Each path is a receiver of its own: it takes everything, unless it was told to answer otherwise."""

    def __init__(self, url: str = "") -> None:
        self.url = url
        self.connections = 0
        self.left = 0  # how often a client left before it had an answer
        self._got: defaultdict[str, list[Received]] = defaultdict(list)
        self._answers: defaultdict[str, deque[Act]] = defaultdict(deque)
        self._news = asyncio.Event()

    def at(self, path: str) -> str:
        return f"{self.url}{path}"

    def answer(self, path: str, *acts: Act) -> None:
        """How it answers the next requests there, each used up by one."""
        self._answers[path] += acts

    def got(self, path: str) -> list[Received]:
        return list(self._got[path])

    async def until(self, path: str, number: int) -> list[Received]:
        """The requests there, once there are that many."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self._got[path]) < number:
                self._news.clear()
                await self._news.wait()
        return self.got(path)

    def accept(self) -> Connection:
        self.connections += 1
        return Connection(self._respond)

    def _respond(self, request: Request) -> Exchange:
        self._got[request.path].append(Received(request.headers, request.body))
        self._news.set()
        answers = self._answers[request.path]
        return Exchange(iter([answers.popleft() if answers else TAKEN]), self._ended)

    def _ended(self, client_left: bool) -> None:
        self.left += client_left


@asynccontextmanager
async def listening() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    loop = asyncio.get_running_loop()
    async with await loop.create_server(receiver.accept, HOST, 0) as server:
        receiver.url = f"http://{HOST}:{server.sockets[0].getsockname()[1]}"
        yield receiver
