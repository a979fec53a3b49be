"""The post to webhooks: one signed request, to an address that may be reached, and what its answer means."""

import asyncio
import ipaddress
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import SplitResult

from adapters.internet import is_host, is_loopback, is_public, pinned, resolve, target
from domain.errors import InvalidRequest
from domain.ids import DeliveryId
from domain.webhook import Reach, Reception, Webhook, signed

if TYPE_CHECKING:
    import httpx2

PATIENCE = timedelta(seconds=10)
RESOLVING = timedelta(seconds=5)
URL_CHARS = 2_000

PERMITTED: Mapping[Reach, Callable[[str], bool]] = {
    "public": is_public,
    "development": lambda address: is_public(address) or is_loopback(address),
    "private": is_host,
}


def receiver(url: str, reach: Reach) -> SplitResult:
    """The parts of a webhook's URL. Raises ValueError for one that is not written as it must be."""
    # What parsers read differently: blanks and control characters are dropped by some, and so are backslashes.
    if len(url) > URL_CHARS or not url.isascii() or not url.isprintable() or set(url) & set(" \\#"):
        raise ValueError(f"The URL must be at most {URL_CHARS} plain characters, without blanks, backslashes and #.")
    try:
        parts = target(url)
    except ValueError as error:
        raise ValueError("The URL must be that of a web server, without a user name in it.") from error
    if parts.scheme != "https" and reach == "public":
        raise ValueError("The URL must begin with https://.")
    if _is_address(parts.hostname or "") and not PERMITTED[reach](parts.hostname or ""):
        raise ValueError(
            f"{parts.hostname!r} is not on the public web, and webhooks are sent to public addresses only."
        )
    return parts


async def check_receiver(url: str, reach: Reach) -> None:
    """Raises InvalidRequest, with the reason, for a URL that must not or cannot be reached."""
    try:
        async with asyncio.timeout(RESOLVING.total_seconds()):
            await _addresses(receiver(url, reach), reach)
    except PermissionError as error:
        raise InvalidRequest(f"{error}: webhooks are sent to public addresses only.") from error
    except ValueError as error:
        raise InvalidRequest(str(error)) from error
    except OSError as error:
        raise InvalidRequest("The host of the URL cannot be found. Is its name right?") from error


class HttpPost:
    """Fulfils `domain.webhook_ports.Post`."""

    def __init__(self, patience: timedelta = PATIENCE) -> None:
        self._patience = patience.total_seconds()

    async def send(self, webhook: Webhook, delivery: DeliveryId, body: str) -> Reception:
        import httpx2

        try:
            async with asyncio.timeout(self._patience):
                return await self._send(webhook, signed(webhook.secret, delivery, datetime.now(UTC), body), body)
        except TimeoutError:
            return Reception(error=f"There was no answer within {self._patience:g} s.")
        except (PermissionError, ValueError) as error:
            return Reception(error=f"{error}.".replace("..", "."))
        except (OSError, httpx2.HTTPError, httpx2.InvalidURL) as error:
            return Reception(error=f"The receiver cannot be reached ({type(error).__name__}).")

    async def aclose(self) -> None:
        if "_client" in self.__dict__:
            await self._client.aclose()

    async def _send(self, webhook: Webhook, signature: Mapping[str, str], body: str) -> Reception:
        """To the first of its addresses that can be connected to."""
        import httpx2

        parts = receiver(webhook.url, webhook.reach)
        *others, last = await _addresses(parts, webhook.reach)
        for address in others:
            try:
                return await self._post(parts, address, signature, body)
            except httpx2.ConnectError:
                continue
        return await self._post(parts, last, signature, body)

    async def _post(self, parts: SplitResult, address: str, signature: Mapping[str, str], body: str) -> Reception:
        to = pinned(parts, address)
        headers = {**to.headers, **signature, "content-type": "application/json", "user-agent": "Fermata"}
        request = self._client.stream(
            "POST", to.url, content=body.encode(), headers=headers, extensions=to.extensions, follow_redirects=False
        )
        async with request as response:  # whose body nobody reads
            return Reception(status=response.status_code, retry_after=_retry_after(response.headers.get("retry-after")))

    @cached_property
    def _client(self) -> "httpx2.AsyncClient":
        """No proxy, which would resolve names again, and no kept connection: its certificate was checked for the name
        it was opened for, and another name may have the same address.
        """
        import httpx2

        return httpx2.AsyncClient(trust_env=False, timeout=None, limits=httpx2.Limits(max_keepalive_connections=0))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def _addresses(parts: SplitResult, reach: Reach) -> list[str]:
    return await resolve(parts, PERMITTED[reach])


def _retry_after(given: str | None) -> timedelta | None:
    """In seconds, or as a date."""
    try:
        return None if given is None else timedelta(seconds=max(float(given), 0))
    except (ValueError, OverflowError):
        pass
    try:
        return max(parsedate_to_datetime(given or "") - datetime.now(UTC), timedelta())
    except (TypeError, ValueError):
        return None
