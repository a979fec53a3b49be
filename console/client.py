"""The API as the terminal speaks to it: requests that may be repeated, and refusals in words for people."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any, Self
from urllib.parse import quote, urlsplit
from uuid import uuid4

import httpx2

from console.backoff import delay
from domain.approval import Decision, Receipt
from domain.content import JsonObject
from domain.errors import FermataError, Unavailable
from domain.ids import ApprovalId, GenerationId, QuestionId
from domain.question import Answer
from domain.record import StoredApproval
from domain.view import View

CONNECT = timedelta(seconds=5)
ANSWER = timedelta(seconds=30)  # an abort answers when all is stored, a start when a worker has taken it
SILENCE = timedelta(seconds=45)  # of a stream; the server comments every 15 s, so three are missing

LOOPBACK = ("127.0.0.1", "localhost", "::1")
AWAY = (502, 503, 504)  # what a proxy says for an API that is not there, and the API for a store that is not


class Problem(FermataError):
    """The server refused. `code` and `status` are what code may branch on; the message is the server's, for people."""

    def __init__(self, status: int, body: JsonObject) -> None:
        detail = body.get("detail") or body.get("title") or f"The server answered with status {status}."
        super().__init__(str(detail), **{name: value for name, value in body.items() if name != "message"})
        self.status, self.code = status, str(body.get("code", ""))


class Api:
    """One API behind one address. Every method raises Unavailable when it stays away for longer than `patience`.

    An API that has never answered is not waited for: its address may be wrong. `lost` is told once for each time that
    it is away.
    """

    def __init__(self, url: str, *, lost: Callable[[], None], patience: timedelta = timedelta()) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise FermataError(f"{url!r} is no address of an API. Write one like http://127.0.0.1:8000.")
        self.lost = lost
        self._url, self._patience, self._met = url, patience, False
        self._http = httpx2.Client(
            base_url=url,
            timeout=httpx2.Timeout(ANSWER.total_seconds(), connect=CONNECT.total_seconds()),
            trust_env=parts.hostname not in LOOPBACK,  # a proxy knows nothing of this machine's own addresses
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def agents(self) -> list[JsonObject]:
        """Who can answer; the first one does if nobody is named."""
        return list(self._ask("GET", "/api/agents")["items"])

    def start(self, text: str, *, agent: str, conversation: str | None) -> tuple[GenerationId, str]:
        """Start an answer; gives the generation and its conversation."""
        body = {"input": {"text": text}, "agent": agent, "conversation_id": conversation}
        started = self._ask("POST", "/api/generations", body)
        return GenerationId(started["id"]), str(started["conversation_id"])

    def view(self, generation: GenerationId) -> View:
        return View.model_validate(self._ask("GET", _path(generation)))

    def waiting(self) -> Iterator[StoredApproval]:
        """The approvals that wait for the caller's decision, oldest first."""
        before: str | None = None
        while True:
            query = f"&before={quote(before, safe='')}" if before else ""
            page = self._ask("GET", f"/api/approvals?status=pending{query}")
            yield from map(_approval, page["items"])
            if not (before := page["next"]):
                return

    def approval(self, approval: ApprovalId) -> StoredApproval:
        """One, whether it still waits or not."""
        return _approval(self._ask("GET", f"/api/approvals/{quote(approval, safe='')}"))

    def decide(self, generation: GenerationId, approval: ApprovalId, decisions: list[Decision]) -> Receipt | None:
        """The receipt; None if no worker answers, in which case the decision is kept until one does."""
        said = [decision.model_dump(mode="json", exclude_none=True) for decision in decisions]
        return self._resume(generation, {"approval_id": approval, "decisions": said})

    def answer(
        self, generation: GenerationId, approval: ApprovalId, answers: Mapping[QuestionId, Answer]
    ) -> Receipt | None:
        """Likewise, to questions."""
        return self._resume(generation, {"approval_id": approval, "answers": dict(answers)})

    def _resume(self, generation: GenerationId, body: JsonObject) -> Receipt | None:
        answer = self._ask("POST", f"{_path(generation)}/decisions", body)
        return Receipt.model_validate(answer["receipt"]) if "receipt" in answer else None

    def abort(self, generation: GenerationId) -> None:
        """Stop it; returns when what was said is stored."""
        self._ask("POST", f"{_path(generation)}/abort", {})

    def stream(self, generation: GenerationId, after: int | None) -> AbstractContextManager[httpx2.EventSource]:
        """One connection to the events beyond the cursor. Raises httpx2's TransportError when it is lost."""
        return self._http.sse(
            f"{_path(generation)}/events",
            headers={} if after is None else {"Last-Event-ID": str(after)},
            timeout=httpx2.Timeout(SILENCE.total_seconds(), connect=CONNECT.total_seconds()),
            max_event_size=None,  # a snapshot is as long as what was said
        )

    def _ask(self, method: str, path: str, body: JsonObject | None = None) -> JsonObject:
        """Send it, again and again while the API is away: with one key, the same request is one request."""
        headers = {"Idempotency-Key": str(uuid4())} if method == "POST" else {}
        give_up = time.monotonic() + self._patience.total_seconds()
        failures = 0
        while True:
            try:
                return self._send(method, path, body, headers)
            except Unavailable:
                pause = delay(failures)
                if not self._met or time.monotonic() + pause > give_up:
                    raise
                if failures == 0:
                    self.lost()
                failures += 1
                time.sleep(pause)

    def _send(self, method: str, path: str, body: JsonObject | None, headers: dict[str, str]) -> JsonObject:
        try:
            response = self._http.request(method, path, json=body, headers=headers)
        except httpx2.TransportError as error:
            raise Unavailable(
                f"The API at {self._url} does not answer. Start it with `fermata dev`, or name another with --url."
            ) from error
        self._met = True
        if response.is_error:
            raise refused(response)
        answer = _json(response)
        if answer is None:
            raise FermataError(f"What answers at {self._url} is no Fermata. Name its API with --url.")
        return answer


def refused(response: httpx2.Response) -> FermataError:
    """The error behind a response that was read, whatever a proxy in between made of its body."""
    body = _json(response) or {}
    if response.status_code in AWAY:
        return Unavailable(body.get("detail"))
    return Problem(response.status_code, body)


def _json(response: httpx2.Response) -> JsonObject | None:
    try:
        body: Any = response.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _approval(item: JsonObject) -> StoredApproval:
    """From an item, which has the approval's own fields and those beside it on one level."""
    return StoredApproval.model_validate({**item, "approval": item})


def _path(generation: GenerationId) -> str:
    return f"/api/generations/{quote(generation, safe='')}"
