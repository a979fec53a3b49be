"""The dialect of OpenAI's Chat Completions, `POST /v1/chat/completions`, with its relatives' `reasoning_content`."""

import time
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any, Literal, assert_never

from pydantic import BaseModel, ValidationError

from tests.provider.frames import HOLE, Stencil, arguments, encode, fragments, frame
from tests.provider.prompt import (
    AssistantSaid,
    BadPrompt,
    Called,
    Item,
    Prompt,
    Returned,
    UserSaid,
    check_calls_answered,
)
from tests.provider.script import Fault, ToolCall, Usage, Whole

FAULTS: dict[Fault, tuple[int, str, str | None, str]] = {
    "rate_limit": (429, "requests", "rate_limit_exceeded", "Rate limit reached for requests."),
    "quota": (429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota."),
    "server_error": (500, "server_error", None, "The server had an error while processing your request."),
    "overloaded": (503, "service_unavailable_error", "server_is_overloaded", "The model is overloaded."),
    "unauthorized": (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    "not_found": (404, "invalid_request_error", "model_not_found", "The model does not exist."),
    "context_length": (
        400,
        "invalid_request_error",
        "context_length_exceeded",
        "This model's maximum context length is 8192 tokens.",
    ),
    "bad_request": (400, "invalid_request_error", None, "The request was not understood."),
}
"""Fault → status, type, code, message."""


class _Part(BaseModel):
    type: str
    text: str = ""


class _Function(BaseModel):
    name: str


class _Call(BaseModel):
    id: str
    function: _Function


class _Message(BaseModel):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[_Part] | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str = ""

    @property
    def text(self) -> str:
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content or ())


class _Tool(BaseModel):
    function: _Function


class _StreamOptions(BaseModel):
    include_usage: bool = False


class _Request(BaseModel):
    model: str
    messages: list[_Message]
    stream: bool = False
    stream_options: _StreamOptions | None = None
    tools: list[_Tool] | None = None


def read(body: bytes) -> Prompt:
    """Understand a request; raises `BadPrompt` where the real provider answers 400."""
    try:
        request = _Request.model_validate_json(body)
    except ValidationError as error:
        raise BadPrompt(str(error)) from error
    items = tuple(item for message in request.messages for item in _items(message))
    check_calls_answered(items)
    return Prompt(
        model=request.model,
        system="\n".join(message.text for message in request.messages if message.role in ("system", "developer")),
        items=items,
        tools=tuple(tool.function.name for tool in request.tools or ()),
        stream=request.stream,
        usage_wanted=request.stream_options is not None and request.stream_options.include_usage,
    )


def _items(message: _Message) -> Iterator[Item]:
    match message.role:
        case "system" | "developer":
            pass
        case "user":
            yield UserSaid(message.text)
        case "assistant":
            if message.text:
                yield AssistantSaid(message.text)
            for call in message.tool_calls or ():
                yield Called(call.id, call.function.name)
        case "tool":
            yield Returned(message.tool_call_id, message.text)
        case _:
            assert_never(message.role)


def refusal(fault: Fault, message: str | None = None) -> tuple[int, bytes]:
    """Status and body of an HTTP error; `message` says more than the fault's own."""
    return FAULTS[fault][0], encode(_error(fault, message))


def _error(fault: Fault, message: str | None = None) -> dict[str, Any]:
    _, kind, code, own_message = FAULTS[fault]
    return {"error": {"message": message or own_message, "type": kind, "param": None, "code": code}}


class OpenAIVoice:
    """One chat completion."""

    def __init__(self, prompt: Prompt, response_id: str) -> None:
        self._id = response_id
        self._common = {"id": f"chatcmpl-{response_id}", "created": int(time.time()), "model": prompt.model}
        self._usage_wanted = prompt.usage_wanted
        self._calls = 0
        self.text = Stencil(self._chunk({"content": HOLE}))
        self.reasoning = Stencil(self._chunk({"reasoning_content": HOLE}))

    def open(self, usage: Usage) -> bytes:
        return self._chunk({"role": "assistant", "content": ""})

    def calls(self, calls: Sequence[ToolCall]) -> Iterator[bytes]:
        """Parallel calls arrive interleaved: all beginnings, then a piece of each in turn."""
        first = self._calls
        self._calls += len(calls)
        for index, call in enumerate(calls, first):
            start = {"index": index, **_call(call, self._call_id(call, index), "")}
            yield self._chunk({"tool_calls": [start]})
        for pieces in zip_longest(*(fragments(arguments(call)) for call in calls)):
            for index, piece in enumerate(pieces, first):
                if piece is not None:
                    yield self._chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})

    def malformed(self) -> bytes:
        return b'data: {"id":"chatcmpl-%b","choices":[{"index":0,"delta":{"content":"brok\n\n' % self._id.encode()

    def error(self, fault: Fault) -> bytes:
        return frame(_error(fault))

    def close(self, said: Whole) -> bytes:
        usage = frame(self._body([], _usage(said.usage))) if self._usage_wanted else b""
        return self._chunk({}, said.finish) + usage + b"data: [DONE]\n\n"

    def whole(self, said: Whole) -> bytes:
        message: dict[str, Any] = {"role": "assistant", "content": said.text or None}
        if said.reasoning:
            message["reasoning_content"] = said.reasoning
        if said.calls:
            message["tool_calls"] = [
                _call(call, self._call_id(call, index), arguments(call)) for index, call in enumerate(said.calls)
            ]
        choice = {"index": 0, "message": message, "finish_reason": said.finish}
        completion = {**self._common, "object": "chat.completion", "choices": [choice], "usage": _usage(said.usage)}
        return encode(completion)

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
        return frame(self._body([{"index": 0, "delta": delta, "finish_reason": finish}], None))

    def _body(self, choices: list[dict[str, Any]], usage: dict[str, Any] | None) -> dict[str, Any]:
        body = {**self._common, "object": "chat.completion.chunk", "choices": choices}
        return {**body, "usage": usage} if self._usage_wanted else body

    def _call_id(self, call: ToolCall, index: int) -> str:
        return call.id or f"call_{self._id}_{index}"


speak = OpenAIVoice


def _call(call: ToolCall, call_id: str, arguments_json: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": call.name, "arguments": arguments_json}}


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }
