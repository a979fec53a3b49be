"""The workflow, with scripted steps: what is announced, what runs, and what is refused."""

import asyncio
from datetime import datetime, timedelta
from typing import cast

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from activities.model import ModelOutcome, ModelStep
from domain.approval import Decision
from domain.ask_user import ASK_USER
from domain.decide import ExtendRequest, ResumeAnswer, ResumeRequest
from domain.events import ApprovalDecided
from domain.policy import Expiry, Policy
from domain.start import Aborted, AbortRequest, StartRequest
from tests.workflow.shapes import answering, approving, lost_once, until_cancelled
from tests.workflow.stage import CLOCK, SEND, USER, WHICH, Stage, calling, made, reply, request
from workflows.generation import OPERATOR


async def resume(stage: Stage, wanted: StartRequest, decisions: ResumeRequest) -> ResumeAnswer:
    answer: ResumeAnswer = await stage.handle(wanted).execute_update("resume", decisions, result_type=ResumeAnswer)
    return answer


async def abort(stage: Stage, wanted: StartRequest) -> Aborted:
    message = AbortRequest(generation_id=wanted.generation_id)
    answer: Aborted = await stage.handle(wanted).execute_update("abort", message, result_type=Aborted)
    return answer


def refusal(error: pytest.ExceptionInfo[WorkflowUpdateFailedError]) -> str | None:
    return cast(ApplicationError, error.value.cause).type


async def test_an_answer_is_told_from_its_start_to_its_end(stage: Stage, conversation: str) -> None:
    wanted = request(conversation)
    await stage.submit(wanted)
    finished = await stage.finished(wanted)
    assert finished.outcome == "completed"
    assert stage.types(wanted) == ["generation.started", "turn.completed", "usage.updated", "generation.finished"]


async def test_an_approved_call_runs_once_and_a_second_decision_is_told_who_won(
    stage: Stage, conversation: str
) -> None:
    stage.model = calling(made(SEND, "mail"))
    wanted = request(conversation)
    await stage.submit(wanted)
    asked = await stage.approval(wanted)
    assert stage.ran == []
    decisions = approving(wanted, asked)
    outcomes = await asyncio.gather(*(resume(stage, wanted, decisions) for _ in range(5)), return_exceptions=True)
    accepted = [outcome for outcome in outcomes if isinstance(outcome, ResumeAnswer)]
    refused = [outcome.cause for outcome in outcomes if isinstance(outcome, WorkflowUpdateFailedError)]
    assert len(accepted) == 1
    assert accepted[0].status == "resuming"
    assert {cast(ApplicationError, cause).type for cause in refused} == {"AlreadyDecided"}
    await stage.finished(wanted)
    assert stage.ran == ["mail"]


async def test_calls_that_need_nobody_do_not_wait(stage: Stage, conversation: str) -> None:
    stage.model = calling(made(SEND, "mail"), made(CLOCK, "clock"))
    wanted = request(conversation)
    await stage.submit(wanted)
    asked = await stage.approval(wanted)
    await stage.until_ran("clock")
    await resume(stage, wanted, approving(wanted, asked))
    await stage.finished(wanted)
    assert stage.ran == ["clock", "mail"]


async def test_a_partial_decision_lets_its_call_run_while_the_other_waits(stage: Stage, conversation: str) -> None:
    stage.model = calling(made(SEND, "mail"), made(SEND, "mail2"))
    wanted = request(conversation)
    await stage.submit(wanted)
    asked = await stage.approval(wanted)
    one = (Decision.model_validate({"call_id": "mail", "decision": "approve"}),)
    answer = await resume(stage, wanted, approving(wanted, asked, decisions=one, partial=True))
    assert (answer.status, answer.receipt.remaining) == ("waiting", ("mail2",))
    await stage.until_ran("mail")
    other = (Decision.model_validate({"call_id": "mail2", "decision": "reject"}),)
    answer = await resume(stage, wanted, approving(wanted, asked, decisions=other))
    assert answer.status == "resuming"
    await stage.finished(wanted)
    assert stage.ran == ["mail"]


async def test_nobody_decides_in_time_and_the_answer_ends(stage: Stage, conversation: str) -> None:
    stage.model = calling(made(SEND, "mail"))
    wanted = request(conversation)
    await stage.submit(wanted, skip_time=True)
    finished = await stage.finished(wanted)
    assert (finished.outcome, stage.ran) == ("expired", [])


