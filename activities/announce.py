"""The step that tells the world what the machine said: first the store, then the log."""

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

from temporalio import activity

from activities import metrics
from activities.notify import Notifier
from domain.approval import Approval
from domain.compose import compose
from domain.content import ErrorInfo, Message, Value
from domain.events import (
    ApprovalDecided,
    ApprovalExpired,
    ApprovalExtended,
    ApprovalRequested,
    ApprovalVoted,
    Event,
    GenerationFinished,
    GenerationPaused,
    GenerationStarted,
    SteerApplied,
    TitleUpdated,
    ToolCompleted,
    Totals,
    TurnCompleted,
)
from domain.ids import GenerationId
from domain.policy import roles_in
from domain.ports import Bell, Log, Slots, Store, Writer, whose
from domain.record import StoredGeneration
from domain.start import StartRequest

OUTBOX = Writer(name="outbox", epoch=1)


class Announcement(Value):
    """Events of the machine, in order; `position` is the first one's place among all of this generation's, from 1.

    `request` comes with the events of a generation that may not be in the store as running yet.
    """

    request: StartRequest
    position: int
    turn: int
    events: tuple[Event, ...]


class AnnounceSteps:
    """Needs store, log, bell, the slots of users, and who tells webhooks.

    `temporal_ui` is the address of Temporal's pages, for the link to the job.
    """

    def __init__(
        self, store: Store, log: Log, bell: Bell, slots: Slots, notifier: Notifier, *, temporal_ui: str | None
    ) -> None:
        self._store, self._log, self._bell, self._slots, self._notifier = store, log, bell, slots, notifier
        self._temporal_ui = temporal_ui

    @activity.defn(name="announce")
    async def announce(self, said: Announcement) -> None:
        """Record the events, then log them. Safe to run twice: every write of the store is an upsert, and the log skips
        positions it has.

        Before the last event of a segment the view is kept, so that who joins during a long pause or after the end gets
        one snapshot instead of a replay.
        """
        generation = said.request.generation_id
        filled = [await self._record(said, event) for event in said.events]
        if any(isinstance(event, ApprovalRequested | GenerationPaused | GenerationFinished) for event in filled):
            await self._slots.release(whose(said.request), generation)  # before anybody sees it, and acts on it
        body = [event for event in filled if not isinstance(event, GenerationFinished)]
        if body:
            await self._append(generation, said.position, body)
        if any(isinstance(event, GenerationPaused | GenerationFinished) for event in filled):
            await self._keep_view(generation)
        if end := [event for event in filled if isinstance(event, GenerationFinished)]:
            await self._append(generation, said.position + len(body), end, seal=True)
        if any(_moves_the_inbox(event) for event in filled):
            roles = roles_in(said.request.agent.policy)
            await self._bell.ring(said.request.tenant, said.request.owner.id, roles)
        await self._notifier.notify(said.request, said.position, filled, activity.info().scheduled_time)

    async def _append(
        self, generation: GenerationId, position: int, events: Sequence[Event], *, seal: bool = False
    ) -> None:
        await self._log.append(generation, OUTBOX, position, events, seal=seal)

    async def _keep_view(self, generation: GenerationId) -> None:
        if (view := await self._log.view(generation)) is not None and view.outcome is None:
            await self._log.save_snapshot(generation, view)

    async def _record(self, said: Announcement, event: Event) -> Event:
        """Write what the event means into the store; return it with the content that only the store has."""
        generation = said.request.generation_id
        match event:
            case GenerationStarted():
                user_message = await self._store.open(said.request, event.started_at)
                return event.model_copy(update={"user_message": user_message, "temporal_url": self._job_url()})
            case TurnCompleted(turn=turn):
                parts = next((t.parts for t in await self._store.turns(generation) if t.turn == turn), ())
                return event.model_copy(update={"parts": parts})
            case ApprovalRequested(approval=approval):
                approval = await self._filled(generation, said.request, approval)
                await self._store.save_approval(generation, approval)
                await self._save_message(said, error=None, at=approval.created_at)
                return event.model_copy(update={"approval": approval})
            case ApprovalDecided():
                await self._store.save_decision(generation, event)
                receipt = await self._store.receipt(generation, event.approval_id)
                if receipt is not None and not receipt.remaining:
                    decided = await self._store.close_approvals(generation, [event.approval_id], "decided")
                    metrics.waited("decided", decided)
                return event
            case ApprovalVoted():
                await self._store.save_decision(generation, event)
                return event
            case ApprovalExtended(approval_id=approval_id, expires_at=expires_at):
                await self._store.extend_approval(generation, approval_id, expires_at)
                return event
            case ApprovalExpired(approval_id=approval_id):
                expired = await self._store.close_approvals(generation, [approval_id], "expired")
                metrics.waited("expired", expired)
                return event
            case ToolCompleted():
                return await self._result(generation, event)
            case TitleUpdated(title=title):
                await self._store.set_title(said.request.conversation_id, title)
                return event
            case SteerApplied():
                await self._store.save_steer(generation, said.turn, event.position, event.text)
                return event
            case GenerationFinished():
                return await self._finish(said, event)
            case _:
                return event

    async def _filled(self, generation: GenerationId, request: StartRequest, approval: Approval) -> Approval:
        """With arguments and schemas, which the workflow does not carry."""
        ledger = {call.call_id: call for call in await self._store.calls(generation)}
        calls = []
        for call in approval.calls:
            arguments = ledger[call.call_id].arguments
            tool = request.agent.tool(call.name)
            calls.append(
                call.model_copy(
                    update={
                        "arguments": arguments if isinstance(arguments, dict) else {},
                        "json_schema": tool.parameters if tool and not approval.questions else None,
                    }
                )
            )
        return approval.model_copy(update={"calls": tuple(calls)})

    async def _result(self, generation: GenerationId, event: ToolCompleted) -> ToolCompleted:
        """As the ledger has it. A worker may have noted a result and died before it could say so: the first stands."""
        if event.output is not None:
            await self._store.save_result(
                generation, event.call_id, status=event.status, output=event.output, is_error=event.is_error
            )
        record = next(call for call in await self._store.calls(generation) if call.call_id == event.call_id)
        if record.output is None:  # it runs again by now, and this is a repeat
            return event
        noted = {"status": record.status, "output": record.output, "is_error": bool(record.is_error)}
        return event.model_copy(update=noted)

    async def _finish(self, said: Announcement, event: GenerationFinished) -> GenerationFinished:
        generation = said.request.generation_id
        message = None
        if not event.early:
            message = await self._save_message(said, error=event.error, at=event.finished_at, finished=event)
        totals = Totals(**event.usage.model_dump(), cost=event.cost)
        closed = await self._store.finish(
            generation, outcome=event.outcome, error=event.error, totals=totals, finished_at=event.finished_at
        )
        metrics.waited("closed", closed)
        history = await self._store.history(said.request.conversation_id, said.request.user_message_id)
        return event.model_copy(
            update={
                "message": message,
                "user_message": history[-1] if history else None,
                "title": event.title or await self._store.title(said.request.conversation_id),
            }
        )

    async def _save_message(
        self,
        said: Announcement,
        *,
        error: ErrorInfo | None,
        at: datetime,
        finished: GenerationFinished | None = None,
    ) -> Message:
        """The answer as far as it goes. Partial outcomes stay marked as unfinished; the row is there all the same."""
        request = said.request
        stored: StoredGeneration = await self._store.load(request.generation_id)
        parts = compose(
            await self._store.turns(request.generation_id),
            await self._store.calls(request.generation_id),
            await self._store.steers(request.generation_id),
            error,
        )
        message = Message(
            id=request.response_message_id,
            parent_id=request.user_message_id,
            role="assistant",
            parts=parts,
            unfinished=finished is None or finished.outcome != "completed",
            error=error,
            usage=finished.usage if finished else None,
            cost=finished.cost if finished else None,
            created_at=stored.started_at or at,
            generation_id=request.generation_id,
        )
        await self._store.save_message(request.conversation_id, message)
        return message

    def _job_url(self) -> str | None:
        info = activity.info()
        if self._temporal_ui is None or info.workflow_id is None:
            return None
        workflow = quote(info.workflow_id, safe="")
        base = self._temporal_ui.rstrip("/")
        return f"{base}/namespaces/{info.workflow_namespace}/workflows/{workflow}/{info.workflow_run_id}"


def _moves_the_inbox(event: Event) -> bool:
    match event:
        case ApprovalRequested() | ApprovalDecided() | ApprovalVoted() | ApprovalExtended() | ApprovalExpired():
            return True
        case GenerationFinished(outcome=outcome):
            return outcome != "completed"  # whatever else may close approvals that wait
        case _:
            return False
