"""A worker that the test runs itself, beside a stack without any: with a network or a death of its own."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from devstack.ports import HOST
from tests.chaos.battered import CONFIG, TEMPORAL
from tests.stack import ROOT, Stack

VALKEY = 3  # ports above the first


@asynccontextmanager
async def lone_worker(
    stack: Stack, name: str, *module: str, temporal: int | None = None, redis: int | None = None, **environment: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `python -m` that module; leaving it is its death. The two are ports, if not those of the stack itself."""
    first = int(stack.url.rsplit(":", 1)[1])
    log = (stack.data_dir / "logs" / f"{name}.log").open("ab")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *module),
        cwd=ROOT,
        env={
            **os.environ,
            "FERMATA_ENV": "development",
            "FERMATA_CONFIG": str(CONFIG),
            "FERMATA_DATA_DIR": str(stack.data_dir),
            "DATABASE_URL": f"sqlite+aiosqlite:///{stack.data_dir / 'fermata.db'}",
            "REDIS_URL": f"redis://{HOST}:{redis or first + VALKEY}/0",
            "TEMPORAL_ADDRESS": f"{HOST}:{temporal or first + TEMPORAL}",
            **environment,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=log,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        log.close()
