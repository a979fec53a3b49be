"""What telling webhooks needs of the world, as protocols; beside `ports.py`, which is about generations."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from domain.ids import DeliveryId, WebhookId
from domain.webhook import Delivery, Reception, Webhook


class Webhooks(Protocol):
    """Those that tenants have registered. Raises Unavailable when the database is away, like the next one."""

    async def of_tenant(self, tenant: str) -> tuple[Webhook, ...]:
        """All of the tenant's."""

    async def find(self, webhook: WebhookId) -> Webhook | None:
        """The webhook, whoever's it is; None if there is no such one, or no longer."""

    async def disable(self, webhook: WebhookId, at: datetime) -> None:
        """Its receiver is gone for good: tell it nothing more."""


class Deliveries(Protocol):
    """The record of what is to be told, and of what became of it."""

    async def add(self, deliveries: Sequence[Delivery]) -> None:
        """Keep them, in one transaction; those that are there already stay as they are."""

    async def load(self, delivery: DeliveryId) -> Delivery | None:
        """The delivery; None if its webhook was deleted."""

    async def attempted(self, delivery: DeliveryId, attempts: int, reception: Reception, at: datetime) -> None:
        """Note the attempt on a delivery that is pending; an answer that took it, or is `gone`, settles it."""

    async def give_up(self, delivery: DeliveryId) -> bool:
        """A delivery that is still pending has failed. Whether it was."""


class Couriers(Protocol):
    """Has deliveries made, whatever happens to this process."""

    async def dispatch(self, deliveries: Sequence[Delivery]) -> None:
        """Each once, however often it is asked for. Raises Unavailable."""


class Post(Protocol):
    """Makes one attempt."""

    async def send(self, webhook: Webhook, delivery: DeliveryId, body: str) -> Reception:
        """What the receiver answered, or why it did not; never an exception."""
