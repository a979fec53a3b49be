"""The step that judges the calls of a reply: do the arguments fit, and what does the policy say?"""

from temporalio import activity

from domain.content import Value
from domain.facts import CallJudgement, CallsJudged
from domain.ids import CallId, GenerationId
from domain.policy import judge
from domain.ports import CallRecord, Store, Tools
from domain.start import StartRequest
from domain.wording import NO_SUCH_TOOL


class JudgeStep(Value):
    generation_id: GenerationId
    turn: int
    call_ids: tuple[CallId, ...]


class PolicySteps:
    """Needs the store for the arguments and the tools for their schemas."""

    def __init__(self, store: Store, tools: Tools) -> None:
        self._store, self._tools = store, tools

    @activity.defn(name="judge_calls")
    async def judge_calls(self, step: JudgeStep) -> CallsJudged:
        """A verdict on each call. Safe to run twice: it changes nothing; what it returns is a recorded fact."""
        stored = await self._store.load(step.generation_id)
        calls = {call.call_id: call for call in await self._store.calls(step.generation_id)}
        return CallsJudged(
            turn=step.turn,
            judgements=tuple(self._judge(stored.request, calls[call_id]) for call_id in step.call_ids),
        )

    def _judge(self, request: StartRequest, call: CallRecord) -> CallJudgement:
        tool = request.agent.tool(call.name)
        judgement = judge(request.agent.policy, call.name, approvals_supported=request.approvals == "supported")
        return CallJudgement(
            call_id=call.call_id,
            verdict=judgement.verdict,
            because=judgement.because,
            reason=judgement.reason,
            allowed_decisions=judgement.allowed_decisions,
            invalid=NO_SUCH_TOOL if tool is None else self._tools.invalid(tool, call.arguments),
        )
