"""Transitions of the answer as a whole: what the model, the user and the clock do to it."""

from datetime import datetime

from domain import wording
from domain.ask_user import asks_user
from domain.content import ErrorInfo, ToolStatus
from domain.events import (
    Event,
    Steer,
    SteerCancelled,
    SteerQueued,
    TitleUpdated,
)
from domain.facts import (
    ModelCut,
    ModelFailed,
    ModelReplied,
    Settled,
    Steered,
    SteerWithdrawn,
    StopRequested,
    TitleMade,
    TitleTimedOut,
)
from domain.generation import (
    Acting,
    Allowed,
    Answered,
    Call,
    Finishing,
    Generation,
    GivenTitle,
    Judging,
    NoTitle,
    Phase,
    Stopping,
    Thinking,
    UnjudgedCall,
)
from domain.moves import Step, account, account_partial, account_turn, check_turn, complete, end, stop, to, unanswered


def model_replied(generation: Generation, phase: Thinking, reply: ModelReplied, now: datetime) -> Step:
    check_turn(phase.turn, reply.turn, reply)
    generation, events = account_turn(generation, reply)
    if not reply.calls:
        generation, ended = complete(generation, phase.turn, now)
        return generation, events + ended
    unjudged = tuple(UnjudgedCall(call_id=c.call_id, name=c.name, digest=c.digest) for c in reply.calls)
    agent = generation.request.agent
    if agent.policy.enabled or any(asks_user(agent.tool(call.name)) for call in unjudged):  # whose questions are read
        return to(generation, Judging(turn=phase.turn, calls=unjudged)), events
    calls = tuple(
        Call(call_id=c.call_id, name=c.name, digest=c.digest, state=Allowed(digest=c.digest)) for c in unjudged
    )
    return to(generation, Acting(turn=phase.turn, calls=calls)), events


def model_failed(generation: Generation, phase: Thinking, failed: ModelFailed, now: datetime) -> Step:
    check_turn(phase.turn, failed.turn, failed)
    generation, events = account_partial(generation, failed, "error")
    error = ErrorInfo(code=failed.code, message=failed.message)
    generation, ended = end(generation, phase.turn, "failed", now, error=error)
    return generation, events + ended


def late_reply(generation: Generation, phase: Stopping, reply: ModelReplied, now: datetime) -> Step:
    """The reply was complete before the cancellation reached it. It is kept; its calls never run."""
    check_turn(phase.turn, reply.turn, reply)
    generation, events = account_turn(generation, reply)
    calls = tuple(
        Call(call_id=c.call_id, name=c.name, digest=c.digest, state=Allowed(digest=c.digest)) for c in reply.calls
    )
    return to(generation, phase.model_copy(update={"calls": calls})), events


def model_cut(generation: Generation, phase: Stopping, cut: ModelCut, now: datetime) -> Step:
    check_turn(phase.turn, cut.turn, cut)
    return account_partial(generation, cut, "cut")


def late_failure(generation: Generation, phase: Stopping, failed: ModelFailed, now: datetime) -> Step:
    """It failed while being cancelled. What it had said and cost counts; the reason to stop stands."""
    check_turn(phase.turn, failed.turn, failed)
    return account_partial(generation, failed, "error")


def steered(generation: Generation, phase: Phase, steer: Steered, now: datetime) -> Step:
    position = generation.steers[-1].position + 1 if generation.steers else 1  # the store keeps a turn's steers by it
    queued = Steer(id=steer.id, text=steer.text, position=position)
    event = SteerQueued(id=steer.id, text=steer.text, position=position)
    return generation.model_copy(update={"steers": (*generation.steers, queued)}), [event]


def steer_withdrawn(generation: Generation, phase: Phase, withdrawn: SteerWithdrawn, now: datetime) -> Step:
    """Taken back before the model heard it; one that is gone already changes nothing."""
    gone = [steer for steer in generation.steers if steer.id == withdrawn.id]
    kept = tuple(steer for steer in generation.steers if steer.id != withdrawn.id)
    events: list[Event] = [SteerCancelled(id=s.id, text=s.text, position=s.position) for s in gone]
    return generation.model_copy(update={"steers": kept}), events


def stop_requested(
    generation: Generation, phase: Thinking | Judging | Acting, requested: StopRequested, now: datetime
) -> Step:
    match phase:
        case Thinking():
            calls: tuple[Call, ...] = ()
        case Judging():
            calls = tuple(
                Call(call_id=c.call_id, name=c.name, digest=c.digest, state=Allowed(digest=c.digest))
                for c in phase.calls
            )
        case Acting():
            calls = phase.calls
    return stop(generation, phase.turn, calls, requested.outcome), []


def stop_at_the_end(generation: Generation, phase: Finishing, requested: StopRequested, now: datetime) -> Step:
    """The answer was complete, only its title was awaited: it stays completed, and goes without."""
    return end(generation, phase.turn, "completed", now)


def settled(generation: Generation, phase: Stopping, fact: Settled, now: datetime) -> Step:
    """All that ran has ended. Calls without a result get one now, so that every call has exactly one."""
    events: list[Event] = []
    for call in phase.calls:
        if not isinstance(call.state, Answered):
            status: ToolStatus = "expired" if phase.outcome == "expired" else "rejected"
            events.append(unanswered(call, phase.turn, status, wording.STOPPED)[1])
    generation, ended = end(generation, phase.turn, phase.outcome, now, error=phase.error)
    return generation, events + ended


def title_made(generation: Generation, phase: Phase, made: TitleMade, now: datetime) -> Step:
    events: list[Event] = []
    title = GivenTitle(text=made.title) if made.title else NoTitle()
    generation = generation.model_copy(update={"title": title})
    if made.title:
        events.append(TitleUpdated(title=made.title))
    if made.usage is not None:
        generation, accounted = account(generation, made.usage, made.cost, kind="title")
        events += accounted
    if isinstance(phase, Finishing):
        generation, ended = end(generation, phase.turn, "completed", now)
        events += ended
    return generation, events


def title_timed_out(generation: Generation, phase: Finishing, fact: TitleTimedOut, now: datetime) -> Step:
    return end(generation, phase.turn, "completed", now)
