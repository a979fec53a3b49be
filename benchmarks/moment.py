"""The tool that says when it ran: how the way from a click to a tool is measured."""

import time


async def moment() -> str:
    """The present moment of the monotonic clock, in nanoseconds."""
    return str(time.monotonic_ns())
