"""The event stream: ready-made bytes from the log, with keep-alives, and a cut instead of a false end."""

from collections.abc import AsyncIterator
from typing import Annotated, cast

import anyio
from fastapi import APIRouter, Header, Query, Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from api.deps import IdentityDep, PartsDep
from api.generations import owned
from api.ports import Parts, Reading
from domain.errors import InvalidRequest
from domain.ids import GenerationId
from domain.record import ENDED

router = APIRouter(prefix="/api/generations", tags=["events"])

RECONNECT = b"retry: 500\n\n"  # milliseconds; said when this server goes away
GOODBYE_SECONDS = 2.0
STALLED_SECONDS = 60.0  # a socket that takes nothing for so long is given up; its reader comes back with its cursor


@router.get(
    "/{generation_id}/events",
    response_class=EventSourceResponse,
    responses={204: {"description": "The cursor is the end; do not reconnect"}},
)
async def events(
    generation_id: str,
    parts: PartsDep,
    who: IdentityDep,
    after: Annotated[str | None, Query()] = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """Everything after the cursor, then what comes. 204: the cursor is the end, do not reconnect."""
    generation = GenerationId(generation_id)
    stored = await owned(parts, who, generation)
    cursor = _cursor(after if last_event_id is None else last_event_id)
    if stored.status in ENDED and not await parts.logs.exists(generation):
        return Response(status_code=204)  # its log has been kept for the retention time
    return await stream(parts, generation, cursor)


async def stream(parts: Parts, generation: GenerationId, cursor: int | None) -> Response:
    """The response that follows this generation. Raises CursorAhead."""
    reading = await parts.readers.open(generation, cursor)
    if reading.finished:
        return Response(status_code=204)
    return EventSourceResponse(
        _chunks(reading),
        ping=parts.keepalive.total_seconds(),
        ping_message_factory=lambda: ServerSentEvent(comment="keep-alive", sep="\n"),
        sep="\n",
        send_timeout=STALLED_SECONDS,
        shutdown_event=cast(anyio.Event, _Leaving(reading)),  # only its `set` is called
        shutdown_grace_period=GOODBYE_SECONDS,
    )


class _Leaving:
    """What the response sets when the server shuts down."""

    def __init__(self, reading: Reading) -> None:
        self.set = reading.interrupt


async def _chunks(reading: Reading) -> AsyncIterator[bytes]:
    """The reading's bytes. Only after the terminal event it ends; a server that goes away cuts the connection."""
    try:
        async for chunk in reading:
            yield chunk
        if reading.interrupted:
            yield RECONNECT
            await anyio.sleep_forever()
    finally:
        reading.close()


def _cursor(given: str | None) -> int | None:
    if given is None or given == "":
        return None
    if not given.isascii() or not given.isdigit() or len(given) > 15:
        raise InvalidRequest(f"The cursor must be the id of an event, a whole number from 0; it is {given[:50]!r}.")
    return int(given)
