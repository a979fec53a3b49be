"""A stage for the workflow: steps with scripted outcomes under the real names, and a record of what was announced."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import uuid4

from temporalio import activity
from temporalio.client import Client, WithStartWorkflowOperation, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.announce import Announcement
from activities.judge import JudgeStep
from activities.model import ModelOutcome, ModelStep
from activities.title import TitleStep
from activities.tools import ToolOutcome, ToolStep
from domain.agent import AgentSpec, ToolSpec
from domain.approval import digest
from domain.ask_user import ASK_USER
from domain.content import Actor, Usage
from domain.events import ApprovalRequested, Event, GenerationFinished, GenerationPaused
from domain.facts import CallJudgement, CallMade, CallsJudged, ModelCut, ModelReplied, TitleMade, ToolReturned
from domain.ids import CallId, ConversationId, GenerationId, MessageId, QuestionId, workflow_id
from domain.policy import ALL_DECISIONS, OWNER, Approvers, Policy
from domain.question import Option, Question
from domain.start import Carried, OnConflict, StartRequest, Submitted
from domain.verdict import judge
from workflows.registration import WORKFLOWS, runner

USER = Actor(id="ada", name="Ada")
SEND, CLOCK = "send_mail", "clock"
RED, GREEN = Option(label="Red", value="red"), Option(label="Green", value="green")
WHICH = Question(id=QuestionId("which"), text="Which one?", options=(RED, GREEN))


def request(
    conversation: str,
    name: str = "one",
    *,
    policy: Policy | None = None,
    on_conflict: OnConflict = "replace",
    wants_title: bool = False,
) -> StartRequest:
    schema = {"type": "object"}
    spec = AgentSpec(
        id="clerk",
        name="Clerk",
        model="demo:scripted",
        tools=(
            ToolSpec(name=SEND, description="Send a mail.", parameters=schema),
            ToolSpec(name=CLOCK, description="Tell the time.", parameters=schema, idempotent=True),
            ASK_USER,
        ),
        policy=policy or Policy(enabled=True, allow=(CLOCK,)),
        title_model="demo:scripted" if wants_title else None,
    )
    return StartRequest(
        generation_id=GenerationId(f"gen_{name}_{conversation}"),
        conversation_id=ConversationId(conversation),
        tenant="default",
        owner=USER,
        user_message_id=MessageId(str(uuid4())),
        response_message_id=MessageId(str(uuid4())),
        agent=spec,
        created_at=datetime.now(UTC),
        on_conflict=on_conflict,
        wants_title=wants_title,
    )


def made(name: str, call_id: str) -> CallMade:
    return CallMade(call_id=CallId(call_id), name=name, digest=digest(name, {}))


def reply(turn: int, *calls: CallMade) -> ModelReplied:
    return ModelReplied(
        turn=turn,
        attempt=1,
        calls=calls,
        finish_reason="tool_calls" if calls else "stop",
        usage=Usage(input_tokens=10, output_tokens=5),
        cost=0.001,
    )


Model = Callable[[ModelStep], Awaitable[ModelOutcome]]
Tool = Callable[[ToolStep], Awaitable[ToolOutcome]]


async def says_done(step: ModelStep) -> ModelOutcome:
    return reply(step.turn)


async def returns(step: ToolStep) -> ToolOutcome:
    return ToolReturned(turn=step.work.turn, call_id=step.work.call_id, status="completed")


def calling(*calls: CallMade) -> Model:
    """A model that makes these calls in its first turn, and is done in its second."""

    async def model(step: ModelStep) -> ModelOutcome:
        return reply(1, *calls) if step.turn == 1 else reply(step.turn)

    return model


@dataclass
class Stage:
    """The steps; `events` holds what was announced, by generation."""

    environment: WorkflowEnvironment
    task_queue: str
    model: Model = says_done
    tool: Tool = returns
    title: str | None = None
    approvers: Approvers = OWNER  # of what is asked about
    events: dict[GenerationId, list[Event]] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    @activity.defn(name="call_model")
    async def call_model(self, step: ModelStep) -> ModelOutcome:
        return await self.model(step)

    @activity.defn(name="keep_lost")
    async def keep_lost(self, step: ModelStep) -> ModelCut:
        return ModelCut(turn=step.turn, attempt=999, produced=True, usage=Usage(output_tokens=7, estimated=True))

    @activity.defn(name="judge_calls")
    async def judge_calls(self, step: JudgeStep) -> CallsJudged:
        names = {"mail": SEND, "mail2": SEND, "clock": CLOCK, "question": ASK_USER.name}
        judged = [(call_id, judge(Policy(enabled=True, allow=(CLOCK,)), names[call_id])) for call_id in step.call_ids]
        return CallsJudged(
            turn=step.turn,
            judgements=tuple(
                CallJudgement(
                    call_id=call_id,
                    verdict=j.verdict,
                    because=j.because,
                    allowed_decisions=ALL_DECISIONS,
                    questions=(WHICH,) if call_id == "question" else (),
                    approvers=self.approvers,
                )
                for call_id, j in judged
            ),
        )

    @activity.defn(name="run_tool")
    async def run_tool(self, step: ToolStep) -> ToolOutcome:
        async with self._news:
            self.ran.append(step.work.call_id)
            self._news.notify_all()
        return await self.tool(step)

    @activity.defn(name="make_title")
    async def make_title(self, step: TitleStep) -> TitleMade:
        return TitleMade(title=self.title)

    @activity.defn(name="announce")
    async def announce(self, said: Announcement) -> None:
        known = self.events.setdefault(said.request.generation_id, [])
        async with self._news:
            known.extend(said.events[max(0, len(known) - said.position + 1) :])
            self._news.notify_all()

    async def until(self, generation: StartRequest, kind: type[Event]) -> Event:
        """The latest announced event of that kind, once there is one."""
        known = self.events.setdefault(generation.generation_id, [])
        async with asyncio.timeout(20), self._news:
            await self._news.wait_for(lambda: any(isinstance(event, kind) for event in known))
        return next(event for event in reversed(known) if isinstance(event, kind))

    async def until_ran(self, *calls: str) -> None:
        async with asyncio.timeout(20), self._news:
            await self._news.wait_for(lambda: self.ran == list(calls))

    async def approval(self, generation: StartRequest) -> ApprovalRequested:
        await self.until(generation, GenerationPaused)
        event = await self.until(generation, ApprovalRequested)
        assert isinstance(event, ApprovalRequested)
        return event

    async def finished(self, generation: StartRequest) -> GenerationFinished:
        event = await self.until(generation, GenerationFinished)
        assert isinstance(event, GenerationFinished)
        return event

    def types(self, generation: StartRequest) -> list[str]:
        return [event.type for event in self.events[generation.generation_id]]

    @property
    def client(self) -> Client:
        return self.environment.client

    async def submit(self, wanted: StartRequest, *, skip_time: bool = False) -> Submitted:
        """With `skip_time` an idle workflow jumps to its next timer; without, a person has time to decide."""
        if skip_time:
            return await self._submit(wanted)
        with self.environment.with_time_skipping_disabled():
            return await self._submit(wanted)

    async def _submit(self, wanted: StartRequest) -> Submitted:
        start: WithStartWorkflowOperation[object, object] = WithStartWorkflowOperation(
            "generation",
            Carried(),
            id=workflow_id(wanted.tenant, wanted.owner.id, wanted.conversation_id),
            task_queue=self.task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )
        answer: Submitted = await self.client.execute_update_with_start_workflow(
            "submit", wanted, start_workflow_operation=start, id=wanted.generation_id, result_type=Submitted
        )
        return answer

    def handle(self, wanted: StartRequest) -> WorkflowHandle[object, object]:
        return self.client.get_workflow_handle(workflow_id(wanted.tenant, wanted.owner.id, wanted.conversation_id))


@asynccontextmanager
async def staged(environment: WorkflowEnvironment, *, cached: int = 1000) -> AsyncIterator[Stage]:
    """A stage with a worker of its own. `cached=0`: every task replays the whole history."""
    stage = Stage(environment, f"stage-{uuid4()}")
    worker = Worker(
        environment.client,
        task_queue=stage.task_queue,
        workflows=WORKFLOWS,
        activities=[
            stage.call_model,
            stage.keep_lost,
            stage.judge_calls,
            stage.run_tool,
            stage.make_title,
            stage.announce,
        ],
        workflow_runner=runner(),
        max_cached_workflows=cached,
    )
    async with worker:
        yield stage
