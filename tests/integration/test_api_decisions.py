"""Pause, decision, resume: what a person is shown, what each decision does, and that exactly one counts."""

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from tests.outsider import (
    DecisionKind,
    a_word,
    abort,
    asked_of,
    calls_of,
    deciding,
    named,
    problem,
    said,
    types,
    visiting,
    writing,
    written,
)
from tests.provider.process import ProviderProcess
from tests.provider.script import Reply, Text, ToolCall
from tests.stack import JsonDict, Stack

pytest_plugins = ["tests.workshop"]
LATE = timedelta(seconds=1)


async def pausing(stack: Stack, *lines: str, agent: str = "clerk", **fields: Any) -> tuple[JsonDict, JsonDict]:
    """A generation that waits for a decision on writing these lines, and its approval."""
    started = await stack.start(writing(*lines), agent=agent, **fields)
    return started, (await stack.paused(started["id"]))["approvals"][0]


async def test_what_a_person_is_shown_is_complete_and_keeps_secrets(workshop: Stack) -> None:
    word = a_word()
    started, approval = await pausing(workshop, word)
    call = approval["calls"][0]
    assert approval["kind"] == "tool_approval"
    assert (call["name"], call["arguments"]) == ("write_book", {"line": word})
    assert call["description"].startswith("Write a line into the book.")
    assert call["schema"]["properties"]["line"] == {"type": "string"}
    assert call["allowed_decisions"] == ["approve", "reject", "edit", "respond"]
    assert datetime.fromisoformat(approval["expires_at"]) - datetime.fromisoformat(approval["created_at"]) == timedelta(
        hours=24
    )
    view = await workshop.http.get(f"/api/generations/{started['id']}")
    assert "Be brief." not in view.text
    assert "patient:scripted" in view.text
    await abort(workshop, started["id"])


async def test_on_the_prompt_the_row_is_stored_and_an_instant_click_is_taken(workshop: Stack) -> None:
    word = a_word()
    started = await workshop.start(writing(word), agent="clerk")
    async for _, event in workshop.events(started["id"]):
        if event["type"] == "approval.requested":
            stored = (await said(workshop, started["conversation_id"]))[-1]
            answer = await workshop.decide(started["id"], deciding(event["approval"]))
            break
    assert (stored["id"], stored["unfinished"]) == (started["response_message_id"], True)
    assert calls_of(stored)[0]["status"] == "pending"
    assert (answer.status_code, answer.json()["status"]) == (200, "resuming")
    await workshop.finished(started["id"])
    assert written(workshop, word) == [word]


async def test_calls_that_need_nobody_do_not_wait_for_those_that_do(workshop: Stack) -> None:
    started = await workshop.start(f'use recite {{"characters": 3}}\n{writing(a_word())}', agent="clerk")
    view = await workshop.until(started["id"], lambda view: "completed" in statuses(view) and bool(view["approvals"]))
    assert statuses(view) == ["completed", "pending"]
    assert view["status"] == "requires_action"
    await abort(workshop, started["id"])


def statuses(view: JsonDict) -> list[str]:
    return [call["status"] for call in calls_of(view["message"])]


async def test_a_partial_decision_starts_its_call_and_leaves_the_others_waiting(workshop: Stack) -> None:
    one, two = a_word(), a_word()
    started, approval = await pausing(workshop, one, two)
    first, second = deciding(approval)["decisions"]
    some = {"approval_id": approval["id"], "decisions": [first], "partial": True}
    answer = await workshop.decide(started["id"], some)
    assert (answer.status_code, answer.json()["status"]) == (200, "waiting")
    assert answer.json()["receipt"]["remaining"] == [second["call_id"]]
    view = await workshop.until(started["id"], lambda view: statuses(view) == ["completed", "pending"])
    assert view["status"] == "requires_action"
    assert [call["call_id"] for call in view["approvals"][0]["calls"]] == [second["call_id"]]
    assert (written(workshop, one), written(workshop, two)) == ([one], [])
    again = await workshop.decide(started["id"], some)
    problem(again, 409, "already_decided")
    rest = {"approval_id": approval["id"], "decisions": [second]}
    assert (await workshop.decide(started["id"], rest)).json()["status"] == "resuming"
    await workshop.finished(started["id"])
    assert (written(workshop, one), written(workshop, two)) == ([one], [two])


