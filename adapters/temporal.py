"""Temporal as the API sees it: how to connect, and the messages to a conversation's workflow."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError
from temporalio.runtime import Runtime
from temporalio.service import RetryConfig, RPCError, RPCStatusCode

from domain.decide import ExtendRequest, ResumeAnswer, ResumeRequest
from domain.errors import ConcurrencyLimit, FermataError, GenerationNotFound, NotPaused, Unavailable, by_name
from domain.ids import workflow_id
from domain.ports import Address
from domain.start import Aborted, AbortRequest, Carried, StartRequest, Submitted

WORKFLOW = "generation"

# A person waits on the other side: a refusal may not take the SDK's ten retries.
RETRIES = RetryConfig(max_elapsed_time_millis=5_000, max_retries=5)

# A worker that dies while it holds a workflow's task is noticed after this.
TASK_TIMEOUT = timedelta(seconds=5)

START_PATIENCE = timedelta(seconds=10)  # a worker that restarts is back within this
DECISION_PATIENCE = timedelta(seconds=3)
ABORT_PATIENCE = timedelta(seconds=20)
HEALTH_PATIENCE = timedelta(seconds=2)


async def connect(
    address: str,
    namespace: str,
    *,
    api_key: str | None = None,
    runtime: Runtime | None = None,
    lazy: bool = False,
) -> Client:
    """A client whose messages are pydantic values. `lazy`: do not fail yet when the server is away."""
    return await Client.connect(
        address,
        namespace=namespace,
        api_key=api_key,
        tls=True if api_key else None,
        data_converter=pydantic_data_converter,
        retry_config=RETRIES,
        runtime=runtime,
        lazy=lazy,
    )


class TemporalEngine:
    """Implements `domain.ports.Engine`."""

    def __init__(self, client: Client, task_queue: str) -> None:
        self._client, self._task_queue = client, task_queue

    async def submit(self, request: StartRequest) -> Submitted:
        start: WithStartWorkflowOperation[object, object] = WithStartWorkflowOperation(
            WORKFLOW,
            Carried(),
            id=workflow_id(request.tenant, request.owner.id, request.conversation_id),
            task_queue=self._task_queue,
            task_timeout=TASK_TIMEOUT,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary=f"{request.agent.name} answers {request.owner.id}",
            static_details=(
                f"Conversation `{request.conversation_id}` of `{request.owner.id}` in tenant `{request.tenant}`. "
                "Each run of this workflow id is one answer."
            ),
        )
        async with _translated(START_PATIENCE):
            submitted: Submitted = await self._client.execute_update_with_start_workflow(
                "submit",
                request,
                start_workflow_operation=start,
                id=request.generation_id,
                result_type=Submitted,
            )
            return submitted

    async def resume(self, owner: Address, request: ResumeRequest, decision_id: str) -> ResumeAnswer | None:
        handle = self._handle(owner)
        try:
            async with _translated(DECISION_PATIENCE, absent=NotPaused):
                answer: ResumeAnswer = await handle.execute_update(
                    "resume", request, id=decision_id, result_type=ResumeAnswer
                )
                return answer
        except _NoWorker:
            await self.resume_later(owner, request)
            return None

    async def resume_later(self, owner: Address, request: ResumeRequest) -> None:
        """Leave the decisions with the engine: a signal is kept until a worker lives, an unaccepted update is not."""
        if request.slots is not None:
            raise ConcurrencyLimit(**request.slots)  # nobody would hear of it later
        async with _translated(DECISION_PATIENCE, absent=NotPaused):
            await self._handle(owner).signal("resume", request)

    async def extend(self, owner: Address, request: ExtendRequest) -> datetime:
        async with _translated(DECISION_PATIENCE, absent=NotPaused):
            until: datetime = await self._handle(owner).execute_update("extend", request, result_type=datetime)
            return until

    async def abort(self, owner: Address, request: AbortRequest) -> Aborted:
        async with _translated(ABORT_PATIENCE, absent=GenerationNotFound):
            aborted: Aborted = await self._handle(owner).execute_update("abort", request, result_type=Aborted)
            return aborted

    async def healthy(self) -> bool:
        try:
            async with asyncio.timeout(HEALTH_PATIENCE.total_seconds()):
                return await self._client.service_client.check_health(timeout=HEALTH_PATIENCE)
        except (RPCError, RuntimeError, TimeoutError):
            return False

    def _handle(self, owner: Address) -> WorkflowHandle[object, object]:
        return self._client.get_workflow_handle(workflow_id(owner.tenant, owner.owner, owner.conversation))


class _NoWorker(Unavailable):
    """No worker answers. What was asked may still happen when one does; asking again does it only once."""


@asynccontextmanager
async def _translated(patience: timedelta, *, absent: type[FermataError] = Unavailable) -> AsyncIterator[None]:
    """Give the engine's failures their names in our words."""
    try:
        async with asyncio.timeout(patience.total_seconds()):
            yield
    except WorkflowUpdateFailedError as error:
        raise _domain_error(error.cause) from error
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
        raise _NoWorker() from error
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            raise absent() from error
        raise Unavailable() from error
    except RuntimeError as error:  # a lazy client that never reached the server
        raise Unavailable() from error


def _domain_error(cause: BaseException | None) -> FermataError:
    """The refusal that the workflow gave: its class by name, its members beside it."""
    if isinstance(cause, ApplicationError) and cause.type and (error := by_name(cause.type)) is not None:
        members = cause.details[0] if cause.details and isinstance(cause.details[0], dict) else {}
        return error(cause.message, **members)
    return Unavailable()
