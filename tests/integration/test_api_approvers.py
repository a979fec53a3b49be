"""Who may decide: people with a role, several of them, not who asked; and others once the time is over."""

from collections.abc import AsyncIterator, Sequence

import pytest

from tests.outsider import a_word, abort, calls_of, deciding, feeding, named, problem, visiting, writing, written
from tests.stack import JsonDict, Stack

pytest_plugins = ["tests.workshop"]


@pytest.fixture
async def ann(workshop: Stack) -> AsyncIterator[Stack]:
    """Whose conversations they are; she has no role."""
    async with visiting(workshop, x_dev_user=f"ann-{a_word()}") as visitor:
        yield visitor


@pytest.fixture
async def bob(second: Stack) -> AsyncIterator[Stack]:
    """A manager, at another API."""
    async with visiting(second, x_dev_user=f"bob-{a_word()}", x_dev_roles="clerk, manager") as visitor:
        yield visitor


@pytest.fixture
async def dan(apis: Sequence[Stack]) -> AsyncIterator[Stack]:
    """A director, at a third API."""
    async with visiting(apis[2], x_dev_user=f"dan-{a_word()}", x_dev_roles="director") as visitor:
        yield visitor


def me(stack: Stack) -> str:
    return str(stack.http.headers["x-dev-user"])


async def asked(stack: Stack, *lines: str) -> tuple[str, JsonDict]:
    """A generation that waits for a decision on writing these lines, and its first approval."""
    started = await stack.start(writing(*lines), agent="clerk")
    return started["id"], (await stack.paused(started["id"]))["approvals"][0]


async def item(stack: Stack, approval: JsonDict) -> JsonDict:
    """The approval as this person sees it, alone and in the inbox."""
    alone: JsonDict = (await stack.http.get(f"/api/approvals/{approval['id']}")).raise_for_status().json()
    inbox = (await stack.http.get("/api/approvals?limit=200")).raise_for_status().json()["items"]
    assert alone in inbox
    return alone


async def extended(stack: Stack, generation: str, approval: JsonDict) -> int:
    path = f"/api/generations/{generation}/approvals/{approval['id']}/extend"
    return (await stack.http.post(path, json={"seconds": 60})).status_code


# By role.
async def test_who_has_the_role_decides_and_the_owner_watches(ann: Stack, bob: Stack) -> None:
    word = a_word()
    generation, approval = await asked(ann, f"one boss: {word}")
    assert (approval["approver"], approval["approvers"], approval["quorum"]) == ("manager", ["manager"], 1)
    assert (await item(ann, approval))["may_decide"] is False
    for kind in ("approve", "reject"):
        refused = await ann.decide(generation, deciding(approval, kind))
        assert problem(refused, 403, "not_an_approver")["approvers"] == ["manager"]
    assert await extended(ann, generation, approval) == 403

    seen = await item(bob, approval)
    assert (seen["may_decide"], seen["calls"], seen["owner"]["id"]) == (True, approval["calls"], me(ann))
    assert seen["title"] is None
    assert await extended(bob, generation, approval) == 200
    answer = await bob.decide(generation, deciding(approval))
    assert (answer.status_code, answer.json()["status"]) == (200, "resuming")
    (call,) = calls_of((await ann.finished(generation))["message"])
    assert (call["status"], call["decided_by"]["id"]) == ("completed", me(bob))
    assert written(ann, word) == [f"one boss: {word}"]
    (line,) = (await ann.http.get(f"/api/generations/{generation}/decisions")).json()["items"]
    assert (line["by"]["id"], line["via"]) == (me(bob), "http")
    settled = (await bob.http.get(f"/api/approvals/{approval['id']}")).json()
    assert (settled["status"], settled["may_decide"]) == ("decided", False)


async def test_who_decides_sees_the_approval_and_nothing_else_of_the_conversation(ann: Stack, bob: Stack) -> None:
    generation, approval = await asked(ann, f"one boss: {a_word()}")
    conversation = (await ann.view(generation))["conversation_id"]
    for path in ("", "/events", "/decisions"):
        unseen = await bob.http.get(f"/api/generations/{generation}{path}")
        problem(unseen, 404, "generation_not_found")
    problem(await abort(bob, generation), 404, "generation_not_found")
    for path in ("", "/messages", "/events"):
        unseen = await bob.http.get(f"/api/conversations/{conversation}{path}")
        problem(unseen, 404, "conversation_not_found")
    assert (await item(bob, approval))["id"] == approval["id"]
    await abort(ann, generation)


