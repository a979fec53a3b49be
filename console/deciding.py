"""PURE: from the words of a person on one call to a decision, and from a refusal to words for that person."""

import json
from collections.abc import Mapping
from datetime import datetime

from console.client import Problem
from console.legible import clock, line
from console.transcript import PAST
from domain.approval import CallRequest, Decision, Receipt
from domain.errors import FermataError
from domain.ids import ApprovalId, CallId
from domain.policy import DecisionKind

LETTERS: Mapping[str, DecisionKind] = {"a": "approve", "r": "reject", "e": "edit", "t": "respond"}
HINTS: Mapping[DecisionKind, str] = {
    "approve": "[a]pprove",
    "reject": "[r]eject REASON",
    "edit": "[e]dit {JSON}",
    "respond": "[t]ext ANSWER",
}


class Misspoken(FermataError):
    """That is no decision. Say a, r, e or t."""


def choices(call: CallRequest) -> str:
    """What may be said about the call."""
    return " · ".join(HINTS[kind] for kind in HINTS if kind in call.allowed_decisions)


def decision(call: CallRequest, said: str) -> Decision:
    """The decision in a line such as `a`, `r too much`, `e {"to": "ada"}` or `t it is done`. Raises Misspoken."""
    word, _, rest = said.strip().partition(" ")
    kind = next((LETTERS[key] for key in LETTERS if word.lower() in (key, LETTERS[key])), None)
    if kind is None or kind not in call.allowed_decisions:
        raise Misspoken(f"That is no decision. Say one of: {choices(call)}.")
    rest = rest.strip()
    match kind:
        case "approve":
            return Decision(call_id=call.call_id, decision=kind)
        case "reject":
            return Decision(call_id=call.call_id, decision=kind, reason=rest or None)
        case "respond":
            if not rest:
                raise Misspoken("Say with `t` what the model shall be told instead of the tool's result.")
            return Decision(call_id=call.call_id, decision=kind, text=rest)
        case "edit":
            return Decision(call_id=call.call_id, decision=kind, arguments=arguments(rest))


def arguments(text: str) -> dict[str, object]:
    """Edited arguments. Raises Misspoken for what is no JSON object."""
    try:
        value: object = json.loads(text)
    except ValueError as error:
        raise Misspoken(f"This is not valid JSON: {error}.") from error
    if not isinstance(value, dict):
        raise Misspoken("The arguments must be a JSON object: { … }.")
    return value


def told(approval: ApprovalId, receipt: Receipt | None, names: Mapping[CallId, str], now: datetime) -> list[str]:
    """The receipt as lines."""
    if receipt is None:
        return [f"{approval}: kept. No worker answers now; the decision counts as soon as one does."]
    return [f"{approval}: {each}" for each in _decided(receipt, names, now)]


def refusal(problem: Problem, names: Mapping[CallId, str], now: datetime) -> str:
    """Why a decision did not count: somebody was first, the arguments do not fit, or what the server says."""
    match problem.code:
        case "already_decided" | "approval_mismatch" if problem.members.get("receipt"):
            receipt = Receipt.model_validate(problem.members["receipt"])
            return f"This was already decided: {'; '.join(_decided(receipt, names, now))}."
        case "arguments_invalid":
            errors = problem.members.get("errors") or []
            what = "; ".join(f"{each.get('pointer') or '/'}: {each.get('message')}" for each in errors)
            return f"{problem} {line(what, 500)}".strip()
        case _:
            return str(problem)


def _decided(receipt: Receipt, names: Mapping[CallId, str], now: datetime) -> list[str]:
    return [
        f"{PAST[each.decision]} {line(names.get(each.call_id, each.call_id))} by {line(each.by.name)}"
        f" at {clock(each.at, now)}"
        for each in receipt.decided
    ]
