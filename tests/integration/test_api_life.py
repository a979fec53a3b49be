"""The life of an answer: its one end, its patience with providers, its title, and that it needs no reader."""

import asyncio
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from tests.outsider import a_word, abort, deciding, eventually, named, problem, said, text_of, types, writing
from tests.provider.process import ProviderProcess
from tests.provider.script import Cut, Refuse, Reply, Silence, Step, StreamError, Text, ToolCall
from tests.stack import JsonDict, Stack

pytest_plugins = ["tests.workshop"]
END = "generation.finished"


async def title_of(stack: Stack, conversation: str) -> str | None:
    title: str | None = (await stack.http.get(f"/api/conversations/{conversation}")).raise_for_status().json()["title"]
    return title


async def test_without_any_reader_the_answer_is_stored_complete(workshop: Stack, provider: ProviderProcess) -> None:
    word = a_word()
    words = " ".join(f"{word}{number}" for number in range(500))
    await provider.script(Reply(match=word, steps=(Text(text=words),)))
    started = await workshop.start(word)

    async def is_stored() -> bool:
        messages = await said(workshop, started["conversation_id"])
        return len(messages) == 2 and not messages[1]["unfinished"]

    await eventually(is_stored)
    _, answer = await said(workshop, started["conversation_id"])
    assert (text_of(answer), answer["error"]) == (words, None)


async def test_readers_that_leave_stop_nothing(workshop: Stack) -> None:
    started = await workshop.start("slow 20")
    async for _, event in workshop.events(started["id"]):
        if event["type"] == "text.delta":
            break
    view = await workshop.finished(started["id"])
    assert (view["outcome"], len(text_of(view["message"]).split())) == ("completed", 20)


@pytest.mark.parametrize(
    "moment", ["generation.started", "turn.started", "text.delta", "turn.completed", "usage.updated", END]
)
async def test_the_answer_to_an_abort_agrees_with_stream_and_store(workshop: Stack, moment: str) -> None:
    """Whenever it comes: just after this event."""
    started = await workshop.start("slow 5 at 50")
    aborting: asyncio.Task[object] | None = None
    events = []
    async for event in workshop.events(started["id"]):
        events.append(event)
        if event[1]["type"] == moment and aborting is None:
            aborting = asyncio.create_task(abort(workshop, started["id"]))
    assert aborting is not None
    await aborting
    response, end = await abort(workshop, started["id"]), events[-1][1]
    assert types(events).count(END) == 1
    assert end["type"] == END
    stored = await said(workshop, started["conversation_id"])
    if end["outcome"] == "aborted":
        message_id = end["message"]["id"] if end["message"] else None
        assert response.json() == {"status": "aborted", "early": end["early"], "message_id": message_id}
    else:
        assert problem(response, 409, "already_finished")["outcome"] == end["outcome"] == "completed"
    assert stored[1:] == ([end["message"]] if end["message"] else [])
    assert await workshop.read(started["id"]) == events
    assert (await workshop.view(started["id"]))["outcome"] == end["outcome"]


async def test_a_decision_that_races_with_the_expiry_has_one_winner_everywhere(workshop: Stack) -> None:
    word = a_word()
    started = await workshop.start(writing(word), agent="denying")
    approval = (await workshop.paused(started["id"]))["approvals"][0]
    body = deciding(approval, "respond", text="in time")
    responses = list[httpx2.Response]()
    while (await workshop.view(started["id"]))["status"] == "requires_action":
        if datetime.fromisoformat(approval["expires_at"]) - datetime.now(UTC) < timedelta(milliseconds=30):
            responses.append(await workshop.decide(started["id"], body))
    accepted = [response for response in responses if response.status_code == 200]
    refused = {response.json()["code"] for response in responses if response.status_code != 200}
    assert refused <= {"approval_expired", "already_decided", "not_paused"}
    view = await workshop.finished(started["id"])
    events = await workshop.read(started["id"])
    assert view["outcome"] == "completed"
    assert len(named(events, "approval.decided")) + len(named(events, "approval.expired")) == 1
    assert len(named(events, "approval.decided")) == len(accepted)
    assert len(named(events, "tool.completed")) == 1


async def test_a_provider_that_never_begins_is_asked_again(workshop: Stack, provider: ProviderProcess) -> None:
    events = await lived(workshop, provider, [Silence()], [Text(text="At last.")])
    assert (events[-1][1]["outcome"], text_of(events[-1][1]["message"])) == ("completed", "At last.")
    assert [event["attempt"] for event in named(events, "turn.started")] == [1, 2]


async def test_a_provider_that_falls_silent_is_asked_again_and_nothing_is_doubled(
    workshop: Stack, provider: ProviderProcess
) -> None:
    events = await lived(workshop, provider, [Text(text="Half a "), Silence()], [Text(text="Half a loaf.")])
    assert text_of(events[-1][1]["message"]) == "Half a loaf."
    assert {delta["attempt"] for delta in named(events, "text.delta")} == {1, 2}
    assert {turn["attempt"] for turn in named(events, "turn.completed")} == {2}


async def test_a_provider_that_hangs_on_every_attempt_fails_the_answer(
    workshop: Stack, provider: ProviderProcess
) -> None:
    word = a_word()
    hanging = Reply(match=word, steps=(Text(text="Half a "), Silence()))
    await provider.script(hanging, hanging)
    started = await workshop.start(word, agent="hasty")
    view = await workshop.finished(started["id"])
    assert (view["outcome"], view["error"]["code"]) == ("failed", "timeout")
    stored = (await said(workshop, started["conversation_id"]))[-1]
    assert stored == view["message"]
    assert (stored["unfinished"], stored["error"]) == (True, view["error"])
    assert text_of(stored) == "Half a "
    assert stored["parts"][-1] == {"type": "error", "message": view["error"]["message"]}


