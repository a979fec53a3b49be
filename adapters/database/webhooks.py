"""The webhooks that tenants have registered."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.engine import Database
from adapters.database.tables import webhook_deliveries, webhooks
from domain.errors import TooManyWebhooks, WebhookNotFound
from domain.ids import WebhookId
from domain.webhook import Reach, Webhook

MOST = 20  # of one tenant: each event waits until all its deliveries are dispatched


class RegisteredWebhooks:
    """Fulfils `domain.webhook_ports.Webhooks` and `api.ports.Webhooks`. `reach` is where all of them may lead."""

    def __init__(self, database: Database, reach: Reach) -> None:
        self._database, self._reach = database, reach

    async def add(self, webhook: Webhook) -> Webhook:
        """Raises TooManyWebhooks."""
        table = webhooks.c
        async with self._database.writing() as connection:
            there = await connection.scalar(select(func.count()).where(table.tenant == webhook.tenant))
            if there is not None and there >= MOST:
                raise TooManyWebhooks(limit=MOST)
            await connection.execute(insert(webhooks).values(webhook.model_dump(exclude={"reach"})))
        return webhook

    async def of_tenant(self, tenant: str) -> tuple[Webhook, ...]:
        """Oldest first."""
        theirs = select(webhooks).where(webhooks.c.tenant == tenant).order_by(webhooks.c.created_at, webhooks.c.id)
        async with self._database.reading() as connection:
            return tuple(map(self._webhook, await connection.execute(theirs)))

    async def get(self, tenant: str, webhook: WebhookId) -> Webhook:
        """Raises WebhookNotFound, also for another tenant's."""
        found = await self.find(webhook)
        if found is None or found.tenant != tenant:
            raise WebhookNotFound(f"There is no webhook {webhook!r}.")
        return found

    async def find(self, webhook: WebhookId) -> Webhook | None:
        async with self._database.reading() as connection:
            row = (await connection.execute(select(webhooks).where(webhooks.c.id == webhook))).one_or_none()
        return None if row is None else self._webhook(row)

    async def delete(self, tenant: str, webhook: WebhookId) -> None:
        """With its deliveries, also those that are still under way. Raises WebhookNotFound."""
        named = (webhooks.c.id == webhook, webhooks.c.tenant == tenant)
        async with self._database.writing() as connection:
            if await connection.scalar(delete(webhooks).where(*named).returning(webhooks.c.id)) is None:
                raise WebhookNotFound(f"There is no webhook {webhook!r}.")
            await _forget_deliveries(connection, webhook)

    async def disable(self, webhook: WebhookId, at: datetime) -> None:
        unless_disabled = (webhooks.c.id == webhook, webhooks.c.disabled_at.is_(None))
        async with self._database.writing() as connection:
            await connection.execute(update(webhooks).where(*unless_disabled).values(disabled_at=at))

    def _webhook(self, row: Row[Any]) -> Webhook:
        return Webhook(**row._asdict(), reach=self._reach)


async def _forget_deliveries(connection: AsyncConnection, webhook: WebhookId) -> None:
    """By hand: the webhooks of the configuration have deliveries too, and no row that a key could refer to."""
    await connection.execute(delete(webhook_deliveries).where(webhook_deliveries.c.webhook_id == webhook))
