"""When parts go away: the worker stops or dies, an API is shut down; what was promised still happens, once."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import httpx2

from tests.outsider import (
    a_word,
    abort,
    asked_of,
    asking,
    calls_of,
    deciding,
    eventually,
    problem,
    text_of,
    writing,
    written,
)
from tests.provider.process import ProviderProcess
from tests.stack import Stack

pytest_plugins = ["tests.workshop"]
KEEP_ALIVE = b": keep-alive\n\n"
QUEUED_WITHIN = 4.5  # seconds: three for the worker, and some for a loaded machine


@contextmanager
def frozen(stack: Stack, name: str) -> Iterator[None]:
    """A process that neither works nor dies, for the length of the block."""
    pid = stack.pid(name)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@asynccontextmanager
async def restarted(stack: Stack, name: str) -> AsyncIterator[None]:
    """Waits after the block until the supervisor has put another process in the place of this one."""
    before = stack.pid(name)
    yield

    async def is_another() -> bool:
        with suppress(FileNotFoundError):  # between the two there is none
            return stack.pid(name) != before
        return False

    await eventually(is_another)


async def test_without_a_worker_a_decision_is_kept_and_counts_when_one_lives(workshop: Stack) -> None:
    word = a_word()
    started = await workshop.start(writing(word), agent="clerk")
    approval = (await workshop.paused(started["id"]))["approvals"][0]
    with frozen(workshop, "worker-1"):
        asked_at = time.monotonic()
        answer = await workshop.decide(started["id"], deciding(approval))
        assert time.monotonic() - asked_at < QUEUED_WITHIN
        assert (answer.status_code, answer.json()) == (202, {"status": "queued"})
        assert (await workshop.view(started["id"]))["status"] == "requires_action"
        reader = asyncio.create_task(workshop.read(started["id"]))
    events = await reader
    assert events[-1][1]["outcome"] == "completed"
    assert [seq for seq, _ in events] == list(range(1, len(events) + 1))
    assert written(workshop, word) == [word]
    problem(await workshop.decide(started["id"], deciding(approval)), 409, "already_decided")


async def test_without_a_worker_a_start_is_unavailable_and_the_same_again_is_one_start(
    workshop: Stack, provider: ProviderProcess
) -> None:
    word = a_word()
    body, key = {"input": {"text": f"echo {word}"}}, {"Idempotency-Key": word}
    with frozen(workshop, "worker-1"):
        refused = await workshop.http.post("/api/generations", json=body, headers=key)
        problem(refused, 503, "unavailable")
        assert int(refused.headers["retry-after"]) > 0
    again = await workshop.http.post("/api/generations", json=body, headers=key)
    assert again.status_code == 200
    assert (await workshop.finished(again.json()["id"]))["outcome"] == "completed"
    assert len(await asked_of(provider, word)) == 1


async def test_after_the_worker_died_everything_paused_is_still_there(workshop: Stack) -> None:
    words = [a_word() for _ in range(5)]
    paused = [await workshop.start(writing(word), agent="clerk") for word in words]
    before = [await workshop.paused(started["id"]) for started in paused]
    async with restarted(workshop, "worker-1"):
        workshop.kill("worker-1")
    assert [await workshop.view(started["id"]) for started in paused] == before
    answers = [await workshop.approve(started["id"]) for started in paused]
    assert {answer.status_code for answer in answers} <= {200, 202}
    ends = [await workshop.finished(started["id"]) for started in paused]
    assert {end["outcome"] for end in ends} == {"completed"}
    assert [written(workshop, word) for word in words] == [[word] for word in words]


async def test_a_question_outlives_its_worker_and_an_answer_that_no_worker_took_counts_later(workshop: Stack) -> None:
    started = await workshop.start(asking({"text": "Why?"}), agent="asker")
    before = await workshop.paused(started["id"])
    async with restarted(workshop, "worker-1"):
        workshop.kill("worker-1")
    assert await workshop.view(started["id"]) == before
    answers = {"approval_id": before["approvals"][0]["id"], "answers": {"q1": "It is warm."}}
    with frozen(workshop, "worker-1"):
        answer = await workshop.decide(started["id"], answers)
        assert (answer.status_code, answer.json()) == (202, {"status": "queued"})
    (call,) = calls_of((await workshop.finished(started["id"]))["message"])
    assert (call["status"], "It is warm." in call["output"]) == ("completed", True)
    problem(await workshop.decide(started["id"], answers), 409, "already_decided")


async def test_a_tool_whose_worker_died_is_not_run_again_until_a_person_says_so(workshop: Stack) -> None:
    word = a_word()
    started = await workshop.start(f'use linger {{"line": "{word}", "seconds": 60}}', agent="clerk")

    async def has_begun() -> bool:
        return written(workshop, word) == [word]

    await eventually(has_begun)
    async with restarted(workshop, "worker-1"):
        workshop.kill("worker-1")
    approval = (await workshop.paused(started["id"]))["approvals"][0]
    assert [call["name"] for call in approval["calls"]] == ["linger"]
    assert "unknown whether this call took effect" in approval["calls"][0]["reason"]
    assert written(workshop, word) == [word]
    answer = await workshop.decide(started["id"], deciding(approval, "respond", text="It did."))
    assert answer.status_code == 200
    view = await workshop.finished(started["id"])
    (call,) = calls_of(view["message"])
    assert (view["outcome"], call["status"], call["output"]) == ("completed", "completed", "It did.")
    assert written(workshop, word) == [word]


async def test_an_api_that_shuts_down_cuts_its_streams_and_readers_go_on_elsewhere(
    workshop: Stack, second: Stack
) -> None:
    started = await workshop.start("slow 100")
    got, heard, cut = b"", b"", False
    url = f"/api/generations/{started['id']}/events"
    async with (
        restarted(workshop, "api-2"),
        second.http.stream("GET", "/api/approvals/events") as inbox,
        second.http.stream("GET", url, params={"after": 0}) as stream,
    ):
        try:
            async for chunk in stream.aiter_raw():
                if b"text.delta" in chunk and b"text.delta" not in got:
                    os.kill(workshop.pid("api-2"), signal.SIGTERM)
                got += chunk
        except httpx2.RemoteProtocolError:
            cut = True
        with suppress(httpx2.RemoteProtocolError):
            async for chunk in inbox.aiter_raw():
                heard += chunk
    assert cut
    assert heard.startswith(b"event: snapshot\n")
    assert heard.replace(KEEP_ALIVE, b"").endswith(b"retry: 500\n\n")
    assert b"generation.finished" not in got
    assert got.replace(KEEP_ALIVE, b"").endswith(b"retry: 500\n\n")
    cursor = max(int(line[4:]) for line in got.split(b"\n") if line.startswith(b"id: "))
    rest = await workshop.read(started["id"], after=cursor)
    assert rest[0][0] == cursor + 1
    assert rest[-1][1]["outcome"] == "completed"
    assert len(text_of(rest[-1][1]["message"]).split()) == 100

    async def is_back() -> bool:
        try:
            return (await second.http.get("/readyz")).status_code == 200
        except httpx2.TransportError:
            return False

    await eventually(is_back)


async def test_without_a_worker_the_apis_still_show_everything(workshop: Stack) -> None:
    started = await workshop.start(writing(a_word()), agent="clerk")
    view = await workshop.paused(started["id"])
    with frozen(workshop, "worker-1"):
        assert await workshop.view(started["id"]) == view
        assert (await workshop.http.get("/readyz")).status_code == 200
        async for _, event in workshop.events(started["id"], None):
            assert event["view"] == view
            break
    assert (await abort(workshop, started["id"])).status_code == 200
