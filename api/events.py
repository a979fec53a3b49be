"""The event stream of a generation: from a cursor through what was logged, then live, to the end."""

from contextlib import ExitStack
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from api.deps import IdentityDep, PartsDep
from api.generations import owned
from api.identity import Identity
from api.ports import Parts
from api.stream import EventStream
from domain.errors import InvalidRequest
from domain.ids import GenerationId
from domain.record import ENDED

router = APIRouter(prefix="/api/generations", tags=["events"])


@router.get(
    "/{generation_id}/events",
    response_class=EventStream,
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
    await parts.queries.check_owner(who.tenant, who.user.id, generation)
    return await stream(parts, who, generation, _cursor(after if last_event_id is None else last_event_id))


async def stream(parts: Parts, who: Identity, generation: GenerationId, cursor: int | None) -> Response:
    """The response that follows this generation. Raises CursorAhead."""
    reading = await parts.readers.open(generation, cursor)
    with ExitStack() as closing:
        closing.callback(reading.close)
        if reading.finished or (not reading.begun and await _expired(parts, who, generation)):
            return Response(status_code=204)
        closing.pop_all()
    return EventStream(parts, reading, leave=reading.interrupt, close=reading.close)


async def _expired(parts: Parts, who: Identity, generation: GenerationId) -> bool:
    """Whether it ended, and its log has been kept for the retention time."""
    stored = await owned(parts, who, generation)
    return stored.status in ENDED and not await parts.logs.exists(generation)


def _cursor(given: str | None) -> int | None:
    if given is None or given == "":
        return None
    if not given.isascii() or not given.isdigit() or len(given) > 15:
        raise InvalidRequest(f"The cursor must be the id of an event, a whole number from 0; it is {given[:50]!r}.")
    return int(given)
