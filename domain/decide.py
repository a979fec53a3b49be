"""The ladder of refusals: what may be decided now. Pure; each refusal leaves the pause as it was.

The API gathers what only it can know (do the edited arguments fit the schema?) and hands it in, so that the owner of
the state gives every refusal, in one order, whoever asks.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from domain.advance import advance
from domain.approval import Approval, CallRequest, Decision, Receipt, Via, may_decide
from domain.content import Actor, JsonObject, Value
from domain.errors import (
    AlreadyDecided,
    AnswersMismatch,
    ApprovalIdRequired,
    ApprovalMismatch,
    ApprovalNotFound,
    ArgumentsInvalid,
    ConcurrencyLimit,
    DecisionNotAllowed,
    IncompleteDecision,
    InvalidBody,
    NotAnApprover,
    NotPaused,
    PauseExpired,
    UndecidedCalls,
    UnknownCall,
)
from domain.facts import DecisionsMade, Extended, QuestionsAnswered
from domain.generation import Generation, pending
from domain.ids import ApprovalId, CallId, GenerationId, QuestionId
from domain.question import Answer, settle
from domain.voting import has_approved


class ResumeRequest(Value):
    """What one person says to one approval: decisions on calls, or answers to questions, which must cover all of them
    that are open to the person.

    With `partial` decisions may leave calls open.

    `roles` are the person's. `via` and `client` say from where, for the record; who sends it straight to the workflow
    need not say it.
    """

    generation_id: GenerationId
    approval_id: ApprovalId | None = None
    decisions: tuple[Decision, ...] = ()
    answers: dict[QuestionId, Answer] | None = None
    partial: bool = False
    by: Actor
    roles: tuple[str, ...] = ()
    via: Via | None = None
    client: str | None = None
    argument_errors: tuple[JsonObject, ...] = ()  # of edited arguments against the schema: {call_id, pointer, message}
    slots: JsonObject | None = None  # no slot is free: {limit, running}


class ExtendRequest(Value):
    """More time for an approval, beyond its deadline."""

    generation_id: GenerationId
    approval_id: ApprovalId
    more: timedelta
    by: Actor
    roles: tuple[str, ...] = ()
    via: Via | None = None


class ResumeAnswer(Value):
    """`waiting`: accepted, and people are still asked."""

    status: Literal["resuming", "waiting"]
    receipt: Receipt


def decide(
    generation: Generation, request: ResumeRequest, now: datetime, *, sent_as: Via = "update"
) -> DecisionsMade | QuestionsAnswered:
    """The fact that these decisions, or answers, make. Raises the first refusal of the ladder."""
    fact = _fact(generation, request, now, sent_as)
    if request.slots is not None and not pending(advance(generation, fact, now)[0]):  # it would go on
        raise ConcurrencyLimit(**request.slots)
    return fact


def _fact(
    generation: Generation, request: ResumeRequest, now: datetime, sent_as: Via
) -> DecisionsMade | QuestionsAnswered:
    if request.decisions and request.answers:
        raise InvalidBody("Decisions and answers in one body. Calls are decided, questions are answered; send either.")
    if len({d.call_id for d in request.decisions}) < len(request.decisions):
        raise InvalidBody("Two decisions for one call. Decide each call once.")
    approval = _approval_in_question(generation, request.approval_id, now)
    if approval.questions:
        made = _answered(approval, request, sent_as)
        _check_approver(generation, approval, request)
        return made
    if request.answers:
        unknown = sorted(request.answers)
        raise AnswersMismatch("This approval asks no questions; send decisions.", missing=[], unknown=unknown)
    calls = {call.call_id: call for call in approval.calls}
    _check_coverage(generation, approval, calls, request)
    _check_approver(generation, approval, request)
    _check_allowed(calls, request.decisions)
    incomplete = [d.call_id for d in request.decisions if _lacks_something(d)]
    if incomplete:
        raise IncompleteDecision(calls=incomplete)
    if request.argument_errors:
        raise ArgumentsInvalid(errors=list(request.argument_errors))
    return DecisionsMade(
        approval_id=approval.id,
        decisions=request.decisions,
        by=request.by,
        via=request.via or sent_as,
        client=request.client,
    )


def _answered(approval: Approval, request: ResumeRequest, sent_as: Via) -> QuestionsAnswered:
    if request.decisions:
        missing = [question.id for question in approval.questions]
        raise AnswersMismatch("This approval asks questions; send answers, no decisions.", missing=missing, unknown=[])
    return QuestionsAnswered(
        approval_id=approval.id,
        answers=settle(approval.questions, request.answers or {}),
        by=request.by,
        via=request.via or sent_as,
        client=request.client,
    )


def extend(generation: Generation, request: ExtendRequest, now: datetime) -> Extended:
    """The fact that this makes. Raises the first refusal of the ladder."""
    approval = _approval_in_question(generation, request.approval_id, now)
    _check_approver(generation, approval, request)
    return Extended(approval_id=approval.id, until=approval.expires_at + request.more, by=request.by)


def answer(generation: Generation, approval_id: ApprovalId) -> ResumeAnswer:
    """What is told after the decisions were taken."""
    receipt = _receipt(generation, approval_id) or Receipt(approval_id=approval_id)
    return ResumeAnswer(status="waiting" if pending(generation) else "resuming", receipt=receipt)


def sole_approval(generation: Generation, approval_id: str) -> Approval:
    """The pending approval of that id, for the short forms `approve` and `reject`. Raises ApprovalNotFound."""
    for approval in pending(generation):
        if approval.id == approval_id:
            return approval
    raise ApprovalNotFound(f"No approval {approval_id!r} is pending.")


def _approval_in_question(generation: Generation, approval_id: ApprovalId | None, now: datetime) -> Approval:
    waiting = pending(generation)
    receipt = _receipt(generation, approval_id) if approval_id else None
    if not waiting:
        if receipt is not None:
            raise AlreadyDecided(receipt=receipt.model_dump(mode="json"))
        raise NotPaused()
    named = next((a for a in waiting if a.id == approval_id), None)
    if now >= (named or waiting[0]).expires_at:
        raise PauseExpired(expires_at=(named or waiting[0]).expires_at.isoformat())
    if approval_id is None:
        raise ApprovalIdRequired(current=[a.id for a in waiting])
    if named is None:
        raise ApprovalMismatch(current=waiting[0].id, receipt=receipt.model_dump(mode="json") if receipt else None)
    return named


def _check_coverage(
    generation: Generation, approval: Approval, calls: dict[CallId, CallRequest], request: ResumeRequest
) -> None:
    """Calls that this person has approved already are no more the person's to decide, only to stop."""
    given = {d.call_id for d in request.decisions}
    undecided = [c for c in calls if c not in given and not has_approved(approval, request.by.id, c)]
    if (undecided and not request.partial) or not request.decisions:
        raise UndecidedCalls(calls=undecided)
    receipt = _receipt(generation, approval.id)
    settled = {line.call_id for line in receipt.decided if line.call_id not in calls} if receipt else set()
    again = any(d.decision != "reject" and has_approved(approval, request.by.id, d.call_id) for d in request.decisions)
    if receipt and (again or given & settled):
        raise AlreadyDecided(receipt=receipt.model_dump(mode="json"))