async def test_for_everybody_else_it_is_as_unknown_as_what_never_was(ann: Stack, workshop: Stack) -> None:
    generation, approval = await asked(ann, f"one boss: {a_word()}")
    body = [{"generation_id": generation, **deciding(approval)}]
    for headers in (
        {"x_dev_user": a_word(), "x_dev_roles": "director, Manager, managers"},
        {"x_dev_user": a_word(), "x_dev_roles": "manager", "x_dev_tenant": "other"},
        {"x_dev_user": me(ann), "x_dev_roles": "manager", "x_dev_tenant": "other"},
    ):
        async with visiting(workshop, **headers) as stranger:
            refused = await stranger.decide(generation, deciding(approval))
            never = await stranger.decide("gen_never", deciding(approval))
            problem(refused, 404, "generation_not_found")
            assert refused.text.replace(generation, "gen_never") == never.text
            problem(await stranger.http.get(f"/api/approvals/{approval['id']}"), 404, "approval_not_found")
            assert await extended(stranger, generation, approval) == 404
            (result,) = (await stranger.http.post("/api/approvals/decisions", json=body)).json()["items"]
            assert (result["status_code"], result["code"]) == (404, "generation_not_found")
            listed = (await stranger.http.get("/api/approvals?limit=200")).json()["items"]
            assert approval["id"] not in [each["id"] for each in listed]
    await abort(ann, generation)


async def test_that_others_decide_is_said_after_what_is_missing_and_before_what_is_wrong(
    ann: Stack, bob: Stack
) -> None:
    generation, approval = await asked(ann, f"one boss: {a_word()}")
    nothing = {"approval_id": approval["id"], "decisions": []}
    unknown = {**deciding(approval), "partial": True}
    unknown["decisions"] = [{"call_id": "none", "decision": "approve"}]
    incomplete = deciding(approval, "respond")
    for stack, code in ((ann, "not_an_approver"), (bob, "unknown_call")):
        problem(await stack.decide(generation, nothing), 400, "undecided_calls")
        problem(
            await stack.decide(generation, {**deciding(approval), "approval_id": None}), 400, "approval_id_required"
        )
        problem(
            await stack.decide(generation, {**deciding(approval), "approval_id": "apr_x"}), 409, "approval_mismatch"
        )
        problem(await stack.decide(generation, unknown), 403, code)
    problem(await ann.decide(generation, incomplete), 403, "not_an_approver")
    problem(await bob.decide(generation, incomplete), 400, "incomplete_decision")
    await abort(ann, generation)


async def test_calls_of_one_turn_that_different_people_decide_are_decided_apart(ann: Stack, bob: Stack) -> None:
    word = a_word()
    started = await ann.start(writing(f"one boss: {word}", f"mine: {word}"), agent="clerk")
    approvals = (await ann.paused(started["id"]))["approvals"]
    (bobs,) = [approval for approval in approvals if approval["approvers"]]
    (anns,) = [approval for approval in approvals if not approval["approvers"]]
    problem(await bob.http.get(f"/api/approvals/{anns['id']}"), 404, "approval_not_found")
    problem(await bob.decide(started["id"], deciding(anns)), 403, "not_an_approver")
    problem(await ann.decide(started["id"], deciding(bobs)), 403, "not_an_approver")
    body = [{"generation_id": started["id"], **deciding(bobs)}]
    (result,) = (await bob.http.post("/api/approvals/decisions", json=body)).json()["items"]
    assert (result["status_code"], result["status"]) == (200, "waiting")
    assert (await ann.decide(started["id"], deciding(anns))).json()["status"] == "resuming"
    await ann.finished(started["id"])
    assert sorted(written(ann, word)) == [f"mine: {word}", f"one boss: {word}"]


async def test_who_asked_for_it_may_be_shut_out_of_the_role(workshop: Stack, bob: Stack) -> None:
    word = a_word()
    async with visiting(workshop, x_dev_user=a_word(), x_dev_roles="manager") as boss:
        generation, approval = await asked(boss, f"another boss: {word}")
        assert (await item(boss, approval))["may_decide"] is False
        detail = problem(await boss.decide(generation, deciding(approval)), 403, "not_an_approver")["detail"]
        assert detail.startswith("Who asked for this may not decide it")
        assert (await bob.decide(generation, deciding(approval))).status_code == 200
        await boss.finished(generation)

        generation, approval = await asked(boss, f"one boss: {word}")  # where nothing shuts them out
        assert (await item(boss, approval))["may_decide"] is True
        assert (await boss.decide(generation, deciding(approval))).status_code == 200
        await boss.finished(generation)


