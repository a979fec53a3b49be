"""The inbox: what waits for a person in all conversations, deciding many at once, and the feed of what changes."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.database import Database, DatabaseStore
from domain.ids import ApprovalId, GenerationId
from tests.outsider import a_word, abort, deciding, eventually, feeding, problem, visiting, writing, written
from tests.stack import JsonDict, Stack

pytest_plugins = ["tests.workshop"]


@pytest.fixture
async def ann(workshop: Stack) -> AsyncIterator[Stack]:
    """The stack as somebody sees it who has not been asked anything yet."""
    async with visiting(workshop, x_dev_user=a_word()) as visitor:
        yield visitor


async def asked(stack: Stack, *lines: str, agent: str = "clerk") -> tuple[str, JsonDict]:
    """A generation that waits for a decision on writing these lines, and its approval."""
    started = await stack.start(writing(*lines), agent=agent)
    return started["id"], (await stack.paused(started["id"]))["approvals"][0]


async def listed(stack: Stack, query: str = "") -> list[JsonDict]:
    return list((await stack.http.get(f"/api/approvals{query}")).raise_for_status().json()["items"])


def ids(items: list[JsonDict]) -> list[str]:
    return [item["id"] for item in items]


# The lists.
async def test_what_waits_is_listed_across_conversations_oldest_first(ann: Stack) -> None:
    word = a_word()
    made = [await asked(ann, f"{word} {n}") for n in range(3)]
    items = await listed(ann)
    assert ids(items) == [approval["id"] for _, approval in made]
    generation, approval = made[0]
    view = await ann.view(generation)
    user = items[0]["owner"]["id"]
    assert items[0] == {
        **approval,
        "generation_id": generation,
        "conversation_id": view["conversation_id"],
        "agent": view["agent"],
        "owner": {"id": user, "name": user},
        "title": items[0]["title"],
        "status": "pending",
        "may_decide": True,
        "receipt": {"approval_id": approval["id"], "decided": [], "remaining": [approval["calls"][0]["call_id"]]},
    }
    assert (await ann.http.get(f"/api/approvals/{approval['id']}")).json() == items[0]
    first = (await ann.http.get("/api/approvals?limit=2")).json()
    rest = (await ann.http.get("/api/approvals", params={"limit": 2, "before": first["next"]})).json()
    assert (ids(first["items"] + rest["items"]), rest["next"]) == (ids(items), None)
    problem(await ann.http.get("/api/approvals?before=nonsense"), 422, "invalid_request")
    for generation, _ in made:
        await abort(ann, generation)


async def test_what_became_of_the_others_is_listed_newest_first_with_who_decided(ann: Stack) -> None:
    word = a_word()
    decided, stopped, expired = [
        await asked(ann, word),
        await asked(ann, word),
        await asked(ann, word, agent="ending"),
    ]
    await ann.decide(decided[0], deciding(decided[1]))
    await abort(ann, stopped[0])
    for generation, _ in (decided, expired):
        await ann.finished(generation)
    assert await listed(ann) == []
    items = await listed(ann, "?status=settled")
    assert [(item["id"], item["status"]) for item in items] == [
        (expired[1]["id"], "expired"),
        (stopped[1]["id"], "closed"),
        (decided[1]["id"], "decided"),
    ]
    assert [ids(await listed(ann, f"?status={status}")) for status in ("expired", "closed", "decided")] == [
        [item["id"]] for item in items
    ]
    (line,) = items[2]["receipt"]["decided"]
    assert (line["decision"], line["by"], items[2]["receipt"]["remaining"]) == ("approve", items[2]["owner"], [])


async def test_anothers_approval_is_as_unknown_as_what_never_was(ann: Stack, workshop: Stack) -> None:
    user = ann.http.headers["x-dev-user"]
    generation, approval = await asked(ann, a_word())
    body = [{"generation_id": generation, **deciding(approval)}]
    for headers in ({"x_dev_user": a_word()}, {"x_dev_user": user, "x_dev_tenant": "other"}):
        async with visiting(workshop, **headers) as stranger:
            assert await listed(stranger) == []
            refused = await stranger.http.get(f"/api/approvals/{approval['id']}")
            never = (await stranger.http.get("/api/approvals/apr_never")).text
            assert problem(refused, 404, "approval_not_found")
            assert refused.text.replace(approval["id"], "apr_never") == never
            problem(await stranger.http.get(f"/api/generations/{generation}/decisions"), 404, "generation_not_found")
            (result,) = (await stranger.http.post("/api/approvals/decisions", json=body)).json()["items"]
            assert (result["status_code"], result["code"]) == (404, "generation_not_found")
    assert ids(await listed(ann)) == [approval["id"]]
    await abort(ann, generation)


# Many at once.
async def test_of_many_decisions_each_has_its_own_outcome(ann: Stack) -> None:
    word = a_word()
    (one, good), (two, half), (three, bad), (four, twice) = [
        await asked(ann, f"{word} one"),
        await asked(ann, f"{word} two", f"{word} more"),
        await asked(ann, f"{word} three"),
        await asked(ann, f"{word} four"),
    ]
    some = {**deciding(half), "partial": True}
    some["decisions"] = some["decisions"][:1]
    misfit = deciding(bad, "edit", arguments={"line": 5})
    body: list[Any] = [
        {"generation_id": one, **deciding(good)},
        {"generation_id": two, **some},
        {"generation_id": three, **misfit},
        {"generation_id": "gen_never", **deciding(bad)},
        {"generation_id": three, **deciding(bad), "model": "other"},
        "approve",
        {"generation_id": four, **deciding(twice)},
        {"generation_id": four, **deciding(twice, "respond", text=word)},
    ]
    response = await ann.http.post("/api/approvals/decisions", json=body)
    assert response.status_code == 207
    results = response.json()["items"]
    assert [(r["approval_id"], r["status_code"], r.get("code", r["status"])) for r in results[:6]] == [
        (good["id"], 200, "resuming"),
        (half["id"], 200, "waiting"),
        (bad["id"], 422, "arguments_invalid"),
        (bad["id"], 404, "generation_not_found"),
        (bad["id"], 422, "invalid_request"),
        (None, 400, "invalid_body"),
    ]
    winner, loser = sorted(results[6:], key=lambda result: result["status_code"])
    assert (winner["status_code"], winner["status"]) == (200, "resuming")
    assert (loser["status_code"], loser["code"], loser["receipt"]) == (409, "already_decided", winner["receipt"])
    assert {key: results[2][key] for key in ("type", "instance", "status")} == {
        "type": "/problems/arguments_invalid",
        "instance": f"/api/generations/{three}/decisions",
        "status": 422,
    }
    single = await ann.decide(three, misfit)
    assert {"approval_id": bad["id"], "status_code": 422, **single.json()} == results[2]
    await ann.finished(one)
    await ann.finished(four)
    assert ids(await listed(ann)) == [half["id"], bad["id"]]
    await eventually(
        lambda: have_been_written(ann, word, 2 + (winner["receipt"]["decided"][0]["decision"] == "approve"))
    )
    for generation in (two, three):
        await abort(ann, generation)


async def have_been_written(stack: Stack, word: str, lines: int) -> bool:
    return len(written(stack, word)) == lines


async def test_many_decisions_under_a_key_count_once_and_as_single_ones_do(ann: Stack) -> None:
    word = a_word()
    made = [await asked(ann, word) for _ in range(2)]
    body = [{"generation_id": generation, **deciding(approval)} for generation, approval in made]
    key = {"Idempotency-Key": word}
    first = await ann.http.post("/api/approvals/decisions", json=body, headers=key)
    again = await ann.http.post("/api/approvals/decisions", json=[*body, body[0]], headers=key)
    single = await ann.decide(made[0][0], deciding(made[0][1]), **key)
    assert [result["status_code"] for result in first.json()["items"]] == [200, 200]
    assert again.json()["items"] == [*first.json()["items"], first.json()["items"][0]]
    assert single.json()["receipt"] == first.json()["items"][0]["receipt"]
    for generation, _ in made:
        await ann.finished(generation)
    assert written(ann, word) == [word, word]


async def test_what_is_no_list_of_decisions_is_refused_as_a_whole(ann: Stack) -> None:
    one: JsonDict = {"generation_id": "gen_x", "approval_id": "apr_x", "decisions": []}
    problem(await ann.http.post("/api/approvals/decisions", json=one), 400, "invalid_body")
    problem(await ann.http.post("/api/approvals/decisions", json=[one] * 101), 422, "invalid_request")
    nothing = await ann.http.post("/api/approvals/decisions", json=[])
    assert (nothing.status_code, nothing.json()) == (207, {"items": []})


# The feed.
async def test_two_readers_see_what_is_asked_decided_and_expired(ann: Stack, second: Stack) -> None:
    word, user = a_word(), ann.http.headers["x-dev-user"]
    before, old = await asked(ann, word)
    async with (
        visiting(second, x_dev_user=user) as there,
        visiting(second, x_dev_user=a_word()) as stranger,
        feeding(ann) as here,
        feeding(there) as elsewhere,
        feeding(stranger) as another,
    ):
        for feed in (here, elsewhere):
            snapshot = await feed.until("snapshot")
            assert (ids(snapshot["items"]), snapshot["more"]) == ([old["id"]], False)
        generation, new = await asked(ann, f"{word} one", f"{word} two")
        first, last = deciding(new)["decisions"]
        partly = {"approval_id": new["id"], "decisions": [first], "partial": True}
        ending, doomed = await asked(ann, word, agent="ending")
        for feed in (here, elsewhere):
            requested = await feed.until("approval.requested")
            assert requested["item"] == (await ann.http.get(f"/api/approvals/{new['id']}")).json()
        await ann.decide(generation, partly)
        for feed in (here, elsewhere):
            decided = await feed.until("approval.decided")
            assert (decided["approval_id"], decided["status"]) == (new["id"], "pending")
            assert decided["receipt"]["remaining"] == [last["call_id"]]
        await ann.decide(generation, {"approval_id": new["id"], "decisions": [last]})
        await abort(ann, before)
        await ann.finished(ending)
        for feed in (here, elsewhere):
            expired = await feed.until("approval.expired")
            assert (expired["approval_id"], expired["generation_id"]) == (doomed["id"], ending)
            ended = {event["approval_id"]: event for event in feed.told if event.get("status", "pending") != "pending"}
            assert {name: event["type"] for name, event in ended.items()} == {
                new["id"]: "approval.decided",
                old["id"]: "approval.closed",
                doomed["id"]: "approval.expired",
            }
            assert [line["by"]["id"] for line in ended[new["id"]]["receipt"]["decided"]] == [user, user]
        assert await another.until("snapshot") == {"type": "snapshot", "items": [], "more": False}
        assert another.told[1:] == []
    assert await listed(ann) == []


async def test_a_change_whose_ring_was_lost_is_found_by_the_next_look(ann: Stack) -> None:
    """Written into the record by somebody who rings no bell."""
    generation, approval = await asked(ann, a_word())
    database = Database(f"sqlite+aiosqlite:///{ann.data_dir / 'fermata.db'}")
    store, name = DatabaseStore(database), ApprovalId(approval["id"])
    later = datetime.now(UTC) + timedelta(hours=99)
    async with feeding(ann) as feed:
        assert ids((await feed.until("snapshot"))["items"]) == [name]
        await store.extend_approval(GenerationId(generation), name, later)
        extended = await feed.until("approval.extended")
        assert datetime.fromisoformat(extended["expires_at"]) == later
        await store.close_approvals(GenerationId(generation), [name], "expired")
        assert (await feed.until("approval.expired"))["approval_id"] == name
    await database.close()
    await abort(ann, generation)


# The audit trail.
async def test_who_decided_what_from_where_can_be_read_and_exported(ann: Stack) -> None:
    word, user = a_word(), ann.http.headers["x-dev-user"]
    generation, approval = await asked(ann, word, f"{word} two")
    first, second = deciding(approval)["decisions"]
    edited = {**first, "decision": "edit", "arguments": {"line": f"{word} edited"}}
    partly = {"approval_id": approval["id"], "decisions": [edited], "partial": True}
    await ann.decide(generation, partly, **{"User-Agent": "page/1"})
    rejected = {**second, "decision": "reject", "reason": "Not two."}
    bulk = [{"generation_id": generation, "approval_id": approval["id"], "decisions": [rejected]}]
    await ann.http.post("/api/approvals/decisions", json=bulk, headers={"User-Agent": "x" * 300})
    await ann.finished(generation)
    path = f"/api/generations/{generation}/decisions"
    items = (await ann.http.get(path)).json()["items"]
    common = {"approval_id": approval["id"], "name": "write_book", "by": {"id": user, "name": user}, "via": "http"}
    one: JsonDict = {"decision": "edit", "reason": None, "arguments": edited["arguments"], "client": "page/1"}
    two: JsonDict = {"decision": "reject", "reason": "Not two.", "arguments": None, "client": "x" * 200}
    assert items == [
        {**common, **one, "call_id": first["call_id"], "at": items[0]["at"], "text": None, "answers": None},
        {**common, **two, "call_id": second["call_id"], "at": items[1]["at"], "text": None, "answers": None},
    ]
    lines = await ann.http.get(f"{path}?format=ndjson")
    assert lines.headers["content-type"].startswith("application/x-ndjson")
    assert [json.loads(line) for line in lines.text.splitlines()] == items
