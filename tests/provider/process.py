"""The provider as a child process, for fixtures and benchmarks."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx2

from tests.provider.book import Record, Records, Stats
from tests.provider.script import Replies, Reply

ROOT = Path(__file__).parents[2]
START = timedelta(seconds=10)
STOP = timedelta(seconds=2)
LOOK_AGAIN = timedelta(milliseconds=5)


class ProviderProcess:
    """A running provider. OpenAI clients take `url + "/v1"` as base URL, Anthropic clients `url`."""

    def __init__(self, url: str, http: httpx2.AsyncClient) -> None:
        self.url = url
        self._http = http

    async def script(self, *replies: Reply) -> None:
        """Queue replies; each is used up by the first request it fits."""
        await self._post("/script", Replies.dump_json(replies))

    async def requests(self) -> list[Record]:
        return Records.validate_json(await self._get("/requests"))

    async def stats(self) -> Stats:
        return Stats.model_validate_json(await self._get("/stats"))

    async def reset(self) -> None:
        """Forget replies, requests and counts; streams still live go on, uncounted."""
        await self._post("/reset", b"")

    async def until(self, settled: Callable[[Stats], bool], within: timedelta) -> Stats:
        """Wait for counts that satisfy `settled`; raises `TimeoutError` after `within`."""
        async with asyncio.timeout(within.total_seconds()):
            while not settled(stats := await self.stats()):  # noqa: ASYNC110 - the event is in another process
                await asyncio.sleep(LOOK_AGAIN.total_seconds())
        return stats

    async def _get(self, path: str) -> bytes:
        return (await self._http.get(path)).raise_for_status().content

    async def _post(self, path: str, body: bytes) -> None:
        (await self._http.post(path, content=body)).raise_for_status()


@asynccontextmanager
async def provider_process(port: int = 0) -> AsyncIterator[ProviderProcess]:
    """Run a provider for the length of the block; it dies with this process, even if that is killed."""
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", "tests.provider", "--port", str(port), "--until-stdin-closes")
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=pipe, stdout=pipe)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START.total_seconds()):
            line = (await process.stdout.readline()).decode().split()
        if line[:1] != ["provider"]:
            raise RuntimeError(f"the provider did not start: {line!r}")
        async with httpx2.AsyncClient(base_url=line[1], trust_env=False) as http:
            yield ProviderProcess(line[1], http)
    finally:
        process.stdin.close()
        try:
            async with asyncio.timeout(STOP.total_seconds()):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
