"""Writes the examples that both folds must agree on: `python -m tests.fold_examples.generate`.

Each is a generation played by the machine, its events filled with the content that only the store has, as readers get
them. The Python fold (`domain/view.py`) and the one of the page (`web/fold.js`) are tested against the same files.
"""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from domain.advance import advance, begin
from domain.approval import Decision, digest
from domain.content import ErrorPart, Message, Part, ReasoningPart, TextPart, ToolCallPart, Usage
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
    Fact,
    ModelCut,
    ModelReplied,
    Settled,
    SteerWithdrawn,
    TitleMade,
    ToolReturned,
)
from domain.generation import JudgeCalls, RunTool, pending, todo
from domain.ids import CallId, SteerId
from domain.policy import Expiry, Policy, Verdict
from domain.view import View, fold
from tests.builders import ABORT, ANN, ASKING, NOW, OFF, TOOL, USAGE, a_request, decision, steered

FOLDER = Path(__file__).parent
DENYING = Policy(enabled=True, expiry=Expiry(then="deny"))


class Play:
    """One generation, played: what the model, the tools and people do, and the events that readers get of it."""

    def __init__(self, policy: Policy = OFF, *, titled: bool = False) -> None:
        self._now, self._parts, self._outputs = NOW, dict[int, tuple[Part, ...]](), dict[CallId, str]()
        self.events: list[Event] = []
        self._generation, begun = begin(a_request(policy=policy, titled=titled), NOW)
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

    def judge(self, verdict: Verdict) -> None:
        (work,) = (work for work in todo(self._generation) if isinstance(work, JudgeCalls))
        judgements = tuple(
            CallJudgement(call_id=c, verdict=verdict, because=f"{verdict} list: book", reason="It costs money.")
            for c in work.call_ids
        )
        self.tell(CallsJudged(turn=work.turn, judgements=judgements))

    def decide(self, *decisions: Decision) -> None:
        self.tell(DecisionsMade(approval_id=pending(self._generation)[0].id, decisions=decisions, by=ANN))

    def expire(self) -> None:
        self.tell(ApprovalTimedOut(approval_id=pending(self._generation)[0].id))

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
                return event.model_copy(update={"user_message": self._question()})
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
                return event.model_copy(update={"message": message, "user_message": self._question()})
            case _:
                return event

    def _question(self) -> Message:
        return Message(
            id=self._generation.request.user_message_id
            if hasattr(self, "_generation")
            else a_request().user_message_id,
            parent_id=None,
            role="user",
            parts=(TextPart(text="Book me a journey to Oslo 🇳🇴."),),
            created_at=NOW,
        )

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


def book(call_id: str, to: str = "Oslo") -> ToolCallPart:
    return ToolCallPart(call_id=CallId(call_id), name=TOOL.name, arguments={"to": to})


def say(text: str) -> TextPart:
    return TextPart(text=text)


def plain_answer() -> Play:
    play = Play(titled=True)
    play.stream(ReasoningPart(text="They want to travel."), say("Oslo is lovely\nin\u2028spring."))
    play.tell(TitleMade(title="A journey to Oslo", usage=Usage(input_tokens=5, output_tokens=4), cost=0.125))
    play.reply(ReasoningPart(text="They want to travel.", signature="signed"), say("Oslo is lovely\nin\u2028spring."))
    return play


def retry_voids_an_attempt() -> Play:
    play = Play()
    play.reply(say("I look."), book("call-1"))
    play.run("call-1", "Seats are free.")
    play.stream(say("There are se"), book("call-2"))
    play.reply(say("Seats are free."), attempt=2)
    return play


def one_approved_one_rejected() -> Play:
    play = Play(ASKING)
    play.reply(say("Two ways."), book("call-1"), book("call-2", "Rome"))
    play.judge("ask")
    play.decide(decision("call-1", "approve"))
    play.run("call-1", "Booked.")
    play.decide(decision("call-2", "reject", reason="Too far."))
    play.reply(say("Oslo it is."))
    return play


