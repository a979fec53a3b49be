"""The table of the machine: every fact in every phase is legal, ignored or illegal, on purpose."""

from typing import get_args

import pytest

from domain.advance import CELLS, IGNORED, advance
from domain.errors import IllegalFact
from domain.facts import Extended, Fact, ModelCut, ModelFailed, Settled, SteerWithdrawn, TitleMade, TitleTimedOut
from domain.generation import Acting, Generation, Phase
from domain.ids import SteerId
from tests.builders import (
    ABORT,
    ANN,
    NOW,
    acting,
    after,
    answered,
    approval_id,
    decided,
    decision,
    ended,
    finishing,
    judged,
    judging,
    lost,
    question_of,
    questioned,
    replied,
    returned,
    steered,
    stopping,
    thinking,
    timed_out,
)

PHASES: dict[type[Phase], Generation] = {
    type(generation.phase): generation
    for generation in (
        thinking(titled=True),
        judging("a"),
        questioned(a="ask", b="allow"),
        after(questioned(a="ask", b="allow"), ABORT),
        finishing(),
        ended(),
    )
}
FACTS: tuple[Fact, ...] = (
    replied("c"),
    ModelFailed(turn=1, code="overloaded", message="Try later."),
    ModelCut(turn=1, produced=False),
    judged(a="ask"),
    decided(PHASES[Acting], decision("a", "approve")),
    answered(question_of(PHASES[Acting]).id, {"which": ("red",), "why": "It is warm."}),
    timed_out(PHASES[Acting]),
    Extended(approval_id=approval_id(PHASES[Acting]), until=NOW, by=ANN),
    returned("b"),
    lost("b"),
    steered("s"),
    SteerWithdrawn(id=SteerId("s")),
    ABORT,
    Settled(),
    TitleMade(title="Oslo"),
    TitleTimedOut(),
)


def test_the_table_speaks_of_every_phase_and_every_fact_and_of_nothing_twice() -> None:
    assert set(PHASES) == set(get_args(get_args(Phase)[0]))
    assert {type(fact) for fact in FACTS} == set(get_args(Fact))
    assert not CELLS.keys() & IGNORED
    assert {*CELLS, *IGNORED} <= {(phase, type(fact)) for phase in PHASES for fact in FACTS}


@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.__name__)
@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: type(fact).__name__)
def test_every_fact_in_every_phase_is_legal_ignored_or_illegal(phase: type[Phase], fact: Fact) -> None:
    generation, cell = PHASES[phase], (phase, type(fact))
    before = generation.model_dump_json()
    if cell in IGNORED:
        assert advance(generation, fact, NOW) == (generation, [])
    elif cell in CELLS:
        after, _ = advance(generation, fact, NOW)
        assert isinstance(after, Generation)
    else:
        with pytest.raises(IllegalFact, match=type(fact).__name__):
            advance(generation, fact, NOW)
    assert generation.model_dump_json() == before


@pytest.mark.parametrize(
    ("generation", "fact"),
    [
        (thinking(), replied(turn=2)),
        (thinking(), ModelFailed(turn=2, code="overloaded", message="Try later.")),
        (stopping(), replied(turn=2)),
        (stopping(), ModelCut(turn=2, produced=True)),
        (stopping(), ModelFailed(turn=2, code="overloaded", message="Try later.")),
        (judging("a"), judged(2, a="allow")),
        (judging("a", "b"), judged(a="allow")),
        (judging("a"), judged(a="allow", b="allow")),
        (acting(a="ask", b="allow"), returned("a")),
        (acting(a="ask", b="allow"), returned("x")),
        (acting(a="ask", b="allow"), returned("b", turn=2)),
        (acting(a="ask", b="allow"), lost("a")),
        (after(acting(a="allow", b="allow"), returned("a")), returned("a")),
        (after(acting(a="allow"), ABORT, returned("a")), returned("a")),
    ],
)
def test_a_fact_of_another_turn_or_call_is_illegal_and_changes_nothing(generation: Generation, fact: Fact) -> None:
    before = generation.model_dump_json()
    with pytest.raises(IllegalFact):
        advance(generation, fact, NOW)
    assert generation.model_dump_json() == before


def test_a_state_says_where_it_stands_and_survives_being_written_down() -> None:
    for phase, generation in PHASES.items():
        again = Generation.model_validate_json(generation.model_dump_json())
        assert (again, type(again.phase)) == (generation, phase)
