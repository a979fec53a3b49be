"""What the demo model can do, one step at a time."""

import json
from dataclasses import dataclass
from datetime import timedelta

QUOTE_CHARS = 300


@dataclass(frozen=True, slots=True)
class Think:
    text: str


@dataclass(frozen=True, slots=True)
class Say:
    """`pace`: the time of each word; None: as long words take, short ones less."""

    text: str
    pace: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    arguments: str  # JSON text; what is no JSON is streamed all the same, as a confused model would


@dataclass(frozen=True, slots=True)
class Break:
    """The connection is lost."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The provider says no, for good."""


Step = Think | Say | Call | Break | Refuse
Steps = tuple[Step, ...]


def quote(text: str) -> str:
    short = text if len(text) <= QUOTE_CHARS else f"{text[:QUOTE_CHARS]}…"
    return "\n".join(f"> {line}" for line in short.strip().splitlines()) or "> (nothing)"


def as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
