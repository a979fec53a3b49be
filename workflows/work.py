"""How each piece of work is performed: which activity or timer, with which limits, and what fact it ends in."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import assert_never

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

from activities.announce import Announcement, AnnounceSteps
from activities.judge import JudgeStep, PolicySteps
from activities.lost import LostSteps
from activities.model import ModelStep, ModelSteps
from activities.title import TitleStep, TitleSteps
from activities.tools import ToolStep, ToolSteps
from domain.content import Usage
from domain.facts import ApprovalTimedOut, Fact, ModelCut, ModelFailed, Settled, TitleMade, TitleTimedOut, ToolLost
from domain.generation import CallModel, EndTitleWait, ExpireApproval, JudgeCalls, MakeTitle, RunTool, Settle, Work
from domain.start import StartRequest

# A worker that is dead is noticed after this; the beat is every second (activities/heartbeat.py).
HEARTBEAT = timedelta(seconds=5)

# A slow but live answer may take hours: the heartbeat tells the living from the dead, not this.
ONE_ANSWER = timedelta(hours=12)

# Provider errors are counted by the step itself (max_attempts of the agent). The rest is for workers that die or leave;
# bounded, so that an answer that kills every worker ends.
MODEL_RETRIES = RetryPolicy(
    initial_interval=timedelta(milliseconds=200),
    maximum_interval=timedelta(seconds=10),
    maximum_attempts=25,
    non_retryable_error_types=["PayloadsTooLarge"],
)

# The ledger makes a second attempt harmless, so a lost worker is found out by asking again.
TOOL_RETRIES = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_attempts=25)
TOOL_GRACE = timedelta(seconds=30)  # for the ledger and the log, beyond the tool's own time limit

# The stores may be away for long; nothing is given up for that.
BOOKKEEPING = RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_interval=timedelta(seconds=10))
BOOKKEEPING_TIME = timedelta(seconds=5)  # what a dead worker costs here

SALVAGE = RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_attempts=5)

JUDGING = timedelta(minutes=2)  # hooks may take their time; each has a limit of its own

TITLE_RETRIES = RetryPolicy(maximum_attempts=2)
TITLE_TIME = timedelta(seconds=60)

Quiet = Callable[[], Awaitable[None]]


async def perform(request: StartRequest, work: Work, quiet: Quiet) -> Fact:
    """Do it, and return what happened. `quiet` waits until nothing else of this generation is running."""
    generation = request.generation_id
    match work:
        case CallModel(turn=turn):
            return await _call_model(request, turn)
        case JudgeCalls():
            return await workflow.execute_activity_method(
                PolicySteps.judge_calls,
                JudgeStep(generation_id=generation, turn=work.turn, call_ids=work.call_ids),
                start_to_close_timeout=JUDGING,
                heartbeat_timeout=HEARTBEAT,
                retry_policy=BOOKKEEPING,
                summary=f"judge {len(work.call_ids)} call(s) of turn {work.turn}",
            )
        case RunTool():
            return await _run_tool(request, work)
        case ExpireApproval(approval_id=approval_id, at=at):
            await _sleep_until(at, f"approval {approval_id} expires")
            return ApprovalTimedOut(approval_id=approval_id)
        case MakeTitle():
            return await _make_title(request)
        case EndTitleWait(at=at):
            await _sleep_until(at, "the title may take until here")
            return TitleTimedOut()
        case Settle():
            await quiet()
            return Settled()
        case _:
            assert_never(work)


async def announce(said: Announcement) -> None:
    """Tell the world. Not a local activity: that would tell it before the engine holds what it is about (ADR 0010)."""
    await workflow.execute_activity_method(
        AnnounceSteps.announce,
        said,
        start_to_close_timeout=BOOKKEEPING_TIME,
        retry_policy=BOOKKEEPING,
        summary=", ".join(event.type for event in said.events),
    )


async def _call_model(request: StartRequest, turn: int) -> Fact:
    try:
        return await workflow.execute_activity_method(
            ModelSteps.call_model,
            ModelStep(generation_id=request.generation_id, turn=turn),
            start_to_close_timeout=ONE_ANSWER,
            heartbeat_timeout=HEARTBEAT,
            retry_policy=MODEL_RETRIES,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            summary=f"turn {turn}: {request.agent.model}",
        )
    except ActivityError as error:
        return await _lost(request, turn, error)


async def _lost(request: StartRequest, turn: int, error: ActivityError) -> Fact:
    """No worker told how the call ended, also where it was cancelled: it would have said what was cut."""
    lost = await _keep_lost(request, turn)
    if not is_cancelled_exception(error):
        return ModelFailed(
            turn=turn,
            attempt=lost.attempt,
            code="model_step_failed",
            message=_plain(error),
            produced=lost.produced,
            usage=lost.usage,
            cost=lost.cost,
        )
    if lost.produced:
        return lost
    raise error


async def _keep_lost(request: StartRequest, turn: int) -> ModelCut:
    """What people have seen of the answer stays with it; if that cannot be found out, it ends without."""
    try:
        return await workflow.execute_activity_method(
            LostSteps.keep_lost,
            ModelStep(generation_id=request.generation_id, turn=turn),
            start_to_close_timeout=BOOKKEEPING_TIME,
            retry_policy=SALVAGE,
            summary=f"turn {turn}: keep what was said",
        )
    except ActivityError as error:
        if is_cancelled_exception(error):
            raise
        return ModelCut(turn=turn, produced=False, usage=Usage(), cost=0.0)


async def _run_tool(request: StartRequest, work: RunTool) -> Fact:
    tool = request.agent.tool(work.name)
    limit = tool.timeout if tool else BOOKKEEPING_TIME
    try:
        return await workflow.execute_activity_method(
            ToolSteps.run_tool,
            ToolStep(generation_id=request.generation_id, work=work),
            start_to_close_timeout=limit + TOOL_GRACE,
            heartbeat_timeout=HEARTBEAT,
            retry_policy=TOOL_RETRIES,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            summary=f"{work.name} ({work.call_id})",
        )
    except ActivityError as error:
        if is_cancelled_exception(error):
            raise
        return ToolLost(turn=work.turn, call_id=work.call_id)


async def _make_title(request: StartRequest) -> Fact:
    try:
        return await workflow.execute_activity_method(
            TitleSteps.make_title,
            TitleStep(generation_id=request.generation_id),
            start_to_close_timeout=TITLE_TIME,
            heartbeat_timeout=HEARTBEAT,
            retry_policy=TITLE_RETRIES,
            summary="title",
        )
    except ActivityError as error:
        if is_cancelled_exception(error):
            raise
        return TitleMade()


async def _sleep_until(at: datetime, summary: str) -> None:
    await workflow.sleep(max(at - workflow.now(), timedelta()), summary=summary)


def _plain(error: ActivityError) -> str:
    """A sentence for people; the details stay in the engine."""
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.type and cause.message:
        return cause.message
    return "The model could not be called: every worker that tried stopped answering."
