"""The embedded stack as a process: real Temporal and Valkey, stand-ins for worker and API."""

import asyncio
import json
import os
import select
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from devstack import temporal
from devstack.child import Child

DEADLINE = 20.0
GIVEN = ("TEMPORAL_ADDRESS", "REDIS_URL", "DATABASE_URL")

RUN = """
import asyncio, json, pathlib, sys
from devstack.options import Commands, StackOptions
from devstack.stack import run_stack
port, data_dir, commands, more = json.loads(sys.argv[1])
commands = Commands(**{name: (sys.executable, "-c", code) for name, code in commands.items()})
options = StackOptions(port=port, data_dir=pathlib.Path(data_dir), commands=commands, open_browser=False, **more)
sys.exit(asyncio.run(run_stack(options)))
"""

# On SIGTERM both stand-ins note their name and whether Temporal and Valkey still answer.
STAND_IN = """
import os, pathlib, signal, socket, sys, threading
def farewell(name):
    redis = os.environ["REDIS_URL"].rsplit("/", 1)[0].rsplit(":", 1)[1]
    for port in (os.environ["TEMPORAL_ADDRESS"].rsplit(":", 1)[1], redis):
        socket.create_connection(("127.0.0.1", int(port))).close()
    with open(pathlib.Path(os.environ["FERMATA_DATA_DIR"], "farewells"), "a") as file:
        file.write(name + "\\n")
    os._exit(0)
"""
WORKER = f"""{STAND_IN}
signal.signal(signal.SIGTERM, lambda *_: farewell("worker"))
print("starting")
print("worker ready")
while True: signal.pause()
"""
API = f"""{STAND_IN}
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()
signal.signal(signal.SIGTERM, lambda *_: farewell("api"))
HTTPServer(("127.0.0.1", int(sys.argv[-1])), Handler).serve_forever()
"""
COMMANDS = {"migrate": "", "worker": WORKER, "api": API}


@dataclass
class Running:
    """A stack in its own process."""

    port: int
    data_dir: Path
    process: asyncio.subprocess.Process

    async def line(self, wanted: str) -> list[str]:
        """Wait for a line that starts with `wanted`; all lines up to it."""
        assert self.process.stdout is not None
        lines: list[str] = []
        async with asyncio.timeout(DEADLINE):
            while raw := await self.process.stdout.readline():
                lines.append(raw.decode().rstrip("\n"))
                if lines[-1].startswith(wanted):
                    return lines
        pytest.fail(f"the stack ended without {wanted!r}: {lines} {await self.errors()}")

    async def errors(self) -> str:
        assert self.process.stderr is not None
        return (await self.process.stderr.read()).decode()

    async def end(self, number: signal.Signals | None = None) -> int:
        if number is not None:
            self.process.send_signal(number)
        async with asyncio.timeout(DEADLINE):
            return await self.process.wait()

    def pid(self, name: str) -> int:
        return int((self.data_dir / "run" / f"{name}.pid").read_text())

    def pids(self) -> dict[str, int]:
        return {path.stem: int(path.read_text()) for path in (self.data_dir / "run").iterdir()}

    def valkey(self) -> Redis:
        return Redis.from_url(f"redis://127.0.0.1:{self.port + 3}/0", decode_responses=True)

    async def temporal(self) -> Client:
        return await Client.connect(f"127.0.0.1:{self.port + 1}")


Start = Callable[..., Awaitable[Running]]


@pytest.fixture
async def start(free_ports: Callable[[int], int], tmp_path: Path) -> AsyncIterator[Start]:
    """Start a stack; without `port` on free ones, without `data_dir` in one directory per test (with a space in it)."""
    started: list[Running] = []

    async def begin(
        *,
        port: int | None = None,
        data_dir: Path = tmp_path / "my data",
        commands: Mapping[str, str] = COMMANDS,
        environ: Mapping[str, str] = {},
        **options: object,
    ) -> Running:
        port = port or free_ports(12)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", RUN, json.dumps([port, str(data_dir), dict(commands), options])),
            env={**{name: value for name, value in os.environ.items() if name not in GIVEN}, **environ},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        started.append(Running(port, data_dir, process))
        return started[-1]

    yield begin
    for stack in started:
        if stack.process.returncode is None:
            await stack.end(signal.SIGKILL)


