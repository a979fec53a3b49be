"""Who asks. In development one local user on this machine; a credential that is present must be good there too."""

import ipaddress
from dataclasses import dataclass
from functools import lru_cache

from fastapi import Request

from domain.content import Actor
from domain.errors import Unauthenticated

ADMIN = "admin"  # the role that manages what belongs to the tenant
LOCAL_USER, LOCAL_TENANT, LOCAL_ROLES = "local", "default", ADMIN
NAME_CHARS = 128


@dataclass(frozen=True)
class Identity:
    tenant: str
    user: Actor
    roles: frozenset[str]


def identify(request: Request, *, development: bool) -> Identity:
    """The identity behind a request. Raises Unauthenticated."""
    headers = request.headers
    if "authorization" in headers:
        raise Unauthenticated("This credential is not valid here.")
    if not development:
        raise Unauthenticated()
    if not _is_loopback(request.client.host if request.client else "") or not _is_loopback(_host(request)):
        raise Unauthenticated(
            "In development mode only this machine may ask. Set FERMATA_ENV=production to serve others."
        )
    user = _name(headers.get("x-dev-user"), LOCAL_USER)
    roles = headers.get("x-dev-roles", LOCAL_ROLES if user == LOCAL_USER else "")
    return Identity(
        tenant=_name(headers.get("x-dev-tenant"), LOCAL_TENANT),
        user=Actor(id=user, name=user),
        roles=frozenset(role.strip() for role in roles.split(",") if role.strip()),
    )


def _name(given: str | None, default: str) -> str:
    """Ids name workflows, so a slash would let one identity spell another's."""
    name = (given or default).strip()
    if not name or len(name) > NAME_CHARS or "/" in name or not name.isprintable():
        raise Unauthenticated("X-Dev-User and X-Dev-Tenant must be short plain names without a slash.")
    return name


def _host(request: Request) -> str:
    """The host the client thinks it talks to: a page of another site that reaches us by DNS has another name."""
    return request.url.hostname or ""


@lru_cache  # what clients send repeats itself
def _is_loopback(host: str) -> bool:
    if host in ("localhost", ""):
        return host == "localhost"
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
