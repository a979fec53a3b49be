"""Who may decide, as the workflow says it, whichever way a message came; and others, once the time is over."""

import asyncio
from datetime import timedelta
from typing import cast

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from domain.content import Actor
from domain.decide import ResumeAnswer, ResumeRequest
from domain.events import ApprovalExpired, ApprovalRequested, ApprovalVoted
from domain.policy import Approvers, Expiry, Policy
from domain.start import StartRequest
from tests.workflow.shapes import approving
from tests.workflow.stage import SEND, Stage, calling, made, request

BOB, CYD = Actor(id="bob", name="Bob"), Actor(id="cyd", name="Cyd")
BOSS, TWO = Approvers(roles=("boss",)), Approvers(roles=("boss",), quorum=2)


async def asking(
    stage: Stage, conversation: str, approvers: Approvers, expiry: Expiry | None = None
) -> tuple[StartRequest, ApprovalRequested]:
    """An answer that waits for these people to let it send a mail."""
    stage.model, stage.approvers = calling(made(SEND, "mail")), approvers
    wanted = request(conversation, policy=Policy(enabled=True, expiry=expiry or Expiry()))
    await stage.submit(wanted)
    return wanted, await stage.approval(wanted)


async def resume(stage: Stage, wanted: StartRequest, decisions: ResumeRequest) -> ResumeAnswer | str | None:
    """The answer, or the name of the refusal."""
    try:
        answer: ResumeAnswer = await stage.handle(wanted).execute_update("resume", decisions, result_type=ResumeAnswer)
    except WorkflowUpdateFailedError as error:
        return cast(ApplicationError, error.cause).type
    return answer


async def test_a_message_without_the_role_changes_nothing_by_update_and_by_signal(
    stage: Stage, conversation: str
) -> None:
    wanted, asked = await asking(stage, conversation, BOSS)
    handle = stage.handle(wanted)
    assert await resume(stage, wanted, approving(wanted, asked)) == "NotAnApprover"
    assert await resume(stage, wanted, approving(wanted, asked, by=BOB, roles=("clerk",))) == "NotAnApprover"
    await handle.signal("approve", asked.approval.id)
    await handle.signal("reject", asked.approval.id)
    await handle.signal("resume", approving(wanted, asked))
    assert stage.ran == []
    await handle.signal("resume", approving(wanted, asked, by=BOB, roles=("boss",)))
    await stage.finished(wanted)
    assert stage.ran == ["mail"]


async def test_of_many_votes_at_once_each_person_counts_once(stage: Stage, conversation: str) -> None:
    wanted, asked = await asking(stage, conversation, TWO)
    votes = [approving(wanted, asked, by=person, roles=("boss",)) for person in (BOB, CYD) * 3]
    answers = await asyncio.gather(*(resume(stage, wanted, vote) for vote in votes))
    accepted = [answer.status for answer in answers if isinstance(answer, ResumeAnswer)]
    assert sorted(accepted) == ["resuming", "waiting"]
    assert {answer for answer in answers if isinstance(answer, str)} == {"AlreadyDecided"}
    await stage.finished(wanted)
    assert stage.ran == ["mail"]
    assert stage.types(wanted).count("approval.voted") == stage.types(wanted).count("approval.decided") == 1


async def test_a_vote_by_signal_counts_like_one_by_update(stage: Stage, conversation: str) -> None:
    wanted, asked = await asking(stage, conversation, TWO)
    for person in (BOB, BOB):
        await stage.handle(wanted).signal("resume", approving(wanted, asked, by=person, roles=("boss",)))
    voted = await stage.until(wanted, ApprovalVoted)
    assert isinstance(voted, ApprovalVoted)
    assert (voted.by, voted.via, stage.ran) == (BOB, "signal", [])
    answer = await resume(stage, wanted, approving(wanted, asked, by=CYD, roles=("boss",)))
    assert isinstance(answer, ResumeAnswer)
    assert answer.status == "resuming"
    await stage.finished(wanted)
    assert stage.ran == ["mail"]


async def test_each_of_the_two_has_the_whole_time_and_then_the_answer_ends(stage: Stage, conversation: str) -> None:
    stage.model, stage.approvers = calling(made(SEND, "mail")), BOSS
    window = timedelta(hours=2)
    policy = Policy(enabled=True, expiry=Expiry(after=window, then="escalate", to=("board",)))
    wanted = request(conversation, policy=policy)
    await stage.submit(wanted, skip_time=True)
    finished = await stage.finished(wanted)
    assert (finished.outcome, stage.ran) == ("expired", [])
    told = stage.events[wanted.generation_id]
    first, second = (event.approval for event in told if isinstance(event, ApprovalRequested))
    assert [event.then for event in told if isinstance(event, ApprovalExpired)] == ["escalate", "end"]
    assert timedelta(0) <= second.created_at - first.expires_at < timedelta(seconds=5)
    assert second.expires_at - second.created_at == window
    assert timedelta(0) <= finished.finished_at - second.expires_at < timedelta(seconds=5)


@pytest.mark.parametrize(("role", "expected"), [("boss", "NotAnApprover"), ("board", "resuming")])
async def test_when_the_time_is_over_the_others_decide(
    stage: Stage, conversation: str, role: str, expected: str
) -> None:
    expiry = Expiry(after=timedelta(seconds=1), then="escalate", to=("board",))
    with stage.environment.with_time_skipping_disabled():
        wanted, _ = await asking(stage, conversation, BOSS, expiry)
        await stage.until(wanted, ApprovalExpired)
        asked = await stage.until(wanted, ApprovalRequested)
        assert isinstance(asked, ApprovalRequested)
        assert asked.approval.approvers == ("board",)
        answer = await resume(stage, wanted, approving(wanted, asked, by=BOB, roles=(role,)))
    assert (answer.status if isinstance(answer, ResumeAnswer) else answer) == expected
    await stage.finished(wanted)
    assert stage.ran == (["mail"] if expected == "resuming" else [])
