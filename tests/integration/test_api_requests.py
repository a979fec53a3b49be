"""Requests that are wrong: each gets a problem that names what is wrong, and nothing becomes a 500."""

from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.outsider import a_word, abort, deciding, problem, text_of, writing, written
from tests.stack import JsonDict, Stack

pytest_plugins = ["tests.workshop"]
JSON = {"Content-Type": "application/json"}
NEVER_WAS = "gen_00000000000000000000000000"


async def start(stack: Stack, body: Any) -> httpx2.Response:
    return await stack.http.post("/api/generations", json=body)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe", b'{"input": {"text": "a"}} trailing', b"[" * 50_000]
)
async def test_a_body_that_is_no_json_object_is_refused(workshop: Stack, content: bytes) -> None:
    response = await workshop.http.post("/api/generations", content=content, headers=JSON)
    problem(response, 422, "invalid_request")
    response = await workshop.http.post(f"/api/generations/{NEVER_WAS}/decisions", content=content, headers=JSON)
    problem(response, 400, "invalid_body")


HI: JsonDict = {"input": {"text": "hi"}}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"input": {}}, ""),
        ({"input": {"text": ""}}, ""),
        ({"input": {"text": " \n\t\u2003"}}, ""),
        ({"input": {"text": 5}}, "/input/text"),
        ({"input": {"text": None}}, "/input/text"),
        ({"input": {"text": ["hi"]}}, "/input/text"),
        ({"input": "hi"}, "/input"),
        ({"input": {"text": "hi", "more": 1}}, "/input/more"),
        ({**HI, "surprise": 1}, "/surprise"),
        ({**HI, "agent": 5}, "/agent"),
        ({**HI, "conversation_id": "not-a-uuid"}, "/conversation_id"),
        ({**HI, "conversation_id": 5}, "/conversation_id"),
        ({**HI, "message_id": "../x"}, "/message_id"),
        ({**HI, "regenerate": "yes"}, "/regenerate"),
        ({**HI, "regenerate": 1}, "/regenerate"),
        ({**HI, "on_conflict": "explode"}, "/on_conflict"),
        ({**HI, "timezone": "Mars/Olympus"}, "/timezone"),
        ({**HI, "timezone": "../../etc/passwd"}, "/timezone"),
        ({**HI, "parameters": []}, "/parameters"),
        ({**HI, "policy": {"allow": ["*"]}}, "/policy/allow"),
        ({**HI, "policy": {"mode": "off"}}, "/policy/mode"),
        ({**HI, "approvals": "maybe"}, "/approvals"),
        ({**HI, "metadata": "x"}, "/metadata"),
        ({**HI, "regenerate": True, "message_id": str(uuid4()), "conversation_id": str(uuid4())}, ""),
        ({"regenerate": True}, ""),
    ],
    ids=str,
)
async def test_a_start_that_is_not_the_contracts_names_what_is_wrong(
    workshop: Stack, body: JsonDict, pointer: str
) -> None:
    refused = problem(await start(workshop, body), 422, "invalid_request")
    assert pointer in [error["pointer"] for error in refused["errors"]]
    assert refused["detail"]


@pytest.mark.parametrize("bad", [r"a\u0000b", r"\ud83d", r"\udc00 tail", r"ok \ud800\ud800"])
async def test_text_that_no_store_could_keep_is_refused_wherever_it_stands(workshop: Stack, bad: str) -> None:
    started = await workshop.start(writing(a_word()), agent="clerk")
    approval = (await workshop.paused(started["id"]))["approvals"][0]
    call = approval["calls"][0]["call_id"]
    starts = [
        f'{{"input": {{"text": "{bad}"}}}}',
        f'{{"input": {{"text": "hi"}}, "agent": "{bad}"}}',
        f'{{"input": {{"text": "hi"}}, "metadata": {{"key": ["{bad}"]}}}}',
        f'{{"input": {{"text": "hi"}}, "metadata": {{"{bad}": 1}}}}',
    ]
    decisions = [
        f'{{"approval_id": "{approval["id"]}", "decisions": [{{"call_id": "{call}", "decision": {decision}}}]}}'
        for decision in (
            f'"reject", "reason": "{bad}"',
            f'"respond", "text": "{bad}"',
            f'"edit", "arguments": {{"line": "{bad}"}}',
        )
    ]
    for path, bodies in (("", starts), (f"/{started['id']}/decisions", decisions)):
        for body in bodies:
            response = await workshop.http.post(f"/api/generations{path}", content=body.encode(), headers=JSON)
            problem(response, 422, "invalid_request")
    assert (await workshop.view(started["id"]))["status"] == "requires_action"
    await abort(workshop, started["id"])


@pytest.mark.parametrize("bad", ["NaN", "-Infinity", "1e999", "[" * 200 + "]" * 200, '{"a":' * 900 + "1" + "}" * 900])
async def test_values_that_no_parser_would_read_again_are_refused(workshop: Stack, bad: str) -> None:
    body = f'{{"input": {{"text": "hi"}}, "metadata": {{"key": {bad}}}}}'
    response = await workshop.http.post("/api/generations", content=body.encode(), headers=JSON)
    problem(response, 422, "invalid_request")


