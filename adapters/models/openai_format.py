"""The Chat Completions format: a request as its JSON body, and a reply from its chunks. Pure."""

import json
from collections.abc import Iterator
from typing import Any, assert_never

from pydantic_core import from_json

from adapters.models.assembly import Assembly
from adapters.models.failures import complaint_of, failed, failure
from domain.content import TextPart, ToolCallPart, Usage
from domain.events import FinishReason
from domain.model import Chunk, ModelReply, ModelRequest
from domain.prompt import CHARS_PER_TOKEN, ModelSaid, Said, UserSaid

FINISH_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}

JsonMessage = dict[str, Any]  # what the wire carries


def request_body(request: ModelRequest, *, limit_field: str) -> bytes:
    """The body. Parameters go through under their own names, except our one word for the length of the answer."""
    body: JsonMessage = {name: value for name, value in request.parameters.items() if value is not None}
    if (limit := body.pop("max_output_tokens", None)) is not None:
        body[limit_field] = limit
    body |= {
        "model": request.model.partition(":")[2],
        "messages": list(_messages(request)),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
            }
            for tool in request.tools
        ]
    return json.dumps(body, separators=(",", ":")).encode()


def _messages(request: ModelRequest) -> Iterator[JsonMessage]:
    if request.instructions:
        yield {"role": "system", "content": request.instructions}
    for item in request.said:
        yield from _message(item)


def _message(item: Said) -> Iterator[JsonMessage]:
    """Reasoning is not sent back: this format has no place for it."""
    match item:
        case UserSaid(text=text):
            yield {"role": "user", "content": text}
        case ModelSaid(parts=parts):
            text = "\n\n".join(part.text for part in parts if isinstance(part, TextPart))
            calls = [part for part in parts if isinstance(part, ToolCallPart)]
            message: JsonMessage = {"role": "assistant", "content": text or None}
            if calls:
                message["tool_calls"] = [_call(call) for call in calls]
            if text or calls:
                yield message
            for call in calls:
                yield {"role": "tool", "tool_call_id": call.call_id, "content": call.output or ""}
        case _:
            assert_never(item)


def _call(call: ToolCallPart) -> JsonMessage:
    arguments = call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments, ensure_ascii=False)
    return {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


class Reading:
    """One reply, read chunk by chunk. Raises ModelCallError for what the provider reports inside the stream."""

    def __init__(self, request: ModelRequest, prompt_characters: int) -> None:
        self._model = request.model
        self._assembly = Assembly(request.said)
        self._prompt_characters = prompt_characters
        self._finish: str | None = None
        self._usage: Usage | None = None
        self._ids: dict[int, str] = {}  # index → the provider's id of the call open there
        self.done = False  # the end marker has come

    @property
    def finished(self) -> bool:
        """Whether the model has said why it stopped: whatever breaks after that breaks nothing."""
        return self._finish is not None

    def take(self, payload: bytes) -> list[Chunk]:
        if payload == b"[DONE]":
            self.done = True
            return []
        try:
            chunk = _decode(payload)
            if chunk.get("error"):
                raise failure(self._model, complaint_of(chunk))
            if usage := chunk.get("usage"):
                self._usage = _usage(usage)
            return self._choice(chunk["choices"][0]) if chunk.get("choices") else []
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise failed(self._model, "provider_error", "a chunk of the stream is broken") from error

    def reply(self) -> ModelReply:
        """The whole reply. Raises ModelRetryable if the stream ended without saying why, or with an error."""
        if self._finish is None:
            raise failed(self._model, "truncated")
        if self._finish == "error":
            raise failed(self._model, "provider_error")
        return self._assembly.reply(FINISH_REASONS.get(self._finish, "stop"), self._counted())

    def _choice(self, choice: JsonMessage) -> list[Chunk]:
        chunks: list[Chunk | None] = []
        if delta := choice.get("delta"):
            if reasoning := delta.get("reasoning_content") or delta.get("reasoning"):
                chunks.append(self._assembly.reasoning(reasoning))
            if text := delta.get("content") or delta.get("refusal"):
                chunks.append(self._assembly.text(text))
            for call in delta.get("tool_calls") or ():
                chunks += self._fragment(call)
        if reason := choice.get("finish_reason"):
            self._finish = reason
        return [chunk for chunk in chunks if chunk is not None]

    def _fragment(self, call: JsonMessage) -> Iterator[Chunk | None]:
        """A call begins where its index is new, or where a name comes with another id: some servers say 0 for all."""
        index, call_id, function = call.get("index") or 0, call.get("id") or "", call.get("function") or {}
        name = function.get("name")
        if index not in self._ids or (name and call_id and call_id != self._ids[index]):
            self._ids[index] = call_id
            yield self._assembly.open_call(index, call_id, name or "")
        if fragment := function.get("arguments"):
            yield self._assembly.arguments(index, fragment)

    def _counted(self) -> Usage:
        if self._usage is not None:
            return self._usage
        return Usage(
            input_tokens=self._prompt_characters // CHARS_PER_TOKEN,
            output_tokens=self._assembly.characters // CHARS_PER_TOKEN,
            estimated=True,
        )


def _decode(payload: bytes) -> JsonMessage:
    """Fast, and where that is too strict (half a surrogate pair, bytes that are no UTF-8) tolerant."""
    try:
        found: JsonMessage = from_json(payload)
    except ValueError:
        found = json.loads(payload.decode("utf-8", "replace"))
    return found


def _usage(said: JsonMessage) -> Usage:
    prompt, completion = said.get("prompt_tokens_details") or {}, said.get("completion_tokens_details") or {}
    return Usage(
        input_tokens=said.get("prompt_tokens") or 0,
        output_tokens=said.get("completion_tokens") or 0,
        cached_tokens=prompt.get("cached_tokens") or said.get("prompt_cache_hit_tokens") or 0,
        reasoning_tokens=completion.get("reasoning_tokens") or 0,
    )
