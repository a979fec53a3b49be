"""From what a provider says to chunks and parts. Pure, and the same for every kind of provider.

Parts are numbered densely as they appear, text is always valid Unicode, and every call has an id of its own.
"""

import json
import math
import secrets
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import assert_never

from domain.content import JsonObject, Part, ReasoningPart, TextPart, ToolCallPart, Usage
from domain.events import FinishReason
from domain.ids import CallId
from domain.limits import too_deep
from domain.model import CallChunk, CallOpened, ModelReply, ReasoningChunk, TextChunk
from domain.prompt import ModelSaid, Said


@dataclass(slots=True)
class _Text:
    part: int
    pieces: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Reasoning:
    part: int
    pieces: list[str] = field(default_factory=list)
    signature: str | None = None


@dataclass(slots=True)
class _Secret:
    """Reasoning that is kept from us: nothing to show, so it takes no number."""

    signature: str


@dataclass(slots=True)
class _Call:
    part: int
    call_id: CallId
    name: str
    pieces: list[str] = field(default_factory=list)


class Assembly:
    """One reply in the making. Methods return the chunk to send on, or None while there is nothing to show."""

    def __init__(self, said: Iterable[Said] = ()) -> None:
        self._parts: list[_Text | _Reasoning | _Secret | _Call] = []
        self._shown = 0
        self.characters = 0  # said so far, for an estimate of their tokens
        self._calls: dict[Hashable, _Call] = {}
        self._halves: dict[object, str] = {}
        self._taken = {
            part.call_id
            for item in said
            if isinstance(item, ModelSaid)
            for part in item.parts
            if isinstance(part, ToolCallPart)
        }

    def text(self, text: str) -> TextChunk | None:
        text = self._sound("text", text)
        if not text:
            return None
        last = self._parts[-1] if self._parts else None
        if not isinstance(last, _Text):
            last = _Text(self._number())
            self._parts.append(last)
        last.pieces.append(text)
        self.characters += len(text)
        return TextChunk(last.part, text)

    def reasoning(self, text: str) -> ReasoningChunk | None:
        text = self._sound("reasoning", text)
        if not text:
            return None
        last = self._parts[-1] if self._parts else None
        if not isinstance(last, _Reasoning) or last.signature is not None:
            last = _Reasoning(self._number())
            self._parts.append(last)
        last.pieces.append(text)
        self.characters += len(text)
        return ReasoningChunk(last.part, text)

    def sign(self, signature: str) -> None:
        """The provider's proof for the reasoning just ended; alone, it stands for reasoning that is kept secret."""
        last = self._parts[-1] if self._parts else None
        if isinstance(last, _Reasoning) and last.signature is None:
            last.signature = signature
        else:
            self._parts.append(_Secret(signature))

    def open_call(self, key: Hashable, call_id: str, name: str) -> CallOpened:
        """A call begins; its fragments will come under `key`. An id that is missing or taken is replaced."""
        if not call_id or call_id in self._taken:
            call_id = f"call_{secrets.token_hex(12)}"
        self._taken.add(CallId(call_id))
        call = self._calls[key] = _Call(self._number(), CallId(call_id), name)
        self._parts.append(call)
        return CallOpened(call.part, call.call_id, name)

    def arguments(self, key: Hashable, fragment: str) -> CallChunk | None:
        call = self._calls[key]
        fragment = self._sound(call.part, fragment)
        if not fragment:
            return None
        call.pieces.append(fragment)
        self.characters += len(fragment)
        return CallChunk(call.part, call.call_id, fragment)

    def reply(self, finish_reason: FinishReason, usage: Usage) -> ModelReply:
        """The end. The cost is filled in by whoever knows the price."""
        if self._calls and finish_reason == "stop":
            finish_reason = "tool_calls"  # some servers do not tell the two apart
        return ModelReply(tuple(map(_whole, self._parts)), finish_reason, usage, cost=None)

    def _number(self) -> int:
        self._shown += 1
        return self._shown - 1

    def _sound(self, place: object, text: str) -> str:
        """The text without halves of surrogate pairs: a half at its end waits for the other one in the next delta."""
        if text.isascii() and not self._halves:
            return text
        text = self._halves.pop(place, "") + text
        if "\ud800" <= text[-1:] <= "\udbff":
            self._halves[place] = text[-1]
            text = text[:-1]
        return mend(text)


def mend(text: str) -> str:
    """Join the two halves of surrogate pairs, and replace those that stand alone."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def parse_arguments(text: str) -> JsonObject | str:
    """The JSON object in a call's arguments; the text itself if it is none that any store could keep."""
    if not text.strip():
        return {}
    try:
        found = json.loads(text, parse_constant=_refuse, parse_float=_finite)
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        found = json.loads(mend(json.dumps(found, ensure_ascii=False)))
    except (ValueError, RecursionError):
        return text
    return found if isinstance(found, dict) and not too_deep(found) else text


def _whole(part: _Text | _Reasoning | _Secret | _Call) -> Part:
    match part:
        case _Text(pieces=pieces):
            return TextPart(text="".join(pieces))
        case _Reasoning(pieces=pieces, signature=signature):
            return ReasoningPart(text="".join(pieces), signature=signature)
        case _Secret(signature=signature):
            return ReasoningPart(text="", signature=signature)
        case _Call(call_id=call_id, name=name, pieces=pieces):
            return ToolCallPart(call_id=call_id, name=name, arguments=parse_arguments("".join(pieces)))
        case _:
            assert_never(part)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _finite(number: str) -> float:
    value = float(number)
    if math.isinf(value):
        raise ValueError(f"{number} is out of range")
    return value
