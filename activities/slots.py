"""While a step of it runs, a generation keeps its slot; who holds one and is heard of no more loses it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

RENEWAL = timedelta(seconds=20)  # two may be lost before a slot lapses


@asynccontextmanager
async def kept(renew: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Renew at once and then from time to time, for the length of the block."""

    async def again_and_again() -> None:
        while True:
            await renew()
            await asyncio.sleep(RENEWAL.total_seconds())

    renewing = asyncio.create_task(again_and_again())
    try:
        yield
    finally:
        renewing.cancel()
        await asyncio.wait([renewing])
