"""The log, and the Redis beneath it to break things in."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from adapters.redis_log import RedisLog
from domain.ids import GenerationId
from domain.ports import Mishap

RETENTION = timedelta(days=1)


@pytest.fixture
def generation() -> GenerationId:
    return GenerationId(f"gen_{uuid4().hex}")


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(valkey_url) as client:
        yield client


@pytest.fixture
def mishaps() -> list[Mishap]:
    """What went wrong in the log of the test."""
    return []


@pytest.fixture
async def log(valkey_url: str, mishaps: list[Mishap]) -> AsyncIterator[RedisLog]:
    log = RedisLog(valkey_url, retention=RETENTION, noted=mishaps.append)
    yield log
    await log.aclose()
