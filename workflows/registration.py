"""What a worker, a replay and a test need to know to run the workflows: classes, sandbox, task queues."""

from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from workflows.delivery import DeliveryWorkflow, delivery_queue
from workflows.generation import GenerationWorkflow

TASK_QUEUE = "fermata"
DELIVERY_QUEUE = delivery_queue(TASK_QUEUE)
WORKFLOWS = [GenerationWorkflow, DeliveryWorkflow]

# Pure or declarative modules need no reloading per run: it cuts the CPU of a generation by half.
_PASSED_THROUGH = ("domain", "activities", "pydantic", "pydantic_core", "annotated_types")


def runner() -> SandboxedWorkflowRunner:
    """The sandbox that keeps workflow code deterministic."""
    return SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(*_PASSED_THROUGH))
