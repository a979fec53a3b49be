"""Keeping what runs equal to what must run: it starts and cancels by key, and decides nothing."""

import asyncio
from collections.abc import Callable, Iterable

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from domain.facts import Fact
from domain.generation import Work
from domain.start import StartRequest
from workflows.work import perform


class Reconciler:
    """Hands each fact that work ends in to `report`; `broken` is the bug that ended some work in something else."""

    def __init__(self, request: StartRequest, report: Callable[[Fact], None]) -> None:
        self._request, self._report = request, report
        self._running: dict[str, asyncio.Task[None]] = {}
        self._cancelled: set[str] = set()
        self.broken: Exception | None = None

    def lacks(self, wanted: Iterable[Work]) -> bool:
        """Whether something must run that does not."""
        return any(work.key not in self._running for work in wanted)

    def cancel_all_but(self, wanted: Iterable[Work]) -> None:
        keys = {work.key for work in wanted}
        for key, task in self._running.items():
            if key not in keys and key not in self._cancelled:
                self._cancelled.add(key)
                task.cancel()

    def start(self, wanted: Iterable[Work]) -> None:
        for work in wanted:
            if work.key not in self._running:
                others = tuple(self._running.values())
                self._running[work.key] = asyncio.create_task(self._run(work, others))

    async def _run(self, work: Work, others: tuple[asyncio.Task[None], ...]) -> None:
        """What was cancelled before it could tell anything ends in no fact."""

        async def quiet() -> None:
            if others:
                await workflow.wait(others)

        try:
            self._report(await perform(self._request, work, quiet))
        except (ActivityError, asyncio.CancelledError) as error:
            if not is_cancelled_exception(error):
                self.broken = RuntimeError(f"{work.key} failed")
                self.broken.__cause__ = error
        finally:
            self._running.pop(work.key, None)
            self._cancelled.discard(work.key)
