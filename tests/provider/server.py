"""The provider's URLs: two ways to ask a model, and the desk where a test scripts it and reads what it was asked."""

import asyncio
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime

from pydantic import JsonValue, TypeAdapter, ValidationError

from tests.provider import anthropic, openai
from tests.provider.acts import Answer, Exchange
from tests.provider.book import Book, Record, Records
from tests.provider.connection import Connection, Request
from tests.provider.frames import encode
from tests.provider.grammar import improvise
from tests.provider.play import Dialect, perform, refuse
from tests.provider.prompt import BadPrompt
from tests.provider.script import Refuse, Replies

DIALECTS: dict[str, Dialect] = {"/v1/chat/completions": openai, "/v1/messages": anthropic}
MODEL = "scripted"
SECRET_HEADERS = frozenset({"authorization", "x-api-key", "api-key", "cookie"})
_Json: TypeAdapter[JsonValue] = TypeAdapter(JsonValue)


class Provider:
    """The server's state (one book) and its routes."""

    def __init__(self) -> None:
        self._book = Book()
        self._desk: dict[tuple[str, str], Callable[[Request], Answer]] = {
            ("POST", "/script"): self._script,
            ("POST", "/reset"): self._reset,
            ("GET", "/requests"): lambda _: Answer(200, Records.dump_json(self._book.records)),
            ("GET", "/stats"): lambda _: Answer(200, self._book.stats.model_dump_json().encode()),
            ("GET", "/v1/models"): _models,
        }

    def respond(self, request: Request) -> Exchange:
        """Find who answers; only requests to a model are recorded."""
        dialect = DIALECTS.get(request.path)
        if dialect is not None and request.method == "POST":
            return self._generate(request, dialect)
        answer = self._desk.get((request.method, request.path))
        return Exchange(iter([answer(request) if answer else Answer(404, encode({"error": "no such page"}))]))

    def _generate(self, request: Request, dialect: Dialect) -> Exchange:
        record = Record(
            received_at=datetime.now(UTC),
            path=request.path,
            headers={name: value for name, value in request.headers.items() if name not in SECRET_HEADERS},
            body=_json(request.body),
            purpose=None,
        )
        try:
            prompt = dialect.read(request.body)
        except BadPrompt as error:
            ended = self._book.open(record)
            return Exchange(iter([refuse(dialect, Refuse(fault="bad_request"), str(error))]), ended)
        ended = self._book.open(record.model_copy(update={"purpose": prompt.purpose}))
        reply = self._book.take(prompt) or improvise(prompt, seen_before=self._book.seen_before(prompt))
        return Exchange(perform(reply, prompt, dialect, secrets.token_hex(8), time.monotonic), ended)

    def _script(self, request: Request) -> Answer:
        try:
            replies = Replies.validate_json(request.body)
        except ValidationError as error:
            return Answer(422, error.json(include_url=False, include_input=False).encode())
        return Answer(200, encode({"waiting": self._book.script(replies)}))

    def _reset(self, _: Request) -> Answer:
        self._book = Book()
        return Answer(200, b"{}")


async def listen(port: int) -> asyncio.Server:
    """Open the provider on a port of this host; 0 lets the system choose one."""
    provider = Provider()
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: Connection(provider.respond), "127.0.0.1", port, backlog=1024)


def _models(request: Request) -> Answer:
    if "anthropic-version" in request.headers:
        model = {"type": "model", "id": MODEL, "display_name": "Scripted", "created_at": "2025-01-01T00:00:00Z"}
        return Answer(200, encode({"data": [model], "has_more": False, "first_id": MODEL, "last_id": MODEL}))
    return Answer(
        200,
        encode({"object": "list", "data": [{"id": MODEL, "object": "model", "created": 0, "owned_by": "tests"}]}),
    )


def _json(body: bytes) -> JsonValue:
    try:
        return _Json.validate_json(body)
    except ValidationError:
        return None
