"""Merging fragments changes how many events there are, never what they say."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from domain.coalesce import coalesce
from domain.events import Event, ReasoningDelta, TextDelta, ToolCallDelta, ToolCallStarted, TurnStarted
from domain.ids import CallId
from domain.view import View, fold
from tests.event_builders import started, text, turn


@st.composite
def generations(draw: st.DrawFn) -> list[Event]:
    """Events as models make them: parts appear densely, fragments of any of them in any order, attempts void others."""
    events: list[Event] = [started(), turn()]
    number, attempt, parts = 1, 1, 0
    for kind in draw(st.lists(st.sampled_from(["text", "text", "reasoning", "call", "arguments", "retry", "next"]))):
        part = draw(st.integers(0, parts))
        said, call_id = draw(st.sampled_from(["", "a", "é\n", "}"])), CallId(f"call_{draw(st.integers(0, 1))}")
        match kind:
            case "text":
                events.append(TextDelta(turn=number, attempt=attempt, part=part, text=said))
            case "reasoning":
                events.append(ReasoningDelta(turn=number, attempt=attempt, part=part, text=said))
            case "call":
                events.append(ToolCallStarted(turn=number, attempt=attempt, part=part, call_id=call_id, name="search"))
            case "arguments":
                part = min(part, parts - 1) if parts else 0
                events.append(ToolCallDelta(turn=number, attempt=attempt, part=part, call_id=call_id, arguments=said))
                continue
            case _:
                number, attempt, parts = (number, attempt + 1, 0) if kind == "retry" else (number + 1, 1, 0)
                events.append(TurnStarted(turn=number, attempt=attempt))
                continue
        parts = max(parts, part + 1)
    return events


def seen(events: Iterable[Event]) -> View | None:
    view = fold(None, ((0, event) for event in events))
    return view and view.model_copy(update={"cursor": 0})


@given(generations())
def test_merged_events_say_the_same(events: list[Event]) -> None:
    assert seen(coalesce(events)) == seen(events)


@given(generations())
def test_merging_twice_changes_nothing_more(events: list[Event]) -> None:
    assert coalesce(coalesce(events)) == coalesce(events)


def test_only_neighbouring_fragments_of_one_part_become_one() -> None:
    call = ToolCallStarted(turn=1, attempt=1, part=1, call_id=CallId("call_1"), name="search")
    arguments = [
        ToolCallDelta(turn=1, attempt=1, part=1, call_id=CallId("call_1"), arguments=piece) for piece in ('{"q":', "1}")
    ]
    said: list[Event] = [
        text("a"),
        text("b"),
        call,
        *arguments,
        text("c"),
        turn(attempt=2),
        text("d", attempt=2),
        text("e"),
    ]
    assert coalesce(said) == [
        text("ab"),
        call,
        arguments[0].model_copy(update={"arguments": '{"q":1}'}),
        text("c"),
        turn(attempt=2),
        text("d", attempt=2),
        text("e"),
    ]
