"""The event stream as bytes on a socket: dense numbers, exact continuation, snapshots, ends, and quiet keep-alives."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx2
from temporalio.client import Client

from domain.events import parse_frame
from domain.view import fold
from tests.outsider import a_word, abort, asked_of, problem, said, text_of, types, writing
from tests.provider.process import ProviderProcess
from tests.provider.script import Reasoning, Reply, Silence, Text
from tests.stack import JsonDict, Stack

pytest_plugins = ["tests.workshop"]
END = "generation.finished"
KEEP_ALIVE = b": keep-alive\n\n"


@asynccontextmanager
async def stream(
    stack: Stack, generation: str, cursor: int | None = None, **headers: str
) -> AsyncIterator[httpx2.Response]:
    named = {} if cursor is None else {"Last-Event-ID": str(cursor)}
    url = f"/api/generations/{generation}/events"
    async with stack.http.stream("GET", url, headers={**named, **headers}) as response:
        yield response


async def frames(stack: Stack, generation: str, cursor: int | None = None) -> AsyncIterator[bytes]:
    """Frame by frame, without the keep-alives."""
    rest = b""
    async with stream(stack, generation, cursor) as response:
        async for chunk in response.aiter_raw():
            rest += chunk
            while b"\n\n" in rest:
                frame, rest = rest.split(b"\n\n", 1)
                if not frame.startswith(b":"):
                    yield frame + b"\n\n"
    assert rest == b""


def number(frame: bytes) -> int:
    found = re.search(rb"^id: (\d+)$", frame, re.MULTILINE)
    assert found is not None, frame
    return int(found[1])


def data(frame: bytes) -> JsonDict:
    return dict(json.loads(frame[frame.index(b"data: ") + 6 :]))


async def test_a_reader_that_is_cut_at_every_event_gets_each_once_and_in_order(workshop: Stack, second: Stack) -> None:
    """On another API each time."""
    started = await workshop.start("slow 30 at 50")
    got, cursor = list[bytes](), 0
    while not got or data(got[-1])["type"] != END:
        api = (workshop, second)[len(got) % 2]
        async for frame in frames(api, started["id"], cursor):
            got.append(frame)
            cursor = number(frame)
            break
    assert [number(frame) for frame in got] == list(range(1, len(got) + 1))
    assert got == [frame async for frame in frames(workshop, started["id"], 0)]


async def test_the_header_wins_over_the_query(workshop: Stack) -> None:
    started = await workshop.start("echo one two three")
    await workshop.finished(started["id"])
    url = f"/api/generations/{started['id']}/events"
    response = await workshop.http.get(url, params={"after": 0}, headers={"Last-Event-ID": "2"})
    assert response.text.startswith("id: 3\n")
    assert (await workshop.read(started["id"], after=2))[0][0] == 3


async def test_every_reader_on_every_api_gets_the_same_bytes(workshop: Stack, second: Stack) -> None:
    started = await workshop.start("slow 20 at 50")

    async def everything(api: Stack) -> bytes:
        return b"".join([frame async for frame in frames(api, started["id"], 0)])

    live = await asyncio.gather(*(everything(api) for api in (workshop, second) * 5))
    assert set(live) == {await everything(workshop)}
    assert b"\r" not in live[0]


async def test_each_frame_is_id_event_and_one_line_of_data(workshop: Stack) -> None:
    started = await workshop.start("echo line one\nline two")
    async for frame in frames(workshop, started["id"], 0):
        id_line, event_line, data_line = frame.removesuffix(b"\n\n").split(b"\n")
        assert re.fullmatch(rb"id: \d+", id_line)
        assert event_line == b"event: " + data(frame)["type"].encode()
        assert data_line.startswith(b"data: {")


async def test_a_reader_without_a_cursor_gets_one_snapshot_and_then_what_comes(workshop: Stack) -> None:
    started = await workshop.start("slow 20")
    await workshop.until(started["id"], lambda view: view["cursor"] > 4)
    view = await workshop.view(started["id"])
    first, *rest = [frame async for frame in frames(workshop, started["id"])]
    snapshot = data(first)
    assert snapshot["type"] == "snapshot"
    assert snapshot["view"].keys() == view.keys()
    assert snapshot["cursor"] == snapshot["view"]["cursor"] == number(first) >= view["cursor"]
    assert [number(frame) for frame in rest] == list(range(number(first) + 1, number(first) + 1 + len(rest)))
    assert text_of(snapshot["view"]["message"]) + "".join(
        data(frame)["text"] for frame in rest if data(frame)["type"] == "text.delta"
    ) == text_of(data(rest[-1])["message"])


async def test_the_fold_of_the_events_is_the_view_and_the_stored_message(workshop: Stack) -> None:
    started = await workshop.start(writing("fold this"), agent="clerk")
    assert (await workshop.approve(started["id"])).status_code == 200
    view = await workshop.finished(started["id"])
    log = [(number(frame), parse_frame(frame)) async for frame in frames(workshop, started["id"], 0)]
    before, after = fold(None, log[:-1]), fold(None, log)
    assert before is not None
    assert after is not None
    assert after.model_dump(mode="json") == view
    stored = (await said(workshop, started["conversation_id"]))[-1]
    assert before.model_dump(mode="json")["message"]["parts"] == stored["parts"] == view["message"]["parts"]


async def test_whoever_attaches_while_the_answer_pauses_sees_the_pause(workshop: Stack, second: Stack) -> None:
    started = await workshop.start(writing(a_word()), agent="clerk")

    async def sees_the_pause(api: Stack, after: int | None) -> str:
        async for _, event in api.events(started["id"], after):
            if event["type"] == "snapshot" and event["view"]["status"] == "requires_action":
                return str(event["view"]["approvals"][0]["id"])
            if event["type"] == "generation.paused":
                return str(event["approvals"][0])
        raise AssertionError("the stream ended")

    readers = set[asyncio.Task[str]]()
    while (view := await workshop.view(started["id"]))["status"] != "requires_action":
        readers |= {
            asyncio.create_task(sees_the_pause(api, after)) for api in (workshop, second) for after in (None, 0)
        }
    async with asyncio.timeout(20):
        assert set(await asyncio.gather(*readers)) <= {view["approvals"][0]["id"]}
    await abort(workshop, started["id"])


async def test_after_the_end_the_server_closes_and_the_last_cursor_is_204(workshop: Stack, second: Stack) -> None:
    started = await workshop.start("echo short")
    events = await workshop.read(started["id"])
    last = events[-1][0]
    assert events[-1][1]["type"] == END
    for api in (workshop, second):
        async with stream(api, started["id"], last) as response:
            assert response.status_code == 204
            assert await response.aread() == b""
    assert types(await second.read(started["id"], after=None)) == ["snapshot", END]


async def test_a_cursor_beyond_the_log_is_refused(workshop: Stack) -> None:
    started = await workshop.start("echo short")
    events = await workshop.read(started["id"])
    last = events[-1][0]
    assert last is not None
    beyond = await workshop.http.get(f"/api/generations/{started['id']}/events", params={"after": last + 1})
    assert problem(beyond, 409, "cursor_ahead")["last"] == last
    live = await workshop.start("slow 1000")
    await workshop.until(live["id"], lambda view: view["cursor"] > 0)  # before, there is no log to be ahead of
    ahead = await workshop.http.get(f"/api/generations/{live['id']}/events", headers={"Last-Event-ID": "100000"})
    problem(ahead, 409, "cursor_ahead")
    await abort(workshop, live["id"])


async def test_keep_alives_come_in_a_silence_and_change_nothing(workshop: Stack, provider: ProviderProcess) -> None:
    word = a_word()
    pause = Silence(lasts=timedelta(seconds=1.3))
    await provider.script(Reply(match=word, steps=(Text(text="before "), pause, Text(text="after"))))
    started = await workshop.start(word)
    async with stream(workshop, started["id"], 0, **{"Accept-Encoding": "gzip, br"}) as response:
        live = b"".join([chunk async for chunk in response.aiter_raw()])
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["x-accel-buffering"] == "no"
    assert "no-store" in response.headers["cache-control"] or "no-cache" in response.headers["cache-control"]
    assert "content-encoding" not in response.headers
    assert live.count(KEEP_ALIVE) >= 2
    assert b"\r" not in live
    assert live.replace(KEEP_ALIVE, b"") == b"".join([f async for f in frames(workshop, started["id"], 0)])


async def test_the_text_is_the_models_to_the_last_character(workshop: Stack, provider: ProviderProcess) -> None:
    """However it was cut: on its way from the model, in the log, and around what is not text."""
    word = a_word()
    text = f'{word} Grüße\n\n👋🏽 zero\u200bwidth \u2028 tab\t"quotes" \\ </script> data: x\n\nid: 9 — 終' * 20
    thought = "Hm\u2029, let me\nsee." * 20
    await provider.script(Reply(match=word, steps=(Reasoning(text=thought), Text(text=text, chunk=1)), shred=7))
    started = await workshop.start(word)
    events = [data(frame) async for frame in frames(workshop, started["id"], 0)]
    for kind, whole in (("text.delta", text), ("reasoning.delta", thought)):
        assert "".join(event["text"] for event in events if event["type"] == kind) == whole
    message = events[-1]["message"]
    assert text_of(message) == text
    assert [part["text"] for part in message["parts"] if part["type"] == "reasoning"] == [thought]
    order = ["reasoning.delta", "text.delta", "turn.completed"]
    kinds = [event["type"] for event in events if event["type"] in order]
    assert kinds == sorted(kinds, key=order.index)


async def test_history_does_not_grow_with_the_length_of_the_answer(workshop: Stack, provider: ProviderProcess) -> None:
    url = httpx2.URL(workshop.url)
    assert url.port is not None
    client = await Client.connect(f"127.0.0.1:{url.port + 1}")

    async def history(tokens: int) -> tuple[int, int]:
        word = a_word()
        await provider.script(Reply(match=word, steps=(Text(text=" ".join(["token"] * tokens)),)))
        first = await workshop.start("echo first")  # has the title, which may be told apart or together with the end
        await workshop.finished(first["id"])
        started = await workshop.start(word, conversation_id=first["conversation_id"])
        assert len(text_of((await workshop.finished(started["id"]))["message"]).split()) == tokens
        handle = client.get_workflow_handle(f"conversation/default/local/{started['conversation_id']}")
        await handle.result()
        found = await handle.fetch_history()
        return len(found.events), sum(event.ByteSize() for event in found.events)

    (few, few_bytes), (many, many_bytes) = await history(10), await history(2_000)
    assert many == few
    assert many_bytes - few_bytes < 100
    assert len(await asked_of(provider, "token token")) == 0
