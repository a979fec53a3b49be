"""Numbers, times, arguments and other people's text as one can read them in a terminal. Pure but for `now`."""

import json
from datetime import datetime, timedelta
from typing import Any

from domain.content import Usage

# What a terminal obeys instead of showing it (ESC and its kin, line feed and tab excepted), and what turns the order of
# characters around, so that an approval would look like another one. A model, a tool or a web page may send them.
OBEYED = (*(set(range(0x20)) - {0x09, 0x0A}), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_ESCAPES = {code: f"\\u{code:04x}" for code in OBEYED}


def visible(text: str) -> str:
    """The text with every control character spelled out. JSON stays the same: it has them in strings only."""
    return text.translate(_ESCAPES)


def compact(value: object) -> str:
    """JSON on one line."""
    return visible(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def pretty(value: object) -> str:
    """JSON with indentation."""
    return visible(json.dumps(value, ensure_ascii=False, indent=2))


def brief(arguments: Any, length: int = 80) -> str:
    """Arguments on one short line: `city: "Oslo", days: 3`."""
    if not isinstance(arguments, dict):
        return line(str(arguments or ""), length)
    return line(
        ", ".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in arguments.items()), length
    )


def line(text: str, length: int = 80) -> str:
    """The text on one line, cut to the length."""
    flat = " ".join(visible(text).split())
    return flat if len(flat) <= length else f"{flat[: length - 1]}…"


def now() -> datetime:
    """This moment in the local time zone."""
    return datetime.now().astimezone()


def clock(moment: datetime, now: datetime) -> str:
    """The local time of day, with the date if it is not today."""
    local = moment.astimezone(now.tzinfo)
    return f"{local:%H:%M}" if local.date() == now.date() else f"{local:%d %b %H:%M}"


def duration(span: timedelta) -> str:
    """As it would stand in the configuration: `90s`, `2h`, `1d`."""
    seconds = int(span.total_seconds())
    units = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
    return next(f"{seconds // size}{unit}" for unit, size in units if seconds % size == 0)


def consumption(usage: Usage, cost: float | None) -> str:
    """`1,204 tokens in · 88 out · $0.0031`. An unknown price is left out, never shown as zero."""
    about = "≈ " if usage.estimated else ""
    told = [f"{about}{usage.input_tokens:,} tokens in", f"{about}{usage.output_tokens:,} out"]
    if cost is not None:
        told.append(f"${cost:.2g}" if 0 < cost < 0.01 else f"${cost:.2f}")
    return " · ".join(told)
