"""The step that runs one tool call, at most once unless the tool says that twice is the same as once."""

import asyncio
import time
from functools import partial
from typing import Annotated

from pydantic import Field
from temporalio import activity

from activities import metrics
from activities.heartbeat import stopped_on_request, supervised
from activities.policy import PolicyCourt
from activities.slots import kept
from domain.agent import ToolSpec
from domain.approval import digest
from domain.content import JsonObject, Value
from domain.events import ToolStarted
from domain.facts import ToolLost, ToolReturned
from domain.generation import RunTool
from domain.ids import GenerationId
from domain.limits import cut
from domain.ports import Log, Slots, Store, ToolOutput, Tools, Writer, whose
from domain.record import CallRecord
from domain.start import StartRequest
from domain.wording import NO_SUCH_TOOL, denied, invalid

EPOCHS_PER_RUN = 1_000  # more attempts of one run than the engine makes

OTHER_ARGUMENTS = "This call was not run: its arguments are not the ones that were judged."
STOPPED_WHILE_RUNNING = "The answer was stopped while this tool ran. It may have taken effect."


class ToolStep(Value):
    generation_id: GenerationId
    work: RunTool


ToolOutcome = Annotated[ToolReturned | ToolLost, Field(discriminator="fact")]


class ToolSteps:
    """Needs the tools, the store for the ledger, the log for who watches, the slots of users, and who judges what a
    person has edited.
    """

    def __init__(self, tools: Tools, store: Store, log: Log, slots: Slots, court: PolicyCourt) -> None:
        self._tools, self._store, self._log, self._slots, self._court = tools, store, log, slots, court

    @activity.defn(name="run_tool")
    async def run_tool(self, step: ToolStep) -> ToolOutcome:
        """One run of one call. Safe to run twice: the ledger notes the dispatch before the tool starts. A later attempt
        that finds a result reports it; one that finds a dispatch without a result runs the tool again only if it is
        idempotent, and else says that nobody knows.
        """
        work, attempt = step.work, activity.info().attempt
        before = await self._store.dispatch(step.generation_id, work.call_id, work.run, attempt)
        if before.run == work.run and before.output is not None:
            return _returned(work, before)
        stored = await self._store.load(step.generation_id)
        tool = stored.request.agent.tool(work.name)
        if before.run == work.run and before.attempt > 0 and not (tool and tool.idempotent):
            metrics.tool_ran(work.name, "unknown")
            return ToolLost(turn=work.turn, call_id=work.call_id)
        arguments = before.arguments if work.arguments is None else work.arguments
        started = time.monotonic()
        try:
            body = self._run(step, stored.request, tool, arguments, attempt)
            async with kept(partial(self._slots.renew, whose(stored.request), step.generation_id)):
                output = await supervised(body, leave_at_shutdown=False)
        except asyncio.CancelledError:
            if not stopped_on_request():
                raise
            output = ToolOutput(text=STOPPED_WHILE_RUNNING, is_error=True)
        result = before.model_copy(
            update={
                "status": "failed" if output.is_error else "completed",
                "output": output.text,
                "is_error": output.is_error,
                "duration_ms": int((time.monotonic() - started) * 1000),
            }
        )
        await self._store.save_result(
            step.generation_id,
            work.call_id,
            status=result.status,
            output=result.output or "",
            is_error=output.is_error,
            duration_ms=result.duration_ms,
            dispatched=(work.run, attempt),
        )
        metrics.tool_ran(work.name, result.status)
        return _returned(work, result)

    async def _run(
        self,
        step: ToolStep,
        request: StartRequest,
        tool: ToolSpec | None,
        arguments: JsonObject | str,
        attempt: int,
    ) -> ToolOutput:
        work = step.work
        if tool is None:
            return ToolOutput(text=NO_SUCH_TOOL, is_error=True)
        if digest(work.name, arguments) != work.digest:
            return ToolOutput(text=OTHER_ARGUMENTS, is_error=True)
        if (problem := self._tools.invalid(tool, arguments)) is not None or isinstance(arguments, str):
            return ToolOutput(text=cut(invalid(problem or "they are no JSON object")), is_error=True)
        if work.arguments is not None:  # a person wrote them, and above people stands what the policy denies
            judgement = await self._court.judge_edit(request, work.call_id, work.name, arguments)
            if judgement.verdict == "deny":
                return ToolOutput(text=denied(judgement.because, judgement.reason), is_error=True)
        await self._log.append(
            step.generation_id,
            Writer(name=f"tool:{work.call_id}", epoch=work.run * EPOCHS_PER_RUN + attempt),
            1,
            [ToolStarted(turn=work.turn, call_id=work.call_id, name=work.name, arguments=arguments, attempt=attempt)],
        )
        # The key stays the same when a person lets it run again: what took effect already need not happen twice.
        return await self._tools.run(tool, arguments, idempotency_key=f"{step.generation_id}:{work.call_id}")


def _returned(work: RunTool, record: CallRecord) -> ToolReturned:
    return ToolReturned(turn=work.turn, call_id=work.call_id, status=record.status, duration_ms=record.duration_ms)
