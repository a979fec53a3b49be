"""Builders for the tests of the record: starts, replies and approvals with as little said as possible."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from activities.notify import Notifier
from adapters.database.deliveries import DatabaseDeliveries
from adapters.database.engine import Database
from adapters.database.migrate import upgrade
from adapters.database.starts import Starts
from adapters.database.store import DatabaseStore
from adapters.database.webhooks import RegisteredWebhooks
from adapters.temporal import connect
from adapters.temporal_deliveries import TemporalCouriers
from domain.agent import AgentSpec
from domain.approval import Approval, CallRequest
from domain.content import Actor, Message, Part, TextPart, ToolCallPart, Usage
from domain.events import ApprovalDecided, Totals
from domain.ids import ApprovalId, CallId, ConversationId, GenerationId, MessageId, mint
from domain.policy import DecisionKind
from domain.record import NewStart, TurnRecord
from domain.start import StartRequest

NOW = datetime(2026, 11, 24, 22, 0, 0, 123456, UTC)
ANN = Actor(id="ann", name="Ann")
TOTALS = Totals(input_tokens=10, output_tokens=5, cost=0.25)


@asynccontextmanager
async def opened(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """A migrated database of the kind that is the fixture's parameter. Tests share it, and keep apart by their ids."""
    if request.param == "sqlite":
        directory: Path = request.getfixturevalue("tmp_path_factory").mktemp("record")
        url = f"sqlite+aiosqlite:///{directory / 'fermata.db'}"
    else:
        url = request.getfixturevalue("postgres_url")
    await upgrade(url)
    database = Database(url)
    yield database
    await database.close()


async def telling(database: Database) -> Notifier:
    """Who tells webhooks, where nobody works for the engine and nobody has registered one."""
    couriers = TemporalCouriers(await connect("127.0.0.1:1", "default", lazy=True), "nobody")
    return Notifier((), RegisteredWebhooks(database, "public"), DatabaseDeliveries(database), couriers)


def new_approval_id() -> ApprovalId:
    return ApprovalId(mint("apr", NOW, uuid4().bytes))


def new_start(
    text: str = "Hello",
    *,
    conversation: str | None = None,
    owner: Actor = ANN,
    tenant: str = "acme",
    message: str | None = None,
    parent: str | None = None,
    regenerate: bool = False,
    key: str | None = None,
    digest: str = "digest",
    expected: str | None = None,
    after: timedelta = timedelta(),
) -> NewStart:
    at = NOW + after
    request = StartRequest(
        generation_id=GenerationId(mint("gen", at, uuid4().bytes)),
        conversation_id=ConversationId(conversation or str(uuid4())),
        tenant=tenant,
        owner=owner,
        user_message_id=MessageId(message or str(uuid4())),
        response_message_id=MessageId(str(uuid4())),
        agent=AgentSpec(id="assistant", name="Assistant", model="demo:script"),
        created_at=at,
        expected_generation=GenerationId(expected) if expected else None,
        wants_title=True,
        metadata={"from": "test"},
    )
    return NewStart(
        request=request,
        text=text,
        parent_message_id=MessageId(parent) if parent else None,
        regenerate=regenerate,
        idempotency_key=key,
        body_digest=digest,
    )


async def claimed(database: Database, start: NewStart | None = None) -> StartRequest:
    """A generation that the engine has been asked to run."""
    return (await Starts(database).claim(start or new_start())).request


async def answered(database: Database, start: NewStart | None = None, text: str = "Hi") -> StartRequest:
    """A generation that has ended with an answer."""
    request, store = await claimed(database, start), DatabaseStore(database)
    await store.open(request, request.created_at)
    await store.save_message(request.conversation_id, answer(request, text))
    await store.finish(
        request.generation_id, outcome="completed", error=None, totals=TOTALS, finished_at=request.created_at
    )
    return request


def reply(*parts: Part, turn: int = 1, attempt: int = 1) -> TurnRecord:
    return TurnRecord(
        turn=turn,
        attempt=attempt,
        parts=parts,
        finish_reason="tool_calls" if any(isinstance(part, ToolCallPart) for part in parts) else "stop",
        usage=Usage(input_tokens=3, output_tokens=2),
        cost=0.5,
    )


def a_call(call_id: str, name: str = "mail", **arguments: object) -> ToolCallPart:
    return ToolCallPart(call_id=CallId(call_id), name=name, arguments=arguments)


def an_approval(name: ApprovalId, *calls: ToolCallPart) -> Approval:
    requests = tuple(
        CallRequest(
            call_id=call.call_id,
            name=call.name,
            arguments=call.arguments if isinstance(call.arguments, dict) else None,
            reason="mails cannot be taken back",
            allowed_decisions=("approve", "reject", "edit"),
            digest="digest",
        )
        for call in calls
    )
    return Approval(id=name, turn=1, calls=requests, created_at=NOW, expires_at=NOW + timedelta(hours=24))


def a_decision(
    approval: ApprovalId, call: str, decision: DecisionKind = "approve", reason: str | None = None, **edited: object
) -> ApprovalDecided:
    return ApprovalDecided(
        approval_id=approval,
        call_id=CallId(call),
        decision=decision,
        by=ANN,
        at=NOW,
        reason=reason,
        arguments=edited or None,
    )


def answer(request: StartRequest, text: str = "Hi", *, unfinished: bool = False) -> Message:
    return Message(
        id=request.response_message_id,
        parent_id=request.user_message_id,
        role="assistant",
        parts=(TextPart(text=text),),
        unfinished=unfinished,
        usage=Usage(input_tokens=10),
        cost=0.25,
        created_at=request.created_at,
        generation_id=request.generation_id,
    )
