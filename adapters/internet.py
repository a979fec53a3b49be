"""Going where others say: every name is resolved by us, every address checked, and the checked one connected to.

Otherwise a model, or whoever registers a webhook, could reach the addresses behind our firewall: by writing them, by a
name that means them, or by a name that means something else a moment later.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")  # all of IPv6 that is routed; the rest has forms that hide others


def is_public(address: str) -> bool:
    """Whether this IP address is one of the open internet."""
    ip = meant(address)
    return ip.is_global and not ip.is_multicast and (ip.version == 4 or ip in GLOBAL_UNICAST)


def is_loopback(address: str) -> bool:
    """Whether it is this machine."""
    return meant(address).is_loopback


def is_host(address: str) -> bool:
    """Whether it is one machine at all, public or not, and is written as such."""
    ip = meant(address)
    return not (ip.is_multicast or ip.is_unspecified)


def meant(address: str) -> IPAddress:
    """The address; of those that hide another one, that."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in NAT64 else None)
        if inner is not None:
            return inner
    return ip


def target(url: str) -> SplitResult:
    """The parts of a URL. Raises ValueError for what is no plain address of a web server."""
    try:
        parts = urlsplit(url)
        ordinary = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc
        if ordinary and parts.port != 0:  # to ask for the port is to check it
            return parts
    except ValueError:
        pass
    raise ValueError(f"this is not the address of a web page: {url!r}")


async def resolve(target: SplitResult, permit: Callable[[str], bool]) -> list[str]:
    """All addresses of its host. Raises PermissionError if one of them is not permitted, OSError if there is none."""
    port = target.port or (443 if target.scheme == "https" else 80)
    found = await asyncio.get_running_loop().getaddrinfo(target.hostname, port, type=socket.SOCK_STREAM)
    addresses = [str(address[0]) for *_, address in found]
    if not all(map(permit, addresses)):
        raise PermissionError(f"{target.hostname!r} is not on the public web")
    return addresses


@dataclass(frozen=True, slots=True)
class Pinned:
    """A request to a URL that goes to one address of its host; certificates are still checked for the name."""

    url: str
    headers: dict[str, str]
    extensions: dict[str, object]


def pinned(target: SplitResult, address: str) -> Pinned:
    host = f"[{address}]" if ":" in address else address
    return Pinned(
        url=target._replace(netloc=f"{host}:{target.port}" if target.port else host).geturl(),
        headers={"host": target.netloc},
        extensions={"sni_hostname": target.hostname},
    )
