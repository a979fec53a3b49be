"""Transitions of the tool calls of a turn: judged, decided, returned, lost."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeVar

from domain import wording
from domain.answering import question_for
from domain.approval import Approval, Decision, digest
from domain.asking import approval_for, approvals_for, mint_approval, request_for, with_receipt
from domain.content import Actor, ToolStatus
from domain.errors import IllegalFact
from domain.events import ApprovalRequested, Event, ToolCompleted
from domain.facts import (
    CallJudgement,
    CallsJudged,
    DecisionsMade,
    Fact,
    ToolLost,
    ToolReturned,
)
from domain.generation import (
    Acting,
    Allowed,
    Answered,
    Asked,
    Call,
    Generation,
    Judging,
    Stopping,
)
from domain.ids import CallId
from domain.moves import Step, act, answer, approval_in, check_turn, policy_reason, to
from domain.policy import agreeable
from domain.voting import event_of, vote

WithCalls = TypeVar("WithCalls", Acting, Stopping)


def calls_judged(generation: Generation, phase: Judging, judged: CallsJudged, now: datetime) -> Step:
    check_turn(phase.turn, judged.turn, judged)
    judgements = {judgement.call_id: judgement for judgement in judged.judgements}
    if judgements.keys() != {call.call_id for call in phase.calls}:
        raise IllegalFact(f"judgements that are not those of the calls in hand: {judged!r}")
    calls, to_ask, events = [], list[tuple[Call, CallJudgement]](), list[Event]()
    questions = list[Approval]()
    for unjudged in phase.calls:
        judgement = judgements[unjudged.call_id]
        bound = judgement.digest or unjudged.digest
        call = Call(
            call_id=unjudged.call_id,
            name=unjudged.name,
            digest=bound,
            state=Allowed(digest=bound),
            approvers=judgement.approvers,
        )
        if judgement.invalid is None and judgement.verdict == "ask":
            if judgement.questions:
                questions.append(question_for(generation, call, phase.turn, judgement, now))
            else:
                to_ask.append((call, judgement))
        elif (refusal := _refusal(judgement)) is not None:
            status, output = refusal
            call, event = answer(call, phase.turn, status, output)
            events.append(event)
        calls.append(call)
    approvals = (*approvals_for(generation, phase.turn, to_ask, now), *questions)
    waiting = {request.call_id: Asked(approval_id=a.id) for a in approvals for request in a.calls}
    calls = [call.model_copy(update={"state": waiting.get(call.call_id, call.state)}) for call in calls]
    events += [ApprovalRequested(approval=approval) for approval in approvals]
    acting = Acting(turn=phase.turn, calls=tuple(calls), approvals=approvals)
    return act(generation, acting, events, now)


def _refusal(judgement: CallJudgement) -> tuple[ToolStatus, str] | None:
    if judgement.invalid is not None:
        return "failed", wording.invalid(judgement.invalid)
    if judgement.verdict == "deny":
        return "denied", wording.denied(judgement.because, judgement.reason)
    return None


def decisions_made(generation: Generation, phase: Acting, made: DecisionsMade, now: datetime) -> Step:
    approval = approval_in(phase, made.approval_id)
    decisions = {decision.call_id: decision for decision in made.decisions}
    if approval is None or approval.questions or not decisions.keys() <= {call.call_id for call in approval.calls}:
        raise IllegalFact(f"decisions on calls that nobody was asked for: {made!r}")
    if not decisions or len(decisions) < len(made.decisions):
        raise IllegalFact(f"no decision, or two for one call: {made!r}")
    left = vote(approval, made, now)
    still_asked = {request.call_id for request in left.calls}
    events: list[Event] = [event_of(approval, decision, made, now) for decision in made.decisions]
    calls = []
    for call in phase.calls:
        decision = decisions.get(call.call_id)
        if decision and call.call_id not in still_asked:
            call, answers = _decide(generation, phase.turn, call, decision, made.by)
            events += answers
        calls.append(call)
    approvals = tuple(left if a.id == approval.id else a for a in phase.approvals if a.id != approval.id or left.calls)
    generation = with_receipt(generation, approval, made, left.calls, now)
    return act(generation, Acting(turn=phase.turn, calls=tuple(calls), approvals=approvals), events, now)


def _decide(
    generation: Generation, turn: int, call: Call, decision: Decision, by: Actor
) -> tuple[Call, list[ToolCompleted]]:
    """What one decision makes of its call."""
    run = call.runs + 1
    match decision.decision:
        case "approve":
            state = Allowed(digest=call.digest, run=run)
            return call.model_copy(update={"state": state}), []
        case "edit":
            edited = decision.arguments or {}
            state = Allowed(digest=digest(call.name, edited), arguments=edited, run=run)
            return call.model_copy(update={"state": state, "digest": state.digest}), []
        case "reject":
            told = wording.rejected(by, decision.reason, policy_reason(generation, call.name), lost=call.runs > 0)
            call, event = answer(call, turn, "rejected", told)
            return call, [event]
        case "respond":
            call, event = answer(call, turn, "completed", wording.responded(decision))
            return call, [event]


def tool_returned(generation: Generation, phase: Acting, returned: ToolReturned, now: datetime) -> Step:
    acting, events = _with_result(phase, returned)
    return act(generation, acting, events, now)


def tool_lost(generation: Generation, phase: Acting, lost: ToolLost, now: datetime) -> Step:
    """Nobody knows what the call did, so a person is asked, whatever the policy says."""
    call = _running(phase.calls, lost.turn == phase.turn, lost.call_id, lost)
    if generation.request.approvals == "unsupported":
        answered, event = answer(call, phase.turn, "unknown", wording.LOST_UNASKED)
        return act(generation, phase.model_copy(update={"calls": _replace(phase.calls, answered)}), [event], now)
    approval_id = mint_approval(generation, phase.turn, now, lost.call_id)
    asked = call.model_copy(update={"state": Asked(approval_id=approval_id), "runs": _runs(call)})
    allowed = agreeable(generation.request.agent.policy.allowed_decisions, call.approvers.quorum)
    request = request_for(generation, asked, wording.LOST, allowed)
    approval = approval_for(generation, approval_id, phase.turn, [request], now, approvers=call.approvers)
    acting = phase.model_copy(update={"calls": _replace(phase.calls, asked), "approvals": (*phase.approvals, approval)})
    return act(generation, acting, [ApprovalRequested(approval=approval)], now)


def late_result(generation: Generation, phase: Stopping, returned: ToolReturned, now: datetime) -> Step:
    """A tool that was being cancelled has ended; what it says counts."""
    phase, events = _with_result(phase, returned)
    return to(generation, phase), events


def late_loss(generation: Generation, phase: Stopping, lost: ToolLost, now: datetime) -> Step:
    call = _running(phase.calls, lost.turn == phase.turn, lost.call_id, lost)
    answered, event = answer(call, phase.turn, "unknown", wording.LOST_UNASKED)
    return to(generation, phase.model_copy(update={"calls": _replace(phase.calls, answered)})), [event]


def _with_result(phase: WithCalls, returned: ToolReturned) -> tuple[WithCalls, list[Event]]:
    """A result from the tool; its output is in the store."""
    call = _running(phase.calls, returned.turn == phase.turn, returned.call_id, returned)
    answered = call.model_copy(update={"state": Answered(status=returned.status), "runs": _runs(call)})
    event = ToolCompleted(
        turn=phase.turn,
        call_id=call.call_id,
        status=returned.status,
        is_error=returned.status != "completed",
        duration_ms=returned.duration_ms,
    )
    return phase.model_copy(update={"calls": _replace(phase.calls, answered)}), [event]


def _running(calls: Sequence[Call], same_turn: bool, call_id: CallId, fact: Fact) -> Call:
    for call in calls:
        if same_turn and call.call_id == call_id and isinstance(call.state, Allowed):
            return call
    raise IllegalFact(f"a result for a call that was not running: {fact!r}")


def _runs(call: Call) -> int:
    return call.state.run if isinstance(call.state, Allowed) else call.runs


def _replace(calls: Iterable[Call], changed: Call) -> tuple[Call, ...]:
    return tuple(changed if call.call_id == changed.call_id else call for call in calls)
