"""How Redis is reached: the client for commands, the bare connection for the two hot paths, one word for "away"."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Connection, ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from domain.errors import Unavailable

ANSWER_TIMEOUT: Final = timedelta(seconds=5)
CONNECTIONS: Final = 16  # more would not make a single-threaded server faster

# Answers that mean "not now": the server starts, is full, or is being replaced. Repeating the command is the cure.
PASSING: Final = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.OutOfMemoryError,
    exceptions.ReadOnlyError,
    exceptions.ClusterDownError,
    exceptions.TryAgainError,
    exceptions.NoScriptError,
    OSError,
    TimeoutError,
)

UVLOOP_CLOSED: Final = "the handler is closed"  # its RuntimeError for a write on a connection that was reset


def command_client(url: str) -> Redis:
    """A pool for commands that may be repeated: reading, and snapshots, of which the newest wins.

    When a thousand readers reconnect at once they queue for its connections, instead of failing.

    No `socket_timeout`: redis-py then wraps every write in `asyncio.wait_for`, which on Python 3.11 swallows
    cancellations. `answering` bounds the wait instead. RESP 2, because version 3 brings pushes in between the answers.
    """
    broken = (exceptions.ConnectionError, exceptions.TimeoutError, RuntimeError)
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS,
        timeout=None,
        protocol=2,
        socket_timeout=None,
        retry=Retry(NoBackoff(), 1, supported_errors=broken),  # type: ignore[arg-type] # any exception is taken
    )
    client = Redis.from_pool(pool)
    client.set_response_callback("XRANGE", _as_sent)  # redis-py's own makes a dict of each entry: half a page's price
    return client


def bare_connection(url: str) -> Connection:
    """One connection that repeats nothing by itself, for a single owner: the log's writer, or the subscriber."""
    pool = ConnectionPool.from_url(url, protocol=2, socket_timeout=None, retry=Retry(NoBackoff(), 0))
    connection: Connection = pool.make_connection()  # type: ignore[no-untyped-call] # redis-py's gap
    return connection


@asynccontextmanager
async def answering() -> AsyncIterator[None]:
    """Bound what happens inside. Raises Unavailable if Redis is away, in whichever way."""
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT.total_seconds()):
            yield
    except PASSING as error:
        raise _away(str(error) or f"no answer for {ANSWER_TIMEOUT.total_seconds():g} s") from error
    except RuntimeError as error:
        if UVLOOP_CLOSED not in str(error):
            raise
        raise _away("the connection was reset") from error


def _away(why: str) -> Unavailable:
    return Unavailable(f"Redis does not answer: {why.rstrip('.')}. Check REDIS_URL and the server; then try again.")


def _as_sent(response: object, **_: object) -> object:
    return response