# Several who agree.
async def test_two_people_let_a_call_run_and_each_counts_once(ann: Stack, bob: Stack, dan: Stack) -> None:
    word = a_word()
    generation, approval = await asked(ann, f"two bosses: {word}")
    key = {"Idempotency-Key": word}  # by chance the same for both
    body = deciding(approval)
    problem(
        await bob.decide(generation, deciding(approval, "edit", arguments={"line": word})), 403, "decision_not_allowed"
    )
    async with feeding(bob) as feed:
        snapshot = await feed.until("snapshot")
        assert [each["may_decide"] for each in snapshot["items"] if each["id"] == approval["id"]] == [True]
        first = await bob.decide(generation, body, **key)
        assert (first.status_code, first.json()["status"]) == (200, "waiting")
        assert first.json()["receipt"]["remaining"] == [approval["calls"][0]["call_id"]]
        told = await feed.until("approval.decided")
        assert (told["approval_id"], told["status"], told["may_decide"]) == (approval["id"], "pending", False)
        assert [vote["by"]["id"] for vote in told["votes"]] == [me(bob)]
        assert (await bob.decide(generation, body, **key)).json() == first.json()
        again = problem(await bob.decide(generation, body), 409, "already_decided")
        assert again["receipt"] == first.json()["receipt"]
        view = await ann.view(generation)
        assert [vote["by"]["id"] for vote in view["approvals"][0]["votes"]] == [me(bob)]
        assert (view["status"], written(ann, word)) == ("requires_action", [])
        assert ((await item(bob, approval))["may_decide"], (await item(dan, approval))["may_decide"]) == (False, True)

        last = await dan.decide(generation, body, **key)
        assert (last.status_code, last.json()["status"]) == (200, "resuming")
        assert (await feed.until("approval.decided"))["status"] == "decided"
    await ann.finished(generation)
    assert written(ann, word) == [f"two bosses: {word}"]
    events = await ann.read(generation)
    (voted,), (decided,) = named(events, "approval.voted"), named(events, "approval.decided")
    assert (voted["by"]["id"], voted["needed"], decided["by"]["id"]) == (me(bob), 1, me(dan))
    lines = (await ann.http.get(f"/api/generations/{generation}/decisions")).json()["items"]
    assert [(line["by"]["id"], line["decision"], line["via"]) for line in lines] == [
        (me(bob), "approve", "http"),
        (me(dan), "approve", "http"),
    ]
    receipt = (await ann.http.get(f"/api/approvals/{approval['id']}")).json()["receipt"]
    assert receipt == last.json()["receipt"]


async def test_one_who_rejects_is_enough_and_may_have_approved_before(ann: Stack, bob: Stack, dan: Stack) -> None:
    for second in (bob, dan):
        word = a_word()
        generation, approval = await asked(ann, f"two bosses: {word}")
        assert (await bob.decide(generation, deciding(approval))).json()["status"] == "waiting"
        assert (await second.decide(generation, deciding(approval, "reject"))).json()["status"] == "resuming"
        (call,) = calls_of((await ann.finished(generation))["message"])
        assert (call["status"], call["decided_by"]["id"], written(ann, word)) == ("rejected", me(second), [])
        lines = (await ann.http.get(f"/api/generations/{generation}/decisions")).json()["items"]
        assert [(line["by"]["id"], line["decision"]) for line in lines] == [
            (me(bob), "approve"),
            (me(second), "reject"),
        ]


# Others.
async def test_when_nobody_decides_others_are_asked_and_the_first_ones_no_more(
    ann: Stack, bob: Stack, dan: Stack
) -> None:
    word = a_word()
    async with feeding(bob) as first, feeding(dan) as then:
        await first.until("snapshot")
        await then.until("snapshot")
        generation, approval = await asked(ann, f"a quick boss: {word}")
        assert approval["escalation"] == {"to": ["director"], "within": "PT2S"}
        assert (await first.until("approval.requested"))["item"]["id"] == approval["id"]
        problem(await dan.decide(generation, deciding(approval)), 404, "generation_not_found")
        assert (await first.until("approval.expired"))["approval_id"] == approval["id"]
        passed_on = (await then.until("approval.requested"))["item"]
    assert (passed_on["escalated_from"], passed_on["calls"]) == (approval["id"], approval["calls"])
    assert (passed_on["approvers"], passed_on["then"], passed_on["may_decide"]) == (["director"], "end", True)
    stale = problem(await bob.decide(generation, deciding(approval)), 409, "approval_mismatch")
    assert stale["current"] == passed_on["id"]
    problem(await bob.decide(generation, deciding(passed_on)), 403, "not_an_approver")
    problem(await bob.http.get(f"/api/approvals/{passed_on['id']}"), 404, "approval_not_found")
    assert (await dan.decide(generation, deciding(passed_on))).status_code == 200
    view = await ann.finished(generation)
    assert (view["outcome"], written(ann, word)) == ("completed", [f"a quick boss: {word}"])


async def test_when_the_others_do_not_decide_either_the_answer_ends(ann: Stack) -> None:
    word = a_word()
    generation, approval = await asked(ann, f"a quick boss: {word}")
    view = await ann.finished(generation)
    assert (view["outcome"], written(ann, word)) == ("expired", [])
    events = await ann.read(generation)
    assert [event["then"] for event in named(events, "approval.expired")] == ["escalate", "end"]
    first, second = (event["approval"] for event in named(events, "approval.requested"))
    assert (first["id"], second["escalated_from"]) == (approval["id"], approval["id"])
