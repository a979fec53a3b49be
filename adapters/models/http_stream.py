"""One HTTP POST whose answer is read as it comes: the way of every token from the provider.

httpx2 alone costs 75-110 µs per token here, most of it in layers that a single response body does not need; with this
the whole model port costs 35-50. Connections are kept for the next request, since a TLS handshake is what a user waits
for before the first token.
"""

import asyncio
import base64
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import cast
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from adapters.models.http_connection import BrokenResponse, Connection

KEEP_IDLE = timedelta(seconds=30)  # shorter than any provider keeps an idle connection
DRAIN = timedelta(milliseconds=50)  # for the end of the body, which usually comes with the last words


class HttpClient:
    """The connections to one base URL. There is no limit to them: the worker's slots are the limit."""

    def __init__(self, base_url: str, headers: Mapping[str, str]) -> None:
        url = urlsplit(base_url)
        self._secure = url.scheme == "https"
        self._host = url.hostname or ""
        self._port = url.port or (443 if self._secure else 80)
        self._path, self._query = url.path.rstrip("/"), f"?{url.query}" if url.query else ""
        self._head = "".join(
            f"{name}: {value}\r\n" for name, value in {"host": url.netloc.rpartition("@")[2], **headers}.items()
        )
        self._idle: deque[tuple[float, Connection]] = deque()
        self._tls: ssl.SSLContext | None = None

    @asynccontextmanager
    async def post(self, path: str, body: bytes) -> AsyncIterator[Connection]:
        """Send a body; the block reads the answer. Leaving it before the answer's end cuts the connection at once."""
        connection = self._take_idle() or await self._connect()
        try:
            head = f"POST {self._path}{path}{self._query} HTTP/1.1\r\n{self._head}content-length: {len(body)}\r\n\r\n"
            connection.send(head.encode("latin-1") + body)
            await connection.head()
            yield connection
            await _drain(connection)
        finally:
            if connection.reusable:
                self._idle.append((time.monotonic(), connection))
            else:
                connection.abort()

    async def aclose(self) -> None:
        """Close what is idle."""
        while self._idle:
            self._idle.pop()[1].abort()

    def _take_idle(self) -> Connection | None:
        oldest = time.monotonic() - KEEP_IDLE.total_seconds()
        while self._idle and self._idle[0][0] < oldest:
            self._idle.popleft()[1].abort()
        while self._idle:
            connection = self._idle.pop()[1]  # the youngest: the others may then grow old
            if connection.reusable:
                return connection
        return None

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        if self._secure and self._tls is None:
            self._tls = await asyncio.to_thread(_tls_context)
        proxy = getproxies().get("https") if self._secure and not proxy_bypass(self._host) else None
        if proxy is not None and self._tls is not None:
            return await self._connect_through(proxy, self._tls)
        _, connection = await loop.create_connection(Connection, self._host, self._port, ssl=self._tls)
        return connection

    async def _connect_through(self, proxy: str, tls: ssl.SSLContext) -> Connection:
        """As every client does where the environment names a proxy."""
        loop = asyncio.get_running_loop()
        url = urlsplit(proxy if "//" in proxy else f"//{proxy}")
        _, tunnel = await loop.create_connection(Connection, url.hostname or "", url.port or 80)
        try:
            target = f"{self._host}:{self._port}"
            head = f"CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n"
            if url.username:
                login = f"{unquote(url.username)}:{unquote(url.password or '')}".encode()
                head += f"proxy-authorization: Basic {base64.b64encode(login).decode()}\r\n"
            tunnel.send(f"{head}\r\n".encode("latin-1"))
            await tunnel.head()
            if tunnel.status != 200:
                raise ConnectionError(f"the proxy {url.hostname} answered {tunnel.status} to CONNECT {target}")
            connection = Connection()
            inner = await loop.start_tls(tunnel.transport, connection, tls, server_hostname=self._host)
            connection.connection_made(cast(asyncio.Transport, inner))  # start_tls leaves this to us
        except BaseException:
            tunnel.abort()
            raise
        return connection


def _tls_context() -> ssl.SSLContext:
    """Trusts whom every other client in the process trusts. In a thread: it reads all certificates."""
    import httpx2

    return httpx2.create_ssl_context()


async def _drain(connection: Connection) -> None:
    """Read the end of the body, if it is about to come, so that the connection can be used again."""
    if connection.complete:
        return
    try:
        async with asyncio.timeout(DRAIN.total_seconds()):
            while await connection.read():
                pass
    except (TimeoutError, OSError, BrokenResponse):
        pass  # the answer is whole; only the connection is lost