async def test_a_stack_says_where_everything_is_and_then_that_it_is_ready(start: Start) -> None:
    stack = await start(workers=2, apis=2)
    assert await stack.line("ready") == [
        f"temporal 127.0.0.1:{stack.port + 1}",
        f"valkey redis://127.0.0.1:{stack.port + 3}/0",
        f"temporal-ui http://127.0.0.1:{stack.port + 2}",
        f"worker 1 http://127.0.0.1:{stack.port + 4}/metrics",
        f"worker 2 http://127.0.0.1:{stack.port + 5}/metrics",
        f"api 1 http://127.0.0.1:{stack.port}",
        f"api 2 http://127.0.0.1:{stack.port + 10}",
        f"ready http://127.0.0.1:{stack.port}",
    ]
    for port in (stack.port + 2, stack.port + 10):
        socket.create_connection(("127.0.0.1", port)).close()


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
async def test_everything_is_found_again_and_no_process_is_left_behind(start: Start, end: signal.Signals) -> None:
    first = await start()
    await first.line("ready")
    generation = f"conversation/{uuid4()}"
    async with first.valkey() as valkey:
        await valkey.xadd("log", {"frame": "1"}, id="1-0")
    tenant = SearchAttributePair(SearchAttributeKey.for_keyword("TenantId"), "acme")
    await (await first.temporal()).start_workflow(
        "Generation", id=generation, task_queue="nobody", search_attributes=TypedSearchAttributes([tenant])
    )
    children = [os.pidfd_open(pid) for pid in first.pids().values()]
    assert len(children) == 4
    await first.end(end)
    for child in children:
        assert select.select([child], [], [], DEADLINE)[0], "a child outlived its supervisor"
        os.close(child)

    second = await start(port=first.port)
    await second.line("ready")
    async with second.valkey() as valkey:
        assert await valkey.xrange("log") == [("1-0", {"frame": "1"})]
    found = await (await second.temporal()).get_workflow_handle(generation).describe()
    assert found.status == WorkflowExecutionStatus.RUNNING


async def test_reset_forgets_everything(start: Start) -> None:
    first = await start()
    await first.line("ready")
    async with first.valkey() as valkey:
        await valkey.set("key", "value")
    await first.end(signal.SIGTERM)

    second = await start(port=first.port, reset=True)
    await second.line("ready")
    async with second.valkey() as valkey:
        assert await valkey.get("key") is None


