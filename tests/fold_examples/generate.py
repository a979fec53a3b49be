"""Writes the examples that both folds must agree on: `python -m tests.fold_examples.generate`.

The Python fold (`domain/view.py`) and the one of the page (`web/fold.js`) are tested against the same files. Most
examples end before their terminal event, which would replace what was folded.
"""

import json
from collections.abc import Callable
from pathlib import Path

from domain.ask_user import ASK_USER
from domain.content import ReasoningPart, TextPart, ToolCallPart, Usage
from domain.facts import ModelCut, Settled, SteerWithdrawn, TitleMade
from domain.ids import CallId, QuestionId, SteerId
from domain.policy import Approvers, Expiry, Policy
from tests.builders import ABORT, ASKING, BOB, TOOL, decision, steered
from tests.fold_examples.play import Play

FOLDER = Path(__file__).parent
ESCALATING = Policy(enabled=True, expiry=Expiry(then="escalate", to=("director",)))
DENYING = Policy(enabled=True, expiry=Expiry(then="deny"))


def book(call_id: str, to: str = "Oslo") -> ToolCallPart:
    return ToolCallPart(call_id=CallId(call_id), name=TOOL.name, arguments={"to": to})


def ask(call_id: str) -> ToolCallPart:
    seat = {"text": "Which seat?", "options": [{"label": "Window", "value": "window"}, {"label": "Aisle"}]}
    questions = [seat, {"text": "And when?", "description": "Trains leave at 8 and at 15."}]
    return ToolCallPart(call_id=CallId(call_id), name=ASK_USER.name, arguments={"questions": questions})


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
    play.stream(say("Seats are free."), attempt=2)
    return play


def one_approved_one_rejected() -> Play:
    play = Play(ASKING)
    play.reply(say("Two ways."), book("call-1"), book("call-2", "Rome"))
    play.judge("ask")
    play.decide(decision("call-1", "approve"))
    play.run("call-1", "Booked.")
    play.decide(decision("call-2", "reject", reason="Too far."))
    play.stream(say("Oslo it is."))
    return play


def edited_arguments() -> Play:
    play = Play(ASKING)
    play.reply(book("call-1"))
    play.judge("ask")
    play.decide(decision("call-1", "edit", arguments={"to": "Bergen", "class": 2}))
    play.run("call-1", "Booked to Bergen.")
    play.stream(say("Bergen it is."))
    return play


def a_person_answers_in_the_tools_place() -> Play:
    play = Play(ASKING)
    play.reply(book("call-1"))
    play.judge("ask")
    play.decide(decision("call-1", "respond", text="I booked it myself."))
    play.stream(say("Then all is done."))
    return play


def a_question_is_answered() -> Play:
    play = Play(ASKING)
    play.reply(say("That depends."), book("call-1"), ask("call-2"))
    play.judge("ask")
    play.answer({QuestionId("q1"): ("window",), QuestionId("q2"): "In the morning, please."})
    return play


def expiry_ends_the_answer() -> Play:
    play = Play(ASKING)
    play.reply(say("May I?"), book("call-1"))
    play.judge("ask")
    play.expire()
    play.tell(Settled())
    return play


def two_people_approve() -> Play:
    """The first call has both approvals it needs, the second one of them."""
    play = Play(ASKING)
    play.reply(say("May I?"), book("call-1"), book("call-2", "Rome"))
    play.judge("ask", Approvers(roles=("manager", "director"), quorum=2))
    play.decide(decision("call-1", "approve"), decision("call-2", "approve"))
    play.decide(decision("call-1", "approve"), by=BOB)
    return play


def nobody_decides_and_others_are_asked() -> Play:
    play = Play(ESCALATING)
    play.reply(say("May I?"), book("call-1"), book("call-2", "Rome"))
    play.judge("ask", Approvers(roles=("manager",), quorum=2))
    play.decide(decision("call-1", "reject"))
    play.decide(decision("call-2", "approve"))
    play.expire()
    return play


def more_time_to_decide() -> Play:
    play = Play(ASKING)
    play.reply(say("May I?"), book("call-1"))
    play.judge("ask")
    play.extend()
    return play


def expiry_denies_and_the_answer_goes_on() -> Play:
    play = Play(DENYING)
    play.reply(book("call-1"))
    play.judge("ask")
    play.expire()
    play.stream(say("Nobody answered."))
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
    play.stream(say("By train, then."), attempt=2)
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
    play.tell(steered("str_1", "Never mind."))
    play.tell(ABORT)
    play.tell(ModelCut(turn=2, produced=True, usage=Usage(input_tokens=12, output_tokens=3, estimated=True)))
    play.tell(Settled())
    return play


def a_tool_fails() -> Play:
    play = Play()
    play.reply(book("call-1"), book("call-2", "Rome"))
    play.run("call-2", "Booked.")
    play.run("call-1", "Sold out.", failed=True)
    play.stream(say("Only Rome."))
    return play


def two_pauses() -> Play:
    play = Play(ASKING)
    play.reply(book("call-1"))
    play.judge("ask")
    play.decide(decision("call-1", "reject"))
    play.reply(book("call-2", "Rome"))
    play.judge("ask")
    return play


def what_a_lost_log_leaves() -> Play:
    """The second turn from its second part on."""
    play = Play()
    play.reply(say("I look."), book("call-1"))
    play.run("call-1", "Seats are free.")
    first = len(play.events)
    play.stream(ReasoningPart(text="Free seats."), say("Seats are free."))
    del play.events[first : first + 3]
    return play


EXAMPLES: tuple[Callable[[], Play], ...] = (
    plain_answer,
    retry_voids_an_attempt,
    one_approved_one_rejected,
    edited_arguments,
    a_person_answers_in_the_tools_place,
    a_question_is_answered,
    expiry_ends_the_answer,
    two_people_approve,
    nobody_decides_and_others_are_asked,
    more_time_to_decide,
    expiry_denies_and_the_answer_goes_on,
    steers,
    early_abort,
    abort_keeps_what_was_said,
    a_tool_fails,
    two_pauses,
    what_a_lost_log_leaves,
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
