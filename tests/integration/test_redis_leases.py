"""Slots, against a real Valkey: as many as the limit allows, and free again when nothing is heard of them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from adapters.redis_leases import RedisLeases
from devstack.ports import HOST
from domain.errors import ConcurrencyLimit
from domain.ids import ConversationId, GenerationId
from domain.ports import Address

SHORT = timedelta(milliseconds=300)


@pytest.fixture
async def slots(valkey_url: str) -> AsyncIterator[RedisLeases]:
    leases = RedisLeases(valkey_url, limit=1)
    yield leases
    await leases.aclose()


@pytest.fixture
def ann() -> str:
    return f"ann {uuid4()}"


def conversation(owner: str, tenant: str = "acme") -> Address:
    return Address(tenant=tenant, owner=owner, conversation=ConversationId(str(uuid4())))


def generation() -> GenerationId:
    return GenerationId(f"gen_{uuid4().hex}")


async def is_free(slots: RedisLeases, owner: str) -> bool:
    """Whether this user could start something else."""
    other, one = conversation(owner), generation()
    try:
        receipt = await slots.take(other, one)
    except ConcurrencyLimit:
        return False
    await slots.give_back(other, one, receipt)
    return True


async def test_one_more_than_the_limit_is_refused_with_the_numbers(slots: RedisLeases, ann: str) -> None:
    here, one = conversation(ann), generation()
    await slots.take(here, one)
    with pytest.raises(ConcurrencyLimit) as refused:
        await slots.take(conversation(ann), generation())
    assert refused.value.members == {"limit": 1, "running": 1}
    await slots.release(here, one)
    assert await is_free(slots, ann)


async def test_of_many_who_come_at_once_as_many_get_one_as_there_are(valkey_url: str, ann: str) -> None:
    slots = RedisLeases(valkey_url, limit=3)
    came = await asyncio.gather(
        *(slots.take(conversation(ann), generation()) for _ in range(20)), return_exceptions=True
    )
    await slots.aclose()
    assert sum(isinstance(each, str) for each in came) == 3


async def test_nobody_takes_from_another_user_or_tenant(slots: RedisLeases, ann: str) -> None:
    await slots.take(conversation(ann), generation())
    assert await slots.take(conversation(ann, tenant="other"), generation())
    assert await slots.take(conversation(f"{ann}/x"), generation())


async def test_a_conversation_needs_one_slot_whatever_follows_in_it(slots: RedisLeases, ann: str) -> None:
    """What replaces takes it over; when the replaced one ends, it takes nothing with it."""
    here, replaced, successor = conversation(ann), generation(), generation()
    await slots.take(here, replaced)
    await slots.take(here, successor)
    await slots.release(here, replaced)
    assert not await is_free(slots, ann)
    await slots.release(here, successor)
    assert await is_free(slots, ann)


async def test_what_was_taken_twice_is_not_given_back_by_the_first(slots: RedisLeases, ann: str) -> None:
    """Two decisions at once: one is refused, the other one goes on in the slot that the first had taken."""
    here, one = conversation(ann), generation()
    first = await slots.take(here, one)
    assert await slots.take(here, one) is None
    await slots.give_back(here, one, first)
    assert not await is_free(slots, ann)


async def test_a_slot_lapses_unless_it_is_kept(valkey_url: str, ann: str) -> None:
    slots = RedisLeases(valkey_url, limit=1, lease=SHORT)
    here, one = conversation(ann), generation()
    await slots.take(here, one)
    for _ in range(5):
        await asyncio.sleep(SHORT.total_seconds() / 3)
        await slots.renew(here, one)
    assert not await is_free(slots, ann)
    await asyncio.sleep(SHORT.total_seconds() * 1.2)
    assert await is_free(slots, ann)
    await slots.renew(here, one)  # too late: it holds nothing
    assert await is_free(slots, ann)
    await slots.aclose()


async def test_what_runs_has_a_slot_although_none_is_free(slots: RedisLeases, ann: str) -> None:
    await slots.take(conversation(ann), generation())
    late = conversation(ann), generation()
    await slots.hold(*late)
    with pytest.raises(ConcurrencyLimit) as refused:
        await slots.take(conversation(ann), generation())
    assert refused.value.members == {"limit": 1, "running": 2}


async def test_nothing_is_left_of_a_user_who_is_gone(valkey_url: str, ann: str) -> None:
    slots = RedisLeases(valkey_url, limit=1, lease=SHORT)
    await slots.take(conversation(ann), generation())
    await asyncio.sleep(SHORT.total_seconds() * 1.2)
    async with Redis.from_url(valkey_url) as client:
        assert not [key async for key in client.scan_iter(f"fermata:slots/*{ann[4:]}*")]
    await slots.aclose()


async def test_without_a_limit_nothing_is_counted_and_nobody_asked() -> None:
    slots = RedisLeases("redis://127.0.0.1:9/0", limit=0)
    here = conversation("ann")
    assert await slots.take(here, generation()) is None
    await slots.aclose()


async def test_while_redis_is_away_everybody_has_a_slot(free_ports: Callable[[int], int]) -> None:
    slots = RedisLeases(f"redis://{HOST}:{free_ports(1)}/0", limit=1)
    for _ in range(2):
        assert await slots.take(conversation("ann"), generation()) is None
    await slots.aclose()