async def test_a_slow_but_live_answer_is_not_given_up(workshop: Stack, provider: ProviderProcess) -> None:
    """It takes twice as long as the provider may be silent."""
    events = await lived(workshop, provider, [Text(text="one two three four five six seven", rate=3)])
    assert text_of(events[-1][1]["message"]) == "one two three four five six seven"
    assert len(named(events, "turn.started")) == 1


@pytest.mark.parametrize("fault", [Cut(), StreamError(fault="overloaded")], ids=["cut", "stream error"])
async def test_a_call_that_breaks_in_the_middle_is_retried_and_nothing_is_doubled(
    workshop: Stack, provider: ProviderProcess, fault: Step
) -> None:
    events = await lived(workshop, provider, [Text(text="Half a "), fault], [Text(text="Half a loaf.")])
    assert (events[-1][1]["outcome"], text_of(events[-1][1]["message"])) == ("completed", "Half a loaf.")


async def lived(stack: Stack, provider: ProviderProcess, *attempts: list[Step]) -> list[tuple[int | None, JsonDict]]:
    """All events of an answer of an impatient agent whose provider does this."""
    word = a_word()
    await provider.script(*(Reply(match=word, steps=tuple(steps)) for steps in attempts))
    return await stack.read((await stack.start(word, agent="hasty"))["id"])


async def test_a_failure_before_any_reader_is_told_to_who_comes_later(workshop: Stack) -> None:
    started = await workshop.start("error")
    view = await workshop.finished(started["id"])
    assert (view["outcome"], view["error"]["code"]) == ("failed", "bad_request")
    everything = await workshop.read(started["id"], after=0)
    assert types(everything)[0] == "generation.started"
    assert types(await workshop.read(started["id"], after=None)) == ["snapshot", END]
    for events in (everything, await workshop.read(started["id"], after=None)):
        assert (events[-1][1]["outcome"], events[-1][1]["error"]) == ("failed", view["error"])


async def test_an_answer_takes_no_more_turns_than_its_agent_may(workshop: Stack, provider: ProviderProcess) -> None:
    word = a_word()
    started = await workshop.start(f'use recite {{"characters": 3}}\n{word}', agent="tireless")
    assert (await workshop.finished(started["id"]))["outcome"] == "completed"
    endless = Reply(match=word, steps=(ToolCall(name="recite", arguments={"characters": 3}),))
    await provider.script(endless, endless, endless)
    started = await workshop.start(word, agent="tireless")
    view = await workshop.finished(started["id"])
    assert (view["outcome"], view["error"]["code"], view["turn"]) == ("failed", "max_turns_reached", 2)


async def test_the_title_of_the_first_turn_comes_before_the_end_and_stands_in_it(workshop: Stack) -> None:
    word = a_word()
    started = await workshop.start(f"echo {word} and more")
    events = await workshop.read(started["id"])
    title = f"Echo {word} and more"
    assert [event["title"] for event in named(events, "title.updated")] == [title]
    assert types(events)[-1] == END
    assert events[-1][1]["title"] == title
    assert (await workshop.view(started["id"]))["title"] == title
    assert await title_of(workshop, started["conversation_id"]) == title
    assert [event["call"]["kind"] for event in named(events, "usage.updated")].count("title") == 1
    follow_up = await workshop.start("echo something else", conversation_id=started["conversation_id"])
    later = await workshop.read(follow_up["id"])
    assert named(later, "title.updated") == []
    assert later[-1][1]["title"] == title


@pytest.mark.parametrize(
    "steps", [(Refuse(fault="bad_request"),), (Refuse(fault="server_error"),), (Silence(),)], ids=["no", "oops", "hang"]
)
async def test_a_title_that_fails_or_hangs_harms_nothing(
    workshop: Stack, provider: ProviderProcess, steps: tuple[Step, ...]
) -> None:
    word = a_word()
    await provider.script(*[Reply(match=word, purpose="title", steps=steps)] * 3)
    started = await workshop.start(f"echo {word}")
    view = await workshop.finished(started["id"])
    assert (view["outcome"], view["error"], view["title"], text_of(view["message"])) == ("completed", None, None, word)
    assert await title_of(workshop, started["conversation_id"]) is None


async def test_no_title_is_set_late_after_an_abort(workshop: Stack, provider: ProviderProcess) -> None:
    word = a_word()
    late = (Silence(lasts=timedelta(seconds=1)), Text(text="Too late"))
    await provider.script(
        Reply(match=word, purpose="title", steps=late), Reply(match=word, steps=(Text(text="On and on "), Silence()))
    )
    started = await workshop.start(word)
    await workshop.until(started["id"], lambda view: bool(view["message"]["parts"]))
    assert (await abort(workshop, started["id"])).status_code == 200

    async def title_call_is_over() -> bool:
        calls = [record for record in await provider.requests() if record.purpose == "title" and word in str(record)]
        return all(record.ended_at for record in calls)

    await eventually(title_call_is_over)
    follow_up = await workshop.start("echo next", conversation_id=started["conversation_id"])
    assert (await workshop.finished(follow_up["id"]))["title"] is None
    assert named(await workshop.read(started["id"]), "title.updated") == []
    assert await title_of(workshop, started["conversation_id"]) is None
