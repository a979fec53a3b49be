"""Explaining a verdict: what would happen to a call, which rule says so, and what a person would be shown."""

from collections.abc import Iterator
from typing import assert_never

from console.legible import duration
from domain.facts import CallJudgement
from domain.policy import Approvers, Expiry

WORDS = {
    "allow": "allow   the call runs",
    "ask": "ask     a person is asked first",
    "deny": "deny    the call does not run; the model is told why",
}


def explain(judgement: CallJudgement, arguments: str | None) -> Iterator[str]:
    """The lines to print. `arguments`: with which a hook would have the call go on, as JSON."""
    if judgement.invalid is not None:
        yield "invalid the call does not run; the model is told why, and may try again"
        yield f"  why        {judgement.invalid}"
        return
    yield WORDS[judgement.verdict]
    yield f"  because    {judgement.because}"
    if judgement.reason and judgement.verdict != "allow":
        yield f"  reason     {judgement.reason}"
    if arguments is not None:
        yield f"  arguments  {arguments} (changed by a hook)"
    if judgement.verdict == "ask":
        yield f"  approvers  {_who(judgement.approvers)}"
        yield f"  decisions  {', '.join(judgement.allowed_decisions)}"
    if judgement.verdict == "ask" and judgement.expiry is not None:
        yield f"  expires    after {duration(judgement.expiry.after)}; then {_then(judgement.expiry)}"


def _who(approvers: Approvers) -> str:
    if not approvers.roles:
        return "the owner of the conversation"
    several = f"; {approvers.quorum} people must approve" if approvers.quorum > 1 else ""
    others = "" if approvers.requester_may_approve else "; not who asked for it"
    return f"{' or '.join(approvers.roles)}{several}{others}"


def _then(expiry: Expiry) -> str:
    match expiry.then:
        case "end":
            return "the answer ends"
        case "deny":
            return "the call is denied and the answer goes on"
        case "escalate":
            return f"{' or '.join(expiry.to)} is asked, for as long; then the answer ends"
        case _:
            assert_never(expiry.then)
