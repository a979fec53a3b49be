"""`fermata tail`: the events of a generation as lines, for people and for pipes."""

import json
from collections.abc import Callable

import httpx2

from console.client import Api
from console.follow import follow
from console.legible import compact
from domain.ids import GenerationId


def tail(api: Api, generation: GenerationId, after: int, *, say: Callable[[str], None]) -> None:
    """Say a line for each event beyond the cursor until the generation has ended. Raises Problem if it is unknown."""
    api.view(generation)  # an API that is away from the beginning is said at once; later it is waited for
    for frame in follow(api, generation, after, trusted=False):
        say(event_line(frame))


def event_line(frame: httpx2.ServerSentEvent) -> str:
    """Number, type and the rest of the data; control frames have no number of their own."""
    data = json.loads(frame.data)
    kind = data.pop("type", frame.event)
    number = frame.id if kind != "gap" else ""
    return f"{number:>5} {kind} {compact(data)}"
