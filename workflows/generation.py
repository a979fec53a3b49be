"""The workflow: one run is one generation, and its id is the conversation, so the engine keeps it the only live one.

Messages become facts for the inbox; `run` alone moves the state, starts what `todo` names and cancels what it no longer
names. What the machine says leaves through the outbox, in order, before anything new starts.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from domain.advance import LIVE, advance, begin, dismiss
from domain.approval import Decision
from domain.content import Actor
from domain.decide import ExtendRequest, ResumeAnswer, ResumeRequest, answer, decide, extend, sole_approval
from domain.errors import (
    AlreadyFinished,
    FermataError,
    GenerationLive,
    GenerationNotFound,
    NotPaused,
    Paused,
    PredecessorMismatch,
    QueueFull,
    SteerQueueFull,
)
from domain.events import Event
from domain.facts import Fact, Steered, SteerWithdrawn, StopRequested
from domain.generation import Ended, Generation, pending, todo
from domain.ids import GenerationId
from domain.limits import QUEUE, STEERS_QUEUED
from domain.policy import DecisionKind
from domain.start import Aborted, AbortRequest, Carried, StartRequest, Steering, Submitted
from workflows import people
from workflows.outbox import Outbox
from workflows.reconciler import Reconciler

OPERATOR = Actor(id="temporal", name="An operator in Temporal")


@workflow.defn(name="generation")
class GenerationWorkflow:
    @workflow.init
    def __init__(self, carried: Carried) -> None:
        self._waiting = list(carried.requests)
        self._live: Generation | None = None
        self._inbox: list[Fact] = []
        self._outbox = Outbox()

    @workflow.run
    async def run(self, carried: Carried) -> None:
        delivering = asyncio.create_task(self._outbox.deliver())
        if self._waiting:  # a rejected start leaves a run without work, which ends here
            await self._produce(self._waiting.pop(0))
        await workflow.wait_condition(lambda: workflow.all_handlers_finished() and self._outbox.empty)
        delivering.cancel()
        if self._waiting:
            workflow.continue_as_new(Carried(requests=tuple(self._waiting)))

    async def _produce(self, request: StartRequest) -> None:
        """One answer, from its beginning to its end."""
        self._live, events = begin(request, workflow.now())
        self._outbox.put(request, 1, events)
        running = Reconciler(request, self._report)
        shown = None
        while not (self._ended() and self._outbox.empty):
            self._take_in()
            shown = people.show(self._live, shown)
            wanted = todo(self._live)
            running.cancel_all_but(wanted)
            if self._outbox.empty:  # nothing starts that has not been told and recorded
                running.start(wanted)
            await self._next(running)

    def _report(self, fact: Fact) -> None:
        self._inbox.append(fact)

    def _take_in(self) -> None:
        facts, self._inbox = self._inbox, []
        said: list[Event] = []
        for fact in facts:
            before = self._generation.phase
            self._live, events = advance(self._generation, fact, workflow.now())
            said += events
            if self._live.phase.phase != before.phase:
                self._log(self._live)
        self._outbox.put(self._generation.request, self._generation.phase.turn, said)

    async def _next(self, running: Reconciler) -> None:
        """Wait until there is something to take in, to start, or to end with."""

        def ready() -> bool:
            told = self._outbox.empty and (self._ended() or running.lacks(todo(self._generation)))
            return bool(self._inbox) or told or running.broken is not None

        try:
            await workflow.wait_condition(ready)
        except asyncio.CancelledError:  # somebody cancelled the job in Temporal: the orderly end is an abort
            self._report(StopRequested(outcome="aborted", reason="cancelled in Temporal"))
        if running.broken is not None:
            raise running.broken

    def _log(self, generation: Generation) -> None:
        phase = generation.phase
        outcome = phase.outcome if isinstance(phase, Ended) else None
        about = {"generation": generation.request.generation_id, "turn": phase.turn, "phase": phase.phase}
        workflow.logger.info("generation moved", extra=about if outcome is None else {**about, "outcome": outcome})

    # Messages.
    @workflow.update(name="submit", description="Start a generation in this conversation")
    def submit(self, request: StartRequest) -> Submitted:
        if not self._knows(request.generation_id):
            if request.on_conflict == "replace":
                self._replace_all()
            self._waiting.append(request)
        queued = request.on_conflict == "queue" and self._line()[:1] != [request.generation_id]
        return Submitted(generation_id=request.generation_id, status="queued" if queued else "running")

    @submit.validator
    def _check_submit(self, request: StartRequest) -> None:
        if self._knows(request.generation_id):
            return
        line = self._line()
        latest = line[-1] if line else None
        if latest and request.expected_generation and request.expected_generation != latest:
            raise refusal(PredecessorMismatch(latest=latest))
        if latest and request.on_conflict == "reject":
            raise refusal(GenerationLive(generation_id=line[0]))
        if request.on_conflict == "queue" and len(self._waiting) >= QUEUE:
            raise refusal(QueueFull(limit=QUEUE))

    @workflow.update(name="resume", description="Decide the calls of a pending approval")
    def resume(self, request: ResumeRequest) -> ResumeAnswer:
        fact = decide(self._ahead(), request, workflow.now())
        self._report(fact)
        return answer(self._ahead(), fact.approval_id)

    @resume.validator
    def _check_resume(self, request: ResumeRequest) -> None:
        with refusing():
            self._expect(request.generation_id)
            decide(self._ahead(), request, workflow.now())

    @workflow.signal(name="resume", description="The same decisions, kept by the engine until a worker lives")
    def resume_later(self, request: ResumeRequest) -> None:
        self._decide_or_log(lambda: request)

    @workflow.signal(name="approve", description="Approve every call of a pending approval: approval id, reason")
    def approve(self, approval_id: str, reason: str | None = None) -> None:
        self._decide_or_log(lambda: self._for_all(approval_id, "approve", reason))

    @workflow.signal(name="reject", description="Reject every call of a pending approval: approval id, reason")
    def reject(self, approval_id: str, reason: str | None = None) -> None:
        self._decide_or_log(lambda: self._for_all(approval_id, "reject", reason))

    @workflow.update(name="extend", description="Give a pending approval more time")
    def extend(self, request: ExtendRequest) -> datetime:
        fact = extend(self._ahead(), request, workflow.now())
        self._report(fact)
        return fact.until

    @extend.validator
    def _check_extend(self, request: ExtendRequest) -> None:
        with refusing():
            self._expect(request.generation_id)
            extend(self._ahead(), request, workflow.now())

    @workflow.update(name="steer", description="Say something into the running generation")
    def steer(self, steering: Steering) -> int:
        self._report(Steered(id=steering.id, text=steering.text))
        return len(self._ahead().steers)

    @steer.validator
    def _check_steer(self, steering: Steering) -> None:
        with refusing():
            self._expect(steering.generation_id)
            if pending(self._ahead()):
                raise Paused()
            if not isinstance(self._ahead().phase, LIVE):
                raise AlreadyFinished()
            if len(self._ahead().steers) >= STEERS_QUEUED:
                raise SteerQueueFull(limit=STEERS_QUEUED)

    @workflow.update(name="withdraw_steer", description="Take back what the model has not heard yet")
    def withdraw_steer(self, steering: Steering) -> bool:
        waits = any(steer.id == steering.id for steer in self._ahead().steers)
        if waits:
            self._report(SteerWithdrawn(id=steering.id))
        return waits

    @withdraw_steer.validator
    def _check_withdraw_steer(self, steering: Steering) -> None:
        with refusing():
            self._expect(steering.generation_id)

    @workflow.update(name="abort", description="Stop a generation; what it has said is kept")
    async def abort(self, request: AbortRequest) -> Aborted:
        for waiting in self._waiting:
            if waiting.generation_id == request.generation_id:
                self._dismiss(waiting, "aborted")
                await workflow.wait_condition(lambda: self._outbox.empty)
                return Aborted(early=True, message_id=None)
        self._report(StopRequested(outcome="aborted", reason=request.reason))
        await workflow.wait_condition(lambda: self._ended() and self._outbox.empty)
        match self._generation.phase:
            case Ended(outcome="aborted", early=early):
                message_id = None if early else self._generation.request.response_message_id
                return Aborted(early=early, message_id=message_id)
            case phase:
                raise refusal(AlreadyFinished(outcome=phase.outcome if isinstance(phase, Ended) else None))

    @abort.validator
    def _check_abort(self, request: AbortRequest) -> None:
        if not self._knows(request.generation_id):
            raise refusal(GenerationNotFound())

    # What the handlers need to know.
    @property
    def _generation(self) -> Generation:
        if self._live is None:
            raise NotPaused()
        return self._live

    def _ahead(self) -> Generation:
        """The state as it will be when the inbox is taken in: two messages in one task must see each other."""
        generation = self._generation
        for fact in self._inbox:
            generation, _ = advance(generation, fact, workflow.now())
        return generation

    def _ended(self) -> bool:
        return self._live is not None and isinstance(self._live.phase, Ended)

    def _line(self) -> list[GenerationId]:
        """The generations that have not ended, the live one first."""
        live = [self._live.request.generation_id] if self._live is not None and not self._ended() else []
        return live + [request.generation_id for request in self._waiting]

    def _knows(self, generation_id: GenerationId) -> bool:
        live = self._live is not None and self._live.request.generation_id == generation_id
        return live or generation_id in self._line()

    def _expect(self, generation_id: GenerationId) -> None:
        if self._live is None or self._live.request.generation_id != generation_id:
            raise NotPaused()

    def _for_all(self, approval_id: str, decision: DecisionKind, reason: str | None) -> ResumeRequest:
        approval = sole_approval(self._ahead(), approval_id)
        return ResumeRequest(
            generation_id=self._generation.request.generation_id,
            approval_id=approval.id,
            decisions=tuple(Decision(call_id=c.call_id, decision=decision, reason=reason) for c in approval.calls),
            by=OPERATOR,
        )

    def _decide_or_log(self, request: Callable[[], ResumeRequest]) -> None:
        """A signal has no answer: what is refused is noted for the operator and changes nothing."""
        try:
            decisions = request()
            self._expect(decisions.generation_id)
            self._report(decide(self._ahead(), decisions, workflow.now(), sent_as="signal"))
        except FermataError as error:
            workflow.logger.warning("decision refused: %s", error)

    def _replace_all(self) -> None:
        for waiting in list(self._waiting):
            self._dismiss(waiting, "replaced")
        if self._live is not None and not self._ended():
            self._report(StopRequested(outcome="replaced"))

    def _dismiss(self, waiting: StartRequest, outcome: str) -> None:
        self._waiting.remove(waiting)
        _, events = dismiss(waiting, "aborted" if outcome == "aborted" else "replaced", workflow.now())
        self._outbox.put(waiting, 0, events)


def refusal(error: FermataError) -> ApplicationError:
    """A domain error in the form that crosses the engine: its class by name, its members beside it."""
    return ApplicationError(str(error), error.members, type=type(error).__name__, non_retryable=True)


@contextmanager
def refusing() -> Iterator[None]:
    """What the domain refuses inside is refused in that form."""
    try:
        yield
    except FermataError as error:
        raise refusal(error) from error
