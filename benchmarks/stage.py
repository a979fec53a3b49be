"""The whole product with a scripted provider behind it, each server in a process of its own; we are its readers."""

import asyncio
import os
import random
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from redis.asyncio import Redis

from benchmarks.measure import child_running
from benchmarks.reader import Reader, read
from devstack.errors import CannotStart
from devstack.ports import HOST, check_free, plan_ports
from tests.provider.process import ProviderProcess, provider_process
from tests.stack import Stack, fermata_dev

Result = TypeVar("Result")

# No titles: they would be a second request to the model beside each answer. Patience: some models here never speak.
CONFIGURATION = """
providers:
  scripted: {{kind: openai, base_url: "{provider}/v1", api_key: none, first_byte_timeout: 10m, silence_timeout: 10m}}
agents:
  plain: {{model: "scripted:model"}}
  careful: {{model: "scripted:model", tools: ["benchmarks.moment:moment"]}}
policy: {{enabled: true}}
title: {{enabled: false}}
limits: {{concurrent_generations: 0}}
"""


@dataclass(frozen=True)
class Stage:
    stack: Stack
    provider: ProviderProcess
    redis_url: str
    pids: dict[str, int]

    async def start(self, text: str, agent: str = "plain") -> str:
        """The id of the generation that answers this text. Asks again while the engine is too busy, as a client should:
        under one key it is started once.
        """
        headers, body = {"Idempotency-Key": uuid4().hex}, {"input": {"text": text}, "agent": agent}
        while (response := await self.stack.http.post("/api/generations", json=body, headers=headers)).is_server_error:
            assert response.status_code == 503, response.text
            await asyncio.sleep(float(response.headers.get("retry-after", 1)))
        return str(response.raise_for_status().json()["id"])

    async def read(self, generation: str, after: int | None = 0) -> Reader:
        return await read(self.stack.url, generation, after)

    async def asked_of_valkey(self) -> dict[str, float]:
        """Commands it has executed so far, those inside of scripts too, and bytes that came in."""
        async with Redis.from_url(self.redis_url) as client:
            stats = await client.info("stats")
        return {"commands": stats["total_commands_processed"], "bytes": stats["total_net_input_bytes"]}


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    """A fresh stack for the length of the block: one worker, one API, as `fermata dev` starts them."""
    with tempfile.TemporaryDirectory(prefix="fermata-bench-") as directory:
        port = free_ports(10)
        async with provider_process() as provider:
            configuration = _configuration(Path(directory), provider.url)
            async with fermata_dev(port, Path(directory, "data"), "--config", str(configuration)) as stack:
                pids = {
                    "worker": stack.pid("worker-1"),
                    "API": stack.pid("api-1"),
                    "Valkey": stack.pid("valkey"),
                    "Temporal": stack.pid("temporal"),
                    "provider": child_running("tests.provider"),
                    "readers": os.getpid(),
                }
                valkey = plan_ports(port, workers=1, apis=1).valkey
                yield Stage(stack, provider, f"redis://{HOST}:{valkey}/0", pids)


async def together(count: int, at_once: int, work: Callable[[int], Awaitable[Result]]) -> list[Result]:
    """The results of `work` for 0 … count - 1, in order; never more than `at_once` of them under way."""
    slots = asyncio.Semaphore(at_once)

    async def one(index: int) -> Result:
        async with slots:
            return await work(index)

    return await asyncio.gather(*map(one, range(count)))


def _configuration(directory: Path, provider: str) -> Path:
    path = directory / "fermata.yaml"
    path.write_text(CONFIGURATION.format(provider=provider))
    return path


def free_ports(count: int) -> int:
    """The first of so many free ones in a row, below those that the kernel hands out to connections."""
    while True:
        first = random.randrange(20_000, 30_000)
        try:
            check_free(("benchmarks", port) for port in range(first, first + count))
        except CannotStart:
            continue
        return first
