"""How many of a user's conversations may be answered at once: one here, and what pauses is none of them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from uuid import uuid4

import pytest

from tests.outsider import abort, deciding, eventually, problem, visiting
from tests.stack import Stack, fermata_dev

ASKS = 'use write_note {"title": "note", "text": "kept"}'
LASTS = "slow 2000"
TIMES = 10


@pytest.fixture(scope="module")
async def narrow(free_ports: Callable[[int], int], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    directory = tmp_path_factory.mktemp("narrow")
    (file := directory / "fermata.yaml").write_text("limits: {concurrent_generations: 1}\ntitle: {enabled: false}\n")
    async with fermata_dev(free_ports(10), directory / "data", "--config", str(file)) as stack:
        yield stack


@pytest.fixture
async def user(narrow: Stack) -> AsyncIterator[Stack]:
    """The same stack as somebody new."""
    async with visiting(narrow, x_dev_user=f"user-{uuid4().hex[:8]}") as stack:
        yield stack


async def test_one_more_is_refused_and_can_be_started_later_under_the_same_key(user: Stack) -> None:
    running = await user.start(LASTS)
    key = {"Idempotency-Key": uuid4().hex}
    refused = await user.http.post("/api/generations", json={"input": {"text": "hello"}}, headers=key)
    assert problem(refused, 429, "concurrency_limit").items() >= {"limit": 1, "running": 1}.items()
    assert int(refused.headers["retry-after"]) > 0
    assert (await user.http.get("/api/generations")).json()["items"][0]["id"] == running["id"]
    await abort(user, running["id"])
    started = await user.start("hello", headers=key)
    assert (await user.finished(started["id"]))["outcome"] == "completed"


async def test_in_its_own_conversation_a_start_needs_no_second_slot(user: Stack) -> None:
    first = await user.start(LASTS)
    successor = await user.start(LASTS, conversation_id=first["conversation_id"], on_conflict="replace")
    assert (await user.finished(first["id"]))["outcome"] == "replaced"
    refused = await user.http.post("/api/generations", json={"input": {"text": "hello"}})
    problem(refused, 429, "concurrency_limit")
    in_line = await user.start("hello", conversation_id=first["conversation_id"], on_conflict="queue")
    await abort(user, successor["id"])
    assert (await user.finished(in_line["id"]))["outcome"] == "completed"
    await abort(user, (await user.start(LASTS))["id"])


async def test_of_two_paused_the_first_that_is_resumed_runs_and_the_other_one_later(user: Stack) -> None:
    paused, approvals = [], []
    for _ in range(2):
        paused.append(await user.start(ASKS))
        approvals.append((await user.paused(paused[-1]["id"]))["approvals"][0])
    running = await user.start(LASTS)
    for each, approval in zip(paused, approvals, strict=True):
        refused = await user.decide(each["id"], deciding(approval))
        assert problem(refused, 429, "concurrency_limit").items() >= {"limit": 1, "running": 1}.items()
        assert (await user.view(each["id"]))["approvals"] == [approval]
    await abort(user, running["id"])
    for each, approval in zip(paused, approvals, strict=True):
        assert (await user.decide(each["id"], deciding(approval))).status_code == 200
        assert (await user.finished(each["id"]))["outcome"] == "completed"
        events = await user.read(each["id"])
        assert [event["type"] for _, event in events].count("tool.completed") == 1


async def test_what_is_wrong_with_a_decision_is_told_before_that_no_slot_is_free(user: Stack) -> None:
    paused = await user.start(ASKS)
    approval = (await user.paused(paused["id"]))["approvals"][0]
    running = await user.start(LASTS)
    problem(await user.decide(paused["id"], {"approval_id": approval["id"]}), 400, "undecided_calls")
    edit = deciding(approval, "edit", arguments={"title": 1})
    problem(await user.decide(paused["id"], edit), 422, "arguments_invalid")
    later = await user.decide(paused["id"], deciding(approval), Prefer="respond-async")
    problem(later, 429, "concurrency_limit")
    await abort(user, running["id"])
    assert (await user.decide(paused["id"], deciding(approval))).status_code == 200


async def test_a_refused_decision_leaves_the_slot_to_others(user: Stack) -> None:
    paused = await user.start(ASKS)
    approval = (await user.paused(paused["id"]))["approvals"][0]
    problem(await user.decide(paused["id"], {"approval_id": approval["id"]}), 400, "undecided_calls")
    running = await user.start("hello")
    assert (await user.finished(running["id"]))["outcome"] == "completed"
    assert (await user.decide(paused["id"], deciding(approval))).status_code == 200
    await user.finished(paused["id"])
    problem(await user.decide(paused["id"], deciding(approval)), 409, "already_decided")  # a late click takes none
    await abort(user, (await user.start(LASTS))["id"])


async def test_who_decides_the_moment_the_prompt_arrives_is_not_refused_for_a_limit(user: Stack) -> None:
    for _ in range(TIMES):
        started = await user.start(ASKS)
        async with asyncio.timeout(30), user.http.stream("GET", started["events_url"] + "?after=0") as stream:
            async for line in stream.aiter_lines():
                if line == "event: approval.requested":
                    break
        approval = (await user.view(started["id"]))["approvals"][0]
        assert (await user.decide(started["id"], deciding(approval))).status_code == 200
        assert (await user.finished(started["id"]))["outcome"] == "completed"


async def test_a_slot_is_free_again_when_its_answer_ended(user: Stack) -> None:
    for _ in range(3):
        started = await user.start("hello")
        await user.finished(started["id"])

        async def can_start() -> bool:
            return (await user.http.post("/api/generations", json={"input": {"text": "hello"}})).status_code == 201

        await eventually(can_start, within=1)
        running = (await user.http.get("/api/generations")).json()["items"][0]["id"]
        await user.finished(running)
