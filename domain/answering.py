"""Transitions of a call that asks the user something: its own approval, and the answers that are its result."""

from datetime import datetime

from domain import wording
from domain.approval import Approval, Decided, Receipt
from domain.asking import approval_for, mint_approval, request_for
from domain.errors import IllegalFact
from domain.events import ApprovalDecided
from domain.facts import CallJudgement, QuestionsAnswered
from domain.generation import Acting, Call, Generation
from domain.moves import Step, act, answer, approval_in


def question_for(generation: Generation, call: Call, turn: int, judged: CallJudgement, now: datetime) -> Approval:
    """An approval for this call alone: whoever answers answers all of its questions, and decides nothing else.

    The user is asked, so no role answers in the user's place, neither now nor once the time is over.
    """
    request = request_for(generation, call, judged.reason, (), because=judged.because)
    approval_id = mint_approval(generation, turn, now, call.call_id)
    expiries = [judged.expiry] if judged.expiry else []
    approval = approval_for(generation, approval_id, turn, [request], now, expiries)
    return approval.model_copy(
        update={
            "kind": "question",
            "questions": judged.questions,
            "then": "end" if approval.escalation else approval.then,
            "escalation": None,
        }
    )


def questions_answered(generation: Generation, phase: Acting, answered: QuestionsAnswered, now: datetime) -> Step:
    approval = approval_in(phase, answered.approval_id)
    asked = {question.id for question in approval.questions} if approval else set()
    if approval is None or not asked or asked != answered.answers.keys():
        raise IllegalFact(f"answers to what nobody was asked: {answered!r}")
    (request,) = approval.calls
    decided = ApprovalDecided(
        approval_id=approval.id,
        call_id=request.call_id,
        decision="answer",
        by=answered.by,
        at=now,
        answers=answered.answers,
        via=answered.via,
        client=answered.client,
    )
    calls, result = [], wording.answered(approval.questions, answered.answers)
    for call in phase.calls:
        if call.call_id == request.call_id:
            call, completed = answer(call, phase.turn, "completed", result)
        calls.append(call)
    line = Decided(call_id=request.call_id, decision="answer", by=answered.by, at=now)
    receipt = Receipt(approval_id=approval.id, decided=(line,))
    generation = generation.model_copy(update={"receipts": (*generation.receipts, receipt)})
    approvals = tuple(a for a in phase.approvals if a.id != approval.id)
    return act(generation, Acting(turn=phase.turn, calls=tuple(calls), approvals=approvals), [decided, completed], now)