@pytest.mark.parametrize("type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_what_a_page_of_another_site_could_send_unasked_starts_nothing(workshop: Stack, type: str) -> None:
    content = b'{"input": {"text": "hi"}}'
    response = await workshop.http.post("/api/generations", content=content, headers={"Content-Type": type})
    problem(response, 422, "invalid_request")


async def test_text_at_the_edge_of_what_can_be_kept_is_kept(workshop: Stack) -> None:
    text = "\x01\x7f\ufffe\uffff\U0010ffff 👩‍👩‍👧‍👦 \u202e"
    started = await workshop.start(f"echo {text}", metadata={"any": {"thing": [1, None, "x"]}})
    view = await workshop.finished(started["id"])
    assert view["user_message"]["parts"][0]["text"] == f"echo {text}"
    assert view["user_message"]["metadata"] == {"any": {"thing": [1, None, "x"]}}
    assert text_of(view["message"]) == text


async def test_a_body_beyond_the_limit_is_too_large_announced_or_not(workshop: Stack) -> None:
    body = b'{"input": {"text": "%b"}}' % (b"x" * 2_000_000)

    async def in_pieces() -> Any:
        for at in range(0, len(body), 100_000):
            yield body[at : at + 100_000]

    for content in (body, in_pieces()):
        response = await workshop.http.post("/api/generations", content=content, headers=JSON)
        problem(response, 413, "payload_too_large")
    response = await workshop.http.post(f"/api/generations/{NEVER_WAS}/decisions", content=body, headers=JSON)
    problem(response, 413, "payload_too_large")


async def test_what_travels_with_every_start_is_bounded(workshop: Stack) -> None:
    """A long line of large starts would not fit into what the engine carries on."""
    extras: list[JsonDict] = [{"metadata": {"key": "m" * 64_000}}, {"policy": {"deny": ["d" * 64_000]}}]
    for extra in extras:
        problem(await start(workshop, {**HI, **extra}), 413, "payload_too_large")
    first = await workshop.start("slow 1000")
    large: JsonDict = {"conversation_id": first["conversation_id"], "metadata": {"key": "m" * 63_000}}
    for _ in range(10):
        last = await workshop.start("echo hi", on_conflict="queue", **large)
    await abort(workshop, first["id"])
    assert (await workshop.finished(last["id"]))["outcome"] == "completed"


async def test_edited_arguments_beyond_the_limit_are_too_large_and_the_pause_stays(workshop: Stack) -> None:
    word = a_word()
    started = await workshop.start(writing(word), agent="clerk")
    approval = (await workshop.paused(started["id"]))["approvals"][0]
    edited = deciding(approval, "edit", arguments={"line": "x" * 70_000})
    problem(await workshop.decide(started["id"], edited), 413, "payload_too_large")
    assert (await workshop.decide(started["id"], deciding(approval))).status_code == 200
    await workshop.finished(started["id"])
    assert written(workshop, word) == [word]


@pytest.mark.parametrize("cursor", ["abc", "-1", "1.5", "+1", "0x1", "1e3", "١", "9" * 40, " ", "1 2"])
async def test_a_cursor_that_is_no_number_is_refused(workshop: Stack, cursor: str) -> None:
    started = await workshop.start("echo hi")
    await workshop.finished(started["id"])
    url = f"/api/generations/{started['id']}/events"
    problem(await workshop.http.get(url, params={"after": cursor}), 422, "invalid_request")
    if cursor.isascii() and cursor.strip():
        problem(await workshop.http.get(url, headers={"Last-Event-ID": cursor}), 422, "invalid_request")


@pytest.mark.parametrize("id", [NEVER_WAS, "gen_", "x", "%00", "..%2f..", "%F0%9F%91%8B", "a" * 5_000])
async def test_unknown_ids_of_any_shape_are_not_found(workshop: Stack, id: str) -> None:
    for method, path, code in (
        ("GET", f"/api/generations/{id}", "generation_not_found"),
        ("GET", f"/api/generations/{id}/events", "generation_not_found"),
        ("POST", f"/api/generations/{id}/abort", "generation_not_found"),
        ("GET", f"/api/conversations/{id}", "conversation_not_found"),
        ("GET", f"/api/conversations/{id}/messages", "conversation_not_found"),
    ):
        response = await workshop.http.request(method, path)
        assert response.status_code == 404, response.text
        assert response.json()["code"] in (code, "not_found")


async def test_events_are_only_read(workshop: Stack) -> None:
    response = await workshop.http.post(f"/api/generations/{NEVER_WAS}/events")
    problem(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "GET"


async def test_an_abort_with_a_body_that_is_wrong_stops_nothing(workshop: Stack) -> None:
    started = await workshop.start("slow 1000")
    url = f"/api/generations/{started['id']}/abort"
    wrong: list[Any] = [{"reason": 5}, {"surprise": 1}, {"reason": "x" * 20_000}, [], "stop"]
    for body in wrong:
        problem(await workshop.http.post(url, json=body), 422, "invalid_request")
    assert (await workshop.view(started["id"]))["status"] == "running"
    assert (await workshop.http.post(url, json={"reason": "Enough."})).status_code == 200


async def test_a_path_nobody_serves_is_not_found(workshop: Stack) -> None:
    problem(await workshop.http.get("/api/nothing"), 404, "not_found")


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "limit=many", "status=asleep", "before=nonsense", "before=%00", "limit=-1"],
)
async def test_a_list_refuses_what_it_does_not_know(workshop: Stack, query: str) -> None:
    problem(await workshop.http.get(f"/api/generations?{query}"), 422, "invalid_request")
    if not query.startswith("status"):
        problem(await workshop.http.get(f"/api/conversations?{query}"), 422, "invalid_request")


@pytest.mark.parametrize("key", ["", '""', "k" * 256, "a\tb"])
async def test_a_key_that_is_none_is_refused(workshop: Stack, key: str) -> None:
    response = await workshop.http.post("/api/generations", json=HI, headers={"Idempotency-Key": key})
    problem(response, 422, "invalid_request")


async def test_every_code_is_explained_where_its_problem_says(workshop: Stack) -> None:
    refused = problem(await start(workshop, {}), 422, "invalid_request")
    page = await workshop.http.get(refused["type"])
    assert page.status_code == 200
    assert "invalid_request" in page.text
