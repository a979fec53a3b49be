"""Fewer events that say the same: consecutive fragments of one part become one."""

from collections.abc import Iterable
from itertools import groupby

from domain.events import Event, ReasoningDelta, TextDelta, ToolCallDelta
from domain.ids import CallId

Voice = tuple[str, int, int, int, CallId | None]


def coalesce(events: Iterable[Event]) -> list[Event]:
    """The same events in the same order, with neighbouring deltas of one part merged."""
    merged: list[Event] = []
    for voice, run in groupby(events, key=_voice):
        same = list(run)
        merged += same if voice is None or len(same) == 1 else [_joined(same)]
    return merged


def _voice(event: Event) -> Voice | None:
    """Who is speaking: fragments may be joined if this is equal. None: this is no fragment."""
    match event:
        case TextDelta() | ReasoningDelta():
            return event.type, event.turn, event.attempt, event.part, None
        case ToolCallDelta():
            return event.type, event.turn, event.attempt, event.part, event.call_id
        case _:
            return None


def _joined(run: list[Event]) -> Event:
    field = "arguments" if isinstance(run[0], ToolCallDelta) else "text"
    return run[0].model_copy(update={field: "".join(map(_fragment, run))})


def _fragment(event: Event) -> str:
    match event:
        case TextDelta(text=text) | ReasoningDelta(text=text):
            return text
        case ToolCallDelta(arguments=arguments):
            return arguments
        case _:
            return ""
