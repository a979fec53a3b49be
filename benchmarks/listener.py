"""A reader in a process of its own, which nothing else delays: `python -m benchmarks.listener URL GENERATION TOKENS`.

It says when it is served, and in the end when each token was sent and came.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import uvloop

from benchmarks.reader import read
from benchmarks.streams import Arrival, exact


@asynccontextmanager
async def listening(url: str, generation: str, tokens: int) -> AsyncIterator[Callable[[], Awaitable[list[Arrival]]]]:
    """For the length of the block; what it yields waits for the end of the answer."""
    command = (sys.executable, "-m", "benchmarks.listener", url, generation, str(tokens))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, limit=2**24)
    assert process.stdout is not None
    said = process.stdout

    async def arrivals() -> list[Arrival]:
        return [Arrival(*each) for each in json.loads(await said.readline())]

    try:
        assert await said.readline() == b"served\n"
        yield arrivals
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _listen(url: str, generation: str, tokens: int) -> None:
    reader = await read(url, generation)
    await reader.sees(b"event: text.delta")
    print("served", flush=True)
    await reader.ended()
    print(json.dumps(exact(reader.heard(), tokens)), flush=True)


if __name__ == "__main__":
    uvloop.run(_listen(sys.argv[1], sys.argv[2], int(sys.argv[3])))
