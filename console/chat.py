"""`fermata chat`: a conversation in the terminal. It holds nothing but a cursor, so anything in between may restart."""

from collections.abc import Callable, Iterable
from contextlib import closing
from functools import partial
from typing import NamedTuple, TypeVar

import httpx2

from console import transcript
from console.answering import answer, hint
from console.client import Api, Problem
from console.deciding import arguments, choices, decision, refusal
from console.follow import follow, known_event, snapshot
from console.legible import line, now, pretty
from console.terminal import Terminal, first_interrupt
from console.transcript import Piece, Style, Transcript
from domain.approval import Approval, CallRequest, Decision, Receipt
from domain.content import JsonObject
from domain.errors import AgentNotFound, FermataError
from domain.events import GenerationFinished, GenerationPaused
from domain.ids import GenerationId, QuestionId
from domain.question import Answer, Question

Said = TypeVar("Said")


class Way(NamedTuple):
    """Of settling what waits: the word for waiting, what it is that one says, and the command for doing it later."""

    wait: str
    what: str
    later: str


DECIDING = Way("w", "decision", "fermata approve {}")
ANSWERING = Way("/wait", "answer", "fermata answer {} …")  # a word, since any letter may be the answer
KEPT = "Kept: no worker answers now; the decision counts as soon as one does."
GONE = (httpx2.codes.NOT_FOUND, httpx2.codes.CONFLICT)  # there is nothing to decide any more


class NobodyDecides(FermataError):
    """The input has ended, and an approval waits."""


def chat(api: Api, terminal: Terminal, agent: str | None) -> None:
    """Talk until there is nothing more to say. Raises FermataError if the agent is unknown or the API stays away."""
    found = _agent(api, agent)
    name, model = line(str(found["name"])), line(str(found["model"]))
    _say(terminal, f"{name} ({model}) · Ctrl-C stops an answer · /new begins anew, /quit leaves", "dim")
    conversation = None
    while (said := _next_message(terminal)) is not None:
        match said.strip():
            case "":
                continue
            case "/quit":
                return
            case "/new":
                conversation = None
                _say(terminal, "A new conversation.", "dim")
            case _:
                try:
                    generation, conversation = api.start(said, agent=found["id"], conversation=conversation)
                    _Answer(api, terminal, generation).show()
                except FermataError as error:
                    if not terminal.interactive:  # a person can try again, a pipe cannot
                        raise
                    _say(terminal, f"✗ {error}", "red")


