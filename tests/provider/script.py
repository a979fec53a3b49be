"""The reply a test scripts: what the provider says, how fast, and where it goes wrong."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Literal, Self, assert_never

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, TypeAdapter, model_validator

Fault = Literal[
    "rate_limit",
    "quota",
    "server_error",
    "overloaded",
    "unauthorized",
    "not_found",
    "context_length",
    "bad_request",
]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]
Rate = Annotated[float, Field(gt=0)]
"""Chunks per second."""


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Text(_Value):
    """Words of the answer; `""` only opens the stream, so that a silence after it is a silence in the middle."""

    type: Literal["text"] = "text"
    text: str
    rate: Rate | None = None  # absent: as fast as the client reads
    chunk: PositiveInt | None = None  # characters; absent: word by word


class Reasoning(_Value):
    """What the model thinks before it speaks."""

    type: Literal["reasoning"] = "reasoning"
    text: str
    rate: Rate | None = None


class ToolCall(_Value):
    """One tool call; neighbours are parallel calls. Arguments given as a string go out as they are, valid or not."""

    type: Literal["tool_call"] = "tool_call"
    name: str
    arguments: dict[str, Any] | str = Field(default_factory=dict)
    id: str | None = None


class Stamps(_Value):
    """`count` tokens at exactly `rate` per second, each carrying the moment it was sent (`stamp.py`)."""

    type: Literal["stamps"] = "stamps"
    count: PositiveInt
    rate: Rate


class Usage(_Value):
    """Token counts; `input` includes `cached`, `output` includes `reasoning`. Absent: words are counted."""

    type: Literal["usage"] = "usage"
    input: NonNegativeInt
    output: NonNegativeInt
    cached: NonNegativeInt = 0
    reasoning: NonNegativeInt = 0


class Finish(_Value):
    """Why the model stopped. Absent: `tool_calls` if there were any, else `stop`."""

    type: Literal["finish"] = "finish"
    reason: FinishReason


class Refuse(_Value):
    """An HTTP error instead of a stream. `status` replaces the dialect's own, as gateways do."""

    type: Literal["refuse"] = "refuse"
    fault: Fault
    retry_after: timedelta | None = None
    status: Annotated[int, Field(ge=400, le=599)] | None = None


class StreamError(_Value):
    """The stream turns into an error object and ends."""

    type: Literal["stream_error"] = "stream_error"
    fault: Fault


class Silence(_Value):
    """Nothing is sent: before the first byte if it comes first, else in the middle. Absent: until the client goes."""

    type: Literal["silence"] = "silence"
    lasts: timedelta | None = None


class Malformed(_Value):
    """A chunk whose JSON breaks off; the stream goes on after it."""

    type: Literal["malformed"] = "malformed"


class Cut(_Value):
    """The socket is reset."""

    type: Literal["cut"] = "cut"


class EndEarly(_Value):
    """The response ends as HTTP wants it, but without finish reason and end marker."""

    type: Literal["end_early"] = "end_early"


Speech = Text | Reasoning | ToolCall | Stamps
Step = Annotated[
    Speech | Usage | Finish | Refuse | StreamError | Silence | Malformed | Cut | EndEarly,
    Field(discriminator="type"),
]


class Reply(_Value):
    """What one request gets. The first reply in the queue that fits a request is used up by it."""

    steps: tuple[Step, ...]
    match: str | None = None  # only a request whose last user message contains this
    purpose: Literal["answer", "title"] = (
        "answer"  # titles are asked for beside the answer: they must not take its reply
    )
    shred: PositiveInt | None = None  # bytes per HTTP chunk: frames and characters arrive in pieces

    @model_validator(mode="after")
    def _refusals_come_first(self) -> Self:
        spoken = False
        for step in self.steps:
            if spoken and step.type == "refuse":
                raise ValueError("a refusal is an HTTP status: only silence may come before it; use stream_error")
            spoken = spoken or step.type != "silence"
        return self


Replies = TypeAdapter(tuple[Reply, ...])


@dataclass(frozen=True, slots=True)
class Whole:
    """A reply as a whole, the way a response that is not streamed tells it."""

    text: str
    reasoning: str
    calls: tuple[ToolCall, ...]
    finish: FinishReason
    usage: Usage


def whole(reply: Reply, *, prompt_words: int, stamp: str = "") -> Whole:
    """Sum a reply up; `stamp` stands for every token of `Stamps`."""
    text, reasoning, written = "", "", 0
    calls: list[ToolCall] = []
    finish: FinishReason | None = None
    usage: Usage | None = None
    for step in reply.steps:
        match step:
            case Text():
                text += step.text
                written += len(chunks(step))
            case Reasoning():
                reasoning += step.text
                written += len(chunks(step))
            case Stamps():
                text += stamp * step.count
                written += step.count
            case ToolCall():
                calls.append(step)
                written += 1
            case Usage():
                usage = step
            case Finish():
                finish = step.reason
            case Refuse() | StreamError() | Silence() | Malformed() | Cut() | EndEarly():
                pass
            case _:
                assert_never(step)
    counted = Usage(input=prompt_words, output=written, reasoning=len(_words(reasoning)))
    return Whole(text, reasoning, tuple(calls), finish or ("tool_calls" if calls else "stop"), usage or counted)


def chunks(step: Text | Reasoning) -> Sequence[str]:
    """Cut a text into what is sent at a time; joined, they are the text."""
    size = step.chunk if isinstance(step, Text) else None
    if size is not None:
        return [step.text[at : at + size] for at in range(0, len(step.text), size)] or [""]
    return _words(step.text) or [""]


def _words(text: str) -> list[str]:
    return re.findall(r"\s*\S+|\s+\Z", text)
