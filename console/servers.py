"""The checks of `fermata doctor` that ask servers: Temporal, Redis and the database. They read, and change nothing."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import URL, Connection, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeTaskQueueRequest,
    GetSystemInfoRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError

from console.doctor import PATIENCE, Finding, clock

OLDEST_REDIS = 7
MIGRATE = "Run `fermata migrate`."


async def temporal(
    connect: Callable[[], Awaitable[Client]], address: str, attributes: Iterable[str], task_queue: str
) -> list[Finding]:
    """The server, its namespace, the search attributes, and whether a worker polls."""
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            client = await connect()
            info = await client.workflow_service.get_system_info(GetSystemInfoRequest())
            await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
            found = Finding("good", "temporal", f"{info.server_version} at {address}, namespace {client.namespace}")
            return [found, await _search_attributes(client, set(attributes)), await _worker(client, task_queue)]
    except (RPCError, RuntimeError, TimeoutError) as error:  # a failed connect is a bare RuntimeError
        remedy = "Check TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and TEMPORAL_API_KEY, and that the server runs."
        return [Finding("bad", "temporal", f"{address}: {_why(error)}", remedy)]


async def redis(client: Redis, address: str) -> list[Finding]:
    """The server, whether it keeps what it is told, and its clock beside ours."""
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            before = datetime.now(UTC)
            seconds, microseconds = await client.time()
            after = datetime.now(UTC)
            info = await client.info()
    except (RedisError, OSError, TimeoutError) as error:
        remedy = "Check REDIS_URL, and that the server runs."
        return [Finding("bad", "redis", f"{address}: {_why(error)}", remedy)]
    finally:
        await client.aclose()
    theirs = datetime.fromtimestamp(seconds, UTC).replace(microsecond=microseconds)
    return [
        _redis_version(str(info.get("valkey_version") or info["redis_version"]), address),
        _redis_keeps(aof=bool(info["aof_enabled"]), eviction=str(info.get("maxmemory_policy", "noeviction"))),
        clock(before + (after - before) / 2, theirs, "Redis"),
    ]


async def database(url: str, migrations: Path) -> Finding:
    """Whether it can be reached, and has every migration."""
    parsed = make_url(url)
    shown = parsed.render_as_string(hide_password=True)
    if parsed.get_backend_name() == "sqlite":
        if not os.path.isfile(parsed.database or ""):  # noqa: ASYNC240 - one look, in a process that does nothing else
            return Finding("bad", "database", f"{shown}: there is none yet", MIGRATE)
        # Read-only: connecting to a file that vanished meanwhile would make an empty one.
        parsed = parsed.set(database=f"file:{quote(parsed.database or '')}", query={"mode": "ro", "uri": "true"})
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            applied = await _applied(parsed)
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        return Finding("bad", "database", f"{shown}: {_why(error)}", "Check DATABASE_URL, and that the server runs.")
    except ModuleNotFoundError as error:
        return Finding("bad", "database", f"{shown}: {_why(error)}", "Install the driver: the extra `postgres`.")
    head = ScriptDirectory(str(migrations)).get_current_head()
    if applied == (head,):
        return Finding("good", "database", f"{shown}, migrated to {head}")
    text = f"{shown} is at {', '.join(applied) or 'nothing'}, this version at {head}"
    return Finding("bad", "database", text, MIGRATE)


async def _search_attributes(client: Client, wanted: set[str]) -> Finding:
    try:
        known = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=client.namespace)
        )
    except RPCError as error:  # Temporal Cloud keeps this service to itself
        text = f"cannot be listed: {_why(error)}"
        return Finding("doubtful", "attributes", text, "See in Temporal's UI that they are registered.")
    if missing := sorted(wanted - set(known.custom_attributes)):
        remedy = "Register them: `temporal operator search-attribute create`."
        return Finding("bad", "attributes", f"not registered: {', '.join(missing)}", remedy)
    return Finding("good", "attributes", "all search attributes are registered")


async def _worker(client: Client, task_queue: str) -> Finding:
    described = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=task_queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
    )
    if not described.pollers:
        return Finding("doubtful", "worker", f"none polls {task_queue!r}: answers wait", "Start one: `fermata worker`.")
    return Finding("good", "worker", f"{len(described.pollers)} polling {task_queue!r}")


def _redis_version(version: str, address: str) -> Finding:
    if int(version.partition(".")[0]) < OLDEST_REDIS:
        return Finding("bad", "redis", f"{version} at {address}", f"Use version {OLDEST_REDIS} or newer, or Valkey.")
    return Finding("good", "redis", f"{version} at {address}")


def _redis_keeps(*, aof: bool, eviction: str) -> Finding:
    """Losing logs harms no answer, but readers are told of a gap, and the log has to be built anew."""
    if eviction.startswith("allkeys"):
        remedy = "Set maxmemory-policy noeviction."
        return Finding("bad", "persistence", f"{eviction}: logs in use may be thrown away", remedy)
    if not aof:
        return Finding("doubtful", "persistence", "logs are lost in a restart of Redis", "Set appendonly yes.")
    return Finding("good", "persistence", "append-only file, nothing in use is evicted")


async def _applied(url: URL) -> tuple[str, ...]:
    engine = create_async_engine(url)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_heads)
    finally:
        await engine.dispose()


def _heads(connection: Connection) -> tuple[str, ...]:
    return tuple(MigrationContext.configure(connection).get_current_heads())


def _why(error: Exception) -> str:
    match error:
        case TimeoutError():
            return "no answer"
        case _:
            return (str(getattr(error, "orig", None) or error) or type(error).__name__).splitlines()[0]
