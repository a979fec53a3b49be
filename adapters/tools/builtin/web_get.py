"""Reading a page of the public web, and only of the public one.

A model reads what it is told to, so a page could send it to the addresses behind our firewall. Every name is therefore
resolved by us, every address checked, and the connection made to the very address that was checked.
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import SplitResult, urljoin, urlsplit

from adapters.tools.builtin.page_text import text_of

TIMEOUT = timedelta(seconds=20)
MAX_BYTES = 1_000_000
MAX_REDIRECTS = 5
TEXT = re.compile(r"text/|application/([\w.+-]*\+)?(json|xml|javascript)\b")
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


async def web_get(url: str) -> str:
    """Read a public web page as text.

    Args:
        url: The full address, beginning with http:// or https://.
    """
    return await fetch(url)


def is_public(address: str) -> bool:
    """Whether this IP address is one of the open internet; addresses that hide another one are judged by that."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in NAT64 else None)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


async def fetch(url: str, permit: Callable[[str], bool] = is_public) -> str:
    """The text at `url`. Raises PermissionError for an address that `permit` does not allow, ValueError for no text."""
    async with asyncio.timeout(TIMEOUT.total_seconds()):
        for _ in range(MAX_REDIRECTS + 1):
            target = _checked(url)
            response = await _get(target, await _resolve(target, permit))
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


def _checked(url: str) -> SplitResult:
    target = urlsplit(url)
    if target.scheme not in ("http", "https") or not target.hostname or "@" in target.netloc:
        raise ValueError(f"this is not the address of a web page: {url!r}")
    return target


async def _resolve(target: SplitResult, permit: Callable[[str], bool]) -> str:
    port = target.port or (443 if target.scheme == "https" else 80)
    found = await asyncio.get_running_loop().getaddrinfo(target.hostname, port, type=socket.SOCK_STREAM)
    addresses = [str(address[0]) for *_, address in found]
    for address in addresses:
        if not permit(address):
            raise PermissionError(f"{target.hostname!r} is not on the public web")
    return addresses[0]


async def _get(target: SplitResult, address: str) -> _Response:
    import httpx2  # a third of a second, which the API process need not spend for the spec of this tool

    url = httpx2.URL(target.geturl()).copy_with(host=address)
    headers = {"host": target.netloc, "accept": "text/*, application/json", "accept-encoding": "identity"}
    names = {"sni_hostname": target.hostname}  # the certificate is still checked for the name
    async with (
        httpx2.AsyncClient(trust_env=False, timeout=None) as client,
        client.stream("GET", url, headers=headers, extensions=names) as response,
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