async def test_an_extended_approval_outlives_its_first_deadline_and_not_its_second(
    stage: Stage, conversation: str
) -> None:
    stage.model = calling(made(SEND, "mail"))
    wanted = request(conversation, policy=Policy(enabled=True, expiry=Expiry(after=timedelta(seconds=1))))
    await stage.submit(wanted)
    approval = (await stage.approval(wanted)).approval
    more = ExtendRequest(
        generation_id=wanted.generation_id, approval_id=approval.id, more=timedelta(seconds=1), by=USER
    )
    with stage.environment.with_time_skipping_disabled():
        until: datetime = await stage.handle(wanted).execute_update("extend", more, result_type=datetime)
    assert until == approval.expires_at + timedelta(seconds=1)
    finished = await stage.finished(wanted)
    assert finished.outcome == "expired"
    assert timedelta(0) <= finished.finished_at - until < timedelta(minutes=1)


async def test_nobody_decides_in_time_and_the_call_is_denied(stage: Stage, conversation: str) -> None:
    stage.model = calling(made(SEND, "mail"))
    policy = Policy(enabled=True, allow=(CLOCK,), expiry=Expiry(after=timedelta(hours=24), then="deny"))
    wanted = request(conversation, policy=policy)
    await stage.submit(wanted, skip_time=True)
    finished = await stage.finished(wanted)
    assert (finished.outcome, stage.ran) == ("completed", [])
    assert "generation.resumed" in stage.types(wanted)


async def test_an_abort_waits_for_the_last_words_and_is_the_same_twice(stage: Stage, conversation: str) -> None:
    stage.model = until_cancelled
    wanted = request(conversation)
    await stage.submit(wanted)
    await asyncio.sleep(0.1)
    first, second = await asyncio.gather(abort(stage, wanted), abort(stage, wanted))
    assert first == second
    assert (first.early, first.message_id) == (False, wanted.response_message_id)
    assert (await stage.finished(wanted)).outcome == "aborted"
    assert stage.types(wanted).count("generation.finished") == 1


async def test_an_aborted_pause_never_runs_its_call(
    stage: Stage, environment: WorkflowEnvironment, conversation: str
) -> None:
    stage.model = calling(made(SEND, "mail"))
    wanted = request(conversation)
    await stage.submit(wanted)
    asked = await stage.approval(wanted)
    await abort(stage, wanted)
    with pytest.raises(Exception):  # noqa: B017 # refused, or the run is closed: never accepted
        await resume(stage, wanted, approving(wanted, asked))
    assert stage.ran == []


async def test_cancelling_the_job_in_temporal_is_an_orderly_abort(stage: Stage, conversation: str) -> None:
    stage.model = until_cancelled
    wanted = request(conversation)
    await stage.submit(wanted)
    await asyncio.sleep(0.1)
    await stage.handle(wanted).cancel()
    assert (await stage.finished(wanted)).outcome == "aborted"


async def test_replace_ends_the_live_one_in_order_and_runs_the_new_one(stage: Stage, conversation: str) -> None:
    async def model(step: ModelStep) -> ModelOutcome:
        return await until_cancelled(step) if "gen_one" in step.generation_id else reply(step.turn)

    stage.model = model
    first, second = request(conversation), request(conversation, "two")
    await stage.submit(first)
    await asyncio.sleep(0.1)
    await stage.submit(second)
    assert (await stage.finished(first)).outcome == "replaced"
    assert (await stage.finished(second)).outcome == "completed"


async def test_queued_ones_run_in_order_and_a_rejected_one_does_not(stage: Stage, conversation: str) -> None:
    stage.model = calling(made(SEND, "mail"))
    first = request(conversation)
    second = request(conversation, "two", on_conflict="queue")
    third = request(conversation, "three", on_conflict="reject")
    await stage.submit(first)
    asked = await stage.approval(first)
    assert (await stage.submit(second)).status == "queued"
    with pytest.raises(WorkflowUpdateFailedError) as error:
        await stage.submit(third)
    assert refusal(error) == "GenerationLive"
    await resume(stage, first, approving(first, asked))
    assert (await stage.finished(first)).outcome == "completed"
    again = await stage.approval(second)
    await resume(stage, second, approving(second, again))
    assert (await stage.finished(second)).outcome == "completed"
    assert third.generation_id not in stage.events


