"""The view: what a screen shows of one generation. A pure fold over its events; `web/fold.js` computes the same."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal, assert_never

from domain.approval import Approval, CallRequest, Vote, without_calls
from domain.content import (
    Actor,
    ErrorInfo,
    JsonObject,
    Message,
    Part,
    ReasoningPart,
    SteerPart,
    TextPart,
    ToolCallPart,
    Usage,
    Value,
)
from domain.events import (
    AgentRef,
    ApprovalDecided,
    ApprovalExpired,
    ApprovalExtended,
    ApprovalRequested,
    ApprovalVoted,
    Event,
    GenerationFinished,
    GenerationPaused,
    GenerationResumed,
    GenerationStarted,
    Outcome,
    ReasoningDelta,
    Steer,
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
from domain.ids import CallId, ConversationId, GenerationId

Fragment = TextDelta | ReasoningDelta | ToolCallStarted | ToolCallDelta
Spoken = TurnStarted | Fragment | TurnCompleted
Status = Literal["queued", "running", "requires_action"] | Outcome


class View(Value):
    """The state of one generation as clients see it; `cursor` is the last event folded in.

    `turn_offset` is where in the message the parts of the current turn begin: a new attempt voids from there on.
    """

    id: GenerationId
    conversation_id: ConversationId
    agent: AgentRef
    status: Status
    outcome: Outcome | None = None
    error: ErrorInfo | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    turn: int = 0
    turn_offset: int = 0
    message: Message | None = None
    user_message: Message | None = None
    approvals: tuple[Approval, ...] = ()
    title: str | None = None
    usage: Usage = Usage()
    cost: float | None = None
    context: JsonObject | None = None
    auth_requests: tuple[JsonObject, ...] = ()
    steers: tuple[Steer, ...] = ()
    cursor: int = 0
    temporal_url: str | None = None


def fold(view: View | None, events: Iterable[tuple[int, Event]]) -> View | None:
    """The view after these events (sequence number, event), in order."""
    for seq, event in events:
        if isinstance(event, GenerationStarted):
            view = _begin(event)
        if view is not None:
            view = _step(view, event).model_copy(update={"cursor": seq})
    return view


def _begin(event: GenerationStarted) -> View:
    user = event.user_message
    response = Message(
        id=event.response_message_id,
        parent_id=user.id if user else None,
        role="assistant",
        parts=(),
        unfinished=True,
        created_at=event.started_at,
        generation_id=event.generation_id,
    )
    return View(
        id=event.generation_id,
        conversation_id=event.conversation_id,
        agent=event.agent,
        status="running",
        created_at=event.created_at,
        started_at=event.started_at,
        message=response,
        user_message=user,
        cost=0.0,
        temporal_url=event.temporal_url,
    )


def _step(view: View, event: Event) -> View:
    match event:
        case GenerationStarted():
            return view
        case TurnStarted() | TextDelta() | ReasoningDelta() | ToolCallStarted() | ToolCallDelta() | TurnCompleted():
            return view if event.turn < view.turn else _spoken(_in_turn(view, event.turn), event)
        case ApprovalRequested(approval=approval):
            view = _with_calls(view, {call.call_id: _asked(call) for call in approval.calls})
            others = (known for known in view.approvals if known.id != approval.id)  # the record may have told of it
            return view.model_copy(update={"approvals": (*others, approval)})
        case ApprovalDecided():
            return _decided(view, event)
        case ApprovalVoted(approval_id=approval_id, call_id=call_id, by=by, at=at):
            cast = Vote(call_id=call_id, by=by, at=at)
            voted = (
                a.model_copy(update={"votes": (*a.votes, cast)}) if a.id == approval_id else a for a in view.approvals
            )
            return view.model_copy(update={"approvals": tuple(voted)})
        case ApprovalExpired(approval_id=approval_id):
            expired = [a for a in view.approvals if a.id == approval_id]
            view = _with_calls(view, {call.call_id: {"status": "expired"} for a in expired for call in a.calls})
            return view.model_copy(update={"approvals": tuple(a for a in view.approvals if a.id != approval_id)})
        case ApprovalExtended(approval_id=approval_id, expires_at=expires_at):
            extended = {"expires_at": expires_at}
            approvals = (a.model_copy(update=extended) if a.id == approval_id else a for a in view.approvals)
            return view.model_copy(update={"approvals": tuple(approvals)})
        case GenerationPaused():
            return view.model_copy(update={"status": "requires_action"})
        case GenerationResumed():
            return view.model_copy(update={"status": "running"})
        case ToolStarted(call_id=call_id, arguments=arguments):
            return _with_calls(view, {call_id: {"status": "running", "arguments": arguments}})
        case ToolCompleted():
            result = {
                "status": event.status,
                "output": event.output,
                "is_error": event.is_error,
                "artifacts": event.artifacts,
            }
            return _with_calls(view, {event.call_id: result})
        case UsageUpdated(generation=totals):
            usage = Usage.model_validate(totals.model_dump(exclude={"cost"}))
            return view.model_copy(update={"usage": usage, "cost": totals.cost})
        case TitleUpdated(title=title):
            return view.model_copy(update={"title": title})
        case SteerQueued(id=steer_id, text=text, position=position):
            steer = Steer(id=steer_id, text=text, position=position)
            return view.model_copy(update={"steers": (*view.steers, steer)})
        case SteerApplied(text=text):
            return _with_parts(_without_steer(view, event.id), (*_parts(view), SteerPart(text=text)))
        case SteerCancelled() | SteerReturned():
            return _without_steer(view, event.id)
        case GenerationFinished():
            return view.model_copy(
                update={
                    "status": event.outcome,
                    "outcome": event.outcome,
                    "error": event.error,
                    "finished_at": event.finished_at,
                    "message": event.message,
                    "user_message": event.user_message,
                    "approvals": (),
                    "steers": (),
                    "title": event.title,
                    "usage": event.usage,
                    "cost": event.cost,
                }
            )
        case _:
            assert_never(event)


def _asked(call: CallRequest) -> dict[str, Any]:
    """A hook may have changed the arguments since the model made the call; they are left out where they are unknown."""
    changes = {"status": "pending", "reason": call.reason}
    return changes if call.arguments is None else {**changes, "arguments": call.arguments}


def _in_turn(view: View, turn: int) -> View:
    """A later turn begins behind all that is there.

    Any event of it may be the first that is seen, and an older turn may be told again: where a log was lost, the view
    comes from the record, which ends with the last reply that was complete, and what is left of the log follows it.
    """
    return view if turn == view.turn else view.model_copy(update={"turn": turn, "turn_offset": len(_parts(view))})


def _spoken(view: View, event: Spoken) -> View:
    match event:
        case TurnStarted():
            return _with_parts(view, _parts(view)[: view.turn_offset])
        case TurnCompleted(parts=parts):
            return _with_parts(view, _parts(view)[: view.turn_offset] + parts)
        case _:
            return _with_delta(view, event)


def _parts(view: View) -> tuple[Part, ...]:
    return view.message.parts if view.message else ()


def _with_parts(view: View, parts: tuple[Part, ...]) -> View:
    if view.message is None:
        return view
    return view.model_copy(update={"message": view.message.model_copy(update={"parts": parts})})


def _with_delta(view: View, event: Fragment) -> View:
    """Append a fragment to its part; parts appear in the order of their numbers, and stay empty if they were lost."""
    index = view.turn_offset + event.part
    parts = _parts(view) + (TextPart(text=""),) * (index - len(_parts(view)))
    old = parts[index] if index < len(parts) else None
    new: Part
    match event, old:
        case ToolCallStarted(call_id=call_id, name=name), _:
            new = ToolCallPart(call_id=call_id, name=name, arguments="")
        case ToolCallDelta(arguments=fragment), ToolCallPart(arguments=str() as sofar):
            new = old.model_copy(update={"arguments": sofar + fragment})
        case TextDelta(text=text), TextPart(text=sofar):
            new = TextPart(text=sofar + text)
        case TextDelta(text=text), _:
            new = TextPart(text=text)
        case ReasoningDelta(text=text), ReasoningPart(text=sofar):
            new = ReasoningPart(text=sofar + text)
        case ReasoningDelta(text=text), _:
            new = ReasoningPart(text=text)
        case _:
            return view  # a fragment of a call that was never opened says nothing
    return _with_parts(view, (*parts[:index], new, *parts[index + 1 :]))


def _with_calls(view: View, changes: dict[CallId, dict[str, Any]]) -> View:
    parts = tuple(
        part.model_copy(update=changes[part.call_id])
        if isinstance(part, ToolCallPart) and part.call_id in changes
        else part
        for part in _parts(view)
    )
    return _with_parts(view, parts)


def _decided(view: View, event: ApprovalDecided) -> View:
    """Note the decision on the call, and take the call, then the approval, off the list of what waits."""
    by = Actor(id=event.by.id, name=event.by.name)
    change: dict[str, Any] = {"decided_by": by, "status": "rejected" if event.decision == "reject" else "approved"}
    if event.reason is not None:
        change["reason"] = event.reason
    if event.arguments is not None:
        change["arguments"] = event.arguments
    approvals = (without_calls(a, {event.call_id}) if a.id == event.approval_id else a for a in view.approvals)
    view = _with_calls(view, {event.call_id: change})
    return view.model_copy(update={"approvals": tuple(a for a in approvals if a.calls)})


def _without_steer(view: View, steer_id: str) -> View:
    return view.model_copy(update={"steers": tuple(steer for steer in view.steers if steer.id != steer_id)})
