"""What a response does on the wire, one act at a time.

Plain bytes are a piece of a stream; the first of them brings the headers with it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple


class Answer(NamedTuple):
    """A complete response, and the end of it."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class Until(NamedTuple):
    """Go on at this moment of the monotonic clock, in seconds: absolute, so that a pace never drifts."""

    moment: float


class Hang(NamedTuple):
    """Do nothing until the client leaves."""


class Reset(NamedTuple):
    """Deliver what was sent, then reset the connection."""


class End(NamedTuple):
    """The regular end of a streamed response; running out of acts means the same."""


Act = bytes | Answer | Until | Hang | Reset | End


@dataclass(frozen=True, slots=True)
class Exchange:
    """The acts of one response, and who hears of its end."""

    acts: Iterator[Act]
    ended: Callable[[bool], None] = lambda client_left: None
    """Called once, with True if the client left before the last act."""
