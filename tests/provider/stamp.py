"""Tokens that carry the moment they were sent: how latency is measured from one process to another.

The clock is the system-wide monotonic one: it is the same in every process of a host and never jumps.
"""

import re
import time
from collections.abc import Iterator

SIZE = 21
_STAMP = re.compile(r"\{t:(\d{17})\}")


def stamp() -> str:
    """A token of constant size that says what time it is, in nanoseconds."""
    return f"{{t:{time.monotonic_ns():017d}}}"


def sent_at(text: str) -> Iterator[int]:
    """The moments in a text of stamps, for comparison with `time.monotonic_ns()`. Refuses a text with anything else."""
    at = 0
    while at < len(text):
        found = _STAMP.match(text, at)
        if found is None:
            raise ValueError(f"no stamp at character {at} of {text[at : at + SIZE]!r}")
        yield int(found[1])
        at = found.end()
