"""Promises of the machine that hold in every life, whatever happens and in whatever order."""

from collections import Counter
from functools import reduce

import pytest
from hypothesis import given, settings

from domain.advance import advance
from domain.approval import digest
from domain.content import JsonObject, Usage
from domain.decide import decide
from domain.errors import IllegalFact, InvalidRequest, Refused
from domain.events import (
    GenerationFinished,
    GenerationPaused,
    GenerationResumed,
    SteerApplied,
    SteerCancelled,
    SteerQueued,
    ToolCompleted,
    TurnCompleted,
    UsageUpdated,
)
from domain.facts import CallsJudged, DecisionsMade, ModelReplied, QuestionsAnswered, ToolReturned
from domain.generation import Acting, Ended, Generation, RunTool, Stopping, pending, todo
from domain.ids import ApprovalId, CallId
from domain.pricing import add_costs
from domain.view import fold
from domain.wording import answered
from tests.builders import ARGUMENTS, BOB, TOOL, WHICH, WHY, decision, resume
from tests.lives import EDITED, Life, is_question, lives

# The same lives in every run: a failure tells of a change, not of luck. To search further, raise the number.
promise = settings(max_examples=50, derandomize=True, deadline=None)

Permit = tuple[str, JsonObject | None]  # digest, and the arguments if they are not the stored ones


@promise
@given(lives)
def test_nothing_unapproved_ever_runs(life: Life) -> None:
    """Each run of a call has a permit of its own: a verdict, or a decision, over exactly these arguments."""
    permits: dict[CallId, list[Permit]] = {}
    approved: dict[tuple[ApprovalId, CallId], set[str]] = {}  # by whom: of so many people as must
    as_made = (digest(TOOL.name, ARGUMENTS), None)
    for moment in life.moments:
        match moment.fact:
            case ModelReplied(calls=calls):
                judged = life.request.agent.policy.enabled or any(is_question(call.call_id) for call in calls)
                permits |= {call.call_id: [] if judged else [as_made] for call in calls}
            case CallsJudged(judgements=judgements):
                for judgement in judgements:
                    if judgement.verdict == "allow" and judgement.invalid is None:
                        permits[judgement.call_id].append(as_made)
            case DecisionsMade(decisions=decisions, by=by):
                (quorum,) = (a.quorum for a in pending(moment.before) if a.id == moment.fact.approval_id)
                shown = {c.call_id: c.digest for a in pending(moment.before) for c in a.calls}
                for made in decisions:
                    if made.decision == "approve":
                        people = approved.setdefault((moment.fact.approval_id, made.call_id), set())
                        people.add(by.id)
                        if len(people) < quorum:
                            continue
                        permits[made.call_id].append((shown[made.call_id], None))
                    elif made.decision == "edit":
                        permits[made.call_id].append((digest(TOOL.name, EDITED), EDITED))
        for work in todo(moment.after):
            if isinstance(work, RunTool):
                assert len(permits[work.call_id]) == work.run
                assert permits[work.call_id][-1] == (work.digest, work.arguments)


@promise
@given(lives)
def test_no_question_has_an_answer_that_nobody_gave(life: Life) -> None:
    """Nor does it ever run, and while one is open there is no next turn."""
    given_answers: dict[CallId, str] = {}
    for moment in life.moments:
        if isinstance(moment.fact, QuestionsAnswered):
            (request,) = (a.calls[0] for a in pending(moment.before) if a.id == moment.fact.approval_id)
            given_answers[request.call_id] = answered((WHICH, WHY), moment.fact.answers)
        open_questions = [a for a in pending(moment.after) if a.questions]
        assert not open_questions or isinstance(moment.after.phase, Acting)
        assert not any(isinstance(work, RunTool) and is_question(work.call_id) for work in todo(moment.after))
    told = [event for event in life.events if isinstance(event, ToolCompleted) and is_question(event.call_id)]
    assert {e.call_id: e.output for e in told if e.status == "completed"} == given_answers


@promise
@given(lives)
def test_every_call_gets_exactly_one_result(life: Life) -> None:
    made = [c.call_id for m in life.moments if isinstance(m.fact, ModelReplied) for c in m.fact.calls]
    answered = [event.call_id for event in life.events if isinstance(event, ToolCompleted)]
    assert sorted(answered) == sorted(made)


@promise
@given(lives)
def test_a_decision_counts_once(life: Life) -> None:
    for index, moment in enumerate(life.moments):
        if moment.resumed_by is not None:
            for later in life.states[index + 1 :]:
                with pytest.raises(Refused):
                    decide(later, moment.resumed_by, moment.now)
                with pytest.raises(IllegalFact):
                    advance(later, moment.fact, moment.now)


