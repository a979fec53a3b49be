"""Starting an answer: once per key, one live per conversation, only one's own, and anywhere in the tree."""

import asyncio
from uuid import uuid4

import httpx2

from tests.outsider import a_word, abort, asked_of, problem, prompted, said, text_of, visiting, writing, written
from tests.provider.process import ProviderProcess
from tests.provider.script import Reply, Text
from tests.stack import Stack

pytest_plugins = ["tests.workshop"]
SLOW = "slow 1000"
QUEUE = 10


async def start(stack: Stack, text: str, **fields: object) -> httpx2.Response:
    return await stack.http.post("/api/generations", json={"input": {"text": text}, **fields})


async def until_it_speaks(stack: Stack, generation: str) -> None:
    await stack.until(generation, lambda view: bool(view["message"] and view["message"]["parts"]))


async def test_ten_requests_with_one_key_on_two_apis_are_one_generation_and_one_model_call(
    workshop: Stack, second: Stack, provider: ProviderProcess
) -> None:
    word = a_word()

    async def once(number: int) -> httpx2.Response:
        api, key = (workshop, second)[number % 2], (word, f'"{word}"')[number // 5]
        return await api.http.post(
            "/api/generations", json={"input": {"text": f"echo {word}"}}, headers={"Idempotency-Key": key}
        )

    responses = await asyncio.gather(*map(once, range(10)))
    assert sorted(response.status_code for response in responses) == [200] * 9 + [201]
    for field in ("id", "conversation_id", "user_message_id", "response_message_id", "created_at", "events_url"):
        assert len({response.json()[field] for response in responses}) == 1
    await workshop.finished(responses[0].json()["id"])
    assert len(await asked_of(provider, word)) == 1


async def test_a_key_used_with_another_body_is_refused(workshop: Stack) -> None:
    key = {"Idempotency-Key": a_word()}
    started = await workshop.start("echo one", headers=key)
    other = await workshop.http.post("/api/generations", json={"input": {"text": "echo two"}}, headers=key)
    problem(other, 422, "idempotency_mismatch")
    assert len(await said(workshop, (await workshop.finished(started["id"]))["conversation_id"])) == 2


async def test_a_start_says_where_to_look(workshop: Stack) -> None:
    response = await start(workshop, "echo hello")
    started = response.json()
    assert response.status_code == 201
    assert response.headers["location"] == f"/api/generations/{started['id']}"
    assert started["events_url"] == f"/api/generations/{started['id']}/events"
    assert started["created_at"].endswith("Z")
    view = await workshop.finished(started["id"])
    assert (view["user_message"]["id"], view["message"]["id"]) == (
        started["user_message_id"],
        started["response_message_id"],
    )


async def test_ids_minted_by_the_client_are_kept(workshop: Stack) -> None:
    conversation, message = str(uuid4()), str(uuid4())
    started = await workshop.start("echo hello", conversation_id=conversation, message_id=message)
    assert (started["conversation_id"], started["user_message_id"]) == (conversation, message)
    await workshop.finished(started["id"])
    again = await start(workshop, "echo again", conversation_id=conversation, message_id=message)
    problem(again, 422, "invalid_request")


async def test_a_conversation_is_found_in_any_spelling_of_its_id(workshop: Stack) -> None:
    shouted = str(uuid4()).upper()
    started = await workshop.start("echo hello", conversation_id=shouted)
    await workshop.finished(started["id"])
    assert started["conversation_id"] == shouted.lower()
    assert len(await said(workshop, shouted)) == 2
    listed = await workshop.http.get("/api/generations", params={"conversation_id": shouted})
    assert [item["id"] for item in listed.json()["items"]] == [started["id"]]


async def test_a_key_is_its_owners_and_a_refused_start_does_not_use_it_up(workshop: Stack) -> None:
    key, live = {"Idempotency-Key": a_word()}, await workshop.start(SLOW)
    body = {"input": {"text": "echo hi"}, "conversation_id": live["conversation_id"], "on_conflict": "reject"}
    problem(await workshop.http.post("/api/generations", json=body, headers=key), 409, "generation_live")
    await abort(workshop, live["id"])
    accepted = await workshop.http.post("/api/generations", json=body, headers=key)
    assert accepted.status_code == 201
    async with visiting(workshop, x_dev_user="bob") as bob:
        other = await bob.http.post("/api/generations", json={"input": {"text": "echo hi"}}, headers=key)
    assert other.status_code == 201
    assert other.json()["id"] != accepted.json()["id"]


async def test_replacing_keeps_what_was_said_and_nothing_later(workshop: Stack, provider: ProviderProcess) -> None:
    first = await workshop.start(SLOW)
    reader = asyncio.create_task(workshop.read(first["id"]))
    await until_it_speaks(workshop, first["id"])
    conversation = first["conversation_id"]
    word = a_word()
    latter = await workshop.start(f"echo {word}", conversation_id=conversation, on_conflict="replace")
    events = await reader
    end = events[-1][1]
    assert (end["type"], end["outcome"]) == ("generation.finished", "replaced")
    await workshop.finished(latter["id"])
    question, partial, follow_up, answer = await said(workshop, conversation)
    assert partial == end["message"]
    assert partial["unfinished"] is True
    assert text_of(partial).startswith("word1")
    assert [question["parent_id"], partial["parent_id"], follow_up["parent_id"], answer["parent_id"]] == [
        None,
        question["id"],
        partial["id"],
        follow_up["id"],
    ]
    assert text_of(answer) == word
    assert await workshop.read(first["id"]) == events


async def test_rejecting_names_the_live_one_and_leaves_it_alone(workshop: Stack) -> None:
    live = await workshop.start(SLOW)
    conversation = live["conversation_id"]
    refused = await start(workshop, "echo no", conversation_id=conversation, on_conflict="reject")
    assert problem(refused, 409, "generation_live")["generation_id"] == live["id"]
    assert (await workshop.view(live["id"]))["status"] == "running"
    assert len(await said(workshop, conversation)) == 1
    await abort(workshop, live["id"])
    accepted = await workshop.start("echo yes", conversation_id=conversation, on_conflict="reject")
    assert (await workshop.finished(accepted["id"]))["outcome"] == "completed"


async def test_what_is_queued_runs_when_the_live_one_has_ended(workshop: Stack) -> None:
    live = await workshop.start("slow 10")
    conversation = live["conversation_id"]
    queued = await workshop.start("echo next", conversation_id=conversation, on_conflict="queue")
    assert queued["status"] == "queued"
    assert (await workshop.view(queued["id"]))["status"] == "queued"
    ends = [(await workshop.read(each["id"]))[-1][1] for each in (live, queued)]
    assert [end["outcome"] for end in ends] == ["completed", "completed"]
    texts = [text_of(message) for message in await said(workshop, conversation)]
    assert texts[0] == "slow 10"
    assert texts[2:] == ["echo next", "next"]


async def test_ten_may_wait_and_replacing_dismisses_them_all(workshop: Stack, provider: ProviderProcess) -> None:
    live = await workshop.start(SLOW)
    conversation, word = live["conversation_id"], a_word()
    waiting = [
        await workshop.start(f"echo {word}", conversation_id=conversation, on_conflict="queue") for _ in range(QUEUE)
    ]
    eleventh = await start(workshop, f"echo {word}", conversation_id=conversation, on_conflict="queue")
    assert problem(eleventh, 409, "queue_full")["limit"] == QUEUE
    aborted = (await abort(workshop, waiting[0]["id"])).json()
    assert aborted == {"status": "aborted", "early": True, "message_id": None}
    last = await workshop.start("echo last", conversation_id=conversation, on_conflict="replace")
    await workshop.finished(last["id"])
    ends = [(await workshop.read(each["id"]))[-1][1] for each in (live, *waiting)]
    assert [end["outcome"] for end in ends] == ["replaced", "aborted", *["replaced"] * (QUEUE - 1)]
    assert {end["early"] for end in ends[1:]} == {True}
    assert await asked_of(provider, word) == []


async def test_who_expects_another_latest_is_told_and_nothing_changes(workshop: Stack) -> None:
    first = await workshop.start("echo one")
    await workshop.finished(first["id"])
    conversation = first["conversation_id"]
    live = await workshop.start(SLOW, conversation_id=conversation, expected_generation=first["id"])
    late = await start(workshop, "echo late", conversation_id=conversation, expected_generation=first["id"])
    assert problem(late, 409, "predecessor_mismatch")["latest"] == live["id"]
    assert (await workshop.view(live["id"]))["status"] == "running"
    assert len(await said(workshop, conversation)) == 3
    await abort(workshop, live["id"])


async def test_nobody_starts_in_somebody_elses_conversation(workshop: Stack) -> None:
    """Stored, live, or only just named by its owner."""
    stored = await workshop.start("echo mine")
    await workshop.finished(stored["id"])
    live = await workshop.start(SLOW)
    async with visiting(workshop, x_dev_user="bob") as bob, visiting(workshop, x_dev_tenant="other") as elsewhere:
        for stranger in (bob, elsewhere):
            for conversation in (stored["conversation_id"], live["conversation_id"]):
                refused = await start(stranger, "echo yours", conversation_id=conversation)
                problem(refused, 404, "conversation_not_found")
        fresh = str(uuid4())
        both = await asyncio.gather(*(start(who, "echo race", conversation_id=fresh) for who in (workshop, bob)))
        assert sorted(response.status_code for response in both) == [201, 404]
    assert (await workshop.view(live["id"]))["status"] == "running"
    assert len(await said(workshop, stored["conversation_id"])) == 2
    await abort(workshop, live["id"])


async def test_an_unknown_agent_is_named(workshop: Stack) -> None:
    assert "'nobody'" in problem(await start(workshop, "echo hi", agent="nobody"), 404, "agent_not_found")["detail"]


async def test_only_what_an_agent_opens_can_be_overridden(workshop: Stack, provider: ProviderProcess) -> None:
    problem(await start(workshop, "echo hi", agent="clerk", parameters={"temperature": 1}), 422, "invalid_request")
    problem(await start(workshop, "echo hi", agent="clerk", model="patient:other"), 422, "invalid_request")
    word = a_word()
    started = await workshop.start(f"echo {word}", agent="open", model="hasty:other", parameters={"temperature": 1})
    await workshop.finished(started["id"])
    body = (await asked_of(provider, word))[0].body
    assert isinstance(body, dict)
    assert (body["model"], body["temperature"]) == ("other", 1)


async def test_answering_again_branches_below_the_same_question(workshop: Stack, provider: ProviderProcess) -> None:
    word = a_word()
    await provider.script(*(Reply(match=word, steps=(Text(text=text),)) for text in ("one", "two")))
    first = await workshop.start(f"which? {word}")
    await workshop.finished(first["id"])
    body = {"conversation_id": first["conversation_id"], "regenerate": True, "message_id": first["user_message_id"]}
    second = (await workshop.http.post("/api/generations", json=body)).json()
    assert second["user_message_id"] == first["user_message_id"]
    assert second["response_message_id"] != first["response_message_id"]
    await workshop.finished(second["id"])
    question, one, two = await said(workshop, first["conversation_id"])
    assert (one["parent_id"], two["parent_id"]) == (question["id"], question["id"])
    assert (text_of(one), text_of(two)) == ("one", "two")
    assert prompted(await asked_of(provider, word), -1) == [f"which? {word}"]
    unknown = {**body, "message_id": str(uuid4())}
    problem(await workshop.http.post("/api/generations", json=unknown), 404, "message_not_found")


async def test_a_start_may_branch_anywhere_and_the_prompt_is_that_branch(
    workshop: Stack, provider: ProviderProcess
) -> None:
    word = a_word()
    first = await workshop.start(f"echo first {word}")
    await workshop.finished(first["id"])
    conversation = first["conversation_id"]
    main = await workshop.start(f"echo main {word}", conversation_id=conversation)
    await workshop.finished(main["id"])
    branch = await workshop.start(
        f"echo branch {word}", conversation_id=conversation, parent_message_id=first["response_message_id"]
    )
    await workshop.finished(branch["id"])
    root = await workshop.start(f"echo root {word}", conversation_id=conversation, parent_message_id="root")
    await workshop.finished(root["id"])
    assert prompted(await asked_of(provider, word), -2) == [
        f"echo first {word}",
        f"first {word}",
        f"echo branch {word}",
    ]
    assert prompted(await asked_of(provider, word), -1) == [f"echo root {word}"]
    parents = {message["id"]: message["parent_id"] for message in await said(workshop, conversation)}
    assert parents[branch["user_message_id"]] == first["response_message_id"]
    assert parents[root["user_message_id"]] is None
    nowhere = await start(workshop, "echo lost", conversation_id=conversation, parent_message_id=str(uuid4()))
    problem(nowhere, 404, "message_not_found")


async def test_nothing_grows_on_a_message_that_is_still_being_written(workshop: Stack) -> None:
    word = a_word()
    paused = await workshop.start(writing(word), agent="clerk")
    await workshop.paused(paused["id"])
    refused = await start(
        workshop,
        "echo too early",
        conversation_id=paused["conversation_id"],
        parent_message_id=paused["response_message_id"],
    )
    problem(refused, 409, "parent_unfinished")
    assert (await workshop.view(paused["id"]))["status"] == "requires_action"
    assert (await workshop.approve(paused["id"])).status_code == 200
    assert (await workshop.finished(paused["id"]))["outcome"] == "completed"
    assert written(workshop, word) == [word]