def edited_arguments() -> Play:
    play = Play(ASKING)
    play.reply(book("call-1"))
    play.judge("ask")
    play.decide(decision("call-1", "edit", arguments={"to": "Bergen", "class": 2}))
    play.run("call-1", "Booked to Bergen.")
    play.reply(say("Bergen it is."))
    return play


def a_person_answers_in_the_tools_place() -> Play:
    play = Play(ASKING)
    play.reply(book("call-1"))
    play.judge("ask")
    play.decide(decision("call-1", "respond", text="I booked it myself."))
    play.reply(say("Then all is done."))
    return play


def expiry_ends_the_answer() -> Play:
    play = Play(ASKING)
    play.reply(say("May I?"), book("call-1"))
    play.judge("ask")
    play.expire()
    play.tell(Settled())
    return play


def expiry_denies_and_the_answer_goes_on() -> Play:
    play = Play(DENYING)
    play.reply(book("call-1"))
    play.judge("ask")
    play.expire()
    play.reply(say("Nobody answered."))
    return play


def steers() -> Play:
    play = Play()
    play.stream(say("I book."))
    play.tell(steered("str_1", "By train."))
    play.tell(steered("str_2", "No, by bus."))
    play.tell(SteerWithdrawn(id=SteerId("str_2")))
    play.reply(say("I book."), book("call-1"))
    play.run("call-1", "Booked.")
    play.stream(say("By tra"))
    play.tell(steered("str_3", "First class."))
    play.reply(say("By train, then."), attempt=2)
    return play


def early_abort() -> Play:
    play = Play(titled=True)
    play.stream()
    play.tell(ABORT)
    play.tell(ModelCut(turn=1, produced=False, usage=Usage(input_tokens=12, estimated=True), cost=0.25))
    play.tell(Settled())
    return play


def abort_keeps_what_was_said() -> Play:
    play = Play(ASKING)
    play.reply(book("call-1"))
    play.judge("deny")
    play.stream(say("It is not allo"))
    play.tell(ABORT)
    play.tell(ModelCut(turn=2, produced=True, usage=Usage(input_tokens=12, output_tokens=3, estimated=True)))
    play.tell(Settled())
    return play


def a_tool_fails() -> Play:
    play = Play()
    play.reply(book("call-1"), book("call-2", "Rome"))
    play.run("call-2", "Booked.")
    play.run("call-1", "Sold out.", failed=True)
    play.reply(say("Only Rome."))
    return play


def two_pauses() -> Play:
    play = Play(ASKING)
    play.reply(book("call-1"))
    play.judge("ask")
    play.decide(decision("call-1", "reject"))
    play.reply(book("call-2", "Rome"))
    play.judge("ask")
    return play


EXAMPLES: tuple[Callable[[], Play], ...] = (
    plain_answer,
    retry_voids_an_attempt,
    one_approved_one_rejected,
    edited_arguments,
    a_person_answers_in_the_tools_place,
    expiry_ends_the_answer,
    expiry_denies_and_the_answer_goes_on,
    steers,
    early_abort,
    abort_keeps_what_was_said,
    a_tool_fails,
    two_pauses,
)


def written() -> dict[str, str]:
    """The files' names and texts: one event a line, so that a change shows where it is."""
    return {f"{example.__name__}.json": _text(example.__name__, example()) for example in EXAMPLES}


def _text(name: str, play: Play) -> str:
    numbered = enumerate(play.events, start=1)
    lines = ",\n".join(f"    [{seq}, {_json(event.model_dump(mode='json'))}]" for seq, event in numbered)
    view = json.dumps(play.view().model_dump(mode="json"), indent=2, ensure_ascii=False).replace("\n", "\n  ")
    return f'{{\n  "name": {_json(name)},\n  "events": [\n{lines}\n  ],\n  "view": {view}\n}}\n'


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    for file, text in written().items():
        (FOLDER / file).write_text(text, encoding="utf-8")
