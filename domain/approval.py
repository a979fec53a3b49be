"""Asking a person: the approval, the decisions on its calls or answers to its questions, and the receipt of those."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal, Protocol

from pydantic import Field

from domain.content import Actor, JsonObject, Value
from domain.ids import ApprovalId, CallId
from domain.policy import DecisionKind, OnExpiry
from domain.question import Question

Scope = Literal["once", "conversation"]  # of a decision: for this call, or for every later one of the tool too
Via = Literal["http", "signal", "update"]  # the way a decision came: through the API, or straight to the workflow
DecidedKind = DecisionKind | Literal["answer"]  # what can have been decided: calls are, and questions are answered


class CallRequest(Value):
    """One call that needs a person. Arguments and schema live in the store, and are filled in where they are shown."""

    call_id: CallId
    name: str
    arguments: JsonObject | None = None
    description: str = ""
    reason: str | None = None
    because: str = ""  # which list, rule, mode or hook has it asked
    allowed_decisions: tuple[DecisionKind, ...]
    always_allowable: bool = False
    json_schema: JsonObject | None = Field(default=None, alias="schema")
    digest: str


class Vote(Value):
    """One of the approvals that a call needs, while it needs more."""

    call_id: CallId
    by: Actor
    at: datetime


class Escalation(Value):
    """Who is asked when the time is over, and for how long."""

    to: tuple[str, ...]
    within: timedelta


class Approval(Value):
    """One request to people: for all calls of a turn that the same people decide, or for answers to a call's questions.

    `approvers` are roles, `approver` is the same in words; without any the owner of the conversation decides. When its
    time is over and others are asked, they are asked by an approval of their own, `escalated_from` this one.
    """

    id: ApprovalId
    kind: Literal["tool_approval", "question"] = "tool_approval"
    turn: int
    calls: tuple[CallRequest, ...]
    questions: tuple[Question, ...] = ()  # none unless of that kind
    created_at: datetime
    expires_at: datetime
    then: OnExpiry = "end"
    approver: str | None = None
    approvers: tuple[str, ...] = ()
    quorum: int = 1
    requester_may_approve: bool = True
    votes: tuple[Vote, ...] = ()  # on calls that are still open
    escalation: Escalation | None = None
    escalated_from: ApprovalId | None = None


class Decision(Value):
    """The answer for one call."""

    call_id: CallId
    decision: DecisionKind
    reason: str | None = None
    arguments: JsonObject | None = None
    text: str | None = None
    scope: Scope = "once"


class Decided(Value):
    """One line of a receipt: who answered what, when."""

    call_id: CallId
    decision: DecidedKind
    by: Actor
    at: datetime


class Receipt(Value):
    """Who has said what on an approval, and the calls still open: several people may have to approve one."""

    approval_id: ApprovalId
    decided: tuple[Decided, ...] = ()
    remaining: tuple[CallId, ...] = ()


class Line(Protocol):
    """What the record says of one person and one call."""

    @property
    def call_id(self) -> CallId: ...
    @property
    def decision(self) -> DecidedKind: ...
    @property
    def by(self) -> Actor: ...
    @property
    def at(self) -> datetime: ...


def may_decide(approval: Approval, person: str, roles: Collection[str], *, owner: str) -> bool:
    """Whether this person decides it. `owner`: whose conversation it is, and so who requested the calls."""
    if not approval.approvers:
        return person == owner
    holds = any(role in approval.approvers for role in roles)
    return holds and (approval.requester_may_approve or person != owner)


def still_open(approval: Approval, said: Iterable[Line]) -> tuple[CallId, ...]:
    """The calls that nobody has settled: too few people have approved, and none said anything else."""
    kinds = defaultdict[CallId, list[DecidedKind]](list)
    for line in said:
        kinds[line.call_id].append(line.decision)
    return tuple(
        call.call_id
        for call in approval.calls
        if set(kinds[call.call_id]) <= {"approve"} and len(kinds[call.call_id]) < approval.quorum
    )


def with_votes(approval: Approval, said: Sequence[Line]) -> Approval:
    """The approval with what people have said on the calls that are still open."""
    waiting = still_open(approval, said)
    votes = (Vote(call_id=line.call_id, by=line.by, at=line.at) for line in said if line.call_id in waiting)
    return approval.model_copy(update={"votes": tuple(votes)})


def without_calls(approval: Approval, settled: Collection[CallId]) -> Approval:
    """What is left of the approval, and of the votes on it."""
    return approval.model_copy(
        update={
            "calls": tuple(call for call in approval.calls if call.call_id not in settled),
            "votes": tuple(vote for vote in approval.votes if vote.call_id not in settled),
        }
    )


def digest(name: str, arguments: JsonObject | str) -> str:
    """SHA-256 over the tool's name and its arguments: binds a decision to exactly what was shown."""
    canonical = json.dumps([name, arguments], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()