@promise
@given(lives)
def test_a_foreign_decision_is_refused_in_every_state(life: Life) -> None:
    for moment in life.moments:
        state, calls = moment.after, [call for a in pending(moment.after) for call in a.calls]
        approve = [decision(call.call_id, "approve") for call in calls] or [decision("x", "approve")]
        for wrong in (
            resume(state, *approve, approval_id=ApprovalId("apr_other"), by=BOB),
            resume(state, *approve, approval_id=None, by=BOB),
            resume(state, decision("x", "approve"), partial=True, by=BOB),
            resume(state, approve[0], *approve, by=BOB),
        ):
            with pytest.raises((Refused, InvalidRequest)):
                decide(state, wrong, moment.now)


@promise
@given(lives)
def test_a_result_counts_once(life: Life) -> None:
    for index, moment in enumerate(life.moments):
        if isinstance(moment.fact, ToolReturned):
            for later in life.states[index + 1 :]:
                with pytest.raises(IllegalFact):
                    advance(later, moment.fact, moment.now)


@promise
@given(lives)
def test_every_state_and_event_survives_being_written_down(life: Life) -> None:
    for state in life.states:
        assert Generation.model_validate_json(state.model_dump_json()) == state
    for event in life.events:
        assert type(event).model_validate_json(event.model_dump_json()) == event


@promise
@given(lives)
def test_a_life_ends_within_its_turns_and_nothing_runs_after_it(life: Life) -> None:
    assert isinstance(life.last.phase, Ended)
    assert todo(life.last) == ()
    turns = [state.phase.turn for state in life.states]
    assert turns == sorted(turns)
    assert turns[-1] <= life.request.agent.max_turns


@promise
@given(lives)
def test_exactly_one_event_is_terminal_and_it_is_the_last(life: Life) -> None:
    places = [i for i, event in enumerate(life.events) if isinstance(event, GenerationFinished)]
    assert places == [len(life.events) - 1]
    assert isinstance(life.last.phase, Ended)
    assert isinstance(life.events[-1], GenerationFinished)
    assert life.events[-1].outcome == life.last.phase.outcome
    said_nothing = not any(isinstance(event, TurnCompleted) for event in life.events)
    assert life.events[-1].early == (said_nothing and life.last.phase.outcome in ("aborted", "replaced"))


@promise
@given(lives)
def test_pauses_and_resumptions_alternate_and_number_the_segments(life: Life) -> None:
    borders = [event for event in life.events if isinstance(event, GenerationPaused | GenerationResumed)]
    for place, border in enumerate(borders):
        assert isinstance(border, GenerationPaused if place % 2 == 0 else GenerationResumed)
        assert border.segment == 1 + (place + 1) // 2
    assert life.last.segment == 1 + len(borders) // 2


@promise
@given(lives)
def test_a_generation_is_paused_exactly_while_a_person_is_asked(life: Life) -> None:
    view = fold(None, enumerate(life.began[1], start=1))
    for moment in life.moments:
        view = fold(view, enumerate(moment.events, start=view.cursor + 1 if view else 1))
        assert view is not None
        if not isinstance(moment.after.phase, Stopping | Ended):
            assert (view.status == "requires_action") == bool(pending(moment.after))
            assert [a.id for a in view.approvals] == [a.id for a in pending(moment.after)]
    assert view is not None
    assert view.approvals == ()


@promise
@given(lives)
def test_approval_ids_are_never_used_again(life: Life) -> None:
    ids = [event.approval.id for event in life.events if event.type == "approval.requested"]
    assert len(set(ids)) == len(ids)


@promise
@given(lives)
def test_usage_adds_up(life: Life) -> None:
    calls = [event.call for event in life.events if isinstance(event, UsageUpdated)]
    nothing: float | None = 0.0
    totals = life.last.totals
    assert Usage.model_validate(totals.model_dump()) == sum(calls, Usage())
    assert totals.cost == reduce(add_costs, (call.cost for call in calls), nothing)
    assert isinstance(life.events[-1], GenerationFinished)
    assert (life.events[-1].usage, life.events[-1].cost) == (Usage.model_validate(totals.model_dump()), totals.cost)


@promise
@given(lives)
def test_every_steer_is_heard_once_or_comes_back(life: Life) -> None:
    queued = [event.id for event in life.events if isinstance(event, SteerQueued)]
    gone = [event.id for event in life.events if isinstance(event, SteerApplied | SteerCancelled)]
    assert isinstance(life.events[-1], GenerationFinished)
    assert Counter(queued) == Counter([*gone, *(steer.id for steer in life.events[-1].unused_steers)])
    for state in life.states:
        positions = [steer.position for steer in state.steers]
        assert positions == sorted(set(positions))


@promise
@given(lives)
def test_no_two_pieces_of_work_share_a_key_and_none_comes_back_once_it_ended(life: Life) -> None:
    seen: set[str] = set()
    gone: set[str] = set()
    for state in life.states:
        keys = [work.key for work in todo(state)]
        assert len(set(keys)) == len(keys)
        gone |= seen - set(keys)
        assert not gone & set(keys)
        seen |= set(keys)
