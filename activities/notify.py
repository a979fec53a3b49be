"""Telling webhooks of an event: put down what is to be told, and hand it to couriers. Nothing is sent from here."""

from collections.abc import Sequence
from datetime import datetime

from domain.events import Event
from domain.start import StartRequest
from domain.webhook import Webhook, delivery, notice
from domain.webhook_ports import Couriers, Deliveries, Webhooks


class Notifier:
    """Needs the webhooks that are `configured`, those that are registered, the record of deliveries, and couriers."""

    def __init__(
        self, configured: Sequence[Webhook], webhooks: Webhooks, deliveries: Deliveries, couriers: Couriers
    ) -> None:
        self._configured, self._webhooks = configured, webhooks
        self._deliveries, self._couriers = deliveries, couriers

    async def notify(self, request: StartRequest, position: int, events: Sequence[Event], now: datetime) -> None:
        """See that each webhook hears of each event that it wants to hear of. Repeating it changes nothing.

        `position` is that of the first event among all of the generation's. To be called when the store and the log
        have what the events speak of: who is told may look at once.
        """
        told = (notice(request, position + place, event, now) for place, event in enumerate(events))
        notices = [each for each in told if each is not None]
        if not notices:
            return
        webhooks = [*self._configured, *await self._webhooks.of_tenant(request.tenant)]
        deliveries = [
            delivery(each, webhook.id, now) for each in notices for webhook in webhooks if webhook.wants(each.event)
        ]
        if deliveries:
            await self._deliveries.add(deliveries)
            await self._couriers.dispatch(deliveries)
