"""Calls that several people must approve: who has, and when that is enough."""

from datetime import datetime

from domain.approval import Approval, Decision, Vote, without_calls
from domain.errors import IllegalFact
from domain.events import ApprovalDecided, ApprovalVoted
from domain.facts import DecisionsMade
from domain.ids import CallId


def has_approved(approval: Approval, person: str, call_id: CallId) -> bool:
    """Whether this person's approval of the call is counted already."""
    return any(vote.call_id == call_id and vote.by.id == person for vote in approval.votes)


def still_needed(approval: Approval, decision: Decision) -> int:
    """How many more people must approve after this decision. 0: it settles its call."""
    if decision.decision != "approve":
        return 0
    return max(approval.quorum - 1 - sum(vote.call_id == decision.call_id for vote in approval.votes), 0)


def vote(approval: Approval, made: DecisionsMade, now: datetime) -> Approval:
    """What is left of the approval: the calls that the decisions do not settle, with the votes on them.

    Raises IllegalFact if somebody would be counted twice.
    """
    if any(d.decision == "approve" and has_approved(approval, made.by.id, d.call_id) for d in made.decisions):
        raise IllegalFact(f"one person counted twice: {made!r}")
    settled = {decision.call_id for decision in made.decisions if not still_needed(approval, decision)}
    cast = (Vote(call_id=d.call_id, by=made.by, at=now) for d in made.decisions if d.call_id not in settled)
    left = without_calls(approval, settled)
    return left.model_copy(update={"votes": (*left.votes, *cast)})


def event_of(
    approval: Approval, decision: Decision, made: DecisionsMade, now: datetime
) -> ApprovalDecided | ApprovalVoted:
    """The event of one decision on the approval as it stood before it."""
    needed = still_needed(approval, decision)
    if needed:
        return ApprovalVoted(
            approval_id=approval.id,
            call_id=decision.call_id,
            by=made.by,
            at=now,
            needed=needed,
            reason=decision.reason,
            via=made.via,
            client=made.client,
        )
    return ApprovalDecided(
        approval_id=approval.id,
        call_id=decision.call_id,
        decision=decision.decision,
        by=made.by,
        at=now,
        reason=decision.reason,
        arguments=decision.arguments if decision.decision == "edit" else None,
        text=decision.text if decision.decision == "respond" else None,
        scope=decision.scope,
        via=made.via,
        client=made.client,
    )
