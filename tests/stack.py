"""The whole product as a newcomer runs it: `fermata dev` in a process of its own, spoken to over HTTP."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

ROOT = Path(__file__).parents[1]
CROWD = ("--config", str(ROOT / "tests" / "crowd.yaml"))  # the demo agents, and no limit to what runs at once
START_SECONDS = 90
STOP_SECONDS = 30
PATIENCE_SECONDS = 30
OVER = {"completed", "failed", "aborted", "expired", "replaced"}
JsonDict = dict[str, Any]


@dataclass
class Stack:
    """A running stack, and shorthands for what tests do with it all the time."""

    url: str
    data_dir: Path
    process: asyncio.subprocess.Process
    http: httpx2.AsyncClient

    def pid(self, name: str) -> int:
        """Of a child, like `worker-1`."""
        return int((self.data_dir / "run" / f"{name}.pid").read_text())

    def kill(self, name: str) -> None:
        os.kill(self.pid(name), signal.SIGKILL)

    async def start(self, text: str, **fields: Any) -> JsonDict:
        """Start an answer to this text; other fields of the body by name."""
        headers = fields.pop("headers", {})
        body = {"input": {"text": text}, **fields}
        response = await self.http.post("/api/generations", json=body, headers=headers)
        assert response.status_code in (200, 201), response.text
        return dict(response.json())

    async def view(self, generation: str) -> JsonDict:
        return dict((await self.http.get(f"/api/generations/{generation}")).raise_for_status().json())

    async def until(self, generation: str, settled: Callable[[JsonDict], bool]) -> JsonDict:
        """The view, once it is as wanted."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not settled(view := await self.view(generation)):  # noqa: ASYNC110 - it happens in another process
                await asyncio.sleep(0.02)
        return view

    async def paused(self, generation: str) -> JsonDict:
        return await self.until(generation, lambda view: view["status"] == "requires_action")

    async def finished(self, generation: str) -> JsonDict:
        return await self.until(generation, lambda view: view["status"] in OVER)

    async def decide(self, generation: str, body: JsonDict, **headers: str) -> httpx2.Response:
        return await self.http.post(f"/api/generations/{generation}/decisions", json=body, headers=headers)

    async def approve(self, generation: str) -> httpx2.Response:
        """Approve all that the generation waits for."""
        approval = (await self.paused(generation))["approvals"][0]
        decisions = [{"call_id": call["call_id"], "decision": "approve"} for call in approval["calls"]]
        return await self.decide(generation, {"approval_id": approval["id"], "decisions": decisions})

    async def read(self, generation: str, after: int | None = 0) -> list[tuple[int | None, JsonDict]]:
        """One connection's events from the cursor on, until the server ends it."""
        return [event async for event in self.events(generation, after)]

    async def events(self, generation: str, after: int | None = 0) -> AsyncIterator[tuple[int | None, JsonDict]]:
        params = {} if after is None else {"after": after}
        async with self.http.stream("GET", f"/api/generations/{generation}/events", params=params) as response:
            seq: int | None = None
            async for line in _lines(response):
                name, _, value = line.partition(b": ")
                if name == b"id":
                    seq = int(value)
                elif name == b"data":
                    yield seq, json.loads(value)
                    seq = None


async def _lines(response: httpx2.Response) -> AsyncIterator[bytes]:
    """Split at line feeds only: the other line ends of Unicode may stand in the data."""
    rest = b""
    async for chunk in response.aiter_raw():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line


@asynccontextmanager
async def fermata_dev(
    port: int, data_dir: Path, *options: str, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Stack]:
    """Run `fermata dev` on ports from `port` on, for the length of the block."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli", "dev", "--no-open", "--port", str(port), "--data-dir", str(data_dir), *options),
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "", **(environment or {})},  # or each process compiles anew
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said = await _until_ready(process)
        url = said.rsplit("ready ", 1)[1].strip()
        async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE_SECONDS) as http:
            yield Stack(url, data_dir, process, http)
    finally:
        await stop(process)


async def stop(process: asyncio.subprocess.Process) -> None:
    """In order if it will, else by force."""
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()


async def _until_ready(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    said = ""
    async with asyncio.timeout(START_SECONDS):
        while not said.split("\n")[-2:][0].startswith("ready "):
            line = await process.stdout.readline()
            if not line:
                raise RuntimeError(f"the stack did not start:\n{said}")
            said += line.decode()
    return said