class _Answer:
    """One answer on the screen: how far it was read, and what was written of it."""

    def __init__(self, api: Api, terminal: Terminal, generation: GenerationId) -> None:
        self._api, self._terminal, self._generation = api, terminal, generation
        self._cursor, self._sofar = 0, Transcript()

    def show(self) -> None:
        """Write it to its end. Where it pauses, the person is asked; meanwhile no connection is held."""
        while self._read():
            try:
                for approval in self._api.view(self._generation).approvals:
                    self._decide(approval)
            except KeyboardInterrupt:
                self._terminal.write([Piece("\n")])
                self._stop()

    def _read(self) -> bool:
        """Read on to the next pause (True) or to the end (False)."""
        frames = follow(self._api, self._generation, self._cursor, trusted=True)
        with first_interrupt(self._stop), closing(frames):
            for frame in frames:
                self._cursor = int(frame.id) if frame.id else self._cursor
                if (view := snapshot(frame)) is not None:  # only after a hole: everything was asked for
                    self._write(transcript.recap(self._sofar, view))
                    if view.approvals:
                        return True
                if (event := known_event(frame)) is None:
                    continue
                self._write(transcript.write(self._sofar, event, now()))
                match event:
                    case GenerationPaused():
                        return True
                    case GenerationFinished():
                        return False
                    case _:
                        pass
        self._write(transcript.recap(self._sofar, self._api.view(self._generation)))  # its log is gone already
        return False

    def _decide(self, approval: Approval) -> None:
        """Ask for each call, and send the decisions; what can be put right is asked again, what is not the person's is
        left to others.
        """
        if approval.questions:
            self._answer(approval)
            return
        if not self._api.approval(approval.id).may_decide:
            self._note(f"Waiting for {transcript.awaited(approval)}. Ctrl-C stops the answer.", "dim")
            return
        while (decisions := _all(self._ask(approval, call) for call in approval.calls)) is not None:
            if self._is_over(approval, partial(self._api.decide, self._generation, approval.id, decisions)):
                return

    def _answer(self, approval: Approval) -> None:
        """Ask each question, and send the answers; likewise."""
        while (answers := _all(self._ask_question(approval, question) for question in approval.questions)) is not None:
            if self._is_over(approval, partial(self._api.answer, self._generation, approval.id, dict(answers))):
                return

    def _is_over(self, approval: Approval, send: Callable[[], Receipt | None]) -> bool:
        """Send it. False if something was wrong that can be put right."""
        try:
            if send() is None:
                self._note(KEPT, "yellow")
        except Problem as problem:
            names = {call.call_id: call.name for call in approval.calls}
            self._note(f"✗ {refusal(problem, names, now())}", "red")
            return problem.status in GONE
        return True

    def _ask_question(self, approval: Approval, question: Question) -> tuple[QuestionId, Answer] | None:
        prompt = f"{line(question.text)} ({hint(question)} · {ANSWERING.wait} to wait) › "
        return self._hear(ANSWERING, approval, prompt, lambda said: (question.id, answer(question, said)))

    def _ask(self, approval: Approval, call: CallRequest) -> Decision | None:
        prompt = f"{line(call.name)}: {choices(call)} · [{DECIDING.wait}]ait › "
        return self._hear(DECIDING, approval, prompt, partial(self._understood, call))

    def _understood(self, call: CallRequest, said: str) -> Decision:
        if said.strip() == "e" and self._terminal.interactive and "edit" in call.allowed_decisions:
            edited = arguments(self._terminal.edit(pretty(call.arguments or {})))
            return Decision(call_id=call.call_id, decision="edit", arguments=edited)
        return decision(call, said)

    def _hear(self, way: Way, approval: Approval, prompt: str, understand: Callable[[str], Said]) -> Said | None:
        """What the person says, once it can be understood; None if the person would rather wait for somebody else."""
        while True:
            said = self._terminal.ask(prompt)
            if said is None:
                later = way.later.format(approval.id)
                raise NobodyDecides(f"The input has ended, and {approval.id} waits: `{later}`.")
            if said.strip() == way.wait:
                self._note(f"Waiting for somebody else's {way.what}. Ctrl-C stops the answer.", "dim")
                return None
            try:
                return understand(said)
            except FermataError as error:
                self._note(f"✗ {error}", "red")

    def _stop(self) -> None:
        try:
            self._api.abort(self._generation)
        except Problem:
            pass  # it has ended already, and will say how
        except FermataError as error:
            self._note(f"✗ Not stopped: {error} Ctrl-C once more leaves.", "red")

    def _note(self, text: str, style: Style) -> None:
        self._write(transcript.note(self._sofar, text, style))

    def _write(self, written: transcript.Written) -> None:
        self._sofar, pieces = written
        self._terminal.write(pieces)


def _all(said: Iterable[Said | None]) -> list[Said] | None:
    """Everything, or None as soon as one is missing."""
    found = []
    for each in said:
        if each is None:
            return None
        found.append(each)
    return found


def _agent(api: Api, wanted: str | None) -> JsonObject:
    agents = api.agents()
    found = next((agent for agent in agents if wanted in (None, agent["id"])), None)
    if found is None:
        raise AgentNotFound(f"There is no agent {wanted!r}. There are: {', '.join(agent['id'] for agent in agents)}.")
    return found


def _next_message(terminal: Terminal) -> str | None:
    try:
        return terminal.ask("› ")
    except KeyboardInterrupt:
        terminal.write([Piece("\n")])
        return None


def _say(terminal: Terminal, text: str, style: Style) -> None:
    terminal.write([Piece(f"{text}\n", style)])
