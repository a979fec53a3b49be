"""Couriers to webhooks: each delivery is a workflow of its own, which the engine keeps going."""

import asyncio
from collections.abc import Sequence

from temporalio.client import Client
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from domain.errors import Unavailable
from domain.webhook import Delivery, DeliveryStep

WORKFLOW = "deliver"


class TemporalCouriers:
    """Fulfils `domain.webhook_ports.Couriers`."""

    def __init__(self, client: Client, task_queue: str) -> None:
        self._client, self._task_queue = client, task_queue

    async def dispatch(self, deliveries: Sequence[Delivery]) -> None:
        await asyncio.gather(*map(self._dispatch, deliveries))

    async def _dispatch(self, delivery: Delivery) -> None:
        try:
            await self._client.start_workflow(
                WORKFLOW,
                DeliveryStep(delivery_id=delivery.id),
                id=f"webhook/{delivery.id}",
                task_queue=self._task_queue,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                static_summary=f"{delivery.event} of {delivery.generation_id} to {delivery.webhook_id}",
            )
        except WorkflowAlreadyStartedError:
            pass  # it is on its way, or there
        except RPCError as error:
            raise Unavailable() from error
