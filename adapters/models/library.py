"""Anthropic, and by one more line any vendor the pydantic-ai library speaks to, through its model layer alone.

Importing it takes seconds, so only what needs it does, in a thread. The agent loop and all retries are ours.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextvars import ContextVar
from datetime import timedelta
from typing import assert_never

import httpx2
from anthropic import AsyncAnthropic
from pydantic_ai import messages as library
from pydantic_ai.direct import model_request_stream
from pydantic_ai.exceptions import (
    ContentFilterError,
    ModelAPIError,
    ModelConnectionError,
    ModelHTTPError,
    ModelTimeoutError,
    UnexpectedModelBehavior,
    UserError,
)
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.usage import RequestUsage

from adapters.models.assembly import Assembly
from adapters.models.failures import complaint_of, failed, failure
from adapters.models.library_request import REDACTED, messages, offers, settings
from adapters.models.provider import Heard, Provider
from domain.content import Usage
from domain.errors import ModelCallError
from domain.events import FinishReason
from domain.model import Chunk, ModelRequest

FINISH_REASONS: dict[library.FinishReason, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content_filter",
    "tool_call": "tool_calls",
    "error": "error",
}

_heard: ContextVar[Heard] = ContextVar("heard")


class Anthropic:
    """One provider with Anthropic's Messages interface."""

    def __init__(self, provider: Provider) -> None:
        self._http = httpx2.AsyncClient(
            limits=httpx2.Limits(max_connections=None),  # the worker's slots are the limit
            timeout=httpx2.Timeout(None),  # ours are in patience.py
            event_hooks={"response": [_listen]},
        )
        self._client = AsyncAnthropic(
            api_key=provider.api_key or "none", base_url=provider.base_url, max_retries=0, http_client=self._http
        )
        self._lacks_key = provider.base_url is None and not provider.api_key
        self._models: dict[str, Model] = {}

    async def stream(self, request: ModelRequest, heard: Heard) -> AsyncGenerator[Chunk, None]:
        if self._lacks_key:
            raise failed(request.model, "authentication_failed")
        _heard.set(heard)
        assembly = Assembly(request.said)
        try:
            async with model_request_stream(
                self._model(request.model.partition(":")[2]),
                messages(request),
                model_settings=settings(request.parameters),
                model_request_parameters=offers(request.tools),
            ) as response:
                async for event in response:
                    for chunk in _chunks(assembly, event):
                        if chunk is not None:
                            yield chunk
                finish, usage = response.finish_reason, response.usage
        except (ModelAPIError, UnexpectedModelBehavior, UserError) as error:
            raise _failure(request.model, error) from error
        if finish is None:  # the library takes a clean end of the connection for the end of the answer
            raise failed(request.model, "truncated")
        yield assembly.reply(FINISH_REASONS[finish], _usage(usage))

    async def aclose(self) -> None:
        await self._client.close()

    def _model(self, name: str) -> Model:
        if name not in self._models:
            self._models[name] = AnthropicModel(name, provider=AnthropicProvider(anthropic_client=self._client))
        return self._models[name]


def _chunks(assembly: Assembly, event: library.ModelResponseStreamEvent) -> Iterator[Chunk | None]:
    match event:
        case (
            library.PartStartEvent(part=library.TextPart(content=text))
            | library.PartDeltaEvent(delta=library.TextPartDelta(content_delta=text))
        ):
            yield assembly.text(text)
        case library.PartStartEvent(part=library.ThinkingPart(content=text, signature=signature, id=kind)):
            yield assembly.reasoning(text)
            if signature:
                assembly.sign(REDACTED + signature if kind == "redacted_thinking" else signature)
        case library.PartDeltaEvent(delta=library.ThinkingPartDelta(content_delta=text, signature_delta=signature)):
            yield assembly.reasoning(text or "")
            if signature:
                assembly.sign(signature)
        case library.PartStartEvent(
            index=index, part=library.ToolCallPart(tool_name=name, tool_call_id=call_id, args=arguments)
        ):
            yield assembly.open_call(index, call_id, name)
            yield assembly.arguments(index, _fragment(arguments))
        case library.PartDeltaEvent(index=index, delta=library.ToolCallPartDelta(args_delta=arguments)):
            yield assembly.arguments(index, _fragment(arguments))
        case _:
            pass  # ends of parts, and what a provider's own tools did


def _fragment(arguments: object) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments) if arguments else ""


def _usage(said: RequestUsage) -> Usage:
    return Usage(
        input_tokens=said.input_tokens,
        output_tokens=said.output_tokens,
        cached_tokens=said.cache_read_tokens,
        reasoning_tokens=said.output_reasoning_tokens,
    )


def _failure(model: str, error: ModelAPIError | UnexpectedModelBehavior | UserError) -> ModelCallError:
    match error:
        case ModelHTTPError(status_code=status, body=body):
            wait = None if error.retry_after is None else timedelta(seconds=error.retry_after)
            return failure(model, complaint_of(body, status, wait))
        case ModelTimeoutError():
            return failed(model, "timeout")
        case ModelConnectionError():
            return failed(model, "connection_failed", error.message)
        case ModelAPIError(body=body):
            return failure(model, complaint_of(body))
        case ContentFilterError():
            return failed(model, "content_filtered")
        case UnexpectedModelBehavior():
            return failed(model, "provider_error", error.message)
        case UserError():
            return failed(model, "bad_request", error.message)
        case _:
            assert_never(error)


async def _listen(response: httpx2.Response) -> None:
    """Hear the provider's bytes: of its pings the library tells nothing."""
    if isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = _Listened(response.stream, _heard.get())


class _Listened(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, heard: Heard) -> None:
        self._stream = stream
        self._heard = heard

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            self._heard()
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()
