"""Stopping: the provider is hung up on, what was said is kept before the answer comes, and once is once."""

import asyncio
from datetime import UTC, datetime, timedelta

from tests.outsider import a_word, abort, asked_of, calls_of, eventually, named, problem, prompted, said, text_of, types
from tests.provider.process import ProviderProcess
from tests.provider.script import Reasoning, Reply, Silence, Text, ToolCall
from tests.stack import JsonDict, Stack

pytest_plugins = ["tests.workshop"]
HUNG_UP_WITHIN = timedelta(seconds=2)


async def talking(stack: Stack, provider: ProviderProcess, *, agent: str = "priced") -> tuple[str, JsonDict]:
    """A generation whose model has begun to speak and goes on for minutes; its word."""
    word = a_word()
    await provider.script(
        Reply(match=word, steps=(Reasoning(text="Hm."), Text(text=" ".join([word] * 2_000), rate=20)))
    )
    started = await stack.start(f"talk {word}", agent=agent)
    await stack.until(started["id"], lambda view: word in str(view["message"]["parts"]))
    return word, started


async def test_the_provider_is_hung_up_on_and_the_partial_answer_is_stored_before_the_reply(
    workshop: Stack, second: Stack, provider: ProviderProcess
) -> None:
    word, started = await talking(workshop, provider)
    reader = asyncio.create_task(workshop.read(started["id"]))
    asked_at = datetime.now(UTC)
    response = await abort(second, started["id"])
    stored = (await said(workshop, started["conversation_id"]))[-1]
    assert response.json() == {"status": "aborted", "early": False, "message_id": started["response_message_id"]}
    assert (stored["id"], stored["unfinished"]) == (started["response_message_id"], True)
    assert text_of(stored).startswith(word)
    events = await reader
    end = events[-1][1]
    assert (end["type"], end["outcome"], end["message"]) == ("generation.finished", "aborted", stored)
    shown = "".join(event["text"] for event in named(events, "text.delta"))
    assert text_of(stored) == shown

    async def hung_up() -> bool:
        return all(record.disconnected for record in await asked_of(provider, word))

    await eventually(hung_up)
    ended_at = (await asked_of(provider, word))[0].ended_at
    assert ended_at is not None
    assert ended_at - asked_at < HUNG_UP_WITHIN


async def test_an_immediate_follow_up_goes_on_from_the_partial_answer(
    workshop: Stack, provider: ProviderProcess
) -> None:
    word, started = await talking(workshop, provider)
    await abort(workshop, started["id"])
    follow_up = await workshop.start("echo and then?", conversation_id=started["conversation_id"])
    assert (await workshop.finished(follow_up["id"]))["outcome"] == "completed"
    _, partial, question, _ = await said(workshop, started["conversation_id"])
    assert question["parent_id"] == partial["id"]
    assert prompted(await asked_of(provider, word), -1) == [f"talk {word}", text_of(partial), "echo and then?"]


async def test_stopped_before_anything_was_said_there_is_no_answer(workshop: Stack, provider: ProviderProcess) -> None:
    word = a_word()
    await provider.script(Reply(match=word, steps=(Silence(),)))
    started = await workshop.start(word)
    async for _, event in workshop.events(started["id"]):
        if event["type"] == "turn.started":
            break
    expected = {"status": "aborted", "early": True, "message_id": None}
    assert (await abort(workshop, started["id"])).json() == expected
    assert (await abort(workshop, started["id"])).json() == expected
    end = (await workshop.read(started["id"]))[-1][1]
    assert (end["outcome"], end["early"], end["message"]) == ("aborted", True, None)
    assert [message["role"] for message in await said(workshop, started["conversation_id"])] == ["user"]


async def test_aborting_twice_is_one_abort(workshop: Stack, second: Stack, provider: ProviderProcess) -> None:
    _, started = await talking(workshop, provider)
    together = await asyncio.gather(*(abort(api, started["id"]) for api in (workshop, second, workshop, second)))
    later = await abort(workshop, started["id"])
    assert [response.status_code for response in (*together, later)] == [200] * 5
    assert {response.text for response in together} == {later.text}
    assert types(await workshop.read(started["id"])).count("generation.finished") == 1


async def test_aborting_what_never_was_touches_nothing_else(workshop: Stack, provider: ProviderProcess) -> None:
    _, started = await talking(workshop, provider)
    problem(await abort(workshop, "gen_00000000000000000000000000"), 404, "generation_not_found")
    assert (await workshop.view(started["id"]))["status"] == "running"
    await abort(workshop, started["id"])


async def test_aborting_what_has_ended_says_how_it_ended(workshop: Stack) -> None:
    for text, outcome in (("echo done", "completed"), ("error", "failed")):
        started = await workshop.start(text)
        events = await workshop.read(started["id"])
        assert problem(await abort(workshop, started["id"]), 409, "already_finished")["outcome"] == outcome
        assert await workshop.read(started["id"]) == events


async def test_what_a_cut_call_cost_is_estimated_and_says_so(workshop: Stack, provider: ProviderProcess) -> None:
    """Beside the exact count of the turn before it."""
    word = a_word()
    await provider.script(
        Reply(match=word, steps=(ToolCall(name="recite", arguments={"characters": 3}),)),
        Reply(match=word, steps=(Text(text=" ".join([word] * 2_000), rate=40),)),
    )
    started = await workshop.start(word, agent="priced")
    await workshop.until(started["id"], lambda view: view["turn"] == 2 and len(text_of(view["message"])) > 40)
    await abort(workshop, started["id"])
    events = await workshop.read(started["id"])
    exact, cut = named(events, "turn.completed")
    assert (exact["usage"]["estimated"], cut["usage"]["estimated"], cut["finish_reason"]) == (False, True, "cut")
    assert cut["usage"]["output_tokens"] > 0
    assert cut["cost"] > 0
    stored = (await said(workshop, started["conversation_id"]))[-1]
    assert stored["usage"]["estimated"] is True
    assert stored["usage"]["output_tokens"] >= exact["usage"]["output_tokens"] + cut["usage"]["output_tokens"]
    assert stored["cost"] == events[-1][1]["cost"] >= exact["cost"] + cut["cost"]


async def test_a_tool_that_runs_is_waited_for_and_its_result_is_kept(workshop: Stack) -> None:
    word = a_word()
    started = await workshop.start(f'use linger {{"line": "{word}", "seconds": 1}}', agent="clerk")
    await workshop.until(started["id"], lambda view: [c["status"] for c in calls_of(view["message"])] == ["running"])
    response = await abort(workshop, started["id"])
    assert response.json()["early"] is False
    stored = (await said(workshop, started["conversation_id"]))[-1]
    call = calls_of(stored)[0]
    assert call["output"] is not None
    assert call["status"] in ("failed", "completed")
    assert (await workshop.read(started["id"]))[-1][1]["message"] == stored
