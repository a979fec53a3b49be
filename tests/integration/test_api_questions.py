"""The model asks the user over HTTP: what is shown, what counts as an answer, and what the model is told."""

import asyncio
import json
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from domain.ask_user import ASK_USER
from tests.outsider import (
    a_word,
    abort,
    asked_of,
    asking,
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
from tests.stack import JsonDict, Stack

pytest_plugins = ["tests.workshop"]

WHICH: JsonDict = {"text": "Which one?", "options": [{"label": "Red", "value": "r"}, {"label": "Green", "value": "g"}]}
SHOWN = [
    {"id": "q1", **WHICH, "description": "", "multi_select": False},
    {"id": "days", "text": "When?", "description": "This week.", "options": [], "multi_select": False},
]
WHEN: JsonDict = {"id": "days", "text": "When?", "description": "This week."}


async def questioned(stack: Stack, *questions: JsonDict, agent: str = "asker") -> tuple[JsonDict, JsonDict]:
    """A generation that waits for the answers, and its approval."""
    started = await stack.start(asking(*questions), agent=agent)
    return started, (await stack.paused(started["id"]))["approvals"][0]


def answering(approval: JsonDict, **answers: str | Sequence[str]) -> JsonDict:
    return {"approval_id": approval["id"], "answers": answers}


@pytest.mark.parametrize("agent", ["asker", "anthropic_asker"])
async def test_questions_are_shown_and_the_model_reads_exactly_what_was_answered(
    workshop: Stack, provider: ProviderProcess, agent: str
) -> None:
    word = a_word()
    started, approval = await questioned(workshop, {**WHICH, "text": f"{word}?"}, WHEN, agent=agent)
    (call,) = approval["calls"]
    assert (approval["kind"], approval["questions"]) == ("question", [{**SHOWN[0], "text": f"{word}?"}, SHOWN[1]])
    assert (call["name"], call["allowed_decisions"]) == ("ask_user", [])
    window = datetime.fromisoformat(approval["expires_at"]) - datetime.fromisoformat(approval["created_at"])
    assert window == timedelta(hours=24)
    assert (await said(workshop, started["conversation_id"]))[-1]["unfinished"] is True

    own = 'On "Monday"\nor so ☀'
    answer = await workshop.decide(started["id"], answering(approval, q1=["g"], days=own))
    assert (answer.status_code, answer.json()["status"]) == (200, "resuming")
    (line,) = answer.json()["receipt"]["decided"]
    assert (line["call_id"], line["decision"], line["by"]["id"]) == (call["call_id"], "answer", "local")

    view = await workshop.finished(started["id"])
    result = {
        "answers": [
            {"id": "q1", "question": f"{word}?", "answer": ["g"]},
            {"id": "days", "question": "When?", "answer": own},
        ]
    }
    (made,) = calls_of(view["message"])
    assert (made["status"], made["is_error"], made["decided_by"]["id"]) == ("completed", False, "local")
    assert json.loads(made["output"]) == result
    assert view["message"] == (await said(workshop, started["conversation_id"]))[-1]
    read = json.dumps((await asked_of(provider, word))[-1].body, ensure_ascii=False)
    assert json.dumps(made["output"], ensure_ascii=False) in read
    events = await workshop.read(started["id"])
    (decided,) = named(events, "approval.decided")
    assert decided["answers"] == {"q1": ["g"], "days": own}
    assert "tool.started" not in types(events)
    (trail,) = (await workshop.http.get(f"/api/generations/{started['id']}/decisions")).json()["items"]
    assert (trail["decision"], trail["answers"], trail["via"]) == ("answer", {"q1": ["g"], "days": own}, "http")


async def test_the_model_is_offered_the_tool_with_its_schema(workshop: Stack, provider: ProviderProcess) -> None:
    word = a_word()
    await workshop.finished((await workshop.start(f"echo {word}", agent="asker"))["id"])
    assert '"ask_user"' in json.dumps((await asked_of(provider, word))[0].body)
    assert ASK_USER.description in json.dumps((await asked_of(provider, word))[0].body)


async def test_each_refusal_leaves_the_question_as_it_was(workshop: Stack) -> None:
    started, approval = await questioned(workshop, WHICH, WHEN)
    before = await workshop.view(started["id"])
    approve = deciding(approval)
    good = answering(approval, q1=["r"], days="now")
    rungs: list[tuple[JsonDict, int, str, JsonDict]] = [
        ({**good, "answers": {"q1": 5}}, 422, "invalid_request", {}),
        ({**good, "answers": ["r"]}, 422, "invalid_request", {}),
        (answering(approval, q1=["r"], days="x" * 16_000), 413, "payload_too_large", {}),
        ({**good, **approve}, 400, "invalid_body", {}),
        ({**good, "approval_id": None}, 400, "approval_id_required", {}),
        ({**good, "approval_id": "apr_other"}, 409, "approval_mismatch", {"current": approval["id"]}),
        (answering(approval), 400, "answers_mismatch", {"missing": ["q1", "days"], "unknown": []}),
        (answering(approval, q1=["r"]), 400, "answers_mismatch", {"missing": ["days"], "unknown": []}),
        (answering(approval, q1=["r"], days=" "), 400, "answers_mismatch", {"missing": ["days"]}),
        (answering(approval, q1=[], days="now"), 400, "answers_mismatch", {"missing": ["q1"]}),
        (
            answering(approval, q1=["r"], days="now", q2="x"),
            400,
            "answers_mismatch",
            {"missing": [], "unknown": ["q2"]},
        ),
        (answering(approval, q1=["r", "g"], days="now"), 400, "answers_mismatch", {"missing": [], "unknown": []}),
        (answering(approval, q1=["blue"], days="now"), 400, "answers_mismatch", {"missing": [], "unknown": []}),
        (answering(approval, q1=["r"], days=["now"]), 400, "answers_mismatch", {"missing": [], "unknown": []}),
        (approve, 400, "answers_mismatch", {"missing": ["q1", "days"]}),
        ({"approval_id": approval["id"]}, 400, "answers_mismatch", {"missing": ["q1", "days"]}),
    ]
    for wrong, status, code, members in rungs:
        refused = problem(await workshop.decide(started["id"], wrong), status, code)
        assert refused.items() >= members.items()
        assert await workshop.view(started["id"]) == before
    async with visiting(workshop, x_dev_user="eve") as stranger:
        problem(await stranger.decide(started["id"], good), 404, "generation_not_found")
    longest = answering(approval, q1=["r"], days="x" * 15_999)
    assert (await workshop.decide(started["id"], longest)).status_code == 200
    (call,) = calls_of((await workshop.finished(started["id"]))["message"])
    assert json.loads(call["output"])["answers"][1]["answer"] == "x" * 15_999


async def test_of_many_answers_at_once_one_counts_and_the_others_learn_whose(apis: Sequence[Stack]) -> None:
    started, approval = await questioned(apis[0], WHEN)
    answers = [answering(approval, days=f"day {number}") for number in range(9)]
    got = await asyncio.gather(*(apis[i % 3].decide(started["id"], each) for i, each in enumerate(answers)))
    (winner,) = (number for number, answer in enumerate(got) if answer.status_code == 200)
    for number, answer in enumerate(got):
        if number != winner:
            assert problem(answer, 409, "already_decided")["receipt"]["decided"][0]["decision"] == "answer"
    (call,) = calls_of((await apis[0].finished(started["id"]))["message"])
    assert json.loads(call["output"])["answers"][0]["answer"] == f"day {winner}"


async def test_the_same_answer_under_the_same_key_is_one_answer(workshop: Stack) -> None:
    started, approval = await questioned(workshop, WHEN)
    key = {"Idempotency-Key": a_word()}
    once, again = [await workshop.decide(started["id"], answering(approval, days="now"), **key) for _ in range(2)]
    assert (once.status_code, once.json()) == (again.status_code, again.json())
    await workshop.finished(started["id"])


async def test_questions_and_calls_of_one_turn_wait_side_by_side(workshop: Stack) -> None:
    word = a_word()
    text = f"{writing(word)}\n{asking(WHEN)}\n{asking(WHICH)}"
    started = await workshop.start(text, agent="asker")
    tools, first, second = (await workshop.paused(started["id"]))["approvals"]
    assert [approval["kind"] for approval in (tools, first, second)] == ["tool_approval", "question", "question"]
    problem(await workshop.decide(started["id"], answering(tools, days="now")), 400, "answers_mismatch")
    answer = await workshop.decide(started["id"], answering(second, q1="Neither."))
    assert (answer.status_code, answer.json()["status"]) == (200, "waiting")
    late = problem(await workshop.decide(started["id"], answering(second, q1="Both.")), 409, "approval_mismatch")
    assert late["receipt"]["decided"][0]["decision"] == "answer"
    assert (await workshop.decide(started["id"], deciding(tools))).json()["status"] == "waiting"
    assert (await workshop.decide(started["id"], answering(first, days="now"))).json()["status"] == "resuming"
    view = await workshop.finished(started["id"])
    assert [call["status"] for call in calls_of(view["message"])] == ["completed"] * 3
    assert written(workshop, word) == [word]


async def test_what_nobody_could_answer_is_told_to_the_model_and_nobody_is_asked(workshop: Stack) -> None:
    twice = {"id": "same", "text": "Why?"}
    for wrong in ([], [WHEN] * 5, [{"text": " "}], [twice, twice]):
        started = await workshop.start(asking(*wrong), agent="asker")
        events = await workshop.read(started["id"])
        (call,) = calls_of(events[-1][1]["message"])
        assert (call["status"], call["is_error"]) == ("failed", True)
        assert call["output"].startswith("The arguments do not fit this tool")
        assert "approval.requested" not in types(events)


async def test_the_policy_may_forbid_questions_by_name(workshop: Stack) -> None:
    started = await workshop.start(asking(WHEN), agent="mute")
    (call,) = calls_of((await workshop.finished(started["id"]))["message"])
    assert (call["status"], "deny list of the agent: ask_user" in call["output"]) == ("denied", True)


async def test_where_nobody_can_be_asked_the_model_is_told_so(workshop: Stack) -> None:
    started = await workshop.start(asking(WHEN), agent="asker", approvals="unsupported")
    events = await workshop.read(started["id"])
    (call,) = calls_of(events[-1][1]["message"])
    assert (call["is_error"], "nobody can be asked here" in call["output"]) == (True, True)
    assert "approval.requested" not in types(events)


async def test_without_an_answer_in_time_the_model_goes_on_and_knows_it(workshop: Stack) -> None:
    started, approval = await questioned(workshop, WHEN, agent="impatient")
    view = await workshop.finished(started["id"])
    (call,) = calls_of(view["message"])
    assert (view["outcome"], call["status"], call["is_error"]) == ("completed", "expired", True)
    assert call["output"].startswith("Nobody answered in time.")
    problem(await workshop.decide(started["id"], answering(approval, days="now")), 409, "approval_expired")


async def test_a_stopped_question_is_closed_for_ever(workshop: Stack) -> None:
    started, approval = await questioned(workshop, WHEN)
    await abort(workshop, started["id"])
    problem(await workshop.decide(started["id"], answering(approval, days="now")), 409, "not_paused")
    item = (await workshop.http.get(f"/api/approvals/{approval['id']}")).json()
    assert (item["status"], item["questions"]) == ("closed", approval["questions"])


async def test_a_question_waits_in_the_inbox_and_is_answered_from_there(workshop: Stack) -> None:
    user = a_word()
    async with visiting(workshop, x_dev_user=user) as asked:
        started, approval = await questioned(asked, WHICH)
        (item,) = (await asked.http.get("/api/approvals")).json()["items"]
        assert (item["id"], item["kind"], item["questions"]) == (approval["id"], "question", [SHOWN[0]])
        body = {"generation_id": started["id"], **answering(approval, q1=["r"])}
        (result,) = (await asked.http.post("/api/approvals/decisions", json=[body])).json()["items"]
        assert (result["status_code"], result["status"]) == (200, "resuming")
        await asked.finished(started["id"])
        (item,) = (await asked.http.get("/api/approvals?status=decided")).json()["items"]
        assert [line["decision"] for line in item["receipt"]["decided"]] == ["answer"]


async def test_the_next_turn_of_the_conversation_still_knows_the_answer(
    workshop: Stack, provider: ProviderProcess
) -> None:
    word = a_word()
    started, approval = await questioned(workshop, WHEN)
    await workshop.decide(started["id"], answering(approval, days=word))
    await workshop.finished(started["id"])
    more = await workshop.start("echo more", agent="asker", conversation_id=started["conversation_id"])
    await workshop.finished(more["id"])
    assert len(await asked_of(provider, word)) == 2
