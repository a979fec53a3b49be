"""Races about one approval, on the real engine, again and again: exactly one wins, and everything agrees with it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import uuid4

import httpx2
import pytest

from tests.outsider import (
    DecisionKind,
    a_word,
    abort,
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

AT_ONCE = 8  # races side by side
FEW, MANY = 4, 200
CROWD = 50
NEAR = 0.04  # seconds around a deadline

times = pytest.mark.parametrize("times", [FEW, pytest.param(MANY, marks=[pytest.mark.long, pytest.mark.timeout(1200)])])


@dataclass
class Paused:
    """An answer that waits for a decision on writing one line."""

    generation: str
    conversation: str
    word: str
    approval: JsonDict


Race = Callable[[Random], Awaitable[None]]


async def repeatedly(times: int, race: Race) -> None:
    """Each race has a random of its own, named in what a failure says."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(seed: int) -> None:
        async with slots:
            try:
                await race(Random(seed))
            except AssertionError as error:
                raise AssertionError(f"race {seed}: {error}") from error

    async with asyncio.TaskGroup() as group:
        for seed in range(times):
            group.create_task(one(seed))


async def pause(stack: Stack, agent: str = "clerk", line: str = "{word}") -> Paused:
    word = a_word()
    started = await stack.start(writing(line.format(word=word)), agent=agent)
    approval = (await stack.paused(started["id"]))["approvals"][0]
    return Paused(started["id"], started["conversation_id"], word, approval)


async def verdict(stack: Stack, paused: Paused) -> JsonDict:
    """The end, about which view, stream, store and book agree; the call as it ended."""
    view = await stack.finished(paused.generation)
    events = await stack.read(paused.generation)
    assert types(events).count("generation.finished") == 1
    assert types(events)[-1] == "generation.finished"
    assert events[-1][1]["outcome"] == view["outcome"]
    stored = (await said(stack, paused.conversation))[-1]
    assert stored["parts"] == view["message"]["parts"]
    (call,) = calls_of(view["message"])
    ran = written(stack, paused.word)
    assert len(ran) <= 1, f"the tool ran {len(ran)} times"
    assert (call["status"] == "completed") == (len(ran) == 1), f"{call['status']}, and the tool ran {len(ran)} times"
    return call


def statuses(answers: Sequence[httpx2.Response]) -> list[int]:
    return sorted(answer.status_code for answer in answers)


async def test_of_a_crowd_with_one_decision_one_is_accepted_and_all_others_are_told_who(
    workshop: Stack, apis: Sequence[Stack]
) -> None:
    paused = await pause(workshop)
    body = deciding(paused.approval)
    answers = await asyncio.gather(
        *(apis[number % len(apis)].decide(paused.generation, body) for number in range(CROWD))
    )
    assert statuses(answers) == [200] + [409] * (CROWD - 1)
    receipts = [problem(answer, 409, "already_decided")["receipt"] for answer in answers if answer.status_code != 200]
    (winner,) = [answer.json()["receipt"] for answer in answers if answer.status_code == 200]
    assert all(receipt == winner for receipt in receipts)
    assert (await verdict(workshop, paused))["status"] == "completed"


async def test_a_crowd_with_one_key_is_one_decision(workshop: Stack, apis: Sequence[Stack]) -> None:
    paused = await pause(workshop)
    key, body = {"Idempotency-Key": str(uuid4())}, deciding(paused.approval)
    answers = await asyncio.gather(
        *(apis[number % len(apis)].decide(paused.generation, body, **key) for number in range(CROWD))
    )
    assert statuses(answers) == [200] * CROWD
    assert len({answer.text for answer in answers}) == 1
    assert (await verdict(workshop, paused))["status"] == "completed"


@times
async def test_approve_against_reject(workshop: Stack, apis: Sequence[Stack], times: int) -> None:
    async def race(random: Random) -> None:
        paused = await pause(workshop)
        kinds: list[DecisionKind] = ["approve", "reject"]
        doors = random.sample(apis, 2)

        async def decide(kind: DecisionKind, door: Stack) -> httpx2.Response:
            await asyncio.sleep(random.uniform(0, 0.01))
            return await door.decide(paused.generation, deciding(paused.approval, kind))

        answers = await asyncio.gather(*map(decide, kinds, doors))
        assert statuses(answers) == [200, 409]
        won = kinds[[answer.status_code for answer in answers].index(200)]
        call = await verdict(workshop, paused)
        assert call["status"] == {"approve": "completed", "reject": "rejected"}[won]
        decided = named(await workshop.read(paused.generation), "approval.decided")
        assert [event["decision"] for event in decided] == [won]

    await repeatedly(times, race)


