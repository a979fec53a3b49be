"""The machine by example: how an answer begins, is stopped, steered, named, and ends."""

import pytest

from domain import wording
from domain.advance import begin, dismiss
from domain.content import ErrorInfo, Usage
from domain.events import (
    AgentRef,
    GenerationFinished,
    GenerationStarted,
    Steer,
    SteerApplied,
    SteerCancelled,
    SteerQueued,
    TitleUpdated,
    Totals,
    TurnCompleted,
)
from domain.facts import Fact, ModelCut, ModelFailed, Settled, SteerWithdrawn, TitleMade, TitleTimedOut
from domain.generation import CallModel, Ended, EndTitleWait, MakeTitle, Settle, pending, todo
from domain.ids import GenerationId, SteerId
from tests.builders import (
    ABORT,
    NOW,
    OFF,
    REPLACE,
    USAGE,
    a_request,
    acting,
    after,
    ended,
    finishing,
    judged,
    judging,
    lost,
    replied,
    result,
    returned,
    steered,
    stopping,
    thinking,
    told,
    types,
)


# Begin and end.
def test_a_generation_begins_by_calling_the_model() -> None:
    generation, events = begin(a_request(), NOW)
    assert todo(generation) == (CallModel(turn=1),)
    assert events == [
        GenerationStarted(
            generation_id=GenerationId("gen_1"),
            conversation_id=a_request().conversation_id,
            agent=AgentRef(id="assistant", name="Assistant", model="demo:echo"),
            response_message_id=a_request().response_message_id,
            created_at=a_request().created_at,
            started_at=NOW,
        )
    ]


def test_a_reply_without_calls_completes_the_answer() -> None:
    generation, events = told(thinking(), replied())
    assert generation.phase == Ended(turn=1, outcome="completed")
    assert todo(generation) == ()
    assert types(events) == ["turn.completed", "usage.updated", "generation.finished"]
    assert events[0] == TurnCompleted(turn=1, attempt=1, finish_reason="stop", usage=USAGE, cost=0.5)
    assert events[-1] == GenerationFinished(outcome="completed", usage=USAGE, cost=0.5, finished_at=NOW)


def test_a_model_that_fails_ends_the_generation_with_the_reason() -> None:
    error = ErrorInfo(code="overloaded", message="Try later.")
    generation, events = told(thinking(), ModelFailed(turn=1, code=error.code, message=error.message))
    assert generation.phase == Ended(turn=1, outcome="failed", error=error)
    assert events == [GenerationFinished(outcome="failed", error=error, cost=0.0, finished_at=NOW)]


def test_what_a_failing_model_had_said_is_kept_and_counted() -> None:
    failed = ModelFailed(turn=1, attempt=4, code="overloaded", message="Try later.", produced=True, usage=USAGE)
    _, events = told(thinking(), failed)
    assert events[0] == TurnCompleted(turn=1, attempt=4, finish_reason="error", usage=USAGE)
    assert types(events) == ["turn.completed", "usage.updated", "generation.finished"]


def test_the_last_turn_may_use_tools_but_no_turn_follows() -> None:
    generation, events = told(thinking(policy=OFF, max_turns=1), replied("a"), returned("a"))
    error = ErrorInfo(code="max_turns_reached", message="The agent may take 1 turns, and has taken them.")
    assert generation.phase == Ended(turn=1, outcome="failed", error=error)
    assert types(events[-2:]) == ["tool.completed", "generation.finished"]


@pytest.mark.parametrize("outcome", ["aborted", "replaced"])
def test_a_generation_that_only_waited_in_line_begins_and_ends_at_once(outcome: str) -> None:
    generation, events = dismiss(a_request(), "aborted" if outcome == "aborted" else "replaced", NOW)
    assert isinstance(generation.phase, Ended)
    assert types(events) == ["generation.started", "generation.finished"]
    assert events[1] == GenerationFinished.model_validate(
        {"outcome": outcome, "early": True, "cost": 0.0, "finished_at": NOW}
    )


def test_one_unknown_price_makes_the_sum_unknown_for_good() -> None:
    generation = after(thinking(policy=OFF), replied("a", cost=None), returned("a"), replied(turn=2, cost=0.5))
    assert generation.totals == Totals(**(USAGE + USAGE).model_dump(), cost=None)


# Stop.
def test_a_stop_before_anything_was_said_is_early() -> None:
    generation, events = told(stopping(), ModelCut(turn=1, produced=False, usage=Usage()), Settled())
    assert generation.phase == Ended(turn=1, outcome="aborted", early=True)
    assert events == [GenerationFinished(outcome="aborted", early=True, cost=0.0, finished_at=NOW)]


def test_what_was_said_before_the_stop_is_kept_and_its_cost_estimated() -> None:
    estimate = Usage(input_tokens=50, output_tokens=5, estimated=True)
    _, events = told(stopping(), ModelCut(turn=1, produced=True, usage=estimate, cost=0.25), Settled())
    assert events[0] == TurnCompleted(turn=1, attempt=1, finish_reason="cut", usage=estimate, cost=0.25)
    assert events[-1] == GenerationFinished(outcome="aborted", usage=estimate, cost=0.25, finished_at=NOW)


def test_a_call_of_the_model_that_fails_while_being_stopped_keeps_what_it_had_said() -> None:
    failed = ModelFailed(turn=1, code="overloaded", message="Try later.", produced=True, usage=USAGE, cost=0.5)
    generation, events = told(stopping(), failed, Settled())
    assert generation.phase == Ended(turn=1, outcome="aborted")
    assert types(events) == ["turn.completed", "usage.updated", "generation.finished"]


