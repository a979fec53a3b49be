"""How a generation moves: `advance(generation, fact, now)` gives the next state and the events that tell of it.

Pure. Each cell of phase × fact is legal (a transition), ignored, or illegal, on purpose: `CELLS` and `IGNORED` are the
whole table. A change to a transition is a change of workflow code: branch on `generation.rules`, and record a history.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Literal

from domain import answering, calling, expiring, turns
from domain.errors import IllegalFact
from domain.events import (
    AgentRef,
    ApprovalDecided,
    ApprovalExpired,
    Event,
    GenerationPaused,
    GenerationResumed,
    GenerationStarted,
)
from domain.facts import (
    ApprovalTimedOut,
    CallsJudged,
    DecisionsMade,
    Extended,
    Fact,
    ModelCut,
    ModelFailed,
    ModelReplied,
    QuestionsAnswered,
    Settled,
    Steered,
    SteerWithdrawn,
    StopRequested,
    TitleMade,
    TitleTimedOut,
    ToolLost,
    ToolReturned,
)
from domain.generation import (
    Acting,
    AwaitedTitle,
    Ended,
    Finishing,
    Generation,
    Judging,
    NoTitle,
    Phase,
    Stopping,
    Thinking,
    pending,
)
from domain.ids import ApprovalId
from domain.moves import Step, end
from domain.start import StartRequest

Handler = Callable[..., Step]  # (generation, phase, fact, now); each takes the very types its cell names
DECIDING = (ApprovalDecided, ApprovalExpired)  # what ends a pause; the resumption is told right after


def begin(request: StartRequest, now: datetime) -> Step:
    """A new generation, in its first turn."""
    agent = request.agent
    wants_title = request.wants_title and agent.title_model is not None
    generation = Generation(request=request, phase=Thinking(turn=1), title=AwaitedTitle() if wants_title else NoTitle())
    started = GenerationStarted(
        generation_id=request.generation_id,
        conversation_id=request.conversation_id,
        agent=AgentRef(id=agent.id, name=agent.name, model=agent.model),
        response_message_id=request.response_message_id,
        created_at=request.created_at,
        started_at=now,
        continues=request.continues,
    )
    return generation, [started]


def dismiss(request: StartRequest, outcome: Literal["aborted", "replaced"], now: datetime) -> Step:
    """A generation that waited in line and will never run: it begins and ends in one step."""
    generation, started = begin(request, now)
    generation, ended = end(generation, 0, outcome, now)
    return generation, started + ended


def advance(generation: Generation, fact: Fact, now: datetime) -> Step:
    """The next state, and the events that tell of it. Raises IllegalFact, changing nothing, if this cannot be."""
    cell = (type(generation.phase), type(fact))
    if cell in IGNORED:
        return generation, []
    handler = CELLS.get(cell)
    if handler is None:
        raise IllegalFact(f"{type(fact).__name__} in phase {generation.phase.phase!r}: {fact!r}")
    after, events = handler(generation, generation.phase, fact, now)
    return _with_pause(generation, after, events)


def _with_pause(before: Generation, after: Generation, events: list[Event]) -> Step:
    """Say that the generation pauses or resumes. It is paused exactly while a person is asked."""
    asked_before, asked = pending(before), pending(after)
    ids: tuple[ApprovalId, ...]
    if asked and not asked_before:
        ids = tuple(approval.id for approval in asked)
        return after, [*events, GenerationPaused(approvals=ids, segment=after.segment)]
    if asked_before and not asked and not isinstance(after.phase, Stopping | Ended):
        ids = tuple(approval.id for approval in asked_before)
        after = after.model_copy(update={"segment": after.segment + 1})
        resumed = GenerationResumed(approvals=ids, segment=after.segment)
        place = next((i for i, event in enumerate(events) if not isinstance(event, DECIDING)), len(events))
        return after, [*events[:place], resumed, *events[place:]]
    return after, events


LIVE = (Thinking, Judging, Acting)

CELLS: dict[tuple[type[Phase], type[Fact]], Handler] = {
    (Thinking, ModelReplied): turns.model_replied,
    (Thinking, ModelFailed): turns.model_failed,
    (Stopping, ModelReplied): turns.late_reply,
    (Stopping, ModelCut): turns.model_cut,
    (Stopping, ModelFailed): turns.late_failure,
    (Judging, CallsJudged): calling.calls_judged,
    (Acting, DecisionsMade): calling.decisions_made,
    (Acting, QuestionsAnswered): answering.questions_answered,
    (Acting, ApprovalTimedOut): expiring.approval_timed_out,
    (Acting, Extended): expiring.approval_extended,
    (Acting, ToolReturned): calling.tool_returned,
    (Acting, ToolLost): calling.tool_lost,
    (Stopping, ToolReturned): calling.late_result,
    (Stopping, ToolLost): calling.late_loss,
    **{(phase, Steered): turns.steered for phase in LIVE},
    **{(phase, SteerWithdrawn): turns.steer_withdrawn for phase in LIVE},
    **{(phase, StopRequested): turns.stop_requested for phase in LIVE},
    (Finishing, StopRequested): turns.stop_at_the_end,
    (Stopping, Settled): turns.settled,
    **{(phase, TitleMade): turns.title_made for phase in (*LIVE, Finishing)},
    (Finishing, TitleTimedOut): turns.title_timed_out,
}

IGNORED: frozenset[tuple[type[Phase], type[Fact]]] = frozenset(
    {
        (Stopping, CallsJudged),
        (Stopping, StopRequested),  # the first reason to stop stands
        (Stopping, SteerWithdrawn),  # it comes back as unused anyway
        (Stopping, TitleMade),  # no title is set late after a stop
        *((phase, SteerWithdrawn) for phase in (Finishing, Ended)),
        *((phase, ApprovalTimedOut) for phase in (Thinking, Judging, Stopping, Finishing, Ended)),  # stale timers
        *((phase, Extended) for phase in (Thinking, Judging, Stopping, Finishing, Ended)),  # decided a moment before
        *((Ended, fact) for fact in (StopRequested, TitleMade, TitleTimedOut)),
    }
)
