"""Whole conversations in both dialects of models: parts, results, usage, and what the next turn's prompt holds."""

from typing import Any

import pytest

from tests.outsider import a_word, asked_of, calls_of, deciding, named, said, text_of, types
from tests.provider.process import ProviderProcess
from tests.provider.script import Reasoning, Reply, Text, ToolCall, Usage
from tests.stack import JsonDict, Stack

pytest_plugins = ["tests.workshop"]


@pytest.mark.parametrize("agent", ["clerk", "anthropic"])
async def test_a_conversation_with_reasoning_parallel_calls_and_a_decision(
    workshop: Stack, provider: ProviderProcess, agent: str
) -> None:
    word = a_word()
    await provider.script(
        Reply(
            match=word,
            shred=11,
            steps=(
                Reasoning(text="Two things to do."),
                Text(text="Let me do both: grüße 👋."),
                ToolCall(name="recite", arguments={"characters": 4}),
                ToolCall(name="write_book", arguments={"line": f"{word} grüße 👋"}),
                Usage(input=100, output=20, cached=40, reasoning=7 if agent == "clerk" else 0),
            ),
        ),
        Reply(match=word, steps=(Text(text="Both are done."), Usage(input=150, output=5))),
    )
    started = await workshop.start(word, agent=agent)
    await workshop.approve(started["id"])
    events = await workshop.read(started["id"])
    message = events[-1][1]["message"]
    assert events[-1][1]["outcome"] == "completed"
    assert message == (await said(workshop, started["conversation_id"]))[-1]
    kinds = [part["type"] for part in message["parts"]]
    assert kinds == ["reasoning", "text", "tool_call", "tool_call", "text"]
    assert message["parts"][0]["text"] == "Two things to do."
    assert text_of(message) == "Let me do both: grüße 👋.Both are done."
    recite, write = calls_of(message)
    assert (recite["arguments"], recite["output"]) == ({"characters": 4}, "xxxx")
    assert (write["arguments"], write["output"]) == ({"line": f"{word} grüße 👋"}, f"wrote {word} grüße 👋")
    for call in (recite, write):
        fragments = [e["arguments"] for e in named(events, "tool_call.delta") if e["call_id"] == call["call_id"]]
        assert "".join(fragments)
    first, last = named(events, "turn.completed")
    assert (first["finish_reason"], last["finish_reason"]) == ("tool_calls", "stop")
    assert [(turn["usage"]["input_tokens"], turn["usage"]["output_tokens"]) for turn in (first, last)] == [
        (100, 20),
        (150, 5),
    ]
    assert (first["usage"]["cached_tokens"], first["usage"]["estimated"]) == (40, False)


async def test_usage_adds_up_with_the_cost_of_configured_prices(workshop: Stack, provider: ProviderProcess) -> None:
    word = a_word()
    await provider.script(
        Reply(
            match=word,
            steps=(ToolCall(name="recite", arguments={"characters": 1}), Usage(input=1_000, output=100, reasoning=30)),
        ),
        Reply(match=word, steps=(Text(text="Done."), Usage(input=2_000, output=200))),
    )
    await provider.script(Reply(match=word, purpose="title", steps=(Text(text="A title"), Usage(input=10, output=1))))
    started = await workshop.start(word, agent="priced")
    events = await workshop.read(started["id"])
    first, last = named(events, "turn.completed")
    assert (first["cost"], last["cost"]) == (pytest.approx(1 + 1), pytest.approx(2 + 2))
    assert first["usage"]["reasoning_tokens"] == 30
    calls = {event["call"]["kind"]: event["call"] for event in named(events, "usage.updated")}
    assert calls.keys() == {"primary", "title"}
    assert calls["title"]["cost"] == pytest.approx(0.01 + 0.01)
    end = events[-1][1]
    assert (end["usage"]["input_tokens"], end["usage"]["output_tokens"]) == (3_010, 301)
    assert end["cost"] == pytest.approx(6.02)
    stored = (await said(workshop, started["conversation_id"]))[-1]
    assert (stored["usage"], stored["cost"]) == (end["usage"], end["cost"])
    view = await workshop.view(started["id"])
    assert (view["usage"], view["cost"]) == (end["usage"], end["cost"])


async def test_an_unknown_price_is_null_and_never_zero(workshop: Stack) -> None:
    started = await workshop.start("echo what does it cost?", agent="clerk")
    events = await workshop.read(started["id"])
    assert [turn["cost"] for turn in named(events, "turn.completed")] == [None]
    assert [event["generation"]["cost"] for event in named(events, "usage.updated")][-1] is None
    assert events[-1][1]["cost"] is None
    assert (await said(workshop, started["conversation_id"]))[-1]["cost"] is None


