"""What a stack consists of: each process with its command line, its environment and its sign of readiness."""

import asyncio
import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from devstack import temporal, valkey
from devstack.child import Ready
from devstack.environment import Given, child_environment, server_address
from devstack.options import StackOptions
from devstack.ports import HOST, Ports
from devstack.supervisor import Service

_WORKER_READY = "worker ready"  # how the worker begins the line that says it polls


@dataclass(frozen=True)
class Stack:
    """Every process of a stack; where the environment gave a server, the tuple for it is empty."""

    environment: Mapping[str, str]
    migrate: tuple[str, ...]
    temporal: tuple[Service, ...]
    valkey: tuple[Service, ...]
    workers: tuple[Service, ...]
    apis: tuple[Service, ...]

    @property
    def services(self) -> tuple[Service, ...]:
        return (*self.temporal, *self.valkey, *self.workers, *self.apis)

    @property
    def page(self) -> str:
        return self.apis[0].url


def compose(options: StackOptions, ports: Ports, given: Given, data_dir: Path, environ: Mapping[str, str]) -> Stack:
    """Lay out the stack; raises `CannotStart` if the binary of an embedded server is missing."""
    environment = child_environment(environ, given, ports, data_dir, options.config)
    commands = options.commands
    return Stack(
        environment=environment,
        migrate=commands.migrate,
        temporal=() if given.temporal else (_temporal(ports, data_dir, environ),),
        valkey=() if given.redis else (_valkey(ports, data_dir, environ),),
        workers=tuple(
            Service(
                name=f"worker {number}",
                url=f"http://{HOST}:{port}/metrics",
                ports=(port,),
                argv=_listening(commands.worker, port),
                environment=environment,
                ready=_says_ready,
            )
            for number, port in enumerate(ports.workers, start=1)
        ),
        apis=tuple(
            Service(
                name=f"api {number}",
                url=f"http://{HOST}:{port}",
                ports=(port,),
                argv=_listening(commands.api, port),
                environment=environment,
                ready=_answers_ready(port),
            )
            for number, port in enumerate(ports.apis, start=1)
        ),
    )


def other_addresses(given: Given, ports: Ports) -> list[str]:
    """The lines for what is no service of ours: the UI inside Temporal's process, and servers that were given."""
    lines = [f"temporal {given.temporal}" if given.temporal else f"temporal-ui http://{HOST}:{ports.temporal_ui}"]
    for name, url in (("valkey", given.redis), ("database", given.database)):
        if url:
            lines.append(f"{name} {_without_secrets(url)}")
    return lines


def _temporal(ports: Ports, data_dir: Path, environ: Mapping[str, str]) -> Service:
    return Service(
        name="temporal",
        url=f"{HOST}:{ports.temporal}",
        ports=(ports.temporal, ports.temporal_ui),
        argv=temporal.server_argv(
            temporal.find_binary(),
            ports.temporal,
            ui_port=ports.temporal_ui,
            database=data_dir / "temporal.db",
            dynamic_config=temporal.DYNAMIC_CONFIG,
        ),
        environment={**temporal.SERVER_ENVIRONMENT, **environ},
        ready=temporal.server_ready(ports.temporal),
    )


def _valkey(ports: Ports, data_dir: Path, environ: Mapping[str, str]) -> Service:
    directory = data_dir / "valkey"
    directory.mkdir(exist_ok=True)  # the server wants to find it
    return Service(
        name="valkey",
        url=f"redis://{HOST}:{ports.valkey}/0",
        ports=(ports.valkey,),
        argv=valkey.server_argv(valkey.find_binary(), ports.valkey, directory),
        environment=environ,
        ready=valkey.server_ready(ports.valkey),
    )


def _listening(command: tuple[str, ...], port: int) -> tuple[str, ...]:
    return (*command, "--host", HOST, "--port", str(port))


async def _says_ready(output: str) -> bool:
    return any(line.startswith(_WORKER_READY) for line in output.splitlines())


def _answers_ready(port: int) -> Ready:
    def get() -> bool:
        # No urllib: it would send a request for this host to the proxy named in the environment.
        connection = http.client.HTTPConnection(HOST, port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    async def ready(_: str) -> bool:
        return await asyncio.to_thread(get)

    return ready


def _without_secrets(url: str) -> str:
    address = server_address(url)
    return f"{address[0]}:{address[1]}" if address else url.partition("?")[0]
