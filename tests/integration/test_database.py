"""The database as such: the schema is what the migrations make, connections are set up, and lost ones replaced."""

import asyncio
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from adapters.database.engine import Database
from adapters.database.migrate import migrate, upgrade
from adapters.database.tables import metadata
from domain.errors import Unavailable


def differences(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection), metadata))


async def applied(url: str) -> int | None:
    """How many versions the database believes to have."""
    database = Database(url)
    async with database.reading() as connection:
        count: int | None = await connection.scalar(text("SELECT count(*) FROM alembic_version"))
    await database.close()
    return count


async def test_the_migrations_make_exactly_the_tables(database_url: str) -> None:
    await upgrade(database_url)
    engine = create_async_engine(database_url)
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


async def test_several_processes_may_migrate_at_once_and_again(database_url: str) -> None:
    await asyncio.gather(*(upgrade(database_url) for _ in range(4)))
    await upgrade(database_url)
    assert await applied(database_url) == 1


async def test_many_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    """The first of them changes how the file is written, which SQLite lets nobody wait for."""
    for attempt in range(20):
        databases = [Database(f"sqlite+aiosqlite:///{tmp_path / str(attempt)}.db") for _ in range(12)]
        assert all(await asyncio.gather(*(database.healthy() for database in databases)))
        await asyncio.gather(*(database.close() for database in databases))


def test_migrating_works_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    migrate("sqlite+aiosqlite:///here.db")
    assert (tmp_path / "here.db").exists()


async def test_sqlite_is_set_up_for_many_processes(tmp_path: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'fermata.db'}")
    async with database.reading() as connection:
        pragmas = ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")
        found = [await connection.scalar(text(f"PRAGMA {pragma}")) for pragma in pragmas]
    await database.close()
    assert found == ["wal", 1, 10_000, 1]


OWN_PID = text("SELECT pg_backend_pid()")


async def cut(url: str, pid: int) -> None:
    server = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with server.connect() as operator:
        await operator.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
    await server.dispose()


async def test_a_lost_connection_is_replaced(postgres_url: str) -> None:
    """A server that restarted, or a proxy that cut: the next request must not pay for it."""
    database = Database(postgres_url)
    async with database.reading() as connection:
        lost = await connection.scalar(OWN_PID)
    await cut(postgres_url, lost)
    async with database.reading() as connection:
        assert await connection.scalar(OWN_PID) != lost
    await database.close()


async def test_a_connection_lost_in_the_middle_is_unavailable(postgres_url: str) -> None:
    database = Database(postgres_url)

    async def write() -> None:
        async with database.writing() as connection:
            await cut(postgres_url, await connection.scalar(OWN_PID))
            await connection.scalar(OWN_PID)

    with pytest.raises(Unavailable):
        await write()
    await database.close()
