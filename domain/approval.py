"""Asking a person: the approval, the decisions on its calls or answers to its questions, and the receipt of those."""

import hashlib
import json
from datetime import datetime
from typing import Literal

from pydantic import Field

from domain.content import Actor, JsonObject, Value
from domain.ids import ApprovalId, CallId
from domain.policy import DecisionKind, OnExpiry
from domain.question import Question

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


class Approval(Value):
    """One request to a human: for all calls of a turn that need asking, or for the answers to the questions of one."""

    id: ApprovalId
    kind: Literal["tool_approval", "question"] = "tool_approval"
    turn: int
    calls: tuple[CallRequest, ...]
    questions: tuple[Question, ...] = ()  # none unless of that kind
    created_at: datetime
    expires_at: datetime
    then: OnExpiry = "end"
    approver: str | None = None


class Decision(Value):
    """The answer for one call."""

    call_id: CallId
    decision: DecisionKind
    reason: str | None = None
    arguments: JsonObject | None = None
    text: str | None = None
    scope: Literal["once", "conversation"] = "once"


class Decided(Value):
    """One line of a receipt: who answered what, when."""

    call_id: CallId
    decision: DecidedKind
    by: Actor
    at: datetime


class Receipt(Value):
    """What has been decided on an approval, and the calls still open."""

    approval_id: ApprovalId
    decided: tuple[Decided, ...] = ()
    remaining: tuple[CallId, ...] = ()


def digest(name: str, arguments: JsonObject | str) -> str:
    """SHA-256 over the tool's name and its arguments: binds a decision to exactly what was shown."""
    canonical = json.dumps([name, arguments], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()
