"""Record the histories that every later version of the workflow must still be able to replay.

    python -m tests.replay.record

Run it when the rules get a new version: it adds `histories/rules-<version>/`, one file per shape of a generation.
Deliveries to webhooks have no rules of their own; theirs are in `histories/deliveries/`.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from temporalio.client import WorkflowHistory

from domain.approval import Decision
from domain.ask_user import ASK_USER
from domain.content import Actor
from domain.decide import ResumeRequest
from domain.generation import RULES
from domain.ids import DeliveryId
from domain.policy import Approvers, Expiry, Policy
from domain.start import AbortRequest, StartRequest
from tests.workflow.conftest import skipping_time
from tests.workflow.road import travelled
from tests.workflow.shapes import answering, approving, lost_once, until_cancelled
from tests.workflow.stage import CLOCK, SEND, USER, Stage, calling, made, request, staged

HISTORIES = Path(__file__).parent / "histories"


async def plain(stage: Stage, wanted: StartRequest) -> None:
    await stage.submit(wanted)


async def titled(stage: Stage, wanted: StartRequest) -> None:
    stage.title = "A title"
    await stage.submit(request(wanted.conversation_id, wants_title=True))


async def approved(stage: Stage, wanted: StartRequest) -> None:
    stage.model = calling(made(SEND, "mail"), made(CLOCK, "clock"))
    await stage.submit(wanted)
    asked = await stage.approval(wanted)
    await stage.handle(wanted).execute_update("resume", approving(wanted, asked))


async def decided_in_every_way(stage: Stage, wanted: StartRequest) -> None:
    stage.model = calling(made(SEND, "mail"), made(SEND, "mail2"))
    await stage.submit(wanted)
    asked = await stage.approval(wanted)
    edit = Decision.model_validate({"call_id": "mail", "decision": "edit", "arguments": {"to": "ada"}})
    reject = Decision.model_validate({"call_id": "mail2", "decision": "reject", "reason": "not today"})
    for decision, partial in ((edit, True), (reject, False)):
        decisions = ResumeRequest(
            generation_id=wanted.generation_id,
            approval_id=asked.approval.id,
            decisions=(decision,),
            partial=partial,
            by=USER,
        )
        await stage.handle(wanted).execute_update("resume", decisions)


async def signalled(stage: Stage, wanted: StartRequest) -> None:
    stage.model = calling(made(SEND, "mail"))
    await stage.submit(wanted)
    asked = await stage.approval(wanted)
    await stage.handle(wanted).signal("reject", args=[asked.approval.id, "no"])


async def expired(stage: Stage, wanted: StartRequest) -> None:
    stage.model = calling(made(SEND, "mail"))
    await stage.submit(wanted, skip_time=True)


async def expired_and_denied(stage: Stage, wanted: StartRequest) -> None:
    stage.model = calling(made(SEND, "mail"))
    policy = Policy(enabled=True, expiry=Expiry(after=timedelta(hours=24), then="deny"))
    await stage.submit(request(wanted.conversation_id, policy=policy), skip_time=True)


async def aborted(stage: Stage, wanted: StartRequest) -> None:
    stage.model = until_cancelled
    await stage.submit(wanted)
    await asyncio.sleep(0.3)
    await stage.handle(wanted).execute_update("abort", AbortRequest(generation_id=wanted.generation_id))


async def replaced(stage: Stage, wanted: StartRequest) -> None:
    stage.model = until_cancelled
    await stage.submit(wanted)
    await asyncio.sleep(0.3)
    await stage.submit(request(wanted.conversation_id, "two"))


async def lost(stage: Stage, wanted: StartRequest) -> None:
    stage.model, stage.tool = calling(made(CLOCK, "clock")), lost_once
    await stage.submit(wanted)
    asked = await stage.approval(wanted)
    await stage.handle(wanted).execute_update("resume", approving(wanted, asked))


async def answered(stage: Stage, wanted: StartRequest) -> None:
    stage.model = calling(made(ASK_USER.name, "question"), made(CLOCK, "clock"))
    await stage.submit(wanted)
    asked = await stage.approval(wanted)
    await stage.handle(wanted).execute_update("resume", answering(wanted, asked))


async def agreed(stage: Stage, wanted: StartRequest) -> None:
    stage.model, stage.approvers = calling(made(SEND, "mail")), Approvers(roles=("boss",), quorum=2)
    await stage.submit(wanted)
    asked = await stage.approval(wanted)
    for name in ("bob", "cyd"):
        boss = approving(wanted, asked, by=Actor(id=name, name=name), roles=("boss",))
        await stage.handle(wanted).execute_update("resume", boss)


async def escalated(stage: Stage, wanted: StartRequest) -> None:
    stage.model, stage.approvers = calling(made(SEND, "mail")), Approvers(roles=("boss",))
    policy = Policy(enabled=True, expiry=Expiry(after=timedelta(hours=2), then="escalate", to=("board",)))
    await stage.submit(request(wanted.conversation_id, policy=policy), skip_time=True)


SHAPES: dict[str, Callable[[Stage, StartRequest], Awaitable[None]]] = {
    shape.__name__: shape
    for shape in (
        plain,
        titled,
        approved,
        decided_in_every_way,
        signalled,
        expired,
        expired_and_denied,
        aborted,
        replaced,
        lost,
        answered,
        agreed,
        escalated,
    )
}


async def record(directory: Path) -> None:
    """One file per shape; the first run of each conversation, to its end."""
    directory.mkdir(parents=True, exist_ok=True)
    async with skipping_time() as environment, staged(environment) as stage:
        for name, play in SHAPES.items():
            wanted = request(str(uuid4()))
            await play(stage, wanted)
            await stage.finished(wanted)
            first = await _first_run(stage, wanted)
            (directory / f"{name}.json").write_text(json.dumps(first.to_json_dict(), indent=1) + "\n")


async def record_deliveries(directory: Path) -> None:
    """One that arrives, and one that never does."""
    directory.mkdir(parents=True, exist_ok=True)
    async with skipping_time() as environment, travelled(environment) as road:
        for name, road.failures in (("delivered", 2), ("given_up", 1_000)):
            handle = await road.start(DeliveryId(f"msg_{name}"))
            await handle.result()
            history = await handle.fetch_history()
            (directory / f"{name}.json").write_text(json.dumps(history.to_json_dict(), indent=1) + "\n")


async def _first_run(stage: Stage, wanted: StartRequest) -> WorkflowHistory:
    runs = [run async for run in stage.client.list_workflows(f'WorkflowId = "{stage.handle(wanted).id}"')]
    oldest = min(runs, key=lambda run: run.start_time)
    return await stage.client.get_workflow_handle(oldest.id, run_id=oldest.run_id).fetch_history()


if __name__ == "__main__":
    asyncio.run(record(HISTORIES / f"rules-{RULES}"))
    asyncio.run(record_deliveries(HISTORIES / "deliveries"))
