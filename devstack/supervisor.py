"""The supervisor: starts services until they are ready, starts the dead ones again, stops them in order."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from devstack.child import Child, Ready
from devstack.errors import CannotStart

_FIRST_DELAY = timedelta(milliseconds=100)
_LONGEST_DELAY = timedelta(seconds=5)
_SETTLED_AFTER = timedelta(seconds=10)


@dataclass(frozen=True)
class Service:
    """What to run, how to tell that it is ready, where it then answers, and which ports it takes for that."""

    name: str
    url: str
    ports: tuple[int, ...]
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    ready: Ready


def restart_delay(deaths: int) -> timedelta:
    """How long to wait after so many deaths in a row: the first restart is at once, a crash loop costs little CPU."""
    return min(_FIRST_DELAY * (1 << min(deaths - 1, 10)), _LONGEST_DELAY)


async def side_by_side(*steps: Coroutine[None, None, None]) -> None:
    """Do all `steps` at once; if one fails, give up the others and raise its error as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for step in steps:
                group.create_task(step)
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures


class Supervisor:
    """Holds the running children; `say` gets one line for each thing a person should know."""

    def __init__(self, directory: Path, say: Callable[[str], None]) -> None:
        self._directory = directory
        self._say = say
        self._children: dict[str, Child] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}

    async def run(self, name: str, argv: tuple[str, ...], environment: Mapping[str, str]) -> None:
        """Run a command to its end; raises `CannotStart` if it fails."""
        child = self._children[name] = await Child.start(name, argv, environment, self._directory)
        try:
            await child.until_success()
        finally:
            await child.stop()

    async def start(self, services: Sequence[Service]) -> None:
        """Start `services` side by side; return when all are ready, raise the first `CannotStart` if one is not."""
        await side_by_side(*(self._start(service) for service in services))
        for service in services:
            self._keepers[service.name] = asyncio.create_task(self._keep(service))
            self._say(f"{service.name} {service.url}")

    async def stop(self, services: Sequence[Service]) -> None:
        """Stop `services` side by side; those that never started are passed over."""
        await side_by_side(*(self._stop(service.name) for service in services))

    def kill(self) -> None:
        """End every child at once, without order; a `stop` under way then returns at once."""
        for keeper in self._keepers.values():
            keeper.cancel()
        for child in self._children.values():
            child.kill()

    async def _start(self, service: Service) -> None:
        child = await Child.start(service.name, service.argv, service.environment, self._directory)
        self._children[service.name] = child
        await child.until_ready(service.ready)

    async def _keep(self, service: Service) -> None:
        deaths = 0
        while True:
            ready_since = time.monotonic()
            how = await self._children[service.name].ended()
            settled = time.monotonic() - ready_since > _SETTLED_AFTER.total_seconds()
            deaths = 1 if settled else deaths + 1
            self._say(f"{service.name} died ({how}), starting it again")
            await asyncio.sleep(restart_delay(deaths).total_seconds())
            try:
                await self._start(service)
                self._say(f"{service.name} is ready again")
            except (CannotStart, OSError) as error:
                self._say(str(error))
                await self._children[service.name].stop()

    async def _stop(self, name: str) -> None:
        if keeper := self._keepers.pop(name, None):
            keeper.cancel()
            with suppress(asyncio.CancelledError):
                await keeper
        if child := self._children.get(name):
            await child.stop()