@pytest.mark.parametrize(
    ("kind", "fields", "status", "lines", "told"),
    [
        ("approve", {}, "completed", ["{word}"], "wrote {word}"),
        ("reject", {"reason": "Not today."}, "rejected", [], "Not today."),
        ("edit", {"arguments": {"line": "{word} edited"}}, "completed", ["{word} edited"], "wrote {word} edited"),
        ("respond", {"text": "I did it by hand."}, "completed", [], "I did it by hand."),
    ],
)
async def test_each_decision_does_what_it_says_and_the_model_reads_it(
    workshop: Stack,
    provider: ProviderProcess,
    kind: DecisionKind,
    fields: JsonDict,
    status: str,
    lines: list[str],
    told: str,
) -> None:
    word = a_word()
    if arguments := fields.get("arguments"):
        fields = {"arguments": {name: value.format(word=word) for name, value in arguments.items()}}
    started, approval = await pausing(workshop, word)
    answer = await workshop.decide(started["id"], deciding(approval, kind, **fields))
    receipt = answer.json()["receipt"]
    assert (answer.status_code, receipt["approval_id"], receipt["remaining"]) == (200, approval["id"], [])
    assert [(line["decision"], line["by"]["id"]) for line in receipt["decided"]] == [(kind, "local")]
    call = calls_of((await workshop.finished(started["id"]))["message"])[0]
    assert (call["status"], call["is_error"]) == (status, kind == "reject")
    assert call["decided_by"] == {"id": "local", "name": "local"}
    assert told.format(word=word) in call["output"]
    assert call["arguments"] == fields.get("arguments", {"line": word})
    assert written(workshop, word) == [line.format(word=word) for line in lines]
    result = (await asked_of(provider, word))[-1].body
    assert isinstance(result, dict)
    messages: Any = result["messages"]
    assert (messages[-1]["role"], messages[-1]["content"]) == ("tool", call["output"])


async def test_the_same_tool_twice_is_two_requests_decided_each_by_its_call(workshop: Stack) -> None:
    word = a_word()
    started, approval = await pausing(workshop, word, word)
    first, second = approval["calls"]
    assert first["call_id"] != second["call_id"]
    decisions = [
        {"call_id": second["call_id"], "decision": "approve"},
        {"call_id": first["call_id"], "decision": "reject"},
    ]
    doubled = [*decisions, {"call_id": first["call_id"], "decision": "approve"}]
    problem(
        await workshop.decide(started["id"], {"approval_id": approval["id"], "decisions": doubled}), 400, "invalid_body"
    )
    await workshop.decide(started["id"], {"approval_id": approval["id"], "decisions": decisions})
    calls = calls_of((await workshop.finished(started["id"]))["message"])
    assert [(call["call_id"], call["status"]) for call in calls] == [
        (first["call_id"], "rejected"),
        (second["call_id"], "completed"),
    ]
    assert written(workshop, word) == [word]


async def test_of_ten_decisions_at_once_one_wins_and_the_others_learn_which(workshop: Stack, second: Stack) -> None:
    word = a_word()
    started, approval = await pausing(workshop, word)
    kinds: list[DecisionKind] = ["approve", "respond"]
    bodies = [deciding(approval, kind, **({"text": word} if kind == "respond" else {})) for kind in kinds]
    responses = await asyncio.gather(
        *(
            api.decide(started["id"], body)
            for api, body in itertools.islice(itertools.cycle(itertools.product((workshop, second), bodies)), 10)
        )
    )
    winner = next(response for response in responses if response.status_code == 200).json()
    assert [response.status_code for response in responses].count(200) == 1
    for response in responses:
        if response.status_code != 200:
            assert problem(response, 409, "already_decided")["receipt"] == winner["receipt"]
    assert (await workshop.finished(started["id"]))["outcome"] == "completed"
    won = winner["receipt"]["decided"][0]["decision"]
    assert written(workshop, word) == ([word] if won == "approve" else [])
    assert len(named(await workshop.read(started["id"]), "approval.decided")) == 1