async def test_reset_leaves_a_strangers_directory_alone(start: Start, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    stack = await start(data_dir=tmp_path, reset=True)
    assert await stack.end() == 2
    assert "was not made by fermata" in await stack.errors()
    assert (tmp_path / "thesis.txt").exists()


async def test_ctrl_c_stops_the_api_then_the_worker_then_the_servers(start: Start) -> None:
    stack = await start()
    await stack.line("ready")
    assert await stack.end(signal.SIGINT) == 0
    # Each wrote its name only after it had reached both servers.
    assert (stack.data_dir / "farewells").read_text().split() == ["api", "worker"]
    assert stack.pids() == {}


async def test_the_second_ctrl_c_does_not_wait(start: Start) -> None:
    deaf = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('worker ready')\nsignal.pause()"
    stack = await start(commands={**COMMANDS, "worker": deaf})
    await stack.line("ready")
    stack.process.send_signal(signal.SIGINT)
    await stack.line("stopping")
    async with asyncio.timeout(5):
        assert await stack.end(signal.SIGINT) == 0


async def test_ctrl_c_during_the_start_stops_what_has_started(start: Start) -> None:
    stack = await start(commands={**COMMANDS, "worker": "import signal\nsignal.pause()"})
    await stack.line("temporal-ui")
    assert await stack.end(signal.SIGINT) == 0
    assert stack.pids() == {}


async def test_a_killed_worker_is_back_at_once(start: Start) -> None:
    stack = await start()
    await stack.line("ready")
    before = stack.pid("worker-1")
    async with asyncio.timeout(1):
        os.kill(before, signal.SIGKILL)
        lines = await stack.line("worker 1 is ready again")
    assert lines == ["worker 1 died (signal 9), starting it again", "worker 1 is ready again"]
    assert stack.pid("worker-1") != before


async def test_killed_servers_come_back_with_their_data(start: Start) -> None:
    stack = await start()
    await stack.line("ready")
    async with stack.valkey() as valkey:
        await valkey.set("key", "value")
    await (await stack.temporal()).start_workflow("Generation", id="w", task_queue="nobody")
    for name in ("valkey", "temporal"):
        os.kill(stack.pid(name), signal.SIGKILL)
        await stack.line(f"{name} is ready again")
    async with stack.valkey() as valkey:
        assert await valkey.get("key") == "value"
    found = await (await stack.temporal()).get_workflow_handle("w").describe()
    assert found.status == WorkflowExecutionStatus.RUNNING


@pytest.mark.parametrize("name", ["migrate", "worker", "api"])
async def test_a_child_that_dies_before_it_is_ready_shows_its_last_words(start: Start, name: str) -> None:
    stack = await start(commands={**COMMANDS, name: "import sys; print('last words'); sys.exit(3)"})
    assert await stack.end() == 2
    errors = await stack.errors()
    assert errors.startswith(f"error: {name}")
    assert "exit code 3" in errors
    assert "Do: see " in errors
    assert errors.endswith("it ends with:\n  last words\n")
    assert stack.pids() == {}


async def test_a_taken_port_is_refused_by_number_before_anything_starts(start: Start) -> None:
    first = await start()
    await first.line("ready")
    second = await start(port=first.port, data_dir=first.data_dir.with_name("other"))
    assert await second.end() == 2
    errors = await second.errors()
    assert errors.startswith(f"error: port {first.port + 1} (temporal), {first.port + 2} (temporal), ")
    assert errors.endswith("Do: stop that process, or choose other ports with --port\n")
    assert not (second.data_dir / "run").exists()


async def test_two_stacks_never_share_a_data_directory(start: Start) -> None:
    first = await start()
    await first.line("ready")
    second = await start()
    assert await second.end() == 2
    assert f"is in use by process {first.process.pid}. Do: " in await second.errors()


async def test_a_data_directory_that_cannot_be_made_is_refused(start: Start, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    stack = await start(data_dir=tmp_path / "file" / "data")
    assert await stack.end() == 2
    assert "cannot be used (Not a directory). Do: make it writable" in await stack.errors()


async def test_servers_from_the_environment_are_used(start: Start, temporal_server: str, valkey_url: str) -> None:
    stack = await start(environ={"TEMPORAL_ADDRESS": temporal_server, "REDIS_URL": valkey_url})
    assert await stack.line("ready") == [
        f"temporal {temporal_server}",
        f"valkey {valkey_url.removeprefix('redis://').removesuffix('/0')}",
        f"worker 1 http://127.0.0.1:{stack.port + 4}/metrics",
        f"api 1 http://127.0.0.1:{stack.port}",
        f"ready http://127.0.0.1:{stack.port}",
    ]
    assert set(stack.pids()) == {"worker-1", "api-1"}


async def test_a_server_from_the_environment_that_does_not_answer_is_refused(start: Start) -> None:
    stack = await start(environ={"REDIS_URL": "redis://:secret@127.0.0.1:1/0"})
    assert await stack.end() == 2
    assert await stack.errors() == (
        "error: REDIS_URL names 127.0.0.1:1, where nothing answers."
        " Do: start that server, or unset REDIS_URL to use the embedded one\n"
    )


async def test_a_database_made_by_an_older_version_learns_the_new_search_attributes(
    free_ports: Callable[[int], int], tmp_path: Path
) -> None:
    port = free_ports(1)
    argv = temporal.server_argv(
        temporal.find_binary(), port, ui_port=None, database=tmp_path / "temporal.db", dynamic_config={}
    )
    without_attributes = argv[: argv.index("--search-attribute")]
    child = await Child.start("temporal", without_attributes, os.environ, tmp_path)
    try:
        await child.until_ready(temporal.server_ready(port))
        client = await Client.connect(f"127.0.0.1:{port}")
        known = await client.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace="default"))
        assert set(known.custom_attributes) == set(temporal.SEARCH_ATTRIBUTES)
    finally:
        await child.stop()
