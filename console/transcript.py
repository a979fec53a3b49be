"""PURE: what a terminal shows of an answer, event by event. It can only be added to, never taken back."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, assert_never

from console.legible import brief, clock, consumption, line, pretty, visible
from domain.approval import Approval, DecidedKind
from domain.content import Part, ReasoningPart, TextPart, ToolCallPart
from domain.events import (
    ApprovalDecided,
    ApprovalExpired,
    ApprovalExtended,
    ApprovalRequested,
    ApprovalVoted,
    Event,
    FinishReason,
    GenerationFinished,
    GenerationPaused,
    GenerationResumed,
    GenerationStarted,
    Outcome,
    ReasoningDelta,
    SteerApplied,
    SteerCancelled,
    SteerQueued,
    SteerReturned,
    TextDelta,
    TitleUpdated,
    ToolCallDelta,
    ToolCallStarted,
    ToolCompleted,
    ToolStarted,
    TurnCompleted,
    TurnStarted,
    UsageUpdated,
)
from domain.ids import CallId
from domain.policy import OnExpiry
from domain.question import Question, shown
from domain.view import View

Style = Literal["", "dim", "cyan", "green", "yellow", "red"]

PAST: Mapping[DecidedKind, str] = {
    "approve": "approved",
    "reject": "rejected",
    "edit": "edited and approved",
    "respond": "answered instead of",
    "answer": "answered",
}
ENDS: Mapping[Outcome, str] = {
    "completed": "done",
    "failed": "failed",
    "aborted": "stopped",
    "expired": "expired: nobody decided in time",
    "replaced": "replaced by a newer message",
}
THEN: Mapping[OnExpiry, str] = {
    "end": "the answer ends",
    "deny": "its calls are denied",
    "escalate": "others are asked",
}
CUTS: Mapping[FinishReason, str] = {
    "length": "cut: the model may say no more in one turn",
    "content_filter": "cut: the provider's content filter",
}


@dataclass(frozen=True)
class Piece:
    """Some text, which may begin or end in the middle of a line."""

    text: str
    style: Style = ""


@dataclass(frozen=True)
class Transcript:
    """What must be known of what was written: the block whose line is still open, the tools by call, and the calls that
    people have answered.
    """

    open: Literal["text", "reasoning"] | None = None
    names: Mapping[CallId, str] = field(default_factory=dict)
    answered: frozenset[CallId] = frozenset()


Written = tuple[Transcript, list[Piece]]


def write(sofar: Transcript, event: Event, now: datetime) -> Written:
    """What to write for the event, and the transcript after it."""
    match event:
        case TextDelta(text=text):
            return _stream(sofar, "text", text)
        case ReasoningDelta(text=text):
            return _stream(sofar, "reasoning", text)
        case TurnStarted(attempt=attempt) if attempt > 1:
            return note(
                sofar, f"↻ The model call broke off; this is attempt {attempt}. Its last words count no more.", "yellow"
            )
        case ToolCallStarted(call_id=call_id, name=name):
            return replace(sofar, names={**sofar.names, call_id: name}), []
        case TurnCompleted(finish_reason=reason):
            return note(sofar, f"({CUTS[reason]})", "yellow") if reason in CUTS else _close(sofar)
        case ToolStarted(name=name, arguments=arguments):
            return note(sofar, f"⚙ {line(name)}  {brief(arguments)}", "cyan")
        case ToolCompleted(status="rejected" | "expired"):
            return sofar, []  # the decision, or its absence, was told already
        case ToolCompleted(call_id=call_id) if call_id in sofar.answered:
            return sofar, []
        case ToolCompleted():
            return _completed(sofar, event)
        case ApprovalRequested(approval=approval):
            return _many(sofar, card(approval, now))
        case ApprovalDecided(call_id=call_id, decision="answer", by=by, answers=answers):
            said = "; ".join(line(shown(each)) for each in (answers or {}).values())
            told = replace(sofar, answered=sofar.answered | {call_id})
            return note(told, f"✓ answered: {said} (by {line(by.name)})", "green")
        case ApprovalDecided(call_id=call_id, decision=decision, by=by, reason=reason):
            because = f": {line(reason)}" if reason else ""
            said = f"{PAST[decision]} {_name(sofar, call_id)} (by {line(by.name)}){because}"
            return note(sofar, f"✗ {said}", "yellow") if decision == "reject" else note(sofar, f"✓ {said}", "green")
        case ApprovalVoted(call_id=call_id, by=by, needed=needed):
            said = f"approved {_name(sofar, call_id)} (by {line(by.name)}); {needed} more must"
            return note(sofar, f"✓ {said}", "green")
        case ApprovalExpired(then=then):
            return note(sofar, f"⌛ Nobody decided in time; {THEN[then]}.", "yellow")
        case ApprovalExtended(expires_at=expires_at, by=by):
            return note(sofar, f"⌛ {line(by.name)} gave it more time, until {clock(expires_at, now)}.", "dim")
        case SteerApplied(text=text):
            return note(sofar, f"» {line(text)}", "dim")
        case GenerationFinished():
            return _many(sofar, _end(event))
        case (
            GenerationStarted()
            | TurnStarted()
            | ToolCallDelta()
            | GenerationPaused()
            | GenerationResumed()
            | UsageUpdated()
            | TitleUpdated()
            | SteerQueued()
            | SteerCancelled()
            | SteerReturned()
        ):
            return sofar, []
        case _:
            assert_never(event)


def note(sofar: Transcript, text: str, style: Style) -> Written:
    """A line of its own."""
    return _many(sofar, [Piece(f"{text}\n", style)])


def recap(sofar: Transcript, view: View) -> Written:
    """The whole answer as far as it is known: after a hole in the events."""
    parts = view.message.parts if view.message else ()
    said = [Piece("… The server has lost the events in between. This is the answer so far:\n", "yellow")]
    names = {part.call_id: part.name for part in parts if isinstance(part, ToolCallPart)}
    return _many(
        replace(sofar, names={**sofar.names, **names}), [*said, *(piece for part in parts for piece in _part(part))]
    )


def card(approval: Approval, now: datetime) -> list[Piece]:
    """An approval with all that a person must see to decide it, or to answer its questions."""
    pieces = [
        Piece(f"⏸ {approval.id} waits for {awaited(approval)} until {clock(approval.expires_at, now)}\n", "yellow")
    ]
    if approval.questions:
        return [*pieces, *(piece for question in approval.questions for piece in _question(question))]
    for call in approval.calls:
        pieces.append(
            Piece(f"  {line(call.name)}{f' – {line(call.description)}' if call.description else ''}\n", "cyan")
        )
        if call.reason:
            pieces.append(Piece(f"  {line(call.reason, 200)}\n", "dim"))
        pieces.append(Piece("".join(f"    {row}\n" for row in pretty(call.arguments or {}).splitlines())))
    return pieces


def awaited(approval: Approval) -> str:
    """Whose decision it waits for, and how many have approved already."""
    if approval.questions:
        return "an answer"
    if approval.approver is None:
        return "a decision"
    if approval.quorum == 1:
        return f"a decision by {line(approval.approver)}"
    given = min((sum(vote.call_id == call.call_id for vote in approval.votes) for call in approval.calls), default=0)
    return f"a decision by {line(approval.approver)} ({given} of {approval.quorum})"


def _question(question: Question) -> Iterable[Piece]:
    yield Piece(f"  {line(question.text, 1_000)}\n", "cyan")
    if question.description:
        yield Piece(f"  {line(question.description, 1_000)}\n", "dim")
    for number, option in enumerate(question.options, 1):
        yield Piece(f"    {number}. {line(option.label, 200)}\n")


def _stream(sofar: Transcript, kind: Literal["text", "reasoning"], text: str) -> Written:
    pieces = [] if sofar.open in (kind, None) else [Piece("\n")]
    return replace(sofar, open=kind), [*pieces, Piece(visible(text), "dim" if kind == "reasoning" else "")]


def _close(sofar: Transcript) -> Written:
    return replace(sofar, open=None), [Piece("\n")] if sofar.open else []


def _many(sofar: Transcript, lines: Iterable[Piece]) -> Written:
    after, closing = _close(sofar)
    return after, [*closing, *lines]


def _completed(sofar: Transcript, event: ToolCompleted) -> Written:
    good = event.status == "completed" and not event.is_error
    what = "" if event.status == "completed" else f"{event.status}: "
    took = f" ({event.duration_ms / 1000:.1f} s)" if event.duration_ms >= 100 else ""
    said = f"{'✓' if good else '✗'} {_name(sofar, event.call_id)}  {what}{line(event.output or '')}{took}"
    return note(sofar, said, "green" if good else "red")


def _end(event: GenerationFinished) -> list[Piece]:
    used = consumption(event.usage, event.cost)
    match event.outcome:
        case "completed":
            return [Piece(f"{used}\n", "dim")]
        case "failed":
            why = f": {line(event.error.message, 300)}" if event.error else ""
            return [Piece(f"✗ {ENDS[event.outcome]}{why}\n", "red")]
        case "aborted" | "expired" | "replaced":
            return [Piece(f"■ {ENDS[event.outcome]}\n", "yellow")]
        case _:
            assert_never(event.outcome)


def _part(part: Part) -> Iterable[Piece]:
    match part:
        case TextPart(text=text):
            return [Piece(f"{visible(text)}\n")]
        case ReasoningPart(text=text):
            return [Piece(f"{visible(text)}\n", "dim")]
        case ToolCallPart(name=name, arguments=arguments, status=status):
            return [Piece(f"⚙ {line(name)}  {brief(arguments)} – {status}\n", "cyan")]
        case _:
            return []


def _name(sofar: Transcript, call_id: CallId) -> str:
    return line(sofar.names.get(call_id, call_id))
