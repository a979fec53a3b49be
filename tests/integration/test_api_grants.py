"""Allowed for good: a person who is asked says so once, and takes it back when the person likes."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from tests.outsider import a_word, deciding, problem, types, visiting, written
from tests.stack import JsonDict, Stack

pytest_plugins = ["tests.workshop"]


@pytest.fixture
async def user(workshop: Stack) -> AsyncIterator[Stack]:
    async with visiting(workshop, x_dev_user=f"user-{uuid4().hex[:8]}") as stack:
        yield stack


async def write(user: Stack, word: str, conversation: str | None = None, agent: str = "asked_demo") -> JsonDict:
    """Somebody wants a line with this word written."""
    fields = {"conversation_id": conversation} if conversation else {}
    return await user.start(f'use write_book {{"line": "{word}"}}', agent=agent, **fields)


async def grants(user: Stack, conversation: str) -> list[JsonDict]:
    response = await user.http.get(f"/api/conversations/{conversation}/grants")
    return list(response.raise_for_status().json()["items"])


async def allow_always(user: Stack, started: JsonDict) -> None:
    approval = (await user.paused(started["id"]))["approvals"][0]
    assert [call["always_allowable"] for call in approval["calls"]] == [True]
    answer = await user.decide(started["id"], deciding(approval, scope="conversation"))
    assert answer.status_code == 200
    await user.finished(started["id"])


async def test_what_is_always_allowed_is_asked_once_here_and_again_elsewhere(user: Stack) -> None:
    word = a_word()
    first = await write(user, word)
    await allow_always(user, first)
    (grant,) = await grants(user, first["conversation_id"])
    assert grant["tool"] == "write_book"
    assert grant["by"]["id"] == user.http.headers["x-dev-user"]
    again = await write(user, word, first["conversation_id"])
    assert "approval.requested" not in types(await user.read(again["id"]))
    assert written(user, word) == [word] * 2
    elsewhere = await write(user, word)
    assert (await user.paused(elsewhere["id"]))["approvals"]


async def test_what_is_taken_back_is_asked_about_again(user: Stack) -> None:
    word = a_word()
    first = await write(user, word)
    await allow_always(user, first)
    path = f"/api/conversations/{first['conversation_id']}/grants/write_book"
    assert (await user.http.delete(path)).json() == {"removed": True}
    assert (await user.http.delete(path)).json() == {"removed": False}
    assert await grants(user, first["conversation_id"]) == []
    again = await write(user, word, first["conversation_id"])
    assert (await user.paused(again["id"]))["approvals"]


async def test_it_beats_no_explicit_ask_and_no_deny(user: Stack) -> None:
    word = a_word()
    first = await write(user, word)
    await allow_always(user, first)
    asked = await write(user, word, first["conversation_id"], agent="listed_demo")
    approval = (await user.paused(asked["id"]))["approvals"][0]
    assert [call["always_allowable"] for call in approval["calls"]] == [False]
    refused = await user.decide(asked["id"], deciding(approval, scope="conversation"))
    problem(refused, 403, "decision_not_allowed")
    assert (await user.decide(asked["id"], deciding(approval, "reject"))).status_code == 200
    await user.finished(asked["id"])
    tightened = await user.start(
        f'use write_book {{"line": "{word}"}}',
        agent="asked_demo",
        conversation_id=first["conversation_id"],
        policy={"ask": ["write_*"]},
    )
    assert (await user.paused(tightened["id"]))["approvals"]
    assert written(user, word) == [word]


async def test_only_what_runs_can_be_allowed_for_good(user: Stack) -> None:
    started = await write(user, a_word())
    approval = (await user.paused(started["id"]))["approvals"][0]
    for kind, more in (("reject", {}), ("respond", {"text": "No."})):
        refused = await user.decide(started["id"], deciding(approval, kind, scope="conversation", **more))  # type: ignore[arg-type]
        problem(refused, 403, "decision_not_allowed")
    assert await grants(user, started["conversation_id"]) == []
    assert (await user.decide(started["id"], deciding(approval, "reject"))).status_code == 200


async def test_what_is_allowed_in_anothers_conversation_is_not_told_and_not_changed(
    user: Stack, workshop: Stack
) -> None:
    first = await write(user, a_word())
    await allow_always(user, first)
    async with visiting(workshop, x_dev_user="somebody-else") as other:
        path = f"/api/conversations/{first['conversation_id']}/grants"
        problem(await other.http.get(path), 404, "conversation_not_found")
        problem(await other.http.delete(f"{path}/write_book"), 404, "conversation_not_found")
    assert len(await grants(user, first["conversation_id"])) == 1
