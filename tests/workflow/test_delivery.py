"""The workflow of a delivery: it tries for a day and then says that it was in vain."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest
from temporalio.testing import WorkflowEnvironment

from domain.ids import DeliveryId
from tests.workflow.road import Road, travelled


@pytest.fixture
async def road(environment: WorkflowEnvironment) -> AsyncIterator[Road]:
    async with travelled(environment) as opened:
        yield opened


@pytest.fixture
def delivery() -> DeliveryId:
    return DeliveryId(f"msg_{uuid4().hex}")


async def test_a_delivery_that_fails_at_first_is_made_later(road: Road, delivery: DeliveryId) -> None:
    road.failures = 3
    await (await road.start(delivery)).result()
    assert len(road.attempts) == 4
    assert road.given_up == []


async def test_after_a_day_of_attempts_it_is_given_up(road: Road, delivery: DeliveryId) -> None:
    road.failures = 1_000
    await (await road.start(delivery)).result()
    assert road.given_up == [delivery]
    assert 12 <= len(road.attempts) <= 16
    assert timedelta(hours=20) < road.attempts[-1] - road.attempts[0] < timedelta(hours=27)


async def test_cancelling_the_job_gives_it_up(road: Road, delivery: DeliveryId) -> None:
    road.failures = 1_000
    with road.environment.with_time_skipping_disabled():
        handle = await road.start(delivery)
        await road.begun.wait()
        await handle.cancel()
        await handle.result()
    assert road.given_up == [delivery]
