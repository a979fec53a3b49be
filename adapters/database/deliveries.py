"""The record of deliveries to webhooks: what is to be told, and what became of it."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, select, update

from adapters.database.engine import Database, insert
from adapters.database.paging import fetch_page
from adapters.database.tables import webhook_deliveries
from domain.ids import DeliveryId, WebhookId
from domain.record import Page
from domain.webhook import Delivery, Reception

_table = webhook_deliveries.c


class DatabaseDeliveries:
    """Fulfils `domain.webhook_ports.Deliveries` and `api.ports.Deliveries`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, deliveries: Sequence[Delivery]) -> None:
        async with self._database.writing() as connection:
            await connection.execute(
                insert(connection, webhook_deliveries).on_conflict_do_nothing(index_elements=[_table.id]),
                [each.model_dump() for each in deliveries],
            )

    async def load(self, delivery: DeliveryId) -> Delivery | None:
        async with self._database.reading() as connection:
            row = (await connection.execute(select(webhook_deliveries).where(_table.id == delivery))).one_or_none()
        return None if row is None else Delivery.model_validate(row._asdict())

    async def attempted(self, delivery: DeliveryId, attempts: int, reception: Reception, at: datetime) -> None:
        told = {"attempts": attempts, "response_status": reception.status, "error": reception.error, "attempted_at": at}
        ended = {"status": "failed" if reception.gone else "delivered", "body": None} if reception.settles else {}
        async with self._database.writing() as connection:
            await connection.execute(update(webhook_deliveries).where(_pending(delivery)).values({**told, **ended}))

    async def give_up(self, delivery: DeliveryId) -> bool:
        given_up = update(webhook_deliveries).where(_pending(delivery)).values(status="failed", body=None)
        async with self._database.writing() as connection:
            return await connection.scalar(given_up.returning(_table.id)) is not None

    async def of_webhook(self, webhook: WebhookId, *, limit: int, before: str | None) -> Page[Delivery]:
        """Newest first."""
        theirs = select(webhook_deliveries).where(_table.webhook_id == webhook)
        async with self._database.reading() as connection:
            return await fetch_page(
                connection, theirs, Delivery, at=_table.created_at, key=_table.id, limit=limit, before=before
            )


def _pending(delivery: DeliveryId) -> ColumnElement[bool]:
    return and_(_table.id == delivery, _table.status == "pending")
