"""The log behind a network that resets its connections, on the event loop that the product runs on."""

import asyncio
from collections.abc import Callable
from urllib.parse import urlsplit

import uvloop

from adapters.redis_log import RedisLog
from adapters.redis_ring import Ring
from devstack.ports import HOST
from domain.ids import GenerationId
from tests.event_builders import finished, started, text
from tests.integration.conftest import RETENTION
from tests.integration.test_redis_ring import OUTBOX, following
from tests.proxy import proxy

TIMES = 5


async def test_idle_connections_that_were_reset_cost_nobody_anything(
    valkey_url: str, free_ports: Callable[[int], int], generation: GenerationId
) -> None:
    """Neither those who write, nor those who look, nor those who listen."""
    entrance, target = free_ports(1), urlsplit(valkey_url).port
    assert target is not None

    async def scenario() -> None:
        async with proxy(entrance, target) as network:
            url = f"redis://{HOST}:{entrance}/0"
            log = RedisLog(url, retention=RETENTION)
            await log.append(generation, OUTBOX, 1, [started(generation)])
            async with Ring(url) as ring, following(ring, generation, 0) as client:
                for number in range(2, TIMES):
                    await asyncio.gather(*(log.last(generation) for _ in range(3)))  # as many connections
                    await client.until_cursor(number - 1)
                    network.cut()
                    await asyncio.sleep(0.05)  # until all ends have noticed, which nothing tells
                    assert await log.last(generation) == (number - 1, False)
                    await log.append(generation, OUTBOX, number, [text("x")])
                await log.append(generation, OUTBOX, TIMES, [finished()], seal=True)
            await log.aclose()

    await asyncio.to_thread(uvloop.run, scenario())
