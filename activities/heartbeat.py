"""Running a long step under supervision: the engine learns that this worker lives, and the step that it should stop."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any, NoReturn, TypeVar

from temporalio import activity
from temporalio.exceptions import ApplicationError

Result = TypeVar("Result")

BEAT = timedelta(seconds=1)
AT_ONCE = timedelta(milliseconds=1)


async def supervised(
    body: Coroutine[Any, Any, Result], *, leave_at_shutdown: bool, unless: Coroutine[Any, Any, NoReturn] | None = None
) -> Result:
    """The body's result, or its own exception, with heartbeats from a timer while it runs.

    With `leave_at_shutdown` the body is cancelled as soon as the worker shuts down, and a retryable error hands the
    step to the next worker at once; without, it may use the worker's grace period to finish. What `unless` raises
    ends the body and is raised instead. A cancellation from outside cancels the body and is raised again when the body
    has ended.
    """
    task = asyncio.ensure_future(body)
    ending = [] if unless is None else [asyncio.create_task(unless)]
    beating = asyncio.create_task(_beat())
    leaving = asyncio.create_task(activity.wait_for_worker_shutdown())
    try:
        awaited = {task, *ending, leaving} if leave_at_shutdown else {task, *ending}
        await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        if ending and ending[0].done():
            ending[0].result()
        raise ApplicationError(
            "The worker shuts down; another one goes on.",
            type="WorkerLeaves",
            next_retry_delay=AT_ONCE,
        )
    finally:
        for each in (task, *ending, beating, leaving):
            each.cancel()
            with suppress(asyncio.CancelledError):
                await each


def stopped_on_request() -> bool:
    """Whether this step was cancelled because somebody wants it to end, not because this worker is lost or leaving."""
    details = activity.cancellation_details()
    return details is not None and details.cancel_requested and not details.worker_shutdown


async def _beat() -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(BEAT.total_seconds())
