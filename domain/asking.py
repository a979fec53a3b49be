"""The building of an approval: what is asked, whom, under which id, until when; and the receipt of the answers."""

from collections.abc import Sequence
from datetime import datetime

from domain.approval import Approval, CallRequest, Decided, Escalation, Receipt
from domain.facts import CallJudgement, DecisionsMade
from domain.generation import Call, Generation
from domain.ids import ApprovalId, mint
from domain.policy import ALL_DECISIONS, OWNER, Approvers, DecisionKind, Expiry


def approvals_for(
    generation: Generation, turn: int, asked: Sequence[tuple[Call, CallJudgement]], now: datetime
) -> tuple[Approval, ...]:
    """One for all calls that the same people decide, now and once the time is over; in the order of their ids.

    So nobody is shown calls that are another's to decide, and who may decide an approval may decide all of it.
    """
    groups: dict[tuple[Approvers, tuple[str, ...]], list[tuple[CallRequest, Expiry]]] = {}
    for call, judgement in asked:
        expiry = judgement.expiry or generation.request.agent.policy.expiry
        request = request_for(
            generation,
            call,
            judgement.reason,
            judgement.allowed_decisions or ALL_DECISIONS,
            because=judgement.because,
            always_allowable=judgement.always_allowable,
        )
        groups.setdefault((judgement.approvers, expiry.to), []).append((request, expiry))
    made = []
    for number, ((approvers, _), group) in enumerate(groups.items()):
        id = mint_approval(generation, turn, now, *([str(number)] if number else []))
        requests, expiries = [request for request, _ in group], [expiry for _, expiry in group]
        made.append(approval_for(generation, id, turn, requests, now, expiries, approvers))
    return tuple(sorted(made, key=lambda approval: approval.id))


def request_for(
    generation: Generation,
    call: Call,
    reason: str | None,
    allowed: tuple[DecisionKind, ...],
    *,
    because: str = "",
    always_allowable: bool = False,
) -> CallRequest:
    tool = generation.request.agent.tool(call.name)
    return CallRequest(
        call_id=call.call_id,
        name=call.name,
        description=tool.description if tool else "",
        reason=reason,
        because=because,
        allowed_decisions=allowed,
        always_allowable=always_allowable,
        digest=call.digest,
    )


def approval_for(
    generation: Generation,
    approval_id: ApprovalId,
    turn: int,
    requests: list[CallRequest],
    now: datetime,
    expiries: Sequence[Expiry] = (),
    approvers: Approvers = OWNER,
) -> Approval:
    """One approval has one deadline: the first of those that its calls have by their rules."""
    expiry = min(expiries, key=lambda each: each.after, default=generation.request.agent.policy.expiry)
    return Approval(
        id=approval_id,
        turn=turn,
        calls=tuple(requests),
        created_at=now,
        expires_at=now + expiry.after,
        then=expiry.then,
        approver=in_words(approvers.roles),
        approvers=approvers.roles,
        quorum=approvers.quorum,
        requester_may_approve=approvers.requester_may_approve,
        escalation=Escalation(to=expiry.to, within=expiry.after) if expiry.then == "escalate" else None,
    )


def escalated(generation: Generation, approval: Approval, escalation: Escalation, now: datetime) -> Approval:
    """The same request, to others. It begins anew: what the first ones had approved counts for nothing any more."""
    return approval.model_copy(
        update={
            "id": mint_approval(generation, approval.turn, now, approval.id),
            "created_at": now,
            "expires_at": now + escalation.within,
            "then": "end",
            "approver": in_words(escalation.to),
            "approvers": escalation.to,
            "votes": (),
            "escalation": None,
            "escalated_from": approval.id,
        }
    )


def in_words(roles: Sequence[str]) -> str | None:
    return " or ".join(roles) or None


def mint_approval(generation: Generation, turn: int, now: datetime, *salt: str) -> ApprovalId:
    """Minted from what is known, so that a replay mints it again."""
    entropy = "/".join((generation.request.generation_id, str(turn), now.isoformat(), *salt)).encode()
    return ApprovalId(mint("apr", now, entropy))


def with_receipt(
    generation: Generation,
    approval: Approval,
    made: DecisionsMade,
    open_calls: tuple[CallRequest, ...],
    now: datetime,
) -> Generation:
    old = next((r for r in generation.receipts if r.approval_id == approval.id), Receipt(approval_id=approval.id))
    lines = tuple(Decided(call_id=d.call_id, decision=d.decision, by=made.by, at=now) for d in made.decisions)
    new = Receipt(
        approval_id=approval.id,
        decided=old.decided + lines,
        remaining=tuple(request.call_id for request in open_calls),
    )
    kept = tuple(r for r in generation.receipts if r.approval_id != approval.id)
    return generation.model_copy(update={"receipts": (*kept, new)})
