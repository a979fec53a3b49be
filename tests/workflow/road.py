"""The road to a receiver: the steps of a delivery, with scripted outcomes under the real names."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4

from temporalio import activity
from temporalio.client import WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from domain.ids import DeliveryId
from domain.webhook import DeliveryStep, wait_after
from workflows.delivery import delivery_queue
from workflows.registration import WORKFLOWS, runner


@dataclass
class Road:
    """The steps, of which the first attempts fail; when they were made, by the clock of the engine."""

    environment: WorkflowEnvironment
    task_queue: str
    failures: int = 0
    attempts: list[datetime] = field(default_factory=list)
    given_up: list[DeliveryId] = field(default_factory=list)
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    @activity.defn(name="deliver")
    async def deliver(self, step: DeliveryStep) -> None:
        info = activity.info()
        self.attempts.append(info.started_time)
        self.begun.set()
        if info.attempt <= self.failures:
            raise ApplicationError("no", next_retry_delay=wait_after(info.attempt, None))

    @activity.defn(name="give_up_delivery")
    async def give_up(self, step: DeliveryStep) -> None:
        self.given_up.append(step.delivery_id)

    async def start(self, delivery: DeliveryId) -> WorkflowHandle[object, object]:
        return await self.environment.client.start_workflow(
            "deliver", DeliveryStep(delivery_id=delivery), id=delivery, task_queue=self.task_queue
        )


@asynccontextmanager
async def travelled(environment: WorkflowEnvironment) -> AsyncIterator[Road]:
    road = Road(environment, f"road-{uuid4()}")
    client, queue = environment.client, road.task_queue
    activities = [road.deliver, road.give_up]
    async with (
        Worker(client, task_queue=queue, workflows=WORKFLOWS, workflow_runner=runner()),
        Worker(client, task_queue=delivery_queue(queue), activities=activities),
    ):
        yield road