async def test_the_same_decision_under_the_same_key_gets_the_same_receipt(workshop: Stack, second: Stack) -> None:
    word = a_word()
    started, approval = await pausing(workshop, word)
    body = deciding(approval)
    key = {"Idempotency-Key": word}
    together = await asyncio.gather(*(api.decide(started["id"], body, **key) for api in (workshop, second)))
    await workshop.finished(started["id"])
    later = await workshop.decide(started["id"], body, **key)
    assert [response.status_code for response in (*together, later)] == [200, 200, 200]
    assert together[0].json() == together[1].json() == later.json()
    assert written(workshop, word) == [word]


async def test_a_decision_carries_nothing_that_could_change_the_run(workshop: Stack) -> None:
    word = a_word()
    started, approval = await pausing(workshop, word)
    others: list[JsonDict] = [{"model": "other"}, {"tools": []}, {"agent": "open"}, {"files": []}, {"input": {}}]
    for extra in others:
        refused = await workshop.decide(started["id"], {**deciding(approval), **extra})
        problem(refused, 422, "invalid_request")
    changed = {**deciding(approval), "decisions": [{**deciding(approval)["decisions"][0], "arguments": {"line": "no"}}]}
    assert (await workshop.decide(started["id"], changed)).status_code == 200
    await workshop.finished(started["id"])
    assert written(workshop, word) == [word]


async def test_every_refusal_of_the_ladder_leaves_the_pause_as_it_was(workshop: Stack) -> None:
    """In order: each body has all the faults of the rungs below its own."""
    word = a_word()
    started, approval = await pausing(workshop, word, f"{word} too", agent="narrow")
    url, before = f"/api/generations/{started['id']}/decisions", await workshop.view(started["id"])
    one, two = (call["call_id"] for call in approval["calls"])

    def body(*decisions: JsonDict, approval_id: str | None = approval["id"]) -> JsonDict:
        return {"approval_id": approval_id, "decisions": list(decisions)}

    reject_one = {"call_id": one, "decision": "reject"}
    incomplete_one: JsonDict = {"call_id": one, "decision": "edit"}
    not_an_object = {"call_id": one, "decision": "edit", "arguments": "a text"}
    mute_one = {"call_id": one, "decision": "respond"}
    misfit_two = {"call_id": two, "decision": "edit", "arguments": {"line": 5}}
    stranger: JsonDict = {"call_id": "nobody", "decision": "approve"}
    async with visiting(workshop, x_dev_user="bob") as bob:
        for content in (b"{", b"[]", b'"approve"', b""):
            problem(
                await bob.http.post(url, content=content, headers={"Content-Type": "application/json"}),
                400,
                "invalid_body",
            )
        problem(await bob.decide(started["id"], body(approval_id=None)), 404, "generation_not_found")
    unknown = await workshop.decide("gen_00000000000000000000000000", body(approval_id=None))
    problem(unknown, 404, "generation_not_found")
    rungs: list[tuple[JsonDict, int, str, JsonDict]] = [
        (body(reject_one, approval_id=None), 400, "approval_id_required", {}),
        (body(reject_one, approval_id="apr_other"), 409, "approval_mismatch", {"current": approval["id"]}),
        (body(reject_one), 400, "undecided_calls", {"calls": [two]}),
        (body(), 400, "undecided_calls", {"calls": [one, two]}),
        (body(incomplete_one, misfit_two, stranger), 403, "unknown_call", {"calls": ["nobody"]}),
        (body(reject_one, misfit_two), 403, "decision_not_allowed", {"calls": [one]}),
        (body(incomplete_one, misfit_two), 400, "incomplete_decision", {"calls": [one]}),
        (body(not_an_object, misfit_two), 400, "incomplete_decision", {"calls": [one]}),
        (body(mute_one, misfit_two), 400, "incomplete_decision", {"calls": [one]}),
        (body({"call_id": one, "decision": "approve"}, misfit_two), 422, "arguments_invalid", {}),
    ]
    for wrong, status, code, members in rungs:
        refused = problem(await workshop.decide(started["id"], wrong), status, code)
        assert refused.items() >= members.items()
        assert await workshop.view(started["id"]) == before
    assert [(error["call_id"], error["pointer"]) for error in refused["errors"]] == [(two, "/line")]
    accepted = await workshop.decide(started["id"], deciding(approval))
    assert (accepted.status_code, accepted.json()["status"]) == (200, "resuming")
    await workshop.finished(started["id"])
    assert sorted(written(workshop, word)) == [word, f"{word} too"]
    problem(await workshop.decide(started["id"], deciding(approval)), 409, "already_decided")