@pytest.mark.parametrize("agent", ["clerk", "anthropic"])
async def test_the_next_prompt_holds_calls_and_results_in_order_refused_ones_included(
    workshop: Stack, provider: ProviderProcess, agent: str
) -> None:
    word = a_word()
    await provider.script(
        Reply(
            match=word,
            steps=(
                Text(text="First."),
                ToolCall(name="recite", arguments={"characters": 2}),
                ToolCall(name="write_book", arguments={"line": word}),
            ),
        ),
        Reply(match=word, steps=(Text(text="Second."), ToolCall(name="recite", arguments={"characters": 3}))),
        Reply(match=word, steps=(Text(text="Third."),)),
    )
    started = await workshop.start(word, agent=agent)
    approval = (await workshop.paused(started["id"]))["approvals"][0]
    await workshop.decide(started["id"], deciding(approval, "reject", reason="Rather not."))
    await workshop.finished(started["id"])
    expiring = await workshop.start(
        f'use write_book {{"line": "{word}"}}', agent="denying", conversation_id=started["conversation_id"]
    )
    await workshop.finished(expiring["id"])
    last = await workshop.start(f"echo {word} end", agent=agent, conversation_id=started["conversation_id"])
    assert (await workshop.finished(last["id"]))["outcome"] == "completed"
    body = (await asked_of(provider, f"{word} end"))[-1].body
    assert isinstance(body, dict)
    told = in_order(body)
    assert [who for who, _ in told] == [
        *("user", "text", "call", "call", "result", "result"),
        *("text", "call", "result"),
        "text",
        *("user", "text", "call", "result", "text"),
        "user",
    ]
    results = [what for kind, what in told if kind == "result"]
    assert results[0] == "xx"
    assert "Rather not." in results[1]
    assert results[2] == "xxx"
    assert "without a decision" in results[3]
    assert told[0][1] == word
    assert told[-1][1] == f"echo {word} end"


def in_order(body: JsonDict) -> list[tuple[str, str]]:
    """The prompt as (who, what), the same for both dialects; reasoning aside."""
    told: list[tuple[str, str]] = []
    messages: list[Any] = body["messages"]
    for message in messages:
        content = message.get("content")
        blocks: list[Any] = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
        for block in blocks:
            match message["role"], block["type"]:
                case "system" | "developer", _:
                    pass
                case "tool", _:
                    told.append(("result", block["text"]))
                case _, "tool_use":
                    told.append(("call", block["name"]))
                case _, "tool_result":
                    result = block["content"]
                    told.append(("result", result if isinstance(result, str) else result[0]["text"]))
                case _, "text" if block["text"]:
                    told.append(("user" if message["role"] == "user" else "text", block["text"]))
        told += [("call", call["function"]["name"]) for call in message.get("tool_calls") or ()]
    return told


async def test_lists_show_what_was_said_and_what_is_live(workshop: Stack) -> None:
    done = await workshop.start("echo first")
    await workshop.finished(done["id"])
    live = await workshop.start("slow 1000")
    await workshop.until(live["id"], lambda view: view["status"] == "running")
    items = (await workshop.http.get("/api/conversations", params={"limit": 2})).json()["items"]
    assert [item["id"] for item in items] == [live["conversation_id"], done["conversation_id"]]
    assert [item["live"] for item in items] == [{"id": live["id"], "status": "running"}, None]
    page = (await workshop.http.get("/api/conversations", params={"limit": 1})).json()
    second = (await workshop.http.get("/api/conversations", params={"limit": 1, "before": page["next"]})).json()
    assert [item["id"] for item in (*page["items"], *second["items"])] == [item["id"] for item in items]
    mine = {"conversation_id": live["conversation_id"]}
    listed = (await workshop.http.get("/api/generations", params={**mine, "status": "live"})).json()["items"]
    assert [(item["id"], item["status"]) for item in listed] == [(live["id"], "running")]
    await workshop.http.post(f"/api/generations/{live['id']}/abort")
    assert (await workshop.http.get("/api/generations", params={**mine, "status": "live"})).json()["items"] == []
    ended = (await workshop.http.get("/api/generations", params={**mine, "status": "aborted"})).json()["items"]
    assert [item["id"] for item in ended] == [live["id"]]
    assert types(await workshop.read(live["id"]))[-1] == "generation.finished"
