"""The workflow of one delivery to a webhook: attempts for about a day, then it is given up (ADR 0013).

On its own, so that a generation neither waits for a receiver nor carries its failures in its history.
"""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

from activities.deliver import DeliverySteps
from domain.webhook import FACTOR, FIRST_WAIT, LONGEST_WAIT, DeliveryStep
from workflows.work import BOOKKEEPING, BOOKKEEPING_TIME, HEARTBEAT

# The step itself says when to try again; this is for workers that die.
RETRIES = RetryPolicy(initial_interval=FIRST_WAIT, backoff_coefficient=FACTOR, maximum_interval=LONGEST_WAIT)
ALL_ATTEMPTS = timedelta(hours=26)
ONE_ATTEMPT = timedelta(seconds=20)  # more than the post's patience, and the database's beside it


def delivery_queue(task_queue: str) -> str:
    """Attempts have a queue of their own: receivers that hang hold each other up, and no step of a generation."""
    return f"{task_queue}-webhooks"


@workflow.defn(name="deliver")
class DeliveryWorkflow:
    @workflow.run
    async def run(self, step: DeliveryStep) -> None:
        queue = delivery_queue(workflow.info().task_queue)
        try:
            await workflow.execute_activity_method(
                DeliverySteps.deliver,
                step,
                task_queue=queue,
                schedule_to_close_timeout=ALL_ATTEMPTS,
                start_to_close_timeout=ONE_ATTEMPT,
                heartbeat_timeout=HEARTBEAT,
                retry_policy=RETRIES,
            )
        except ActivityError:  # too late, or somebody cancelled the job in Temporal
            await workflow.execute_activity_method(
                DeliverySteps.give_up,
                step,
                task_queue=queue,
                start_to_close_timeout=BOOKKEEPING_TIME,
                retry_policy=BOOKKEEPING,
            )
