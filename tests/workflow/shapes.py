"""Steps and decisions that several tests of the workflow share."""

import asyncio

from temporalio import activity

from activities.model import ModelOutcome, ModelStep
from activities.tools import ToolOutcome, ToolStep
from domain.approval import Decision
from domain.decide import ResumeRequest
from domain.events import ApprovalRequested
from domain.facts import ModelCut, ToolLost, ToolReturned
from domain.start import StartRequest
from tests.workflow.stage import USER


def approving(wanted: StartRequest, asked: ApprovalRequested, **changes: object) -> ResumeRequest:
    decisions = tuple(Decision(call_id=call.call_id, decision="approve") for call in asked.approval.calls)
    fields = {"approval_id": asked.approval.id, "decisions": decisions, **changes}
    return ResumeRequest.model_validate({"generation_id": wanted.generation_id, "by": USER, **fields})


def answering(wanted: StartRequest, asked: ApprovalRequested, **changes: object) -> ResumeRequest:
    return approving(wanted, asked, decisions=(), answers={"which": ["red"]}, **changes)


async def until_cancelled(step: ModelStep) -> ModelOutcome:
    try:
        while True:
            activity.heartbeat()
            await asyncio.sleep(0.05)
    except asyncio.CancelledError:
        return ModelCut(turn=step.turn, produced=True)


async def lost_once(step: ToolStep) -> ToolOutcome:
    """Its first run is lost with its worker, the next one returns."""
    if step.work.run == 1:
        return ToolLost(turn=step.work.turn, call_id=step.work.call_id)
    return ToolReturned(turn=step.work.turn, call_id=step.work.call_id, status="completed")
