"""One child process: tied to us, leader of its own group, its output in its own log."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Self

from devstack import tether
from devstack.errors import CannotStart

Ready = Callable[[str], Awaitable[bool]]
"""Asked again and again whether a child is ready; is given what the child has written since it was started."""

READY_WITHIN = timedelta(seconds=60)
STOP_WITHIN = timedelta(seconds=10)
_POLL = timedelta(milliseconds=20)
_TAIL = 20  # lines of a log that usually hold a whole traceback


class Child:
    """A running process; `name` gives the names of `logs/NAME.log` and `run/NAME.pid` in the data directory."""

    def __init__(self, name: str, process: Process, directory: Path, log_start: int) -> None:
        self.name = name
        self._process = process
        self._log = log_path(directory, name)
        self._log_start = log_start
        self._swept = False
        self._pid_file = directory / "run" / f"{_slug(name)}.pid"
        _write(self._pid_file, str(process.pid))

    @classmethod
    async def start(cls, name: str, argv: tuple[str, ...], environment: Mapping[str, str], directory: Path) -> Self:
        path = log_path(directory, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as log:
            log_start = log.tell()
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", tether.__file__, str(os.getpid()), *argv),
                env=dict(environment),
                stdin=DEVNULL,
                # A file and no pipe: the child never blocks on us, and nothing is lost when we die.
                stdout=log,
                stderr=STDOUT,
                # Its own session: Ctrl-C in the terminal reaches only us, and we stop the children in order.
                start_new_session=True,
            )
        return cls(name, process, directory, log_start)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def until_ready(self, ready: Ready, within: timedelta = READY_WITHIN) -> None:
        """Return when `ready` says so; raise `CannotStart` if the child dies first or takes longer than `within`."""
        try:
            async with asyncio.timeout(within.total_seconds()):
                while self._process.returncode is None:
                    if await ready(self._output()):
                        return
                    await asyncio.sleep(_POLL.total_seconds())
        except TimeoutError as error:
            raise self._cannot_start(f"was not ready after {within.total_seconds():g} s") from error
        raise self._cannot_start(f"died before it was ready ({await self.ended()})")

    async def until_success(self) -> None:
        """Return when the child has ended with exit code 0; raise `CannotStart` on any other end."""
        how = await self.ended()
        if self._process.returncode != 0:
            raise self._cannot_start(f"failed ({how})")

    async def ended(self) -> str:
        """Wait for the end of the child and of what it left behind in its group; say how it ended."""
        code = await self._process.wait()
        self.kill()
        self._swept = True  # from here on the number may be somebody else's
        self._pid_file.unlink(missing_ok=True)
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    async def stop(self, within: timedelta = STOP_WITHIN) -> None:
        """Ask the child to end, and after `within` make it; a child that has ended already is fine."""
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(within.total_seconds()):
                await self.ended()
        except TimeoutError:
            self.kill()
            await self.ended()

    def kill(self) -> None:
        """End the child and its whole group at once, its own children (MCP servers) included."""
        if not self._swept:
            with suppress(ProcessLookupError, PermissionError):  # macOS says EPERM for a group of zombies
                os.killpg(self._process.pid, signal.SIGKILL)

    def _output(self) -> str:
        with self._log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def _cannot_start(self, what: str) -> CannotStart:
        tail = "".join(f"\n  {line}" for line in self._output().splitlines()[-_TAIL:])
        return CannotStart(
            f"{self.name} {what}", f"see {self._log}" + (f"; it ends with:{tail}" if tail else " (it wrote nothing)")
        )


def log_path(directory: Path, name: str) -> Path:
    """Where the child called `name` writes."""
    return directory / "logs" / f"{_slug(name)}.log"


def _slug(name: str) -> str:
    return name.replace(" ", "-")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
