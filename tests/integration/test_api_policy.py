"""Which calls run, ask or never run: what the configuration says, as a user and the model come to know it."""

from collections.abc import Sequence

import pytest

from tests.outsider import a_word, abort, calls_of, deciding, named, problem, types, writing, written
from tests.provider.process import ProviderProcess
from tests.stack import JsonDict, Stack

pytest_plugins = ["tests.workshop"]
RECITE = 'use recite {"characters": 3}'
BREAK = 'use break_down {"why": "no reason"}'
CLOCK = "use clock {}"


async def asked(stack: Stack, generation: str) -> list[str]:
    """The tools a person is asked about once the answer pauses."""
    return [call["name"] for call in (await stack.paused(generation))["approvals"][0]["calls"]]


async def statuses(stack: Stack, generation: str) -> dict[str, str]:
    return {call["name"]: call["status"] for call in calls_of((await stack.finished(generation))["message"])}


async def test_by_default_everything_asks(workshop: Stack) -> None:
    started = await workshop.start(f"{CLOCK}\n{RECITE}", agent="cautious")
    assert await asked(workshop, started["id"]) == ["clock", "recite"]
    await abort(workshop, started["id"])


async def test_dont_ask_denies_without_a_pause_what_no_list_allows(workshop: Stack) -> None:
    word = a_word()
    started = await workshop.start(f"{CLOCK}\n{writing(word)}", agent="silent")
    assert await statuses(workshop, started["id"]) == {"clock": "completed", "write_book": "denied"}
    assert "generation.paused" not in types(await workshop.read(started["id"]))
    assert written(workshop, word) == []


async def test_bypass_allows_what_no_list_matches_and_no_more(workshop: Stack) -> None:
    word = a_word()
    started = await workshop.start(f"{RECITE}\n{BREAK}\n{writing(word)}", agent="trusting")
    assert await asked(workshop, started["id"]) == ["write_book"]
    await workshop.approve(started["id"])
    assert await statuses(workshop, started["id"]) == {
        "recite": "completed",
        "break_down": "denied",
        "write_book": "completed",
    }


async def test_deny_beats_ask_and_ask_beats_allow(workshop: Stack) -> None:
    word = a_word()
    started = await workshop.start(f"{CLOCK}\n{RECITE}\n{writing(word)}", agent="contrary")
    assert await asked(workshop, started["id"]) == ["recite"]
    await workshop.approve(started["id"])
    assert await statuses(workshop, started["id"]) == {
        "clock": "completed",
        "recite": "completed",
        "write_book": "denied",
    }
    assert written(workshop, word) == []


async def test_a_pattern_covers_the_whole_name_in_its_case_and_only_stars_are_special(workshop: Stack) -> None:
    word = a_word()
    started = await workshop.start(writing(word), agent="literal")
    assert await statuses(workshop, started["id"]) == {"write_book": "completed"}
    assert written(workshop, word) == [word]


async def test_the_reason_names_the_tool_everywhere_it_says_so(workshop: Stack, provider: ProviderProcess) -> None:
    started = await workshop.start(writing(a_word()), agent="reasoned")
    approval = (await workshop.paused(started["id"]))["approvals"][0]
    reason = "write_book cannot be undone: look at write_book twice"
    assert approval["calls"][0]["reason"] == reason
    await workshop.decide(started["id"], deciding(approval, "reject"))
    assert reason in calls_of((await workshop.finished(started["id"]))["message"])[0]["output"]


async def test_the_reason_a_person_gives_stands_in_place_of_the_policys(workshop: Stack) -> None:
    started = await workshop.start(writing(a_word()), agent="reasoned")
    approval = (await workshop.paused(started["id"]))["approvals"][0]
    await workshop.decide(started["id"], deciding(approval, "reject", reason="Not on Sundays."))
    call = calls_of((await workshop.finished(started["id"]))["message"])[0]
    assert "Not on Sundays." in call["output"]
    assert "cannot be undone" not in call["output"]


async def test_the_model_is_told_why_a_call_was_denied(workshop: Stack) -> None:
    started = await workshop.start(writing(a_word()), agent="silent")
    call = calls_of((await workshop.finished(started["id"]))["message"])[0]
    assert "write_book is not for you; write_book never is" in call["output"]
    assert (call["status"], call["is_error"]) == ("denied", True)


@pytest.mark.parametrize(
    ("agent", "tightening", "becomes"),
    [
        ("literal", {"ask": ["write_book"]}, "asked"),
        ("literal", {"deny": ["write*"]}, "denied"),
        ("cautious", {"mode": "dont_ask"}, "denied"),
        ("cautious", {"mode": "bypass"}, "asked"),
        ("silent", {"ask": ["*"]}, "denied"),
        ("silent", {"mode": "default"}, "denied"),
    ],
)
async def test_a_request_can_only_tighten(
    workshop: Stack, agent: str, tightening: JsonDict, becomes: Sequence[str]
) -> None:
    word = a_word()
    started = await workshop.start(writing(word), agent=agent, policy=tightening)
    if becomes == "asked":
        assert await asked(workshop, started["id"]) == ["write_book"]
        await abort(workshop, started["id"])
    else:
        assert await statuses(workshop, started["id"]) == {"write_book": becomes}
    assert written(workshop, word) == []


async def test_a_request_cannot_allow(workshop: Stack) -> None:
    for loosening in ({"allow": ["*"]}, {"enabled": False}, {"mode": "off"}):
        body = {"input": {"text": "echo hi"}, "agent": "cautious", "policy": loosening}
        problem(await workshop.http.post("/api/generations", json=body), 422, "invalid_request")


async def test_only_the_allowed_decisions_are_offered_and_taken(workshop: Stack) -> None:
    word = a_word()
    started = await workshop.start(writing(word), agent="narrow")
    approval = (await workshop.paused(started["id"]))["approvals"][0]
    assert approval["calls"][0]["allowed_decisions"] == ["approve", "edit", "respond"]
    refused = await workshop.decide(started["id"], deciding(approval, "reject"))
    assert problem(refused, 403, "decision_not_allowed")["calls"] == [approval["calls"][0]["call_id"]]
    assert (await workshop.decide(started["id"], deciding(approval, "approve"))).status_code == 200
    await workshop.finished(started["id"])
    assert written(workshop, word) == [word]


async def test_where_nobody_can_be_asked_a_question_is_a_no_that_says_so(workshop: Stack) -> None:
    word = a_word()
    started = await workshop.start(f"{CLOCK}\n{writing(word)}", agent="clerk", approvals="unsupported")
    events = await workshop.read(started["id"])
    assert events[-1][1]["outcome"] == "completed"
    assert "approval.requested" not in types(events)
    call = calls_of(events[-1][1]["message"])[1]
    assert (call["status"], call["is_error"]) == ("denied", True)
    assert "nobody can be asked" in call["output"]
    assert [event["status"] for event in named(events, "tool.completed")].count("completed") == 1
    assert written(workshop, word) == []
