"""Webhooks of a tenant: who is told, registered by its administrators, and what became of each delivery."""

import secrets
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field

from api.bodies import Body
from api.deps import IdentityDep, PartsDep
from api.generations import PAGE, PAGE_MAX
from api.identity import ADMIN, Identity
from domain.content import JsonObject
from domain.errors import RoleRequired
from domain.ids import WebhookId, mint
from domain.webhook import WEBHOOK_EVENTS, Secret, Webhook, WebhookEvent, new_secret

router = APIRouter(prefix="/api/webhooks", tags=["webhooks"])

ENTROPY = 32  # bytes, of a secret that we make


class WebhookBody(Body):
    url: str
    secret: Secret | None = None
    events: Annotated[list[WebhookEvent], Field(min_length=1)] | None = None  # None: all


async def administrator(who: IdentityDep) -> Identity:
    if ADMIN not in who.roles:
        raise RoleRequired(f"Webhooks belong to the tenant: this needs the role {ADMIN!r}.", role=ADMIN)
    return who


AdministratorDep = Annotated[Identity, Depends(administrator)]


@router.post("", status_code=201)
async def register(body: WebhookBody, parts: PartsDep, who: AdministratorDep, response: Response) -> dict[str, Any]:
    """The only answer that has the secret in it."""
    await parts.check_receiver(body.url)
    now = datetime.now(UTC)
    secret = body.secret or new_secret(secrets.token_bytes(ENTROPY))
    webhook = await parts.webhooks.add(
        Webhook(
            id=WebhookId(mint("whk", now, secrets.token_bytes(16))),
            tenant=who.tenant,
            url=body.url,
            events=tuple(event for event in WEBHOOK_EVENTS if body.events is None or event in body.events),
            secret=secret,
            created_at=now,
        )
    )
    response.headers["Location"] = f"/api/webhooks/{webhook.id}"
    return {**_shown(webhook), "secret": secret}


@router.get("")
async def list_webhooks(parts: PartsDep, who: AdministratorDep) -> dict[str, Any]:
    """The tenant's, oldest first."""
    return {"items": [_shown(webhook) for webhook in await parts.webhooks.of_tenant(who.tenant)]}


@router.get("/{webhook_id}")
async def get_webhook(webhook_id: str, parts: PartsDep, who: AdministratorDep) -> dict[str, Any]:
    return _shown(await parts.webhooks.get(who.tenant, WebhookId(webhook_id)))


@router.delete("/{webhook_id}", status_code=204)
async def delete_webhook(webhook_id: str, parts: PartsDep, who: AdministratorDep) -> None:
    """It is told nothing more, also not what is under way."""
    await parts.webhooks.delete(who.tenant, WebhookId(webhook_id))


@router.get("/{webhook_id}/deliveries")
async def list_deliveries(
    webhook_id: str,
    parts: PartsDep,
    who: AdministratorDep,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE,
    before: str | None = None,
) -> dict[str, Any]:
    """What was to be told, newest first, and what became of it."""
    webhook = await parts.webhooks.get(who.tenant, WebhookId(webhook_id))
    page = await parts.deliveries.of_webhook(webhook.id, limit=limit, before=before)
    hidden = {"webhook_id", "body"}
    return {"items": [each.model_dump(mode="json", exclude=hidden) for each in page.items], "next": page.next}


def _shown(webhook: Webhook) -> JsonObject:
    return webhook.model_dump(mode="json", exclude={"tenant", "secret", "reach"})