def test_a_reply_that_beats_the_stop_is_kept_and_its_calls_never_run() -> None:
    generation, events = told(stopping(policy=OFF), replied("a"))
    assert todo(generation) == (Settle(),)
    _, more = told(generation, Settled())
    assert [*types(events), *types(more)] == [
        *("turn.completed", "usage.updated"),
        *("tool.completed", "generation.finished"),
    ]
    assert more[0] == result("a", "rejected", wording.STOPPED)


def test_a_stop_while_the_calls_are_judged_answers_each_of_them() -> None:
    generation, events = told(judging("a", "b"), ABORT, judged(a="allow", b="ask"), Settled())
    assert isinstance(generation.phase, Ended)
    assert events[:-1] == [result("a", "rejected", wording.STOPPED), result("b", "rejected", wording.STOPPED)]


def test_a_stop_of_a_paused_generation_closes_the_approval_and_the_call_never_runs() -> None:
    generation, events = told(acting(a="ask"), ABORT)
    assert (todo(generation), pending(generation), events) == ((Settle(),), (), [])
    _, events = told(generation, Settled())
    assert types(events) == ["tool.completed", "generation.finished"]


def test_the_last_words_of_a_tool_that_is_being_stopped_count() -> None:
    _, events = told(acting(a="allow", b="allow"), ABORT, returned("a"), lost("b"), Settled())
    assert events[:-1] == [
        result("a", "completed", duration_ms=7),
        result("b", "unknown", wording.LOST_UNASKED),
    ]


def test_the_first_reason_to_stop_stands() -> None:
    assert after(thinking(), ABORT, REPLACE, Settled()).phase == Ended(turn=1, outcome="aborted", early=True)
    assert after(thinking(), REPLACE, ABORT, Settled()).phase == Ended(turn=1, outcome="replaced", early=True)


def test_nothing_follows_the_end() -> None:
    assert told(ended(), ABORT, REPLACE, TitleMade(title="Late"), TitleTimedOut()) == (ended(), [])


# Title.
def test_a_title_is_made_beside_the_answer_and_stands_in_the_terminal_event() -> None:
    generation = thinking(titled=True)
    assert todo(generation) == (CallModel(turn=1), MakeTitle())
    made = TitleMade(title="Journey to Oslo", usage=USAGE, cost=0.25)
    _, events = told(generation, made, replied())
    assert types(events) == [
        *("title.updated", "usage.updated"),
        *("turn.completed", "usage.updated", "generation.finished"),
    ]
    assert isinstance(events[-1], GenerationFinished)
    assert (events[-1].title, events[-1].usage, events[-1].cost) == ("Journey to Oslo", USAGE + USAGE, 0.75)


def test_a_complete_answer_waits_for_its_title_but_not_long() -> None:
    generation = finishing()
    limit = generation.request.agent.title_timeout
    assert todo(generation) == (MakeTitle(), EndTitleWait(at=NOW + limit))
    assert after(generation, TitleTimedOut()).phase == Ended(turn=1, outcome="completed")


def test_an_awaited_title_is_told_before_the_end() -> None:
    _, events = told(finishing(), TitleMade(title="Oslo"))
    assert events == [
        TitleUpdated(title="Oslo"),
        GenerationFinished(outcome="completed", title="Oslo", usage=USAGE, cost=0.5, finished_at=NOW),
    ]


def test_a_title_that_fails_harms_nothing() -> None:
    generation, events = told(thinking(titled=True), TitleMade(), replied())
    assert generation.phase == Ended(turn=1, outcome="completed")
    assert "title.updated" not in types(events)


@pytest.mark.parametrize("stop", [ABORT, REPLACE])
def test_a_complete_answer_stays_completed_when_it_is_stopped_while_only_its_title_is_awaited(stop: Fact) -> None:
    assert after(finishing(), stop).phase == Ended(turn=1, outcome="completed")


def test_no_title_is_set_late_after_a_stop() -> None:
    generation = after(thinking(titled=True), ABORT)
    assert told(generation, TitleMade(title="Late")) == (generation, [])


# Steers.
def test_a_steer_is_heard_once_at_the_next_turn() -> None:
    generation, events = told(acting(a="allow"), steered("s"), returned("a"))
    steer = {"id": SteerId("s"), "text": "Shorter, please.", "position": 1}
    assert events == [
        SteerQueued.model_validate(steer),
        result("a", "completed", duration_ms=7),
        SteerApplied.model_validate(steer),
    ]
    assert generation.steers == ()


def test_a_steer_can_be_taken_back_until_it_is_heard() -> None:
    generation = after(thinking(), steered("s"))
    generation, events = told(generation, SteerWithdrawn(id=SteerId("s")))
    assert events == [SteerCancelled(id=SteerId("s"), text="Shorter, please.", position=1)]
    assert told(generation, SteerWithdrawn(id=SteerId("s"))) == (generation, [])


def test_no_two_steers_that_wait_have_one_position() -> None:
    generation = after(thinking(), steered("s"), steered("t"), SteerWithdrawn(id=SteerId("s")), steered("u"))
    assert [(steer.id, steer.position) for steer in generation.steers] == [("t", 2), ("u", 3)]


def test_unused_steers_come_back_with_the_end() -> None:
    _, events = told(thinking(), steered("s"), replied())
    assert isinstance(events[-1], GenerationFinished)
    assert events[-1].unused_steers == (Steer(id=SteerId("s"), text="Shorter, please.", position=1),)
