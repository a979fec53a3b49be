"""The bell of the inboxes: Redis only rings, and what has changed stands in the record."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from adapters.redis_clients import answering, command_client
from adapters.redis_subscription import Subscription
from domain.errors import Unavailable

logger = logging.getLogger(__name__)


class RedisBell:
    """Fulfils `domain.ports.Bell`."""

    def __init__(self, url: str) -> None:
        self._client = command_client(url)

    async def ring(self, tenant: str, owner: str) -> None:
        try:
            async with answering():
                await self._client.publish(_channel(tenant, owner), b"")
        except Unavailable as error:
            logger.warning("a ring was lost, and is made up for by the next look: %s", error)

    async def aclose(self) -> None:
        await self._client.aclose()


class Bells:
    """Fulfils `api.ports.Bells`."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription

    @contextmanager
    def hearing(self, tenant: str, owner: str, rang: asyncio.Event) -> Iterator[None]:
        ear, channel = Ear(rang), _channel(tenant, owner)
        self._subscription.add(channel, ear)
        try:
            yield
        finally:
            self._subscription.remove(channel, ear)


class Ear:
    """One who listens."""

    def __init__(self, rang: asyncio.Event) -> None:
        self._rang = rang

    def hears(self) -> None:
        self._rang.set()  # before, it may have rung unheard

    def heard(self, payload: bytes) -> None:
        self._rang.set()

    def deaf(self) -> None:
        pass


def _channel(tenant: str, owner: str) -> bytes:
    return "/".join(("fermata:bell", *(quote(name, safe="") for name in (tenant, owner)))).encode()
