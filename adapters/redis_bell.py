"""The bell of the inboxes: Redis only rings, and what has changed stands in the record."""

import asyncio
import logging
from collections.abc import Collection, Iterator
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

    async def ring(self, tenant: str, owner: str, roles: Collection[str] = ()) -> None:
        try:
            async with answering(), self._client.pipeline(transaction=False) as together:
                for channel in _channels(tenant, owner, roles):
                    together.publish(channel, b"")
                await together.execute()
        except Unavailable as error:
            logger.warning("a ring was lost, and is made up for by the next look: %s", error)

    async def aclose(self) -> None:
        await self._client.aclose()


class Bells:
    """Fulfils `api.ports.Bells`."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription

    @contextmanager
    def hearing(self, tenant: str, person: str, roles: Collection[str], rang: asyncio.Event) -> Iterator[None]:
        ear, channels = Ear(rang), _channels(tenant, person, roles)
        for channel in channels:
            self._subscription.add(channel, ear)
        try:
            yield
        finally:
            for channel in channels:
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


def _channels(tenant: str, person: str, roles: Collection[str]) -> list[bytes]:
    """One for the person, and one for each role."""
    return [_channel(tenant, person), *(_channel(tenant, "role", role) for role in roles)]


def _channel(*names: str) -> bytes:
    return "/".join(("fermata:bell", *(quote(name, safe="") for name in names))).encode()
