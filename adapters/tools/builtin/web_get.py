"""Reading a page of the public web, and only of the public one: a model reads what it is told to."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urljoin

from adapters.internet import Pinned, is_public, pinned, resolve, target
from adapters.tools.builtin.page_text import text_of

TIMEOUT = timedelta(seconds=20)
MAX_BYTES = 1_000_000
MAX_REDIRECTS = 5
TEXT = re.compile(r"text/|application/([\w.+-]*\+)?(json|xml|javascript)\b")


async def web_get(url: str) -> str:
    """Read a public web page as text.

    Args:
        url: The full address, beginning with http:// or https://.
    """
    return await fetch(url)


async def fetch(url: str, permit: Callable[[str], bool] = is_public) -> str:
    """The text at `url`. Raises PermissionError for an address that `permit` does not allow, ValueError for no text."""
    async with asyncio.timeout(TIMEOUT.total_seconds()):
        for _ in range(MAX_REDIRECTS + 1):
            page = target(url)
            addresses = await resolve(page, permit)
            response = await _get(pinned(page, addresses[0]))
            if response.location is None:
                return _read(response)
            url = urljoin(url, response.location)
    raise ValueError(f"more than {MAX_REDIRECTS} redirects")


@dataclass(frozen=True, slots=True)
class _Response:
    status: int
    kind: str  # its content type
    body: bytes
    location: str | None


async def _get(page: Pinned) -> _Response:
    import httpx2  # a third of a second, which the API process need not spend for the spec of this tool

    headers = {**page.headers, "accept": "text/*, application/json", "accept-encoding": "identity"}
    async with (
        httpx2.AsyncClient(trust_env=False, timeout=None) as client,
        client.stream("GET", page.url, headers=headers, extensions=page.extensions) as response,
    ):
        location = response.headers.get("location") if response.is_redirect else None
        body = b""
        if location is None:
            if response.headers.get("content-encoding", "identity") != "identity":
                raise ValueError("the page comes compressed, although that was not asked for")
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > MAX_BYTES:
                    raise ValueError(f"the page is longer than {MAX_BYTES} bytes")
        return _Response(response.status_code, response.headers.get("content-type", ""), body, location)


def _read(response: _Response) -> str:
    if not TEXT.match(response.kind):
        raise ValueError(f"this is no text, but {response.kind or 'of an unknown type'}")
    charset = re.search(r"charset=[\"']?([\w.:-]+)", response.kind)
    try:
        text = response.body.decode(charset[1] if charset else "utf-8", "replace")
    except LookupError:  # an encoding nobody knows
        text = response.body.decode("utf-8", "replace")
    if response.kind.startswith("text/html"):
        text = text_of(text)
    return text if response.status < 400 else f"The server answered {response.status}.\n\n{text}"
