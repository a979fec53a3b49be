"""Rules with conditions, and hooks: what they do to a call, as a user and the model come to know it."""

from datetime import datetime, timedelta

import pytest

from tests.outsider import a_word, abort, calls_of, deciding, problem, types, writing, written
from tests.stack import JsonDict, Stack

pytest_plugins = ["tests.workshop"]


async def the_call(stack: Stack, generation: str) -> JsonDict:
    """The one call of the finished answer."""
    (call,) = calls_of((await stack.finished(generation))["message"])
    return call


async def asked(stack: Stack, generation: str) -> tuple[JsonDict, JsonDict]:
    """The approval it waits for, and its one call."""
    approval = (await stack.paused(generation))["approvals"][0]
    (call,) = approval["calls"]
    return approval, call


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (
            "rule denies",
            "deny rule 1 of the endpoint: write_book when arguments.line.startsWith('rule denies')). A rule.",
        ),
        ("hook denies", "hook my_hooks:check). The hook said no."),
    ],
)
async def test_what_a_rule_or_a_hook_denies_does_not_run_and_the_model_is_told(
    workshop: Stack, line: str, why: str
) -> None:
    word = a_word()
    started = await workshop.start(writing(f"{line}: {word}"), agent="trusting")
    call = await the_call(workshop, started["id"])
    assert (call["status"], call["output"]) == ("denied", f"This call is not allowed ({why}")
    assert written(workshop, word) == []


async def test_a_rule_allows_what_the_mode_would_ask_about(workshop: Stack) -> None:
    word = a_word()
    started = await workshop.start(writing(f"rule allows: {word}"), agent="cautious")
    assert (await the_call(workshop, started["id"]))["status"] == "completed"
    assert "generation.paused" not in types(await workshop.read(started["id"]))
    assert written(workshop, word) == [f"rule allows: {word}"]


async def test_a_rule_that_asks_sets_the_decisions_the_reason_and_the_deadline(workshop: Stack) -> None:
    started = await workshop.start(writing(f"rule asks: {a_word()}"), agent="trusting")
    approval, call = await asked(workshop, started["id"])
    assert call["allowed_decisions"] == ["approve", "edit"]
    assert call["reason"] == "write_book: a rule."
    assert call["because"] == "ask rule 2 of the endpoint: write_book when arguments.line.startsWith('rule asks')"
    waits = datetime.fromisoformat(approval["expires_at"]) - datetime.fromisoformat(approval["created_at"])
    assert waits == timedelta(hours=1)
    await abort(workshop, started["id"])


async def test_a_hook_may_ask_narrow_the_decisions_and_say_why(workshop: Stack) -> None:
    word = a_word()
    started = await workshop.start(writing(f"hook asks: {word}"), agent="literal")
    approval, call = await asked(workshop, started["id"])
    assert call["allowed_decisions"] == ["approve", "reject"]
    assert (call["reason"], call["because"]) == ("local, are you sure?", "hook my_hooks:check")
    refused = await workshop.decide(started["id"], deciding(approval, "respond", text="Done already."))
    problem(refused, 403, "decision_not_allowed")
    assert (await workshop.decide(started["id"], deciding(approval))).status_code == 200
    assert (await the_call(workshop, started["id"]))["status"] == "completed"
    assert written(workshop, word) == [f"hook asks: {word}"]


async def test_a_hook_that_fails_has_a_person_asked_and_tells_no_secret(workshop: Stack) -> None:
    started = await workshop.start(writing(f"hook fails: {a_word()}"), agent="literal")
    _, call = await asked(workshop, started["id"])
    assert call["because"] == "hook my_hooks:check failed: RuntimeError"
    await abort(workshop, started["id"])


async def test_what_a_hook_has_rewritten_is_shown_approved_run_and_kept(workshop: Stack) -> None:
    word = a_word()
    line = f"rewritten: {word}"
    started = await workshop.start(writing(f"hook rewrites: {word}"), agent="cautious")
    approval, call = await asked(workshop, started["id"])
    view = await workshop.view(started["id"])
    assert call["arguments"] == calls_of(view["message"])[0]["arguments"] == {"line": line}
    assert (await workshop.decide(started["id"], deciding(approval))).status_code == 200
    assert (await the_call(workshop, started["id"]))["arguments"] == {"line": line}
    assert written(workshop, word) == [line]


async def test_a_hook_may_rewrite_what_nobody_is_asked_about(workshop: Stack) -> None:
    word = a_word()
    started = await workshop.start(writing(f"hook rewrites: {word}"), agent="literal")
    assert (await the_call(workshop, started["id"]))["status"] == "completed"
    assert written(workshop, word) == [f"rewritten: {word}"]


async def test_an_edit_to_what_a_rule_denies_is_refused_and_nothing_is_lost(workshop: Stack) -> None:
    word = a_word()
    started = await workshop.start(writing(word), agent="clerk")
    approval, _ = await asked(workshop, started["id"])
    denied = await workshop.decide(
        started["id"], deciding(approval, "edit", arguments={"line": f"rule denies: {word}"})
    )
    (error,) = problem(denied, 422, "arguments_invalid")["errors"]
    assert "deny rule 1 of the endpoint" in error["message"]
    fine = {"line": f"better: {word}"}
    assert (await workshop.decide(started["id"], deciding(approval, "edit", arguments=fine))).status_code == 200
    assert (await the_call(workshop, started["id"]))["arguments"] == fine
    assert written(workshop, word) == [f"better: {word}"]


async def test_an_edit_to_what_a_hook_denies_does_not_run(workshop: Stack) -> None:
    """Hooks are the worker's: the decision is taken, and the tool is not."""
    word = a_word()
    started = await workshop.start(writing(word), agent="clerk")
    approval, _ = await asked(workshop, started["id"])
    edit = deciding(approval, "edit", arguments={"line": f"hook denies: {word}"})
    assert (await workshop.decide(started["id"], edit)).status_code == 200
    call = await the_call(workshop, started["id"])
    assert (call["status"], call["is_error"]) == ("failed", True)
    assert call["output"].startswith("This call is not allowed (hook my_hooks:check)")
    assert written(workshop, word) == []