@times
@pytest.mark.parametrize("crowd", [1, 3], ids=["the very last votes", "more votes than are needed"])
async def test_votes_at_the_same_moment_all_count_and_none_twice(
    workshop: Stack, apis: Sequence[Stack], crowd: int, times: int
) -> None:
    """Two must approve. With a crowd of one for each of the two, or of three times two, who all vote at once."""
    bosses = [f"boss-{number}" for number in range(2 * crowd)]

    async def race(random: Random) -> None:
        paused = await pause(workshop, line="two bosses: {word}")

        async def vote(boss: str) -> httpx2.Response:
            await asyncio.sleep(random.uniform(0, 0.01))
            async with visiting(random.choice(apis), x_dev_user=boss, x_dev_roles="manager") as door:
                return await door.decide(paused.generation, deciding(paused.approval), **{"Idempotency-Key": "same"})

        answers = await asyncio.gather(*map(vote, bosses))
        assert statuses(answers) == [200, 200] + [409] * (len(bosses) - 2)
        accepted = [answer.json()["status"] for answer in answers if answer.status_code == 200]
        assert sorted(accepted) == ["resuming", "waiting"]
        assert (await verdict(workshop, paused))["status"] == "completed"
        events = await workshop.read(paused.generation)
        (voted,), (decided,) = named(events, "approval.voted"), named(events, "approval.decided")
        assert {voted["by"]["id"], decided["by"]["id"]} <= set(bosses)
        assert voted["by"] != decided["by"]

    await repeatedly(times, race)


@times
async def test_a_decision_against_an_abort(workshop: Stack, apis: Sequence[Stack], times: int) -> None:
    async def race(random: Random) -> None:
        paused = await pause(workshop)
        door, other = random.sample(apis, 2)

        async def decide() -> httpx2.Response:
            await asyncio.sleep(random.uniform(0, 0.02))
            return await door.decide(paused.generation, deciding(paused.approval))

        decided, aborted = await asyncio.gather(decide(), abort(other, paused.generation))
        call = await verdict(workshop, paused)
        outcome = (await workshop.view(paused.generation))["outcome"]
        if aborted.status_code == 200:
            assert outcome == "aborted"
            assert call["status"] != "completed" or decided.status_code == 200
        else:
            assert problem(aborted, 409, "already_finished")["outcome"] == outcome == "completed"
        if decided.status_code != 200:
            assert problem(decided, 409, "not_paused")
            assert written(workshop, paused.word) == []

    await repeatedly(times, race)


@times
async def test_a_decision_at_the_very_deadline(workshop: Stack, apis: Sequence[Stack], times: int) -> None:
    async def race(random: Random) -> None:
        paused = await pause(workshop, agent="ending")
        deadline = datetime.fromisoformat(paused.approval["expires_at"]) + timedelta(
            seconds=random.uniform(-NEAR, NEAR)
        )
        await asyncio.sleep(max(0.0, (deadline - datetime.now(UTC)).total_seconds()))
        answer = await random.choice(apis).decide(paused.generation, deciding(paused.approval))
        call = await verdict(workshop, paused)
        outcome = (await workshop.view(paused.generation))["outcome"]
        if answer.status_code == 200:
            assert (outcome, call["status"]) == ("completed", "completed")
        else:
            assert problem(answer, 409, "approval_expired")
            assert (outcome, call["status"]) == ("expired", "expired")

    await repeatedly(times, race)


@times
async def test_a_second_pause_against_the_timer_of_the_first(
    workshop: Stack, provider: ProviderProcess, times: int
) -> None:
    """The first approval is decided just before its deadline; the next one has a deadline of its own."""

    async def race(random: Random) -> None:
        word, again = a_word(), a_word()
        call = ToolCall(name="write_book", arguments={"line": again})
        await provider.script(
            Reply(match=word, steps=(ToolCall(name="write_book", arguments={"line": word}),)),
            Reply(match=word, steps=(call,)),
            Reply(match=word, steps=(Text(text="Done."),)),
        )
        started = await workshop.start(f"Twice, {word}.", agent="ending")
        first = (await workshop.paused(started["id"]))["approvals"][0]
        before = datetime.fromisoformat(first["expires_at"]) - timedelta(seconds=random.uniform(0.05, 0.3))
        await asyncio.sleep(max(0.0, (before - datetime.now(UTC)).total_seconds()))
        if (await workshop.decide(started["id"], deciding(first))).status_code != 200:
            return  # too late on a busy machine: another race's matter
        view = await workshop.until(
            started["id"],
            lambda view: (
                view["outcome"] is not None
                or (view["status"] == "requires_action" and view["approvals"][0]["id"] != first["id"])
            ),
        )
        assert view["outcome"] is None, "the timer of a decided approval ended its successor"
        second = view["approvals"][0]
        late = datetime.fromisoformat(first["expires_at"]) + timedelta(seconds=0.3)
        await asyncio.sleep(max(0.0, (late - datetime.now(UTC)).total_seconds()))
        stale = await workshop.decide(started["id"], deciding(first))
        assert stale.status_code == 409, stale.text
        assert (await workshop.decide(started["id"], deciding(second))).status_code == 200
        assert (await workshop.finished(started["id"]))["outcome"] == "completed"
        assert (written(workshop, word), written(workshop, again)) == ([word], [again])

    await repeatedly(times, race)
