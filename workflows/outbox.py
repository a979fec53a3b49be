"""What the machine said and the world has not been told yet: one announcement at a time, in order."""

from collections import Counter

from temporalio import workflow

from activities.announce import Announcement
from domain.events import Event
from domain.ids import GenerationId
from domain.start import StartRequest
from workflows.work import announce


class Outbox:
    """Positions count each generation's events from 1, so that the log takes none of them twice."""

    def __init__(self) -> None:
        self._waiting: list[Announcement] = []
        self._said: Counter[GenerationId] = Counter()

    @property
    def empty(self) -> bool:
        return not self._waiting

    def put(self, request: StartRequest, turn: int, events: list[Event]) -> None:
        """Have these events told, after those that wait."""
        if not events:
            return
        generation = request.generation_id
        position = self._said[generation] + 1
        self._waiting.append(Announcement(request=request, position=position, turn=turn, events=tuple(events)))
        self._said[generation] += len(events)

    async def deliver(self) -> None:
        """Tell what waits, and what comes, until cancelled."""
        while True:
            await workflow.wait_condition(lambda: not self.empty)
            await announce(self._waiting[0])
            del self._waiting[0]
