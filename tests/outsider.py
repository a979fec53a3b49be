"""What somebody who knows only the contract does with the API, beside what `Stack` can do."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any, Literal
from uuid import uuid4

import httpx2

from tests.provider.book import Record
from tests.provider.process import ProviderProcess
from tests.stack import PATIENCE_SECONDS, JsonDict, Stack

PROBLEM_FIELDS = {"type", "title", "status", "detail", "instance", "code"}
DecisionKind = Literal["approve", "reject", "edit", "respond"]


def a_word() -> str:
    """One that nobody has said: by it a test's replies and requests are found."""
    return f"w{uuid4().hex[:12]}"


def writing(*lines: str) -> str:
    """What a user says to have these lines written, by parallel calls."""
    return "\n".join(f'use write_book {{"line": "{line}"}}' for line in lines)


def written(stack: Stack, word: str) -> list[str]:
    """Lines of the book with this word: how often the tool ran."""
    book = stack.data_dir / "book"
    return [line for line in book.read_text().splitlines() if word in line] if book.exists() else []


async def eventually(happened: Callable[[], Awaitable[bool]], within: float = PATIENCE_SECONDS) -> None:
    """Wait for what no event tells. Raises TimeoutError."""
    async with asyncio.timeout(within):
        while not await happened():  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.02)


async def said(stack: Stack, conversation: str) -> list[JsonDict]:
    """The stored messages."""
    response = await stack.http.get(f"/api/conversations/{conversation}/messages")
    return list(response.raise_for_status().json()["items"])


async def asked_of(provider: ProviderProcess, word: str) -> list[Record]:
    """The provider's record of requests for an answer that have this word in them."""
    return [record for record in await provider.requests() if record.purpose == "answer" and word in str(record.body)]


def prompted(records: Sequence[Record], which: int) -> list[str]:
    """What was said in that request, instructions aside."""
    body = records[which].body
    assert isinstance(body, dict)
    messages: Any = body["messages"]
    return [message["content"] for message in messages if message["role"] not in ("system", "developer")]


async def abort(stack: Stack, generation: str) -> httpx2.Response:
    return await stack.http.post(f"/api/generations/{generation}/abort")


def deciding(approval: JsonDict, kind: DecisionKind = "approve", **fields: Any) -> JsonDict:
    """One body that decides every call of the approval alike."""
    calls = [{"call_id": call["call_id"], "decision": kind, **fields} for call in approval["calls"]]
    return {"approval_id": approval["id"], "decisions": calls}


def asking(*questions: JsonDict) -> str:
    """What a user says to be asked these questions, by one call."""
    return f"use ask_user {json.dumps({'questions': questions})}"


def problem(response: httpx2.Response, status: int, code: str) -> JsonDict:
    """The problem body, after a look whether it is one, and this one."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    body: JsonDict = response.json()
    assert (response.status_code, body["status"], body["code"]) == (status, status, code), response.text
    assert body.keys() >= PROBLEM_FIELDS
    assert body["type"] == f"/problems/{code}"
    assert body["instance"] == response.url.path
    return body


def text_of(message: JsonDict) -> str:
    return "".join(part["text"] for part in message["parts"] if part["type"] == "text")


def calls_of(message: JsonDict) -> list[JsonDict]:
    return [part for part in message["parts"] if part["type"] == "tool_call"]


def types(events: Sequence[tuple[int | None, JsonDict]]) -> list[str]:
    return [event["type"] for _, event in events]


def named(events: Sequence[tuple[int | None, JsonDict]], kind: str) -> list[JsonDict]:
    """The events of this type."""
    return [event for _, event in events if event["type"] == kind]


@asynccontextmanager
async def visiting(stack: Stack, *, base_url: str | None = None, **headers: str) -> AsyncIterator[Stack]:
    """The same stack through another door, or with other headers: `x_dev_user="bob"`."""
    url = base_url or stack.url
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE_SECONDS, headers=named) as http:
        yield replace(stack, url=url, http=http)


# The feed of an inbox.
class Feed:
    """What one reader of the feed is told, kept as a page keeps it."""

    def __init__(self, events: AsyncIterator[JsonDict]) -> None:
        self._events = events
        self.told: list[JsonDict] = []

    async def until(self, kind: str) -> JsonDict:
        """The next event of that type."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for event in self._events:
                self.told.append(event)
                if event["type"] == kind:
                    return event
        raise AssertionError(f"the feed ended without {kind!r}: {self.told}")


@asynccontextmanager
async def feeding(stack: Stack) -> AsyncIterator[Feed]:
    async def events(lines: AsyncIterator[str]) -> AsyncGenerator[JsonDict, None]:
        async for line in lines:
            assert not line.startswith("id:")
            if line.startswith("data: "):
                yield json.loads(line[6:])

    async with stack.http.stream("GET", "/api/approvals/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        async with aclosing(events(response.aiter_lines())) as reading:
            yield Feed(reading)
