"""What it costs to read a provider's stream: with our own reader of Chat Completions, with a library, and at least."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import timedelta
from urllib.parse import urlsplit

from adapters.models import Models, Provider
from benchmarks.findings import Findings, Table, Target
from domain.model import ModelRequest, TextChunk
from domain.prompt import UserSaid
from tests.provider.process import ProviderProcess, provider_process
from tests.provider.stamp import sent_at

STREAMS, SECONDS, RATE = 20, 4.0, 50
LIMIT = timedelta(minutes=1)

Texts = Callable[[str], AsyncIterator[str]]
"""Answers a prompt, piece by piece."""


async def ingest() -> Findings:
    async with provider_process() as provider:
        ours = await lean(provider, streams=STREAMS, seconds=SECONDS)
        theirs = await _cost(_library(provider), STREAMS, SECONDS)
        least = await _cost(_socket(provider), STREAMS, SECONDS)
    return Findings(
        about=f"{STREAMS} streams at {RATE} tokens/s, read in this process and not passed on; CPU per token.",
        tables=[
            Table(
                ("reader", "µs per token"),
                [
                    ("ours, the whole model port", f"{ours:.0f}"),
                    ("pydantic-ai's model layer", f"{theirs:.0f}"),
                    ("nobody: the bytes are received, and looked at in the end", f"{least:.0f}"),
                ],
            )
        ],
        targets=(Target("our reader", ours, 60, "µs per token"),),
    )


async def lean(provider: ProviderProcess, streams: int, seconds: float) -> float:
    """µs of CPU per token that our model port takes, with the patience and the assembly around it."""
    models = Models({"scripted": Provider("openai", f"{provider.url}/v1", "none")}, {})
    models.warm()

    async def texts(prompt: str) -> AsyncIterator[str]:
        request = ModelRequest(
            model="scripted:model",
            instructions="",
            said=[UserSaid(text=prompt)],
            tools=(),
            parameters={},
            first_byte_timeout=LIMIT,
            silence_timeout=LIMIT,
        )
        async with aclosing(models.stream(request)) as chunks:
            async for chunk in chunks:
                if isinstance(chunk, TextChunk):
                    yield chunk.text

    try:
        return await _cost(texts, streams, seconds)
    finally:
        await models.aclose()


def _library(provider: ProviderProcess) -> Texts:
    from pydantic_ai.direct import model_request_stream  # seconds to import, which only this benchmark needs
    from pydantic_ai.messages import (
        ModelRequest as LibraryRequest,
    )
    from pydantic_ai.messages import PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta, UserPromptPart
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    model = OpenAIChatModel("model", provider=OpenAIProvider(base_url=f"{provider.url}/v1", api_key="none"))

    async def texts(prompt: str) -> AsyncIterator[str]:
        request = LibraryRequest(parts=[UserPromptPart(content=prompt)])
        async with model_request_stream(model, [request]) as response:
            async for event in response:
                match event:
                    case (
                        PartStartEvent(part=TextPart(content=text))
                        | PartDeltaEvent(delta=TextPartDelta(content_delta=text))
                    ):
                        yield text
                    case _:
                        pass

    return texts


class _Bytes(asyncio.Protocol):
    """Receives, and does nothing else."""

    def __init__(self, request: bytes) -> None:
        self._request, self._pieces = request, list[bytes]()
        self.end = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(self._request)  # type: ignore[attr-defined] # uvloop's has the methods but not the base class

    def data_received(self, data: bytes) -> None:
        self._pieces.append(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.end.set_result(b"".join(self._pieces))


def _socket(provider: ProviderProcess) -> Texts:
    """What the machine takes for a token, whoever reads."""
    address = urlsplit(provider.url)

    async def texts(prompt: str) -> AsyncIterator[str]:
        asked = {"model": "model", "stream": True, "messages": [{"role": "user", "content": prompt}]}
        body = json.dumps(asked).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {address.netloc}\r\nconnection: close\r\n"
        request = f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
        host, port = address.hostname or "", address.port or 80
        _, bytes_only = await asyncio.get_running_loop().create_connection(lambda: _Bytes(request), host, port)
        yield (await bytes_only.end).decode()

    return texts


async def _cost(texts: Texts, streams: int, seconds: float) -> float:
    """µs of this process's CPU per token of so many streams at once. The first answer only opens the connection."""
    await _read(texts, 1)
    count = round(seconds * RATE)
    before = time.process_time()
    await asyncio.gather(*(_read(texts, count) for _ in range(streams)))
    return (time.process_time() - before) * 1e6 / (streams * count)


async def _read(texts: Texts, count: int) -> None:
    said = [text async for text in texts(f"bench {count} at {RATE}")]
    assert len(list(sent_at("".join(said)))) == count
