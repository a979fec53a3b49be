"""Composition root of the worker: settings → adapters → activities → Worker. Activities and adapters meet only here."""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from temporalio import workflow
from temporalio.client import Client
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig
from temporalio.worker import Worker

from activities import metrics
from activities.announce import AnnounceSteps
from activities.deliver import DeliverySteps
from activities.judge import PolicySteps
from activities.lost import LostSteps
from activities.model import ModelSteps
from activities.notify import Notifier
from activities.policy import PolicyCourt
from activities.title import TitleSteps
from activities.tools import ToolSteps
from adapters.conditions import CelConditions, compiled
from adapters.database import Database, DatabaseDeliveries, DatabaseStore, RegisteredWebhooks
from adapters.hooks import PythonHooks, load
from adapters.models import Models
from adapters.models.provider import Provider
from adapters.redis_bell import RedisBell
from adapters.redis_leases import RedisLeases
from adapters.redis_log import RedisLog
from adapters.temporal import connect
from adapters.temporal_deliveries import TemporalCouriers
from adapters.tools import toolbox
from adapters.webhooks import HttpPost, receiver
from settings import Settings
from workflows.registration import DELIVERY_QUEUE, TASK_QUEUE, WORKFLOWS, runner

# The default of 100 would silently queue the 101st stream.
STREAMS = 500

# Of all webhooks together, in this worker. They wait most of the time, each for at most the patience of the post.
DELIVERIES = 100

# Each poll of a worker that froze swallows one attempt until its heartbeat is missed: the default of 5 makes that 25 s.
# More of them started no more answers per second either (measured).
POLLS = 2

# Tools that are plain functions run in threads; the default of a few per core would have the next ones wait for them.
THREADS = 100

# The engine learns at most this late that a worker died, and a worker that it should stop.
THROTTLE = timedelta(seconds=1)

# New objects before the collector looks: with the default of 700 it went through all cached workflows every few
# minutes, and stopped every stream for 0.13 s.
GARBAGE = 10_000

# A decision for a workflow in a dead worker's cache waits for this, not for the default of 10 s.
STICKY = timedelta(seconds=2)

# Tools may finish when the worker leaves; model calls hand over at once.
GRACE = timedelta(seconds=8)


async def run_worker(settings: Settings, *, metrics_address: str | None = None) -> None:
    """Work until SIGTERM or SIGINT, then hand over. Prints `worker ready` when it polls."""
    workflow.logger.workflow_info_on_message = False  # the fields of the line say it
    stop = asyncio.Event()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, thread_name_prefix="step"))
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    environment = settings.environment
    runtime = None
    if metrics_address is not None:
        prometheus = PrometheusConfig(bind_address=metrics_address, histogram_bucket_overrides=metrics.BUCKETS)
        runtime = Runtime(telemetry=TelemetryConfig(metrics=prometheus))
    client = await connect(
        environment.temporal_address,
        environment.temporal_namespace,
        api_key=environment.temporal_api_key,
        runtime=runtime,
    )
    async with make_worker(settings, client):
        gc.collect()
        gc.freeze()  # what was loaded stays: to look through all of it again stops every stream for 0.1 s
        gc.set_threshold(GARBAGE)
        print("worker ready", flush=True)
        await stop.wait()


@asynccontextmanager
async def make_worker(settings: Settings, client: Client) -> AsyncIterator[Worker]:
    """A running worker with everything it needs."""
    environment, configuration = settings.environment, settings.configuration
    async with AsyncExitStack() as opened:
        database = Database(environment.database_url)
        opened.push_async_callback(database.close)
        log = RedisLog(environment.redis_url, retention=configuration.retention.log, noted=metrics.log_mishap)
        opened.push_async_callback(log.aclose)
        providers = configuration.providers()
        model = Models(
            {name: Provider(entry.kind, entry.base_url, entry.api_key) for name, entry in providers.items()},
            configuration.prices,
        )
        opened.push_async_callback(model.aclose)
        await asyncio.to_thread(model.warm)
        store = DatabaseStore(database)
        tools = toolbox(environment.data_dir, environment.config.parent if environment.config else None)
        configuration.check_policy(compiled, load)
        configuration.agents(tools.resolve)  # a tool that cannot be loaded is to be found out here, not by an answer
        slots = RedisLeases(environment.redis_url, configuration.limits.concurrent_generations)
        opened.push_async_callback(slots.aclose)
        models = ModelSteps(model, store, log, slots, snapshot_every=configuration.streaming.snapshot_every)
        court = PolicyCourt(tools, CelConditions(), PythonHooks())
        calls, policy = ToolSteps(tools, store, log, slots, court), PolicySteps(store, court)
        titles = TitleSteps(model, store)
        bell = RedisBell(environment.redis_url)
        opened.push_async_callback(bell.aclose)
        configured = configuration.webhooks(receiver, development=environment.development)
        reach = configuration.registered_reach(development=environment.development)
        webhooks, deliveries, post = RegisteredWebhooks(database, reach), DatabaseDeliveries(database), HttpPost()
        opened.push_async_callback(post.aclose)
        notifier = Notifier(configured, webhooks, deliveries, TemporalCouriers(client, TASK_QUEUE))
        announcing = AnnounceSteps(store, log, bell, slots, notifier, temporal_ui=environment.temporal_ui)
        delivering = DeliverySteps(configured, webhooks, deliveries, post)
        worker = Worker(
            client,
            task_queue=TASK_QUEUE,
            workflows=WORKFLOWS,
            activities=[
                models.call_model,
                LostSteps(model, store, log).keep_lost,
                calls.run_tool,
                policy.judge_calls,
                titles.make_title,
                announcing.announce,
            ],
            workflow_runner=runner(),
            max_concurrent_activities=STREAMS,
            max_concurrent_activity_task_polls=POLLS,
            max_heartbeat_throttle_interval=THROTTLE,
            default_heartbeat_throttle_interval=THROTTLE,
            sticky_queue_schedule_to_start_timeout=STICKY,
            graceful_shutdown_timeout=GRACE,
        )
        courier = Worker(
            client,
            task_queue=DELIVERY_QUEUE,
            activities=[delivering.deliver, delivering.give_up],
            max_concurrent_activities=DELIVERIES,
            max_concurrent_activity_task_polls=POLLS,
            max_heartbeat_throttle_interval=THROTTLE,
            default_heartbeat_throttle_interval=THROTTLE,
            graceful_shutdown_timeout=GRACE,
        )
        async with worker, courier:
            yield worker
