"""What the API reads: lists in pages, one's own things only, and the view of a generation whose log is gone."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Literal
from uuid import uuid4

import pytest
from sqlalchemy import event

from adapters.database.engine import Database
from adapters.database.inbox import ASKED, Person, concerns
from adapters.database.queries import Queries
from adapters.database.starts import Starts
from adapters.database.store import DatabaseStore
from adapters.database.tables import approvals
from domain.approval import Decided, Receipt
from domain.content import Actor, SteerPart, TextPart, ToolCallPart, Usage
from domain.errors import ApprovalNotFound, ConversationNotFound, GenerationNotFound, InvalidRequest
from domain.events import AgentRef
from domain.ids import ApprovalId, CallId, ConversationId, GenerationId
from domain.record import (
    ApprovalFilter,
    Conversation,
    LiveGeneration,
    Page,
    StatusFilter,
    StoredApproval,
    StoredDecision,
)
from domain.start import StartRequest
from domain.view import View
from tests.integration.record import (
    ANN,
    NOW,
    TOTALS,
    a_call,
    a_decision,
    an_approval,
    answer,
    answered,
    claimed,
    new_approval_id,
    new_start,
    opened,
    reply,
)

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
async def database(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    async with opened(request) as database:
        yield database


@pytest.fixture
def queries(database: Database) -> Queries:
    return Queries(database)


@pytest.fixture
def store(database: Database) -> DatabaseStore:
    return DatabaseStore(database)


@pytest.fixture
def ann() -> Actor:
    """Somebody with nothing in the record."""
    return Actor(id=str(uuid4()), name="Ann")


@pytest.fixture
def apr() -> ApprovalId:
    return new_approval_id()


# Generations.
async def test_a_generation_is_found_by_its_owner_only(database: Database, queries: Queries, ann: Actor) -> None:
    request = await claimed(database, new_start("Hello", owner=ann))
    found = await queries.generation("acme", ann.id, request.generation_id)
    assert (found.request, found.status, found.text) == (request, "submitted", "Hello")
    for tenant, owner, name in (
        ("other", ann.id, request.generation_id),
        ("acme", "bob", request.generation_id),
        ("acme", ann.id, "gen_none"),
    ):
        with pytest.raises(GenerationNotFound):
            await queries.generation(tenant, owner, GenerationId(name))


async def test_the_owner_of_a_generation_is_looked_up_once_and_nobody_else_passes(
    database: Database, queries: Queries, ann: Actor
) -> None:
    request = await claimed(database, new_start("Hello", owner=ann))
    asked: list[str] = []

    def note(*asking: object) -> None:
        asked.append(str(asking[2]))

    event.listen(database._engine.sync_engine, "before_cursor_execute", note)
    try:
        for _ in range(3):
            await queries.check_owner("acme", ann.id, request.generation_id)
        assert sum("FROM generations" in statement for statement in asked) == 1
        for tenant, owner in (("other", ann.id), ("acme", "bob")):
            with pytest.raises(GenerationNotFound):
                await queries.check_owner(tenant, owner, request.generation_id)
        await queries.check_owner("acme", ann.id, request.generation_id)
    finally:
        event.remove(database._engine.sync_engine, "before_cursor_execute", note)


async def test_generations_are_listed_newest_first_in_pages(database: Database, queries: Queries, ann: Actor) -> None:
    made = [await answered(database, new_start(owner=ann, after=n * HOUR)) for n in range(5)]
    seen, before, pages = list[str](), None, 0
    while pages == 0 or before:
        page = await queries.generations("acme", ann.id, limit=2, before=before)
        seen += [item.request.generation_id for item in page.items]
        before, pages = page.next, pages + 1
    assert seen == [request.generation_id for request in reversed(made)]
    assert pages == 3


async def test_generations_of_one_moment_are_all_listed(database: Database, queries: Queries, ann: Actor) -> None:
    made = {(await answered(database, new_start(owner=ann))).generation_id for _ in range(3)}
    first = await queries.generations("acme", ann.id, limit=2)
    rest = await queries.generations("acme", ann.id, limit=2, before=first.next)
    assert {item.request.generation_id for item in first.items + rest.items} == made
    assert rest.next is None


async def test_generations_are_filtered_by_status_and_conversation(
    database: Database, queries: Queries, store: DatabaseStore, ann: Actor, apr: ApprovalId
) -> None:
    done = await answered(database, new_start(owner=ann))
    queued, running, paused, _submitted = [
        await claimed(database, new_start(owner=ann, after=n * HOUR)) for n in range(1, 5)
    ]
    await Starts(database).accepted(queued.generation_id, "queued")
    await store.open(running, NOW)
    await store.open(paused, NOW)
    await store.save_approval(paused.generation_id, an_approval(apr))

    async def listed(status: StatusFilter | None, conversation: ConversationId | None = None) -> list[str]:
        page = await queries.generations("acme", ann.id, status=status, conversation=conversation)
        return [item.request.generation_id for item in page.items]

    assert await listed(None) == [r.generation_id for r in (paused, running, queued, done)]
    assert await listed("live") == [r.generation_id for r in (paused, running, queued)]
    assert await listed("requires_action") == [paused.generation_id]
    assert await listed("completed") == [done.generation_id]
    assert await listed(None, running.conversation_id) == [running.generation_id]
    assert await listed("completed", running.conversation_id) == []


@pytest.mark.parametrize("cursor", ["", "nonsense", "2026-99-99T00:00:00Z_gen_1", "2026-11-24T22:00:00_gen_1"])
async def test_a_cursor_of_somewhere_else_is_refused(queries: Queries, cursor: str) -> None:
    with pytest.raises(InvalidRequest):
        await queries.generations("acme", "ann", before=cursor)


# Conversations.
async def test_conversations_are_listed_by_their_last_move(
    database: Database, queries: Queries, store: DatabaseStore, ann: Actor
) -> None:
    old, new, _empty = (
        await answered(database, new_start(owner=ann)),
        await answered(database, new_start(owner=ann, after=HOUR)),
        await claimed(database, new_start(owner=ann)),
    )
    await store.set_title(old.conversation_id, "Music")
    running = await claimed(database, new_start(owner=ann, conversation=old.conversation_id, after=2 * HOUR))
    await store.open(running, NOW + 3 * HOUR)
    first = await queries.conversations("acme", ann.id, limit=1)
    assert first.items == (
        Conversation(
            id=old.conversation_id,
            title="Music",
            agent="assistant",
            created_at=NOW,
            updated_at=NOW + 3 * HOUR,
            live=LiveGeneration(id=running.generation_id, status="running"),
        ),
    )
    rest = await queries.conversations("acme", ann.id, limit=1, before=first.next)
    assert [(item.id, item.live) for item in rest.items] == [(new.conversation_id, None)]
    assert rest.next is None
    assert (await queries.conversations("other", ann.id)).items == ()


async def test_a_late_write_does_not_move_a_conversation_back(
    database: Database, queries: Queries, store: DatabaseStore, ann: Actor
) -> None:
    request = await answered(database, new_start(owner=ann, after=HOUR))
    await store.save_message(request.conversation_id, answer(request).model_copy(update={"created_at": NOW}))
    conversation = await queries.conversation("acme", ann.id, request.conversation_id)
    assert conversation.updated_at == NOW + HOUR


async def test_what_runs_is_shown_rather_than_what_waits(
    database: Database, queries: Queries, store: DatabaseStore, ann: Actor
) -> None:
    first = await claimed(database, new_start(owner=ann))
    conversation = first.conversation_id
    others = [
        await claimed(database, new_start(owner=ann, conversation=conversation, after=n * HOUR)) for n in range(1, 3)
    ]
    for request in (first, *others):
        await Starts(database).accepted(request.generation_id, "queued")
    found = await queries.conversation("acme", ann.id, conversation)
    assert found.live == LiveGeneration(id=first.generation_id, status="queued")
    await store.open(others[0], NOW)
    found = await queries.conversation("acme", ann.id, conversation)
    assert found.live == LiveGeneration(id=others[0].generation_id, status="running")


async def test_messages_are_listed_oldest_first_to_their_owner_only(
    database: Database, queries: Queries, ann: Actor
) -> None:
    request = await answered(database, new_start("Hello", owner=ann))
    messages = await queries.messages("acme", ann.id, request.conversation_id)
    assert [(m.role, m.parent_id) for m in messages] == [("user", None), ("assistant", request.user_message_id)]
    assert messages[1] == answer(request)
    for tenant, owner in (("other", ann.id), ("acme", "bob")):
        with pytest.raises(ConversationNotFound):
            await queries.messages(tenant, owner, request.conversation_id)
        with pytest.raises(ConversationNotFound):
            await queries.conversation(tenant, owner, request.conversation_id)


# Approvals.
async def asking(
    database: Database, name: ApprovalId, owner: Actor, *calls: ToolCallPart, tenant: str = "acme"
) -> StartRequest:
    """A generation that waits for a decision."""
    request, store = await claimed(database, new_start(owner=owner, tenant=tenant)), DatabaseStore(database)
    await store.open(request, NOW)
    await store.save_turn(request.generation_id, reply(*calls or (a_call("call_1"),)))
    await store.save_approval(request.generation_id, an_approval(name, *calls or (a_call("call_1"),)))
    return request


def names(page: Page[StoredApproval]) -> list[ApprovalId]:
    return [item.approval.id for item in page.items]


async def test_an_approval_is_found_with_all_about_it_by_its_owner_only(
    database: Database, queries: Queries, store: DatabaseStore, ann: Actor, apr: ApprovalId
) -> None:
    calls = a_call("call_1", to="bob"), a_call("call_2")
    request = await asking(database, apr, ann, *calls)
    await store.set_title(request.conversation_id, "Mails")
    await store.save_decision(request.generation_id, a_decision(apr, "call_1"))
    assert await queries.approval("acme", ann.id, (), apr) == StoredApproval(
        approval=an_approval(apr, *calls),
        generation_id=request.generation_id,
        conversation_id=request.conversation_id,
        agent=AgentRef(id="assistant", name="Assistant", model="demo:script"),
        owner=ann,
        title="Mails",
        status="pending",
        may_decide=True,
        receipt=Receipt(
            approval_id=apr,
            decided=(Decided(call_id=CallId("call_1"), decision="approve", by=ANN, at=NOW),),
            remaining=(CallId("call_2"),),
        ),
    )
    for tenant, owner in (("other", ann.id), ("acme", "bob")):
        with pytest.raises(ApprovalNotFound):
            await queries.approval(tenant, owner, (), apr)
        assert (await queries.approvals(tenant, owner, ())).items == ()


async def test_what_waits_is_listed_oldest_first_and_what_does_not_newest_first(
    database: Database, queries: Queries, store: DatabaseStore, ann: Actor
) -> None:
    asked = sorted(new_approval_id() for _ in range(8))
    became: dict[ApprovalId, Literal["decided", "expired"]] = {
        asked[3]: "decided",
        asked[4]: "expired",
        asked[5]: "decided",
    }
    for name in reversed(asked):
        generation = (await asking(database, name, ann)).generation_id
        if name in became:
            await store.close_approvals(generation, [name], became[name])
        elif name == asked[6]:
            await store.finish(generation, outcome="aborted", error=None, totals=TOTALS, finished_at=NOW)

    async def listed(status: ApprovalFilter) -> list[ApprovalId]:
        """Page by page."""
        seen, before, pages = list[ApprovalId](), None, 0
        while pages == 0 or before:
            page = await queries.approvals("acme", ann.id, (), status=status, limit=2, before=before)
            seen += names(page)
            before, pages = page.next, pages + 1
        assert pages == max(1, -(-len(seen) // 2))
        return seen

    assert await listed("pending") == [*asked[:3], asked[7]]
    assert await listed("decided") == [asked[5], asked[3]]
    assert await listed("expired") == [asked[4]]
    assert await listed("closed") == [asked[6]]
    assert await listed("settled") == [asked[6], asked[5], asked[4], asked[3]]
    with pytest.raises(InvalidRequest):
        await queries.approvals("acme", ann.id, (), before="gen_1")


@pytest.mark.parametrize("roles", [(), ("boss", "clerk")])
async def test_what_waits_is_found_by_an_index(database: Database, roles: tuple[str, ...]) -> None:
    """The inbox is looked into all the time, and must not read through everything that anybody was ever asked."""
    query = ASKED.where(concerns(Person("acme", "ann", roles)), approvals.c.status == "pending").order_by(
        approvals.c.id
    )
    async with database.reading() as connection:
        literally = query.compile(connection.sync_connection, compile_kwargs={"literal_binds": True})
        if connection.dialect.name == "postgresql":
            await connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            plan = await connection.exec_driver_sql(f"EXPLAIN {literally}")
        else:
            plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {literally}")
        told = "\n".join(str(line) for line in plan)
    assert re.search("ix_approvals_tenant_(owner_)?status_id", told)
    assert "sort" not in told.lower().replace("temp b-tree for order by", "sort")


async def test_every_decision_can_be_read_afterwards_with_its_tool_and_where_it_came_from(
    database: Database, queries: Queries, store: DatabaseStore, ann: Actor, apr: ApprovalId
) -> None:
    generation = (await asking(database, apr, ann, a_call("call_1"), a_call("call_2"))).generation_id
    made = [
        a_decision(apr, "call_2", "reject", reason="no").model_copy(update={"via": "signal"}),
        a_decision(apr, "call_1", "edit", to="eve").model_copy(update={"via": "http", "client": "curl/8"}),
    ]
    for decision in made:
        await store.save_decision(generation, decision)
    trail = await queries.decisions(generation)
    assert trail == [StoredDecision(name="mail", **decision.model_dump()) for decision in made]


# The view.
async def test_the_view_of_a_waiting_generation_is_queued(database: Database, queries: Queries) -> None:
    request = await claimed(database)
    view = await queries.view(request.generation_id)
    assert (view.status, view.user_message, view.cursor) == ("queued", None, 0)
    assert view.message is not None
    assert (view.message.id, view.message.parts, view.message.unfinished) == (request.response_message_id, (), True)


async def test_the_view_of_a_paused_generation_shows_what_was_said_and_asked(
    database: Database, queries: Queries, store: DatabaseStore, apr: ApprovalId
) -> None:
    request = await claimed(database)
    generation, calls = request.generation_id, (a_call("call_1", to="bob"), a_call("call_2"))
    user_message = await store.open(request, NOW)
    await store.save_turn(generation, reply(TextPart(text="One moment.")))
    await store.save_steer(generation, 2, 1, "Hurry!")
    await store.save_turn(generation, reply(*calls, turn=2))
    await store.save_approval(generation, an_approval(apr, *calls))
    await store.save_decision(generation, a_decision(apr, "call_1", to="eve"))
    await store.set_title(request.conversation_id, "Music")
    view = await queries.view(generation)
    message = view.message
    assert message is not None
    assert view == View(
        id=generation,
        conversation_id=request.conversation_id,
        agent=AgentRef(id="assistant", name="Assistant", model="demo:script"),
        status="requires_action",
        created_at=NOW,
        started_at=NOW,
        turn=2,
        turn_offset=2,
        message=message,
        user_message=user_message,
        approvals=(an_approval(apr, calls[1]),),
        title="Music",
        usage=Usage(input_tokens=6, output_tokens=4),
        cost=1.0,
    )
    assert (message.id, message.parent_id, message.unfinished) == (
        request.response_message_id,
        request.user_message_id,
        True,
    )
    reason = "mails cannot be taken back"
    assert message.parts == (
        TextPart(text="One moment."),
        SteerPart(text="Hurry!"),
        ToolCallPart(
            call_id=CallId("call_1"),
            name="mail",
            arguments={"to": "eve"},
            status="approved",
            reason=reason,
            decided_by=Actor(id="ann", name="Ann"),
        ),
        ToolCallPart(call_id=CallId("call_2"), name="mail", arguments={}, reason=reason),
    )


async def test_the_view_of_an_ended_generation_shows_the_stored_message(database: Database, queries: Queries) -> None:
    request = await answered(database, text="Hi")
    view = await queries.view(request.generation_id)
    assert view.message == answer(request, "Hi")
    assert (view.status, view.outcome, view.finished_at) == ("completed", "completed", NOW)
    assert (view.usage, view.cost) == (Usage(input_tokens=10, output_tokens=5), 0.25)


async def test_the_view_of_what_was_stopped_early_has_no_message(
    database: Database, queries: Queries, store: DatabaseStore
) -> None:
    request = await claimed(database)
    await store.open(request, NOW)
    await store.finish(request.generation_id, outcome="aborted", error=None, totals=TOTALS, finished_at=NOW)
    view = await queries.view(request.generation_id)
    assert (view.status, view.message) == ("aborted", None)


async def test_there_is_no_view_of_what_never_was(queries: Queries) -> None:
    with pytest.raises(GenerationNotFound):
        await queries.view(GenerationId("gen_none"))
