"""Telling the world, with a real database and a real log: both say the same, whoever wrote first."""

from collections.abc import AsyncIterator

import pytest
from temporalio.testing import ActivityEnvironment

from activities.announce import Announcement, AnnounceSteps
from adapters.database.engine import Database
from adapters.database.store import DatabaseStore
from adapters.redis_bell import RedisBell
from adapters.redis_leases import RedisLeases
from adapters.redis_log import RedisLog
from domain.compose import compose
from domain.content import ToolCallPart
from domain.events import ToolCompleted
from domain.wording import LOST_UNASKED
from tests.event_builders import started
from tests.integration.record import a_call, claimed, opened, reply, telling


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
async def database(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    async with opened(request) as database:
        yield database


@pytest.fixture
async def steps(database: Database, log: RedisLog, valkey_url: str) -> AsyncIterator[AnnounceSteps]:
    bell, slots = RedisBell(valkey_url), RedisLeases(valkey_url, limit=1)
    yield AnnounceSteps(DatabaseStore(database), log, bell, slots, await telling(database), temporal_ui=None)
    await slots.aclose()
    await bell.aclose()


async def test_the_result_that_was_noted_first_is_told_by_the_log_as_well(
    steps: AnnounceSteps, database: Database, log: RedisLog
) -> None:
    """A tool was stopped, noted that, and its worker died before it could say so: nobody knows, says the engine."""
    store, request, call = DatabaseStore(database), await claimed(database), a_call("call_1")
    generation = request.generation_id
    await store.save_turn(generation, reply(call))
    await store.dispatch(generation, call.call_id, 1, 1)
    stopped = {"status": "failed", "output": "It was stopped.", "is_error": True}
    await store.save_result(generation, call.call_id, status="failed", output="It was stopped.", is_error=True)
    lost = ToolCompleted(turn=1, call_id=call.call_id, status="unknown", output=LOST_UNASKED, is_error=True)
    said = Announcement(request=request, position=1, turn=1, events=(started(generation), lost))
    for _ in range(2):
        await ActivityEnvironment().run(steps.announce, said)
    told = [event for _, event in await log.events_after(generation, 0) if isinstance(event, ToolCompleted)]
    assert [event.model_dump(include=set(stopped)) for event in told] == [stopped]
    recorded = compose(await store.turns(generation), await store.calls(generation), [])
    assert [part.model_dump(include=set(stopped)) for part in recorded if isinstance(part, ToolCallPart)] == [stopped]