async def test_who_is_not_paused_cannot_be_decided(workshop: Stack) -> None:
    started = await workshop.start("slow 1000")
    nothing: JsonDict = {"approval_id": "apr_other", "decisions": []}
    problem(await workshop.decide(started["id"], nothing), 409, "not_paused")
    await abort(workshop, started["id"])
    problem(await workshop.decide(started["id"], nothing), 409, "not_paused")


async def test_it_may_pause_again_and_the_old_approval_stays_over(workshop: Stack, provider: ProviderProcess) -> None:
    word = a_word()
    again = Reply(match=word, steps=(ToolCall(name="write_book", arguments={"line": f"{word} again"}),))
    await provider.script(
        Reply(match=word, steps=(ToolCall(name="write_book", arguments={"line": word}),)),
        again,
        Reply(match=word, steps=(Text(text="Done."),)),
    )
    started = await workshop.start(word, agent="clerk")
    old = (await workshop.paused(started["id"]))["approvals"][0]
    assert (await workshop.decide(started["id"], deciding(old))).status_code == 200
    view = await workshop.until(
        started["id"], lambda view: [a["id"] for a in view["approvals"]] not in ([], [old["id"]])
    )
    new = view["approvals"][0]
    refused = problem(await workshop.decide(started["id"], deciding(old)), 409, "approval_mismatch")
    assert refused["current"] == new["id"]
    assert (await workshop.decide(started["id"], deciding(new))).status_code == 200
    await workshop.finished(started["id"])
    assert written(workshop, word) == [word, f"{word} again"]
    for approval in (old, new):
        problem(await workshop.decide(started["id"], deciding(approval)), 409, "already_decided")
    events = await workshop.read(started["id"])
    assert [event["segment"] for event in named(events, "generation.paused")] == [1, 2]
    assert [event["segment"] for event in named(events, "generation.resumed")] == [2, 3]
    assert types(events).count("generation.finished") == 1
    totals, turns = events[-1][1]["usage"], named(events, "turn.completed")
    assert totals["output_tokens"] >= sum(turn["usage"]["output_tokens"] for turn in turns) > 0


async def test_at_the_deadline_the_answer_ends_and_who_comes_later_is_told(workshop: Stack) -> None:
    word = a_word()
    started, approval = await pausing(workshop, word, agent="ending")
    events = await workshop.read(started["id"])
    end = events[-1][1]
    assert (end["outcome"], end["error"]["code"]) == ("expired", "approval_expired")
    lateness = datetime.fromisoformat(end["finished_at"]) - datetime.fromisoformat(approval["expires_at"])
    assert timedelta() <= lateness <= LATE
    assert [event["then"] for event in named(events, "approval.expired")] == ["end"]
    stored = (await said(workshop, started["conversation_id"]))[-1]
    assert stored == end["message"]
    assert (stored["unfinished"], calls_of(stored)[0]["status"]) == (True, "expired")
    assert types(await workshop.read(started["id"], after=None)) == ["snapshot", "generation.finished"]
    problem(await workshop.decide(started["id"], deciding(approval)), 409, "approval_expired")
    assert written(workshop, word) == []


async def test_denied_at_the_deadline_the_answer_goes_on_and_the_model_is_not_told_of_a_refusal(
    workshop: Stack,
) -> None:
    word = a_word()
    started, approval = await pausing(workshop, word, agent="denying")
    view = await workshop.finished(started["id"])
    assert (view["outcome"], view["error"]) == ("completed", None)
    call = calls_of(view["message"])[0]
    assert (call["status"], call["is_error"]) == ("expired", True)
    assert "without a decision" in call["output"]
    problem(await workshop.decide(started["id"], deciding(approval)), 409, "approval_expired")
    assert written(workshop, word) == []


