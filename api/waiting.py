"""Long polling: a client that cannot stream waits until there is something for it to do."""

import asyncio

from api.ports import Parts
from domain.ids import GenerationId
from domain.record import ENDED
from domain.view import View

# As they stand in a frame; a line end cannot come from the content, which is JSON.
NEWS = (b"event: snapshot\n", b"event: generation.paused\n", b"event: generation.finished\n")


async def view_of(parts: Parts, generation: GenerationId) -> View:
    """From the log, or rebuilt from the record where there is no log."""
    return await parts.logs.view(generation) or await parts.queries.view(generation)


async def settled_view(parts: Parts, generation: GenerationId, seconds: float) -> View:
    """The view once the generation is paused or over, or as it is when the time is."""
    view = await view_of(parts, generation)
    try:
        async with asyncio.timeout(seconds):
            while view.status not in ENDED and view.status != "requires_action":
                await _news(parts, generation, view.cursor or None)
                view = await view_of(parts, generation)
    except TimeoutError:
        return await view_of(parts, generation)
    return view


async def _news(parts: Parts, generation: GenerationId, after: int | None) -> None:
    reading = await parts.readers.open(generation, after)
    if reading.finished:
        return
    try:
        async for chunk in reading:
            if any(news in chunk for news in NEWS):
                return
    finally:
        reading.close()
