"""A stack that is treated badly: its processes are killed, frozen and thawed, until all of them live again."""

import asyncio
import os
import re
import select
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from temporalio.client import Client

from domain.ids import ConversationId, workflow_id
from tests.chaos.answer import Answer
from tests.stack import Stack, fermata_dev

CONFIG = Path(__file__).with_name("fermata.yaml")
SECOND_API = 10  # ports above the first
TEMPORAL = 1
REVIVAL = timedelta(seconds=60)
ABOUT_A_LIFE = re.compile(r"(\S+(?: \d+)?) (died .*|is ready again)")


@dataclass
class Battered:
    """`urls`: one for each API. Processes are named like their pid files: `worker-1`, `valkey`."""

    stack: Stack
    urls: list[str]
    _dead: set[str] = field(default_factory=set)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _frozen: set[int] = field(default_factory=set)

    def kill(self, *names: str) -> None:
        for name in names:
            self._end(name, signal.SIGKILL)

    def leave(self, name: str) -> None:
        """Ask a process to end, as a deploy does."""
        self._end(name, signal.SIGTERM)

    def freeze(self, name: str) -> int:
        """Stop a process in its tracks; its number, to thaw it."""
        pid = self.stack.pid(name)
        os.kill(pid, signal.SIGSTOP)
        self._frozen.add(pid)
        return pid

    def thaw(self, *pids: int) -> None:
        """These, or all that are frozen."""
        for pid in pids or tuple(self._frozen):
            self._frozen.discard(pid)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    async def end(self, number: signal.Signals) -> None:
        """End the supervisor; returns when no child is left."""
        children = [os.pidfd_open(int(path.read_text())) for path in (self.stack.data_dir / "run").iterdir()]
        self.stack.process.send_signal(number)
        await self.stack.process.wait()
        for child in children:
            await asyncio.to_thread(select.select, [child], [], [], REVIVAL.total_seconds())
            os.close(child)

    async def whole(self) -> None:
        """Wait until everything that died is ready again."""
        async with asyncio.timeout(REVIVAL.total_seconds()), self._news:
            await self._news.wait_for(lambda: not self._dead)

    async def worker_of(self, answer: Answer) -> str:
        """The worker that calls the model for this answer now."""
        pid = await self.caller_of(answer)
        return next(name for name in ("worker-1", "worker-2") if self.stack.pid(name) == pid)

    async def caller_of(self, answer: Answer) -> int:
        """Its number, for workers that the test runs itself."""
        port = int(self.stack.url.rsplit(":", 1)[1])
        client = await Client.connect(f"127.0.0.1:{port + TEMPORAL}")
        job = client.get_workflow_handle(workflow_id("default", "local", ConversationId(answer.conversation)))
        steps = (await job.describe()).raw_description.pending_activities
        step = next(step for step in steps if step.activity_type.name == "call_model")  # and not its title
        return int(step.last_worker_identity.partition("@")[0])

    async def listen(self) -> None:
        """Take in what the supervisor says of lives and deaths."""
        assert self.stack.process.stdout is not None
        async for line in self.stack.process.stdout:
            print(line.decode(), end="")  # shown when a test fails
            if found := ABOUT_A_LIFE.match(line.decode()):
                async with self._news:
                    if found[2] == "is ready again":
                        self._dead.discard(found[1].replace(" ", "-"))
                    self._news.notify_all()

    def _end(self, name: str, number: signal.Signals) -> None:
        with suppress(FileNotFoundError, ProcessLookupError):  # it is dead already
            os.kill(self.stack.pid(name), number)
            self._dead.add(name)


@asynccontextmanager
async def battered(
    port: int,
    data_dir: Path,
    *,
    workers: int,
    apis: int,
    scripted_url: str | None = None,
    redis_url: str | None = None,
) -> AsyncIterator[Battered]:
    """Run a stack with the shop, and listen to it. With `redis_url` it uses that Redis instead of one of its own."""
    environment = {"SCRIPTED_URL": f"{scripted_url}/v1"} if scripted_url else {}
    environment |= {"REDIS_URL": redis_url} if redis_url else {}
    options = ("--config", str(CONFIG), "--workers", str(workers), "--apis", str(apis))
    async with fermata_dev(port, data_dir, *options, environment=environment) as stack:
        others = [f"http://127.0.0.1:{port + SECOND_API + number}" for number in range(apis - 1)]
        held = Battered(stack, [stack.url, *others])
        listening = asyncio.create_task(held.listen())
        try:
            yield held
        finally:
            held.thaw()
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening
