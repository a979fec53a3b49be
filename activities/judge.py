"""The step that judges the calls of a reply: do the arguments fit, and what does the policy say?"""

import asyncio
from collections.abc import Collection

from temporalio import activity

from activities.heartbeat import supervised
from activities.policy import PolicyCourt
from domain.content import ToolCallPart, Value
from domain.facts import CallJudgement, CallsJudged
from domain.ids import CallId, GenerationId
from domain.ports import Store
from domain.start import StartRequest


class JudgeStep(Value):
    generation_id: GenerationId
    turn: int
    call_ids: tuple[CallId, ...]


class PolicySteps:
    """Needs the store for the arguments, and who judges."""

    def __init__(self, store: Store, court: PolicyCourt) -> None:
        self._store, self._court = store, court

    @activity.defn(name="judge_calls")
    async def judge_calls(self, step: JudgeStep) -> CallsJudged:
        """A verdict on each call; what it returns is a recorded fact. Safe to run twice: it starts from the arguments
        as the model gave them, and what a hook makes of them is bound by its digest.
        """
        return await supervised(self._judge_all(step), leave_at_shutdown=True)

    async def _judge_all(self, step: JudgeStep) -> CallsJudged:
        stored = await self._store.load(step.generation_id)
        reply = next(turn for turn in await self._store.turns(step.generation_id) if turn.turn == step.turn)
        made = {part.call_id: part for part in reply.parts if isinstance(part, ToolCallPart)}
        grants = [grant.tool for grant in await self._store.grants(stored.request.conversation_id)]
        judging = (self._judge(stored.request, made[call_id], grants) for call_id in step.call_ids)
        judgements = await asyncio.gather(*judging)
        return CallsJudged(turn=step.turn, judgements=tuple(judgements))

    async def _judge(self, request: StartRequest, made: ToolCallPart, grants: Collection[str]) -> CallJudgement:
        judgement, changed = await self._court.judge_call(request, made.call_id, made.name, made.arguments, grants)
        if changed is not None and judgement.invalid is None and judgement.verdict != "deny":
            await self._store.save_arguments(request.generation_id, made.call_id, changed)
        return judgement
