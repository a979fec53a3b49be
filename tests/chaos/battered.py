"""A stack that is treated badly: its processes are killed, frozen and thawed, and it is waited for until all live again."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from tests.stack import Stack, fermata_dev

CONFIG = Path(__file__).with_name("fermata.yaml")
SECOND_API = 10  # ports above the first
REVIVAL = timedelta(seconds=60)


@dataclass
class Battered:
    """`urls`: one for each API. `said` are the supervisor's lines since the start."""

    stack: Stack
    urls: list[str]
    said: list[str] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _frozen: set[int] = field(default_factory=set)

    def kill(self, *names: str) -> None:
        for name in names:
            self._signal(self.stack.pid(name), signal.SIGKILL)

    def leave(self, name: str) -> None:
        """Ask a process to end, as a deploy does."""
        self._signal(self.stack.pid(name), signal.SIGTERM)

    def freeze(self, name: str) -> int:
        """Stop a process in its tracks; its number, to thaw it."""
        pid = self.stack.pid(name)
        self._signal(pid, signal.SIGSTOP)
        self._frozen.add(pid)
        return pid

    def thaw(self, *pids: int) -> None:
        for pid in pids or tuple(self._frozen):
            self._frozen.discard(pid)
            self._signal(pid, signal.SIGCONT)

    async def revived(self, *names: str) -> None:
        """Wait until each of these is ready after the last time it died."""
        async with asyncio.timeout(REVIVAL.total_seconds()), self._news:
            await self._news.wait_for(lambda: all(map(self._lives, names)))

    async def whole(self) -> None:
        """Wait until nothing is missing."""
        self.thaw()
        names = {line.partition(" died")[0] for line in self.said if " died" in line}
        await self.revived(*names)

    async def listen(self) -> None:
        """Take in what the supervisor says."""
        assert self.stack.process.stdout is not None
        async for line in self.stack.process.stdout:
            async with self._news:
                self.said.append(line.decode().rstrip("\n"))
                self._news.notify_all()

    def _lives(self, name: str) -> bool:
        about = [line for line in self.said if line.startswith((f"{name} died", f"{name} is ready"))]
        return about[-1:] == [f"{name} is ready again"]

    def _signal(self, pid: int, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


@asynccontextmanager
async def battered(
    port: int, data_dir: Path, *, workers: int, apis: int, scripted_url: str | None = None
) -> AsyncIterator[Battered]:
    """Run a stack with the shop, and listen to it."""
    environment = {"SCRIPTED_URL": f"{scripted_url}/v1"} if scripted_url else {}
    options = ("--config", str(CONFIG), "--workers", str(workers), "--apis", str(apis))
    async with fermata_dev(port, data_dir, *options, environment=environment) as stack:
        others = [f"http://127.0.0.1:{port + SECOND_API + number}" for number in range(apis - 1)]
        held = Battered(stack, [stack.url, *others])
        listening = asyncio.create_task(held.listen())
        try:
            yield held
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening
            held.thaw()
