"""Explaining a verdict: what would happen to a call, which rule says so, and what a person would be shown."""

from collections.abc import Iterator

from console.legible import duration
from domain.facts import CallJudgement

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
        yield f"  decisions  {', '.join(judgement.allowed_decisions)}"
    if judgement.verdict == "ask" and judgement.expiry is not None:
        then = "the answer ends" if judgement.expiry.then == "end" else "the call is denied and the answer goes on"
        yield f"  expires    after {duration(judgement.expiry.after)}; then {then}"
