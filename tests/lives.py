"""Random lives of a generation: whatever may run does end, in any way it can, and people do what they like meanwhile.

A life is drawn as a plan and a row of bytes, each of which picks one of the moves that are possible next; high bytes
pick the rare ones, after which there is not much to come. When the bytes are used up the first move is taken each time,
so every life comes to its end.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import product
from typing import assert_never

from hypothesis import strategies as st

from domain.advance import LIVE, advance, begin
from domain.approval import Decision, digest, may_decide
from domain.ask_user import ASK_USER
from domain.content import JsonObject, Usage
from domain.decide import ResumeRequest, decide
from domain.events import Event
from domain.facts import (
    ApprovalTimedOut,
    CallJudgement,
    CallMade,
    CallsJudged,
    Extended,
    Fact,
    ModelCut,
    ModelFailed,
    ModelReplied,
    Settled,
    Steered,
    SteerWithdrawn,
    StopRequested,
    TitleMade,
    TitleTimedOut,
    ToolLost,
    ToolReturned,
)
from domain.generation import (
    CallModel,
    Ended,
    EndTitleWait,
    ExpireApproval,
    Generation,
    JudgeCalls,
    MakeTitle,
    RunTool,
    Settle,
    Work,
    pending,
    todo,
)
from domain.ids import CallId, QuestionId, SteerId
from domain.policy import ALL_DECISIONS, OWNER, Approvers, Expiry, Policy, Rule, Verdict, agreeable
from domain.question import Answer
from domain.start import StartRequest
from domain.voting import has_approved
from tests.builders import ANN, ARGUMENTS, BOB, CYD, NOW, TOOL, USAGE, WHICH, WHY, a_request

EDITED: JsonObject = {"to": "Rome"}
PEOPLE = (ANN, BOB, CYD)
QUESTION = "-question"
ANSWERS: tuple[dict[QuestionId, Answer], ...] = (
    {WHICH.id: ("red",), WHY.id: "It is warm."},
    {WHICH.id: "Neither.", WHY.id: "They are loud."},
)
TICK = timedelta(seconds=1)
RARE = 244
MOST_STEPS = 1_000  # far beyond what any life here needs; a machine that runs in circles meets it


@dataclass(frozen=True)
class Moment:
    """One fact and what it made."""

    before: Generation
    fact: Fact
    after: Generation
    events: list[Event]
    now: datetime
    resumed_by: ResumeRequest | None = None


@dataclass
class Life:
    request: StartRequest
    began: tuple[Generation, list[Event]]
    moments: list[Moment] = field(default_factory=list)

    @property
    def events(self) -> list[Event]:
        return [*self.began[1], *(event for moment in self.moments for event in moment.events)]

    @property
    def states(self) -> list[Generation]:
        return [self.began[0], *(moment.after for moment in self.moments)]

    @property
    def last(self) -> Generation:
        return self.states[-1]


Move = tuple[str | None, Fact | ResumeRequest | None]  # (key of the work that ends with it, what happened)


def live(request: StartRequest, choices: bytes) -> Life:
    """Live the life that the choices make of the request, to its end and until nothing is running any more."""
    now = NOW
    generation, events = begin(request, now)
    life = Life(request, (generation, events))
    running: dict[str, Work] = {}
    numbers = iter(choices)
    for _ in range(MOST_STEPS):
        wanted = {work.key: work for work in todo(generation)}
        running |= wanted
        usual = list(_moves(generation, running, wanted, len(life.moments)))
        rare = list(_rare_moves(generation, running))
        if not usual and not rare:
            return life
        number = next(numbers, 0)
        moves = rare if rare and (number >= RARE or not usual) else usual
        key, happened = moves[number % len(moves)]
        if key is not None:
            del running[key]
        if happened is None:
            continue
        now += TICK
        resumed_by = happened if isinstance(happened, ResumeRequest) else None
        fact = decide(generation, happened, now) if isinstance(happened, ResumeRequest) else happened
        after, events = advance(generation, fact, now)
        life.moments.append(Moment(generation, fact, after, events, now, resumed_by))
        generation = after
    raise AssertionError(f"no end after {MOST_STEPS} steps: {generation.phase!r}")


def _moves(generation: Generation, running: dict[str, Work], wanted: dict[str, Work], step: int) -> Iterator[Move]:
    """What may happen next: what runs ends, in the nicest way first, and what was cancelled may end without a word."""
    for key, work in running.items():
        if key not in wanted:
            yield key, None
        if not isinstance(work, Settle) or len(running) == 1:
            yield from ((key, fact) for fact in _ends(generation, work, key not in wanted))
    if not isinstance(generation.phase, Ended):
        yield from ((None, happened) for happened in _people(generation, step))


def _ends(generation: Generation, work: Work, cancelled: bool) -> Iterator[Fact]:
    match work:
        case CallModel(turn=turn):
            yield from (_reply(turn, calls) for calls in (2, 3, 1, 0))
            if cancelled:
                estimate = Usage(input_tokens=9, estimated=True)
                yield from (ModelCut(turn=turn, produced=produced, usage=estimate) for produced in (True, False))
        case JudgeCalls(turn=turn, call_ids=call_ids):
            asks = generation.request.approvals == "supported"
            verdicts: tuple[Verdict, ...] = ("allow", "deny", "ask") if asks else ("allow", "deny")
            rules = generation.request.agent.policy.rules
            who = rules[0].decided_by if rules else OWNER
            for shift in range(len(verdicts)):
                given = {c: verdicts[(i + shift) % len(verdicts)] for i, c in enumerate(call_ids)}
                yield _judgements(turn, given, asks, who)
            yield from (_judgements(turn, dict.fromkeys(call_ids, verdict), asks, who) for verdict in verdicts)
            yield _judgements(turn, dict.fromkeys(call_ids, verdicts[-1]), asks, who, invalid=call_ids[0])
        case RunTool(turn=turn, call_id=call_id):
            yield ToolReturned(turn=turn, call_id=call_id, status="completed")
            yield ToolReturned(turn=turn, call_id=call_id, status="failed")
            yield ToolLost(turn=turn, call_id=call_id)
        case ExpireApproval(approval_id=approval_id):
            yield ApprovalTimedOut(approval_id=approval_id)
        case MakeTitle():
            yield TitleMade(title="Oslo", usage=USAGE, cost=0.25)
            yield TitleMade(usage=USAGE)
            yield TitleMade()
        case EndTitleWait():
            yield TitleTimedOut()
        case Settle():
            yield Settled()
        case _:
            assert_never(work)


def _reply(turn: int, calls: int) -> ModelReplied:
    return ModelReplied(
        turn=turn,
        attempt=1,
        calls=tuple(_call(turn, place) for place in range(calls)),
        finish_reason="tool_calls" if calls else "stop",
        usage=USAGE,
        cost=0.5,
    )


def _call(turn: int, place: int) -> CallMade:
    """The third call of a turn asks the user."""
    if place == 2:
        return CallMade(call_id=CallId(f"{turn}{QUESTION}"), name=ASK_USER.name, digest=digest(ASK_USER.name, {}))
    return CallMade(call_id=CallId(f"{turn}-{place}"), name=TOOL.name, digest=digest(TOOL.name, ARGUMENTS))


def _judgements(
    turn: int, verdicts: dict[CallId, Verdict], asks: bool, approvers: Approvers, invalid: CallId | None = None
) -> CallsJudged:
    """What asks the user does not run: where it may, it asks."""
    return CallsJudged(
        turn=turn,
        judgements=tuple(
            CallJudgement(
                call_id=call_id,
                verdict=("ask" if asks else "deny") if is_question(call_id) and verdict == "allow" else verdict,
                because="a test",
                allowed_decisions=agreeable(ALL_DECISIONS, approvers.quorum),
                approvers=approvers,
                invalid="no" if call_id == invalid else None,
                questions=(WHICH, WHY) if is_question(call_id) else (),
            )
            for call_id, verdict in verdicts.items()
        ),
    )


def is_question(call_id: CallId) -> bool:
    return call_id.endswith(QUESTION)


def _people(generation: Generation, step: int) -> Iterator[Fact | ResumeRequest]:
    for approval in pending(generation):
        if approval.questions:
            for answers in ANSWERS:
                yield ResumeRequest(
                    generation_id=generation.request.generation_id, approval_id=approval.id, answers=answers, by=ANN
                )
            continue
        kinds = agreeable(ALL_DECISIONS, approval.quorum)
        for person, (shift, kind) in product(PEOPLE, enumerate(kinds)):
            left = [call for call in approval.calls if not has_approved(approval, person.id, call.call_id)]
            if not may_decide(approval, person.id, approval.approvers, owner=ANN.id) or not left:
                continue
            for count in {len(left), 1}:
                chosen = left[-count:]
                mixed = [kind, *(kinds[(shift + i) % len(kinds)] for i in range(1, count))]
                yield ResumeRequest(
                    generation_id=generation.request.generation_id,
                    approval_id=approval.id,
                    decisions=tuple(
                        Decision(call_id=call.call_id, decision=k, arguments=EDITED, text="Done.")
                        for call, k in zip(chosen, mixed, strict=True)
                    ),
                    partial=count < len(left),
                    by=person,
                    roles=approval.approvers,
                )
        yield Extended(approval_id=approval.id, until=approval.expires_at + timedelta(hours=1), by=ANN)
    if isinstance(generation.phase, LIVE):
        yield Steered(id=SteerId(f"steer-{step}"), text="Shorter, please.")
    for steer in generation.steers[:1]:
        yield SteerWithdrawn(id=steer.id)


def _rare_moves(generation: Generation, running: dict[str, Work]) -> Iterator[Move]:
    """What ends a life, or nearly."""
    for key, work in running.items():
        if isinstance(work, CallModel):
            for produced in (True, False):
                yield key, ModelFailed(turn=work.turn, code="overloaded", message="", produced=produced, usage=USAGE)
    if not isinstance(generation.phase, Ended):
        yield None, StopRequested(outcome="aborted")
        yield None, StopRequested(outcome="replaced")


POLICIES = (
    Policy(enabled=True),
    Policy(
        enabled=True,
        rules=(Rule(tool="*", verdict="ask", approvers=("boss",), quorum=2, requester_may_approve=False),),
        expiry=Expiry(then="escalate", to=("board",)),
    ),
    Policy(enabled=True, rules=(Rule(tool="*", verdict="ask", approvers=("boss",), quorum=3),)),
    Policy(enabled=True, expiry=Expiry(then="deny")),
    Policy(),
)

plans = st.builds(
    a_request,
    policy=st.sampled_from(POLICIES),
    max_turns=st.integers(1, 4),
    titled=st.booleans(),
    approvals=st.sampled_from(["supported", "supported", "unsupported"]),
)
lives = st.builds(live, plans, st.binary(min_size=20, max_size=60))
