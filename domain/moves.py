"""The moves that several transitions share: to another phase, to the next turn, to the end; and the accounts."""

from datetime import datetime

from domain import wording
from domain.approval import Approval
from domain.content import ErrorInfo, ToolStatus, Usage
from domain.errors import IllegalFact
from domain.events import (
    CallUsage,
    Event,
    FinishReason,
    GenerationFinished,
    Outcome,
    SteerApplied,
    SteerReturned,
    ToolCompleted,
    Totals,
    TurnCompleted,
    UsageUpdated,
)
from domain.facts import (
    Fact,
    ModelCut,
    ModelFailed,
    ModelReplied,
)
from domain.generation import (
    Acting,
    Answered,
    AwaitedTitle,
    Call,
    Ended,
    Finishing,
    Generation,
    GivenTitle,
    Phase,
    Stopping,
    Thinking,
)
from domain.ids import ApprovalId
from domain.pricing import add_costs

Step = tuple[Generation, list[Event]]


def to(generation: Generation, phase: Phase) -> Generation:
    return generation.model_copy(update={"phase": phase})


def act(generation: Generation, acting: Acting, events: list[Event], now: datetime) -> Step:
    """Stay with the calls while one has no result; then the next turn begins, with what the user said meanwhile."""
    if not all(isinstance(call.state, Answered) for call in acting.calls):
        return to(generation, acting), events
    limit = generation.request.agent.max_turns
    if acting.turn >= limit:
        error = ErrorInfo(code="max_turns_reached", message=f"The agent may take {limit} turns, and has taken them.")
        generation, ended = end(generation, acting.turn, "failed", now, error=error)
        return generation, events + ended
    applied = [SteerApplied(id=s.id, text=s.text, position=s.position) for s in generation.steers]
    generation = generation.model_copy(update={"steers": (), "phase": Thinking(turn=acting.turn + 1)})
    return generation, [*events, *applied]


def complete(generation: Generation, turn: int, now: datetime) -> Step:
    if isinstance(generation.title, AwaitedTitle):
        return to(generation, Finishing(turn=turn, since=now)), []
    return end(generation, turn, "completed", now)


def stop(
    generation: Generation, turn: int, calls: tuple[Call, ...], outcome: Outcome, error: ErrorInfo | None = None
) -> Generation:
    return to(generation, Stopping(turn=turn, calls=calls, outcome=outcome, error=error))


def end(generation: Generation, turn: int, outcome: Outcome, now: datetime, *, error: ErrorInfo | None = None) -> Step:
    """The terminal event, whose message the store composes."""
    early = generation.spoken == 0 and outcome in ("aborted", "replaced")
    totals = generation.totals
    finished = GenerationFinished(
        outcome=outcome,
        error=error,
        early=early,
        title=generation.title.text if isinstance(generation.title, GivenTitle) else None,
        usage=Usage.model_validate(totals.model_dump(exclude={"cost"})),
        cost=totals.cost,
        unused_steers=generation.steers,
        finished_at=now,
    )
    returned = [SteerReturned(id=s.id, text=s.text, position=s.position) for s in generation.steers]
    return to(generation, Ended(turn=turn, outcome=outcome, error=error, early=early)), [*returned, finished]


def account_turn(generation: Generation, reply: ModelReplied) -> Step:
    generation = generation.model_copy(update={"spoken": generation.spoken + 1})
    generation, accounted = account(generation, reply.usage, reply.cost)
    completed = TurnCompleted(
        turn=reply.turn,
        attempt=reply.attempt,
        finish_reason=reply.finish_reason,
        usage=reply.usage,
        cost=reply.cost,
    )
    return generation, [completed, *accounted]


def account_partial(generation: Generation, partial: ModelCut | ModelFailed, finish: FinishReason) -> Step:
    """What a call that did not end by itself had said, and what it cost as far as known."""
    if not partial.produced:
        return account(generation, partial.usage, partial.cost) if partial.usage.input_tokens else (generation, [])
    return account_turn(
        generation,
        ModelReplied(
            turn=partial.turn,
            attempt=partial.attempt,
            finish_reason=finish,
            usage=partial.usage,
            cost=partial.cost,
        ),
    )


def account(generation: Generation, usage: Usage, cost: float | None, *, kind: str = "primary") -> Step:
    summed = generation.totals + usage
    totals = Totals(**summed.model_dump(exclude={"cost"}), cost=add_costs(generation.totals.cost, cost))
    call = CallUsage.model_validate({**usage.model_dump(), "cost": cost, "kind": kind})
    return generation.model_copy(update={"totals": totals}), [UsageUpdated(generation=totals, call=call)]


def approval_in(phase: Acting, approval_id: ApprovalId) -> Approval | None:
    """The approval of that id, if it still waits."""
    return next((approval for approval in phase.approvals if approval.id == approval_id), None)


def answer(call: Call, turn: int, status: ToolStatus, output: str) -> tuple[Call, ToolCompleted]:
    """A result that did not come from the tool."""
    event = ToolCompleted(turn=turn, call_id=call.call_id, status=status, output=output, is_error=status != "completed")
    return call.model_copy(update={"state": Answered(status=status)}), event


def unanswered(call: Call, turn: int, status: ToolStatus, output: str) -> tuple[Call, ToolCompleted]:
    """The result of a call that nobody let run. One that ran before and was lost may have taken effect all the same."""
    return answer(call, turn, "unknown", wording.LOST_UNASKED) if call.runs else answer(call, turn, status, output)


def policy_reason(generation: Generation, tool: str) -> str | None:
    reason = generation.request.agent.policy.reason
    return reason.replace("{tool}", tool) if reason else None


def check_turn(phase_turn: int, fact_turn: int, fact: Fact) -> None:
    if phase_turn != fact_turn:
        raise IllegalFact(f"turn {phase_turn} is in hand: {fact!r}")