def _check_approver(generation: Generation, approval: Approval, request: ResumeRequest | ExtendRequest) -> None:
    owner = generation.request.owner.id
    if may_decide(approval, request.by.id, request.roles, owner=owner):
        return
    if not approval.approvers:
        if request.via == "http":
            raise NotAnApprover("The owner of the conversation decides this.")
        return  # whoever reaches the engine itself stands in for the owner
    if may_decide(approval, "", request.roles, owner=owner):
        raise NotAnApprover(
            "Who asked for this may not decide it; another person with the role must.",
            approvers=list(approval.approvers),
        )
    raise NotAnApprover(
        f"Only people with the role {approval.approver} decide this.", approvers=list(approval.approvers)
    )


def _check_allowed(calls: dict[CallId, CallRequest], decisions: Sequence[Decision]) -> None:
    unknown = [d.call_id for d in decisions if d.call_id not in calls]
    if unknown:
        raise UnknownCall(calls=unknown)
    forbidden = [
        d.call_id
        for d in decisions
        if d.decision not in calls[d.call_id].allowed_decisions
        or (d.scope == "conversation" and not _may_be_for_good(d, calls[d.call_id]))
    ]
    if forbidden:
        raise DecisionNotAllowed(calls=forbidden)


def _may_be_for_good(decision: Decision, call: CallRequest) -> bool:
    return call.always_allowable and decision.decision in ("approve", "edit")


def _lacks_something(decision: Decision) -> bool:
    match decision.decision:
        case "edit":
            return decision.arguments is None
        case "respond":
            return not decision.text
        case "approve" | "reject":
            return False


def _receipt(generation: Generation, approval_id: ApprovalId | None) -> Receipt | None:
    return next((receipt for receipt in generation.receipts if receipt.approval_id == approval_id), None)
