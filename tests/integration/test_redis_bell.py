"""The bell of the inboxes, against a real Valkey: who listens hears it, and it harms nobody when it cannot ring."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from adapters.redis_bell import Bells, RedisBell
from adapters.redis_subscription import Subscription

SILENCE = timedelta(hours=1)


@pytest.fixture
async def subscription(valkey_url: str) -> AsyncIterator[Subscription]:
    async with Subscription(valkey_url, silence=SILENCE) as subscription:
        yield subscription


@pytest.fixture
async def bell(valkey_url: str) -> AsyncIterator[RedisBell]:
    bell = RedisBell(valkey_url)
    yield bell
    await bell.aclose()


async def heard(rang: asyncio.Event) -> None:
    """Wait for the next ring."""
    async with asyncio.timeout(20):
        await rang.wait()
    rang.clear()


async def test_who_listens_hears_the_bells_of_that_inbox_only(
    subscription: Subscription, bell: RedisBell, redis: Redis
) -> None:
    bells, tenant, ann = Bells(subscription), uuid4().hex, "ann/of ours"
    one, two, other = (asyncio.Event() for _ in range(3))
    with (
        bells.hearing(tenant, ann, (), one),
        bells.hearing(tenant, ann, (), two),
        bells.hearing(tenant, "bob", ("boss",), other),
    ):
        for rang in (one, two, other):
            await heard(rang)  # once, when it begins to hear: what rang before was missed
        await bell.ring(tenant, ann)
        for rang in (one, two):
            await heard(rang)
        assert not other.is_set()
    async with asyncio.timeout(20):
        while await redis.pubsub_channels(f"fermata:bell:{tenant}/*"):  # nobody listens, so nothing is sent here
            pass


async def test_after_a_broken_connection_it_rings_once_for_what_was_missed(
    subscription: Subscription, redis: Redis
) -> None:
    rang = asyncio.Event()
    with Bells(subscription).hearing(uuid4().hex, "ann", (), rang):
        await heard(rang)
        await redis.client_kill_filter(_type="pubsub")
        await heard(rang)


async def test_a_bell_that_cannot_ring_raises_nothing() -> None:
    bell = RedisBell("redis://127.0.0.1:9/0")
    await bell.ring("acme", "ann")
    await bell.aclose()
