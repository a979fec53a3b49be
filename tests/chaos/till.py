"""Tools that note in the data directory when they begin: how often something was really done, whoever died."""

import asyncio
from datetime import timedelta
from functools import partial
from pathlib import Path

from adapters.tools import PythonTool, ToolContext

BEGINS_WITHIN = timedelta(seconds=20)
THANKS = " Thank you very much, it was a pleasure to serve you; do come again, and bring your friends along."


@partial(PythonTool, idempotent=True)
async def look_up(context: ToolContext, item: str, seconds: float = 0) -> str:
    """Look up what an item costs; twice is the same as once."""
    await _work(context, seconds)
    return f"The {item} costs seven.{THANKS}"


@PythonTool
async def charge(context: ToolContext, item: str, seconds: float = 0) -> str:
    """Charge the customer for an item; twice is twice the money."""
    await _work(context, seconds)
    return f"Seven paid for the {item}.{THANKS}"


async def _work(context: ToolContext, seconds: float) -> None:
    with _roll(context.data_dir).open("a") as roll:
        roll.write(f"{context.idempotency_key}\n")
    await asyncio.sleep(seconds)


async def begins(data_dir: Path, generation: str, call_id: str) -> None:
    """Wait until this call runs."""
    async with asyncio.timeout(BEGINS_WITHIN.total_seconds()):
        while not begun(data_dir, generation, call_id):  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.01)


def begun(data_dir: Path, generation: str, call_id: str) -> int:
    """How often this call began to run."""
    keys = _roll(data_dir).read_text().splitlines() if _roll(data_dir).exists() else []
    return keys.count(f"{generation}:{call_id}")


def _roll(data_dir: Path) -> Path:
    return data_dir / "till"
