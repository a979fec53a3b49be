"""The steps that deliver to a webhook: one attempt, and the end of all attempts."""

from collections.abc import Sequence

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities import metrics
from activities.heartbeat import supervised
from domain.ids import WebhookId
from domain.webhook import Delivery, DeliveryStep, Reception, Webhook, wait_after
from domain.webhook_ports import Deliveries, Post, Webhooks

# While a new configuration is rolled out, only some workers know a webhook: so its absence may pass.
NOT_HERE = Reception(error="The webhook is not in the configuration of this worker, or no longer.")


class DeliverySteps:
    """Needs the webhooks, configured and registered, the record of deliveries, and the post."""

    def __init__(self, configured: Sequence[Webhook], webhooks: Webhooks, deliveries: Deliveries, post: Post) -> None:
        self._configured = {webhook.id: webhook for webhook in configured}
        self._webhooks, self._deliveries, self._post = webhooks, deliveries, post

    @activity.defn(name="deliver")
    async def deliver(self, step: DeliveryStep) -> None:
        """One attempt. Safe to run twice: what was settled is not sent again, and what is sent again because nobody
        knows whether it arrived has the same `webhook-id`.
        """
        delivery = await self._deliveries.load(step.delivery_id)
        if delivery is None or delivery.status != "pending":
            return
        webhook = await self._webhook(delivery.webhook_id)
        if webhook is not None and webhook.disabled_at is not None:
            await self.give_up(step)
            return
        reception = NOT_HERE if webhook is None else await self._attempt(webhook, delivery)
        info = activity.info()
        if reception.gone:
            await self._webhooks.disable(delivery.webhook_id, info.started_time)
        await self._deliveries.attempted(delivery.id, info.attempt, reception, info.started_time)
        if not reception.settles:
            metrics.delivery("retried")
            raise _again(reception, info.attempt)
        metrics.delivery("gone" if reception.gone else "delivered")

    @activity.defn(name="give_up_delivery")
    async def give_up(self, step: DeliveryStep) -> None:
        """Note that all attempts were in vain. Safe to run twice: a second time nothing is pending any more."""
        if await self._deliveries.give_up(step.delivery_id):
            activity.logger.warning("delivery %s was given up", step.delivery_id)
            metrics.delivery("failed")

    async def _webhook(self, webhook: WebhookId) -> Webhook | None:
        return self._configured.get(webhook) or await self._webhooks.find(webhook)

    async def _attempt(self, webhook: Webhook, delivery: Delivery) -> Reception:
        sending = self._post.send(webhook, delivery.id, delivery.body or "")
        return await supervised(sending, leave_at_shutdown=True)


def _again(reception: Reception, attempt: int) -> ApplicationError:
    """The engine waits and tries again; nothing of ours is wrong, so it makes no noise in the logs."""
    return ApplicationError(
        reception.error or f"The receiver answered {reception.status}.",
        type="NotDelivered",
        next_retry_delay=wait_after(attempt, reception.retry_after),
        category=ApplicationErrorCategory.BENIGN,
    )
