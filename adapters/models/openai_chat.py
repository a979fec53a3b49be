"""Every provider with OpenAI's Chat Completions interface, read without a library: 35-50 µs a token, not 200-340."""

import json
from collections.abc import AsyncGenerator

from adapters.models.failures import complaint_of, failed, failure, retry_after
from adapters.models.http_connection import BrokenResponse, Connection
from adapters.models.http_stream import HttpClient
from adapters.models.openai_format import Reading, request_body
from adapters.models.provider import Heard, Provider
from adapters.models.sse import Lines
from domain.errors import ModelCallError
from domain.model import Chunk, ModelRequest

OPENAI = "https://api.openai.com/v1"
ERROR_BYTES = 65536


class OpenAIChat:
    """One provider."""

    def __init__(self, provider: Provider) -> None:
        self._own = provider.base_url is None
        self._has_key = bool(provider.api_key)
        headers = {"content-type": "application/json", "accept": "text/event-stream", "user-agent": "fermata"}
        if provider.api_key:
            headers["authorization"] = f"Bearer {provider.api_key}"
        self._http = HttpClient(provider.base_url or OPENAI, headers)

    async def stream(self, request: ModelRequest, heard: Heard) -> AsyncGenerator[Chunk, None]:
        if self._own and not self._has_key:
            raise failed(request.model, "authentication_failed", None)
        # OpenAI's newer models know only the first name; most others know only the second
        body = request_body(request, limit_field="max_completion_tokens" if self._own else "max_tokens")
        reading, lines = Reading(request, len(body)), Lines()
        try:
            async with self._http.post("/chat/completions", body) as response:
                if response.status != 200:
                    raise await _refusal(request.model, response)
                while not reading.done:
                    piece = await response.read()
                    heard()
                    for payload in lines.feed(piece or b"\n"):
                        for chunk in reading.take(payload):
                            yield chunk
                    if not piece:
                        break
        except (OSError, EOFError) as error:
            if not reading.finished:
                raise failed(request.model, "connection_failed", str(error)) from error
        except (BrokenResponse, ValueError) as error:
            raise failed(request.model, "provider_error", str(error)) from error
        yield reading.reply()

    async def aclose(self) -> None:
        await self._http.aclose()


async def _refusal(model: str, response: Connection) -> ModelCallError:
    body = b""
    while len(body) < ERROR_BYTES and (piece := await response.read()):
        body += piece
    try:
        said: object = json.loads(body)
    except ValueError:
        said = None  # a page of some proxy: nothing in it is for people
    return failure(model, complaint_of(said, response.status, retry_after(response.headers)))
