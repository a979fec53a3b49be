"""Bytes both dialects are made of: JSON, SSE frames, and frames prepared but for one string."""

import json
from json.encoder import encode_basestring as quote
from typing import Any

from tests.provider.script import ToolCall

_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
HOLE = "\x00"
"""Stands in a stencil's template for the string to come."""


def encode(value: Any) -> bytes:
    """Compact JSON in raw UTF-8, as providers send it."""
    return _JSON.encode(value).encode()


def frame(data: Any, event: str | None = None) -> bytes:
    """One SSE message."""
    name = b"" if event is None else b"event: %b\n" % event.encode()
    return b"%bdata: %b\n\n" % (name, encode(data))


class Stencil:
    """A frame with a hole for one string: a token costs one small encoding, however much surrounds it."""

    __slots__ = ("_after", "_before")

    def __init__(self, template: bytes) -> None:
        self._before, self._after = template.split(encode(HOLE))

    def __call__(self, text: str) -> bytes:
        return self._before + quote(text).encode() + self._after


def arguments(call: ToolCall) -> str:
    """The JSON text of a call's arguments."""
    return call.arguments if isinstance(call.arguments, str) else encode(call.arguments).decode()


def fragments(text: str) -> list[str]:
    """The pieces in which arguments are streamed."""
    return [text[at : at + 8] for at in range(0, len(text), 8)]
