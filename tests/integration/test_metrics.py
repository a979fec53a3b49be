"""What both endpoints of metrics tell after a known history: each number has moved by exactly what happened."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from temporalio.runtime import BufferedMetricUpdate, MetricBuffer, Runtime, TelemetryConfig
from temporalio.testing import ActivityEnvironment

from activities import metrics
from activities.announce import Announcement, AnnounceSteps
from activities.publish import Publisher
from adapters.database import Database, DatabaseStore
from adapters.database.migrate import upgrade
from adapters.redis_bell import RedisBell
from adapters.redis_leases import RedisLeases
from adapters.redis_log import RedisLog
from domain.errors import StaleWriter
from domain.ids import GenerationId
from domain.ports import Writer
from tests.configurations import configuration, write
from tests.event_builders import started, text, turn
from tests.integration.record import (
    NOW,
    a_call,
    a_decision,
    an_approval,
    claimed,
    new_approval_id,
    reply,
    telling,
)
from tests.outsider import a_word, abort
from tests.provider.process import ProviderProcess
from tests.provider.script import Refuse, Reply, Text, ToolCall, Usage
from tests.stack import Stack, fermata_dev

pytest_plugins = ["tests.workshop"]

Numbers = dict[str, float]
RETENTION = timedelta(days=1)
OUTBOX = Writer(name="outbox", epoch=1)
MODEL = Writer(name="model", epoch=1)
EVERYWHERE = {"namespace", "task_queue", "service_name"}  # labels that are the same everywhere


@pytest.fixture
async def fresh(
    provider: ProviderProcess, free_ports: Callable[[int], int], tmp_path: Path
) -> AsyncIterator[tuple[Stack, int]]:
    """A stack of which nothing has been asked yet, and the port of its worker's metrics."""
    port = free_ports(5)
    file = write(tmp_path, configuration(provider.url))
    async with fermata_dev(port, tmp_path / "data", "--config", str(file)) as stack:
        yield stack, port + 4


async def scraped(http: httpx2.AsyncClient, url: str) -> Numbers:
    """Our own numbers by name and label values; of histograms only how many they hold."""
    page = (await http.get(url)).raise_for_status().text
    samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
    return {
        " ".join([each.name, *(value for name, value in sorted(each.labels.items()) if name not in EVERYWHERE)]): (
            each.value
        )
        for each in samples
        if each.name.startswith("fermata_") and not each.name.endswith(("_bucket", "_sum", "_created"))
    }


async def test_the_numbers_are_what_happened(fresh: tuple[Stack, int], provider: ProviderProcess) -> None:
    stack, port = fresh
    worker = f"http://127.0.0.1:{port}/metrics"
    assert await scraped(stack.http, worker) == {}

    await provider.script(*(Reply(match=word, steps=steps) for word, steps in HISTORY))
    first = await stack.start(COMPLETED, agent="clerk")
    await stack.finished(first["id"])
    assert len(await stack.read(first["id"], after=0)) > len(await stack.read(first["id"], after=None))

    same = {"agent": "clerk", "conversation_id": first["conversation_id"]}  # which has its title
    assert (await stack.finished((await stack.start(FAILED, **same))["id"]))["outcome"] == "failed"
    approved = await stack.start(APPROVED, **same)
    assert (await stack.approve(approved["id"])).status_code == 200
    assert (await stack.finished(approved["id"]))["outcome"] == "completed"
    stopped = await stack.start(STOPPED, **same)
    await stack.paused(stopped["id"])
    assert (await scraped(stack.http, "/metrics"))["fermata_generations requires_action"] == 1
    assert (await abort(stack, stopped["id"])).status_code == 200

    told = await scraped(stack.http, worker)
    assert told.pop("fermata_tokens_total make_title input patient") > 0
    assert told.pop("fermata_tokens_total make_title output patient") > 0
    assert told == {
        "fermata_time_to_first_token_seconds_count call_model patient": 4,
        "fermata_model_calls_total make_title replied patient stop": 1,
        "fermata_model_calls_total call_model replied patient stop": 2,
        "fermata_model_calls_total call_model replied patient tool_calls": 2,
        "fermata_model_calls_total call_model retried patient provider_overloaded": 1,
        "fermata_model_calls_total call_model failed patient bad_request": 1,
        "fermata_tokens_total call_model input patient": 1_111,
        "fermata_tokens_total call_model output patient": 2_222,
        "fermata_tool_runs_total run_tool completed write_book": 1,
        "fermata_approval_wait_seconds_count announce decided": 1,
        "fermata_approval_wait_seconds_count announce closed": 1,
    }
    assert await scraped(stack.http, "/metrics") == {
        "fermata_generations queued": 0,
        "fermata_generations running": 0,
        "fermata_generations requires_action": 0,
        "fermata_generations completed": 2,
        "fermata_generations failed": 1,
        "fermata_generations aborted": 1,
        "fermata_generations expired": 0,
        "fermata_generations replaced": 0,
        "fermata_readers": 0,
        "fermata_readings_total": 2,
        "fermata_replays_total": 1,
        "fermata_snapshots_total": 1,
        "fermata_gaps_total": 0,
        "fermata_catch_ups_total": 2,
    }


