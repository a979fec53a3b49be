"""The slots of users: a lease by the server's clock for each generation that runs, as many as the limit allows.

A conversation runs one generation at a time, so those of one conversation share a slot: what replaces, or waits in
line, needs no second one.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import quote
from uuid import uuid4

from adapters.redis_clients import answering, command_client
from domain.errors import ConcurrencyLimit, Unavailable
from domain.ids import GenerationId
from domain.ports import Address

LEASE_SCRIPT: Final = Path(__file__).with_name("lease.lua").read_text()
GIVE_BACK_SCRIPT: Final = """
if string.match(redis.call('HGET', KEYS[1], ARGV[1]) or '', ' (.*)$') == ARGV[2] then
  redis.call('HDEL', KEYS[1], ARGV[1])
end
"""
LEASE: Final = timedelta(seconds=60)
PATIENCE: Final = timedelta(seconds=1)
WHATEVER, RENEW = "", "renew"

logger = logging.getLogger(__name__)


class RedisLeases:
    """Fulfils `domain.ports.Slots`. `limit`: conversations of one user in which something runs; 0 is no limit."""

    def __init__(self, url: str, limit: int, *, lease: timedelta = LEASE) -> None:
        self._client, self._limit, self._length = command_client(url), limit, lease // timedelta(milliseconds=1)
        self._lease = self._client.register_script(LEASE_SCRIPT)
        self._give_back = self._client.register_script(GIVE_BACK_SCRIPT)

    async def take(self, whose: Address, generation: GenerationId) -> str | None:
        nonce = uuid4().hex
        answer = await self._ask(whose, generation, nonce, str(self._limit))
        if answer is None:
            return None
        taken, held, running = answer
        if not taken:
            raise ConcurrencyLimit(limit=self._limit, running=running)
        return None if held else nonce

    async def give_back(self, whose: Address, generation: GenerationId, receipt: str | None) -> None:
        if receipt is not None:
            async with _forgiven():
                await self._give_back(keys=[_key(whose)], args=[_field(whose, generation), receipt])

    async def hold(self, whose: Address, generation: GenerationId) -> None:
        await self._ask(whose, generation, "", WHATEVER)

    async def renew(self, whose: Address, generation: GenerationId) -> None:
        await self._ask(whose, generation, "", RENEW)

    async def release(self, whose: Address, generation: GenerationId) -> None:
        if self._limit:
            async with _forgiven():
                await self._client.hdel(_key(whose), _field(whose, generation))

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _ask(self, whose: Address, generation: GenerationId, nonce: str, limit: str) -> list[int] | None:
        """None: there is no limit, or nobody who could tell."""
        answers: list[list[int]] = []
        if self._limit:
            async with _forgiven():
                args: list[str | int] = [whose.conversation, generation, nonce, self._length, limit]
                answers.append(await self._lease(keys=[_key(whose)], args=args))
        return answers[0] if answers else None


@asynccontextmanager
async def _forgiven() -> AsyncIterator[None]:
    """Answers matter more than their number: while Redis is away, everybody has a slot."""
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()), answering():
            yield
    except (Unavailable, TimeoutError) as error:
        logger.warning("slots are not counted: %s", error or "Redis does not answer")


def _key(whose: Address) -> str:
    return "/".join(("fermata:slots", *(quote(name, safe="") for name in (whose.tenant, whose.owner))))


def _field(whose: Address, generation: GenerationId) -> str:
    return f"{whose.conversation}/{generation}"
