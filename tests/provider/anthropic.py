"""The dialect of Anthropic's Messages, `POST /v1/messages`."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, assert_never

from pydantic import BaseModel, Field, PositiveInt, ValidationError

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
from tests.provider.script import Fault, FinishReason, ToolCall, Usage, Whole

FAULTS: dict[Fault, tuple[int, str, str]] = {
    "rate_limit": (429, "rate_limit_error", "This request would exceed your rate limit."),
    "quota": (402, "billing_error", "Your credit balance is too low to access the API."),
    "server_error": (500, "api_error", "Internal server error"),
    "overloaded": (529, "overloaded_error", "Overloaded"),
    "unauthorized": (401, "authentication_error", "invalid x-api-key"),
    "not_found": (404, "not_found_error", "model not found"),
    "context_length": (400, "invalid_request_error", "prompt is too long: 9000 tokens > 8192 maximum"),
    "bad_request": (400, "invalid_request_error", "The request was not understood."),
}
"""Fault → status, type, message."""

STOP_REASONS: dict[FinishReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}


class _Block(BaseModel):
    type: str
    text: str = ""
    id: str = ""
    name: str = ""
    tool_use_id: str = ""
    content: "str | list[_Block]" = ""


class _Message(BaseModel):
    role: Literal["user", "assistant"]
    content: str | list[_Block]


class _Tool(BaseModel):
    name: str


class _Request(BaseModel):
    model: str
    max_tokens: PositiveInt
    messages: list[_Message] = Field(min_length=1)
    system: str | list[_Block] = ""
    stream: bool = False
    tools: list[_Tool] = []


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
        system=_text(request.system),
        items=items,
        tools=tuple(tool.name for tool in request.tools),
        stream=request.stream,
        usage_wanted=True,
    )


def _items(message: _Message) -> Iterator[Item]:
    blocks = [_Block(type="text", text=message.content)] if isinstance(message.content, str) else message.content
    for block in blocks:
        match block.type:
            case "text" if not block.text:
                raise BadPrompt("messages: text content blocks must be non-empty")
            case "text" if message.role == "user":
                yield UserSaid(block.text)
            case "text":
                yield AssistantSaid(block.text)
            case "tool_use":
                yield Called(block.id, block.name)
            case "tool_result":
                yield Returned(block.tool_use_id, _text(block.content))
            case _:
                pass  # thinking, images, documents: nothing a script looks at


def _text(content: str | list[_Block]) -> str:
    return content if isinstance(content, str) else "".join(block.text for block in content)


def refusal(fault: Fault, message: str | None = None) -> tuple[int, bytes]:
    """Status and body of an HTTP error; `message` says more than the fault's own."""
    return FAULTS[fault][0], encode(_error(fault, message))


def _error(fault: Fault, message: str | None = None) -> dict[str, Any]:
    _, kind, own_message = FAULTS[fault]
    return {"type": "error", "error": {"type": kind, "message": message or own_message}}


class AnthropicVoice:
    """One message: content blocks one after the other, never interleaved, each started, filled and stopped."""

    def __init__(self, prompt: Prompt, response_id: str) -> None:
        self._id = response_id
        self._model = prompt.model
        self._index = -1
        self._open: Literal["text", "thinking"] | None = None
        self._fill = Stencil(encode(HOLE))

    def open(self, usage: Usage) -> bytes:
        so_far = usage.model_copy(update={"output": 1, "reasoning": 0})
        message = self._message(content=[], stop_reason=None, usage=_usage(so_far))
        return _event("message_start", message=message) + _event("ping")

    def text(self, chunk: str) -> bytes:
        return self._enter("text") + self._fill(chunk) if chunk else b""

    def reasoning(self, chunk: str) -> bytes:
        return self._enter("thinking") + self._fill(chunk) if chunk else b""

    def calls(self, calls: Sequence[ToolCall]) -> Iterator[bytes]:
        for call in calls:
            yield self._leave() + self._start({**self._call(call, self._index + 1), "input": {}})
            for piece in fragments(arguments(call)):
                yield self._delta({"type": "input_json_delta", "partial_json": piece})
            yield _event("content_block_stop", index=self._index)

    def malformed(self) -> bytes:
        return b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"te\n\n'

    def error(self, fault: Fault) -> bytes:
        return frame(_error(fault), "error")

    def close(self, said: Whole) -> bytes:
        delta = {"stop_reason": STOP_REASONS[said.finish], "stop_sequence": None}
        ending = _event("message_delta", delta=delta, usage=_usage(said.usage))
        return self._leave() + ending + _event("message_stop")

    def whole(self, said: Whole) -> bytes:
        content: list[dict[str, Any]] = []
        if said.reasoning:
            content.append({"type": "thinking", "thinking": said.reasoning, "signature": self._signature})
        if said.text:
            content.append({"type": "text", "text": said.text})
        content.extend(
            {**self._call(call, index), "input": call.arguments} for index, call in enumerate(said.calls, len(content))
        )
        stop_reason = STOP_REASONS[said.finish]
        return encode(self._message(content=content, stop_reason=stop_reason, usage=_usage(said.usage)))

    @property
    def _signature(self) -> str:
        return f"signature-{self._id}"

    def _enter(self, kind: Literal["text", "thinking"]) -> bytes:
        if self._open == kind:
            return b""
        empty = {"type": kind, kind: "", **({"signature": ""} if kind == "thinking" else {})}
        frames = self._leave() + self._start(empty)
        self._open = kind
        self._fill = Stencil(self._delta({"type": f"{kind}_delta", kind: HOLE}))
        return frames

    def _leave(self) -> bytes:
        left, self._open = self._open, None
        match left:
            case None:
                return b""
            case "text":
                return _event("content_block_stop", index=self._index)
            case "thinking":  # the proof that the thoughts are the model's own comes last, as a delta
                signature = self._delta({"type": "signature_delta", "signature": self._signature})
                return signature + _event("content_block_stop", index=self._index)
            case _:
                assert_never(left)

    def _start(self, block: dict[str, Any]) -> bytes:
        self._index += 1
        return _event("content_block_start", index=self._index, content_block=block)

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return _event("content_block_delta", index=self._index, delta=delta)

    def _call(self, call: ToolCall, index: int) -> dict[str, Any]:
        return {"type": "tool_use", "id": call.id or f"toolu_{self._id}_{index}", "name": call.name}

    def _message(self, *, content: list[dict[str, Any]], stop_reason: str | None, usage: dict[str, Any]) -> Any:
        return {
            "id": f"msg_{self._id}",
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": content,
            "stop_reason": stop_reason,
            "stop_sequence": None,
            "usage": usage,
        }


speak = AnthropicVoice


def _event(name: str, **data: Any) -> bytes:
    return frame({"type": name, **data}, name)


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input - usage.cached,  # what was read from the cache is counted beside, not within
        "cache_read_input_tokens": usage.cached,
        "cache_creation_input_tokens": 0,
        "output_tokens": usage.output,
        "output_tokens_details": {"thinking_tokens": usage.reasoning},
    }
