"""The building of an approval: what is asked, under which id, until when, and the receipt of what was answered."""

from collections.abc import Sequence
from datetime import datetime

from domain.approval import Approval, CallRequest, Decided, Receipt
from domain.facts import DecisionsMade
from domain.generation import Call, Generation
from domain.ids import ApprovalId, mint
from domain.policy import ALL_DECISIONS, DecisionKind, Expiry


def request_for(
    generation: Generation, call: Call, reason: str | None, allowed: tuple[DecisionKind, ...], because: str = ""
) -> CallRequest:
    tool = generation.request.agent.tool(call.name)
    return CallRequest(
        call_id=call.call_id,
        name=call.name,
        description=tool.description if tool else "",
        reason=reason,
        because=because,
        allowed_decisions=allowed or ALL_DECISIONS,
        digest=call.digest,
    )


def approval_for(
    generation: Generation,
    approval_id: ApprovalId,
    turn: int,
    requests: list[CallRequest],
    now: datetime,
    expiries: Sequence[Expiry] = (),
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
    )


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
