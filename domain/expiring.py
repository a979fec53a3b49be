"""Transitions of an approval that nobody has decided yet: its time is over, or it gets more."""

from datetime import datetime

from domain import wording
from domain.approval import Approval, Escalation
from domain.asking import escalated
from domain.content import ErrorInfo
from domain.events import ApprovalExpired, ApprovalExtended, ApprovalRequested, Event
from domain.facts import ApprovalTimedOut, Extended
from domain.generation import Acting, Asked, Generation
from domain.moves import Step, act, approval_in, stop, to, unanswered


def approval_timed_out(generation: Generation, phase: Acting, timed_out: ApprovalTimedOut, now: datetime) -> Step:
    """The time is over; a stale timer, whose approval is gone, changes nothing."""
    approval = approval_in(phase, timed_out.approval_id)
    if approval is None:
        return generation, []
    if approval.escalation is not None:
        return _ask_others(generation, phase, approval, approval.escalation, now)
    events: list[Event] = [ApprovalExpired(approval_id=approval.id, then=approval.then)]
    asked = {request.call_id for request in approval.calls}
    told = wording.UNANSWERED if approval.questions else wording.EXPIRED
    calls = []
    for call in phase.calls:
        if call.call_id in asked:
            call, event = unanswered(call, phase.turn, "expired", told)
            events.append(event)
        calls.append(call)
    approvals = tuple(a for a in phase.approvals if a.id != approval.id)
    acting = Acting(turn=phase.turn, calls=tuple(calls), approvals=approvals)
    if approval.then == "deny":
        return act(generation, acting, events, now)
    did = "answered" if approval.questions else "decided"
    error = ErrorInfo(code="approval_expired", message=f"Nobody {did} in time, so the answer ended here.")
    return stop(generation, acting.turn, acting.calls, "expired", error), events


def _ask_others(
    generation: Generation, phase: Acting, approval: Approval, escalation: Escalation, now: datetime
) -> Step:
    """The calls go on waiting, for other people: the generation stays paused."""
    successor = escalated(generation, approval, escalation, now)
    waiting = Asked(approval_id=successor.id)
    asked = {request.call_id for request in approval.calls}
    calls = (call.model_copy(update={"state": waiting}) if call.call_id in asked else call for call in phase.calls)
    approvals = (*(other for other in phase.approvals if other.id != approval.id), successor)
    events: list[Event] = [
        ApprovalExpired(approval_id=approval.id, then=approval.then),
        ApprovalRequested(approval=successor),
    ]
    return to(generation, Acting(turn=phase.turn, calls=tuple(calls), approvals=approvals)), events


def approval_extended(generation: Generation, phase: Acting, extended: Extended, now: datetime) -> Step:
    """A new deadline. It came too late if the approval is gone, and then changes nothing."""
    if approval_in(phase, extended.approval_id) is None:
        return generation, []
    approvals = tuple(
        a.model_copy(update={"expires_at": extended.until}) if a.id == extended.approval_id else a
        for a in phase.approvals
    )
    event = ApprovalExtended(approval_id=extended.approval_id, expires_at=extended.until, by=extended.by, at=now)
    return to(generation, phase.model_copy(update={"approvals": approvals})), [event]