async def test_an_old_deadline_does_not_end_a_newer_approval(workshop: Stack, provider: ProviderProcess) -> None:
    word = a_word()
    asking = [Reply(match=word, steps=(ToolCall(name="write_book", arguments={"line": word}),)) for _ in range(2)]
    await provider.script(*asking)
    started = await workshop.start(word, agent="ending")
    old = (await workshop.paused(started["id"]))["approvals"][0]
    await workshop.decide(started["id"], deciding(old))
    view = await workshop.until(
        started["id"], lambda view: [a["id"] for a in view["approvals"]] not in ([], [old["id"]])
    )
    new = view["approvals"][0]
    events = await workshop.read(started["id"])
    assert [event["approval_id"] for event in named(events, "approval.expired")] == [new["id"]]
    assert events[-1][1]["finished_at"] >= new["expires_at"]


@pytest.mark.parametrize("how", ["abort", "replace"])
async def test_stopping_a_paused_answer_closes_its_approval_for_ever(workshop: Stack, how: str) -> None:
    word = a_word()
    started, approval = await pausing(workshop, word)
    if how == "abort":
        assert (await abort(workshop, started["id"])).json()["early"] is False
    else:
        await workshop.start("echo instead", conversation_id=started["conversation_id"])
    view = await workshop.finished(started["id"])
    assert (view["outcome"], view["approvals"]) == ({"abort": "aborted", "replace": "replaced"}[how], [])
    assert calls_of(view["message"])[0]["status"] == "rejected"
    problem(await workshop.decide(started["id"], deciding(approval)), 409, "not_paused")
    assert written(workshop, word) == []
    assert "tool.started" not in types(await workshop.read(started["id"]))


async def test_asked_to_answer_at_once_the_api_does_and_the_decision_counts(workshop: Stack) -> None:
    word = a_word()
    started, approval = await pausing(workshop, word)
    answer: httpx2.Response = await workshop.decide(started["id"], deciding(approval), Prefer="respond-async")
    assert (answer.status_code, answer.json()) == (202, {"status": "queued"})
    assert (await workshop.finished(started["id"]))["outcome"] == "completed"
    assert written(workshop, word) == [word]


# More time.
async def test_an_extended_approval_can_be_decided_after_its_first_deadline(workshop: Stack) -> None:
    word = a_word()
    started, approval = await pausing(workshop, word, agent="ending")
    extended = await workshop.http.post(f"{path(started, approval)}/extend", json={"seconds": 3600})
    until = datetime.fromisoformat(approval["expires_at"]) + timedelta(hours=1)
    assert extended.status_code == 200
    assert datetime.fromisoformat(extended.json()["expires_at"]) == until
    view = await workshop.until(
        started["id"], lambda view: view["approvals"][0]["expires_at"] != approval["expires_at"]
    )
    assert datetime.fromisoformat(view["approvals"][0]["expires_at"]) == until
    await asyncio.sleep((datetime.fromisoformat(approval["expires_at"]) - datetime.now(UTC)).total_seconds() + 0.5)
    assert (await workshop.decide(started["id"], deciding(approval))).status_code == 200
    assert (await workshop.finished(started["id"]))["outcome"] == "completed"
    (event,) = named(await workshop.read(started["id"]), "approval.extended")
    assert (event["by"]["id"], datetime.fromisoformat(event["expires_at"])) == ("local", until)
    assert written(workshop, word) == [word]


async def test_time_is_given_only_by_who_may_decide_and_only_while_there_is_some(workshop: Stack) -> None:
    started, approval = await pausing(workshop, a_word())
    url = f"{path(started, approval)}/extend"
    for seconds in (0, -1, 1.5, "60", None, 31 * 86_400):
        problem(await workshop.http.post(url, json={"seconds": seconds}), 422, "invalid_request")
    async with visiting(workshop, x_dev_user="eve") as stranger:
        problem(await stranger.http.post(url, json={"seconds": 60}), 404, "generation_not_found")
    wrong = await workshop.http.post(f"/api/generations/{started['id']}/approvals/apr_x/extend", json={"seconds": 60})
    assert problem(wrong, 409, "approval_mismatch")["current"] == approval["id"]
    await workshop.decide(started["id"], deciding(approval, "reject"))
    late = await workshop.http.post(url, json={"seconds": 60})
    assert late.status_code == 409
    await workshop.finished(started["id"])
    assert (await workshop.http.post(url, json={"seconds": 60})).status_code == 409  # decided, or nothing runs any more


def path(started: JsonDict, approval: JsonDict) -> str:
    return f"/api/generations/{started['id']}/approvals/{approval['id']}"
