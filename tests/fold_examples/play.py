"""A generation, played: the events that readers get of it, filled with the content that only the store has."""

import json
from collections.abc import Mapping
from datetime import timedelta

from domain.advance import advance, begin
from domain.approval import Decision, digest
from domain.ask_user import ASK_USER, questions_in
from domain.content import Actor, ErrorPart, Message, Part, ReasoningPart, TextPart, ToolCallPart
from domain.events import (
    ApprovalRequested,
    Event,
    GenerationFinished,
    GenerationStarted,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    ToolCompleted,
    ToolStarted,
    TurnCompleted,
    TurnStarted,
)
from domain.facts import (
    ApprovalTimedOut,
    CallJudgement,
    CallMade,
    CallsJudged,
    DecisionsMade,
    Extended,
    Fact,
    ModelReplied,
    QuestionsAnswered,
    ToolReturned,
)
from domain.generation import JudgeCalls, RunTool, pending, todo
from domain.ids import CallId, QuestionId
from domain.policy import OWNER, Approvers, Policy, Verdict
from domain.question import Answer, Question, settle
from domain.view import View, fold
from tests.builders import ANN, NOW, OFF, TOOL, USAGE, a_request


class Play:
    """One generation, played: what the model, the tools and people do, and the events that readers get of it."""

    def __init__(self, policy: Policy = OFF, *, titled: bool = False) -> None:
        self.events: list[Event] = []
        self._now, self._parts, self._outputs = NOW, dict[int, tuple[Part, ...]](), dict[CallId, str]()
        self._request = a_request(policy=policy, titled=titled)
        self._question = Message(
            id=self._request.user_message_id,
            parent_id=None,
            role="user",
            parts=(TextPart(text="Book me a journey to Oslo 🇳🇴."),),
            created_at=NOW,
        )
        self._generation, begun = begin(self._request, NOW)
        self._write(begun)

    def tell(self, fact: Fact) -> None:
        self._now += timedelta(seconds=1)
        self._generation, events = advance(self._generation, fact, self._now)
        self._write(events)

    def stream(self, *parts: Part, attempt: int = 1) -> None:
        """The model says it, fragment by fragment."""
        turn = self._generation.phase.turn
        said = {"turn": turn, "attempt": attempt}
        self._write([TurnStarted(turn=turn, attempt=attempt)])
        for number, part in enumerate(parts):
            at = {**said, "part": number}
            match part:
                case TextPart(text=text):
                    self._write([TextDelta(text=piece, **at) for piece in _halves(text)])
                case ReasoningPart(text=text):
                    self._write([ReasoningDelta(text=piece, **at) for piece in _halves(text)])
                case ToolCallPart(call_id=call_id):
                    self._write([ToolCallStarted(call_id=call_id, name=part.name, **at)])
                    pieces = _halves(json.dumps(part.arguments))
                    self._write([ToolCallDelta(call_id=call_id, arguments=piece, **at) for piece in pieces])
                case _:
                    raise AssertionError(f"a model does not say {part!r}")
        self._parts[turn] = parts

    def reply(self, *parts: Part, attempt: int = 1) -> None:
        self.stream(*parts, attempt=attempt)
        calls = tuple(
            CallMade(call_id=part.call_id, name=part.name, digest=digest(part.name, part.arguments))
            for part in parts
            if isinstance(part, ToolCallPart)
        )
        self.tell(
            ModelReplied(
                turn=self._generation.phase.turn,
                attempt=attempt,
                calls=calls,
                finish_reason="tool_calls" if calls else "stop",
                usage=USAGE,
                cost=0.5,
            )
        )

    def judge(self, verdict: Verdict, approvers: Approvers = OWNER) -> None:
        (work,) = (work for work in todo(self._generation) if isinstance(work, JudgeCalls))
        judgements = tuple(
            CallJudgement(
                call_id=c,
                verdict="ask" if (asked := self._questions(c)) else verdict,
                because="the model asks the user" if asked else f"{verdict} list: book",
                reason=None if asked else "It costs money.",
                approvers=approvers,
                questions=asked,
            )
            for c in work.call_ids
        )
        self.tell(CallsJudged(turn=work.turn, judgements=judgements))

    def _questions(self, call_id: CallId) -> tuple[Question, ...]:
        call = self._call(call_id)
        return questions_in(call.arguments) if call.name == ASK_USER.name and isinstance(call.arguments, dict) else ()

    def decide(self, *decisions: Decision, by: Actor = ANN) -> None:
        self.tell(DecisionsMade(approval_id=pending(self._generation)[0].id, decisions=decisions, by=by))

    def answer(self, given: Mapping[QuestionId, Answer]) -> None:
        approval = next(approval for approval in pending(self._generation) if approval.questions)
        self.tell(QuestionsAnswered(approval_id=approval.id, answers=settle(approval.questions, given), by=ANN))

    def expire(self) -> None:
        self.tell(ApprovalTimedOut(approval_id=pending(self._generation)[0].id))

    def extend(self) -> None:
        approval = pending(self._generation)[0]
        self.tell(Extended(approval_id=approval.id, until=approval.expires_at + timedelta(hours=1), by=ANN))

    def run(self, call_id: str, output: str, *, failed: bool = False) -> None:
        (work,) = (w for w in todo(self._generation) if isinstance(w, RunTool) and w.call_id == call_id)
        stored = self._call(work.call_id).arguments
        shown = stored if isinstance(stored, dict) else {}
        arguments = shown if work.arguments is None else work.arguments
        self._write([ToolStarted(turn=work.turn, call_id=work.call_id, name=work.name, arguments=arguments, attempt=1)])
        self._outputs[work.call_id] = output
        status = "failed" if failed else "completed"
        self.tell(ToolReturned(turn=work.turn, call_id=work.call_id, status=status, duration_ms=40))

    def view(self) -> View:
        view = fold(None, enumerate(self.events, start=1))
        assert view is not None
        return view

    def _write(self, events: list[Event]) -> None:
        for event in events:
            self.events.append(self._filled(event))

    def _filled(self, event: Event) -> Event:
        """With the content that the machine does not carry."""
        match event:
            case GenerationStarted():
                return event.model_copy(update={"user_message": self._question})
            case TurnCompleted(turn=turn):
                return event.model_copy(update={"parts": self._parts[turn]})
            case ApprovalRequested(approval=approval):
                calls = tuple(
                    c.model_copy(update={"arguments": self._call(c.call_id).arguments, "json_schema": TOOL.parameters})
                    for c in approval.calls
                )
                return event.model_copy(update={"approval": approval.model_copy(update={"calls": calls})})
            case ToolCompleted(output=None):
                return event.model_copy(update={"output": self._outputs[event.call_id]})
            case GenerationFinished():
                message = None if event.early else self._answer(event)
                return event.model_copy(update={"message": message, "user_message": self._question})
            case _:
                return event

    def _answer(self, finished: GenerationFinished) -> Message:
        answer = self.view().message
        assert answer is not None
        error = (ErrorPart(message=finished.error.message),) if finished.error else ()
        return answer.model_copy(
            update={
                "parts": (*answer.parts, *error),
                "unfinished": finished.outcome != "completed",
                "error": finished.error,
                "usage": finished.usage,
                "cost": finished.cost,
            }
        )

    def _call(self, call_id: CallId) -> ToolCallPart:
        calls = (part for parts in self._parts.values() for part in parts if isinstance(part, ToolCallPart))
        return next(call for call in calls if call.call_id == call_id)


def _halves(text: str) -> tuple[str, str]:
    return text[: len(text) // 2], text[len(text) // 2 :]
