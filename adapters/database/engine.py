"""One database behind one URL: connections, transactions, and the seam where a driver's errors become ours."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from time import monotonic, sleep

from sqlalchemy import Connection, Table, event, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from domain.errors import NotFound, Unavailable

Insert = sqlite.Insert | postgresql.Insert

BUSY_TIMEOUT_SECONDS = 10  # how long SQLite waits for another writer
BUSY_RETRY_SECONDS = 0.01
WRITES = "writes"

# Classes of SQLSTATE after which trying again may help: connection, rolled back, resources, operator intervention.
PASSING_STATES = ("08", "40", "53", "57")
FOREIGN_KEY = ("23503", "SQLITE_CONSTRAINT_FOREIGNKEY")


class Database:
    """A pool of connections. Raises Unavailable while the database is away or too busy."""

    def __init__(self, url: str) -> None:
        embedded = url.startswith("sqlite")
        self._engine = _sqlite_engine(url) if embedded else create_async_engine(url, pool_pre_ping=True)
        # SQLite has one writer at a time, and who waits polls; within a process a queue is twice as fast, and fair.
        self._turn_to_write = asyncio.Lock() if embedded else nullcontext()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection to read from; on SQLite everything read through it is of one moment."""
        with _domain_errors():
            async with self._engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """One transaction, committed at the end unless something was raised."""
        with _domain_errors():
            async with self._turn_to_write, self._engine.execution_options(**{WRITES: True}).begin() as connection:
                yield connection

    async def healthy(self) -> bool:
        """Whether it answers."""
        try:
            async with self.reading() as connection:
                await connection.execute(select(1))
        except Unavailable:
            return False
        return True

    async def close(self) -> None:
        await self._engine.dispose()


def insert(connection: AsyncConnection, table: Table) -> Insert:
    """An INSERT that knows ON CONFLICT, in the dialect of the connection."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def _sqlite_engine(url: str) -> AsyncEngine:
    # Without an isolation level the driver leaves BEGIN to us; on its own it would begin too late, at the first write.
    engine = create_async_engine(url, connect_args={"isolation_level": None, "timeout": BUSY_TIMEOUT_SECONDS})
    event.listen(engine.sync_engine, "connect", _set_pragmas)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _set_pragmas(connection: DBAPIConnection, _record: object) -> None:
    cursor = connection.cursor()
    _write_ahead(cursor)
    for pragma in ("synchronous=NORMAL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _write_ahead(cursor: DBAPICursor) -> None:
    """Several that turn it on in a new file would wait for each other: SQLite refuses all but one, at once."""
    give_up = monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if monotonic() > give_up:
                raise
        sleep(BUSY_RETRY_SECONDS)


def _begin(connection: Connection) -> None:
    """A transaction that reads first and writes then must lock at once: the lock cannot be had later if data moved."""
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _domain_errors() -> Iterator[None]:
    try:
        yield
    except (OSError, PoolExhausted) as error:  # OSError: asyncpg could not connect at all
        raise Unavailable() from error
    except IntegrityError as error:
        if not _is_orphan(error):
            raise
        raise NotFound("What this belongs to is not in the record, or no longer.") from error
    except DBAPIError as error:
        if not _may_pass(error):
            raise
        raise Unavailable() from error


def _may_pass(error: DBAPIError) -> bool:
    state = getattr(error.orig, "sqlstate", None) or ""
    return error.connection_invalidated or isinstance(error, OperationalError) or state.startswith(PASSING_STATES)


def _is_orphan(error: IntegrityError) -> bool:
    named = (getattr(error.orig, "sqlstate", None), getattr(error.orig, "sqlite_errorname", None))
    return any(name in FOREIGN_KEY for name in named)
