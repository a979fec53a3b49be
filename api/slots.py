"""A slot for what is about to run: taken at the door, and given back if it does not run after all."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from api.ports import Parts
from domain.content import JsonObject
from domain.errors import ConcurrencyLimit, FermataError, Unavailable
from domain.ports import Slots, whose
from domain.record import StoredGeneration
from domain.start import StartRequest


@dataclass(frozen=True)
class Place:
    """What a decision has got; `full`, if that is nothing: {limit, running}."""

    slots: Slots
    request: StartRequest
    receipt: str | None
    full: JsonObject | None = None

    async def give_back(self) -> None:
        await self.slots.give_back(whose(self.request), self.request.generation_id, self.receipt)


@asynccontextmanager
async def started_in(parts: Parts, request: StartRequest) -> AsyncIterator[None]:
    """A slot for a start. Raises ConcurrencyLimit."""
    async with _kept_unless_refused(await _take(parts, request)):
        yield


@asynccontextmanager
async def resumed_in(parts: Parts, stored: StoredGeneration) -> AsyncIterator[Place]:
    """A slot for what goes on if this decision is taken. None is free: that is for the ladder to refuse, as the last.

    Only what is paused has none; a decision repeated later must not take one for what has ended.
    """
    request = stored.request
    try:
        place = await _take(parts, request) if stored.status == "requires_action" else Place(parts.slots, request, None)
    except ConcurrencyLimit as error:
        place = Place(parts.slots, request, None, error.members)
    async with _kept_unless_refused(place):
        yield place


async def _take(parts: Parts, request: StartRequest) -> Place:
    return Place(parts.slots, request, await parts.slots.take(whose(request), request.generation_id))


@asynccontextmanager
async def _kept_unless_refused(place: Place) -> AsyncIterator[None]:
    """Who cannot tell whether it runs now leaves the slot to lapse."""
    try:
        yield
    except FermataError as error:
        if not isinstance(error, Unavailable):
            await place.give_back()
        raise