async def test_a_queued_one_can_be_aborted_before_it_runs(stage: Stage, conversation: str) -> None:
    stage.model = calling(made(SEND, "mail"))
    first, second = request(conversation), request(conversation, "two", on_conflict="queue")
    await stage.submit(first)
    await stage.approval(first)
    await stage.submit(second)
    assert (await abort(stage, second)).early
    assert stage.types(second) == ["generation.started", "generation.finished"]
    await abort(stage, first)


async def test_the_same_start_twice_is_one_generation(stage: Stage, conversation: str) -> None:
    wanted = request(conversation)
    answers = await asyncio.gather(*(stage.submit(wanted) for _ in range(5)))
    assert {answer.generation_id for answer in answers} == {wanted.generation_id}
    await stage.finished(wanted)
    assert stage.types(wanted).count("generation.started") == 1


async def test_operators_decide_by_signal_from_temporals_own_pages(stage: Stage, conversation: str) -> None:
    stage.model = calling(made(SEND, "mail"))
    wanted = request(conversation)
    await stage.submit(wanted)
    asked = await stage.approval(wanted)
    handle = stage.handle(wanted)
    await handle.signal("approve", "apr_of_somebody_else")
    assert stage.ran == []
    await handle.signal("approve", asked.approval.id)
    await stage.finished(wanted)
    assert stage.ran == ["mail"]
    decided = await stage.until(wanted, ApprovalDecided)
    assert isinstance(decided, ApprovalDecided)
    assert (decided.by, decided.via, decided.client) == (OPERATOR, "signal", None)


async def test_answers_come_as_update_or_signal_and_to_approve_a_question_answers_nothing(
    stage: Stage, conversation: str
) -> None:
    for way in ("update", "signal"):
        stage.model = calling(made(ASK_USER.name, "question"))
        wanted = request(conversation, way)
        await stage.submit(wanted)
        asked = await stage.approval(wanted)
        assert asked.approval.questions == (WHICH,)
        handle, answers = stage.handle(wanted), answering(wanted, asked)
        await handle.signal("approve", asked.approval.id)
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await handle.execute_update("resume", answers.model_copy(update={"answers": {"other": "x"}}))
        assert refusal(refused) == "AnswersMismatch"
        if way == "update":
            await handle.execute_update("resume", answers)
        else:
            await handle.signal("resume", answers)
        await stage.finished(wanted)
        decided = await stage.until(wanted, ApprovalDecided)
        assert isinstance(decided, ApprovalDecided)
        assert (decided.decision, decided.answers, decided.via) == ("answer", {"which": ("red",)}, way)
    assert stage.ran == []


async def test_a_lost_tool_is_asked_about_and_not_repeated_by_itself(stage: Stage, conversation: str) -> None:
    stage.model = calling(made(CLOCK, "clock"))

    stage.tool = lost_once
    wanted = request(conversation)
    await stage.submit(wanted)
    asked = await stage.approval(wanted)
    assert stage.ran == ["clock"]
    assert "unknown" in (asked.approval.calls[0].reason or "")
    await resume(stage, wanted, approving(wanted, asked))
    assert (await stage.finished(wanted)).outcome == "completed"
    assert stage.ran == ["clock", "clock"]


async def test_a_title_reaches_readers_before_the_end_and_stands_in_it(stage: Stage, conversation: str) -> None:
    stage.title = "Tea for two"
    wanted = request(conversation, wants_title=True)
    await stage.submit(wanted)
    assert (await stage.finished(wanted)).title == "Tea for two"
    types = stage.types(wanted)
    assert types.index("title.updated") < types.index("generation.finished")


async def test_a_start_that_was_refused_leaves_no_run_behind(stage: Stage, conversation: str) -> None:
    wanted = request(conversation)
    handle = await stage.client.start_workflow(
        "generation",
        {"requests": []},
        id=f"conversation/default/ada/{conversation}",
        task_queue=stage.task_queue,
    )
    await handle.result()
    assert wanted.generation_id not in stage.events


async def test_what_was_said_before_every_worker_was_lost_stays_with_the_answer(
    stage: Stage, conversation: str
) -> None:
    async def lost(step: ModelStep) -> ModelOutcome:
        raise ApplicationError("The worker died.", non_retryable=True)

    stage.model = lost
    wanted = request(conversation)
    await stage.submit(wanted)
    finished = await stage.finished(wanted)
    assert (finished.outcome, finished.early, finished.usage.output_tokens) == ("failed", False, 7)
    assert stage.types(wanted) == ["generation.started", "turn.completed", "usage.updated", "generation.finished"]