COMPLETED, FAILED, APPROVED, STOPPED = (a_word() for _ in range(4))
HISTORY = (
    (COMPLETED, (Text(text="Fine."), Usage(input=1, output=2))),
    (FAILED, (Refuse(fault="overloaded"),)),
    (FAILED, (Refuse(fault="bad_request"),)),
    (APPROVED, (ToolCall(name="write_book", arguments={"line": "a"}), Usage(input=10, output=20))),
    (APPROVED, (Text(text="Written."), Usage(input=100, output=200))),
    (STOPPED, (ToolCall(name="write_book", arguments={"line": "b"}), Usage(input=1_000, output=2_000))),
)


# The numbers of one step.
@pytest.fixture
def buffer() -> MetricBuffer:
    return MetricBuffer(1_000)


@pytest.fixture
def environment(buffer: MetricBuffer) -> ActivityEnvironment:
    """Where steps run by themselves; what they count is in the buffer."""
    environment = ActivityEnvironment()
    environment.metric_meter = Runtime(telemetry=TelemetryConfig(metrics=buffer)).metric_meter
    return environment


@pytest.fixture
async def counted_log(valkey_url: str) -> AsyncIterator[RedisLog]:
    log = RedisLog(valkey_url, retention=RETENTION, noted=metrics.log_mishap)
    yield log
    await log.aclose()


async def test_a_zombie_and_a_lost_log_are_counted(
    environment: ActivityEnvironment, buffer: MetricBuffer, counted_log: RedisLog, generation: GenerationId
) -> None:
    async def overtaken() -> None:
        await counted_log.append(generation, OUTBOX, 1, [started(generation)])
        await counted_log.append(generation, Writer(name="model", epoch=2), 1, [turn(attempt=2)])
        async with Publisher(counted_log, generation, MODEL) as publisher:
            publisher.publish(turn())
            for _ in range(2):
                with pytest.raises(StaleWriter):
                    await publisher.flush()

    async def forgotten() -> None:
        await counted_log.append(generation, OUTBOX, 7, [text("what came before is gone")])

    await environment.run(overtaken)
    assert told(buffer.retrieve_updates()) == [("fermata_stale_writes_total", "fenced", 1)]
    await environment.run(forgotten)
    assert told(buffer.retrieve_updates()) == [("fermata_logs_lost_total", None, 1)]


async def test_a_step_that_runs_twice_counts_a_decision_once(
    environment: ActivityEnvironment, buffer: MetricBuffer, counted_log: RedisLog, valkey_url: str, tmp_path: Path
) -> None:
    bell, slots = RedisBell(valkey_url), RedisLeases(valkey_url, limit=0)
    url, name, call = f"sqlite+aiosqlite:///{tmp_path / 'fermata.db'}", new_approval_id(), a_call("call_1")
    await upgrade(url)
    database = Database(url)
    store, request = DatabaseStore(database), await claimed(database)
    await store.open(request, NOW)
    await store.save_turn(request.generation_id, reply(call))
    await store.save_approval(request.generation_id, an_approval(name, call))
    await counted_log.append(request.generation_id, OUTBOX, 1, [started(request.generation_id)])
    environment.info = replace(environment.info, scheduled_time=NOW + timedelta(seconds=90))
    decided = Announcement(request=request, position=2, turn=1, events=(a_decision(name, call.call_id),))
    steps = AnnounceSteps(store, counted_log, bell, slots, await telling(database), temporal_ui=None)
    for _ in range(2):
        await environment.run(steps.announce, decided)
    await bell.aclose()
    await slots.aclose()
    await database.close()
    assert told(buffer.retrieve_updates()) == [("fermata_approval_wait_seconds", "decided", 90.0)]


def told(updates: Sequence[BufferedMetricUpdate]) -> list[tuple[str, object, float]]:
    """Name, label of ours and value."""
    return [
        (each.metric.name, each.attributes.get("why", each.attributes.get("outcome")), each.value) for each in updates
    ]
