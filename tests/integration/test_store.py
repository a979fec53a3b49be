"""The contract of `domain.ports.Store`, on both databases. What is written twice reads the same."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy.exc import StatementError

from activities.reply import failure
from adapters.database.engine import Database
from adapters.database.queries import Queries
from adapters.database.store import DatabaseStore
from domain.content import ErrorInfo, ReasoningPart, TextPart, ToolCallPart
from domain.errors import GenerationNotFound, NotFound, Unavailable
from domain.ids import ApprovalId, CallId, ConversationId, GenerationId, MessageId
from domain.ports import Store
from domain.record import CallRecord, StoredGeneration
from domain.start import StartRequest
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

LATER = NOW + timedelta(minutes=1)
CALL = CallId("call_1")


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
async def database(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    async with opened(request) as database:
        yield database


@pytest.fixture
def store(database: Database) -> Store:
    return DatabaseStore(database)


@pytest.fixture
async def request_(database: Database, store: Store) -> StartRequest:
    """A running generation."""
    request = await claimed(database)
    await store.open(request, NOW)
    return request


@pytest.fixture
def running(request_: StartRequest) -> GenerationId:
    return request_.generation_id


@pytest.fixture
def apr() -> ApprovalId:
    return new_approval_id()


# Generations.
async def test_a_claimed_generation_is_loaded_with_its_pinned_request(database: Database, store: Store) -> None:
    request = await claimed(database, new_start("What is a fermata?"))
    assert await store.load(request.generation_id) == StoredGeneration(
        request=request, status="submitted", text="What is a fermata?"
    )


async def test_an_unknown_generation_is_not_found(store: Store) -> None:
    with pytest.raises(GenerationNotFound):
        await store.load(GenerationId("gen_none"))


async def test_opening_stores_the_users_message_once(database: Database, store: Store) -> None:
    request = await claimed(database, new_start("Hello"))
    first = await store.open(request, NOW)
    again = await store.open(request, LATER)
    assert first == again
    assert (first.id, first.parent_id, first.role) == (request.user_message_id, None, "user")
    assert (first.parts, first.metadata) == ((TextPart(text="Hello"),), {"from": "test"})
    stored = await store.load(request.generation_id)
    assert (stored.status, stored.started_at) == ("running", NOW)
    assert await store.history(request.conversation_id, request.user_message_id) == [first]


async def test_opening_what_nobody_claimed_is_refused(store: Store) -> None:
    with pytest.raises(GenerationNotFound):
        await store.open(new_start().request, NOW)


async def test_the_first_outcome_stands(store: Store, running: GenerationId) -> None:
    error = ErrorInfo(code="overloaded", message="Busy")
    await store.finish(running, outcome="failed", error=error, totals=TOTALS, finished_at=NOW)
    ended = await store.load(running)
    await store.finish(running, outcome="completed", error=None, totals=TOTALS, finished_at=LATER)
    assert await store.load(running) == ended
    assert (ended.status, ended.error, ended.totals, ended.finished_at) == ("failed", error, TOTALS, NOW)


async def test_an_ended_generation_is_not_opened_again(store: Store, request_: StartRequest) -> None:
    await store.finish(request_.generation_id, outcome="aborted", error=None, totals=TOTALS, finished_at=NOW)
    await store.open(request_, LATER)
    assert (await store.load(request_.generation_id)).status == "aborted"


async def test_times_come_back_aware_and_equal(database: Database, store: Store) -> None:
    request = await claimed(database)
    tokyo = datetime(2026, 11, 25, 7, 0, 0, 123456, timezone(timedelta(hours=9)))
    await store.open(request, tokyo)
    started_at = (await store.load(request.generation_id)).started_at
    assert started_at == tokyo
    assert started_at is not None
    assert started_at.tzinfo is UTC


async def test_a_time_without_its_zone_is_refused(database: Database, store: Store) -> None:
    request = await claimed(database)
    with pytest.raises(StatementError, match="without its zone"):
        await store.open(request, datetime(2026, 11, 24))


# Messages.
async def test_without_a_named_parent_the_newest_message_is_the_parent(
    database: Database, store: Store, request_: StartRequest
) -> None:
    said = answer(request_)
    await store.save_message(request_.conversation_id, said)
    follow_up = await claimed(
        database, new_start("And then?", conversation=request_.conversation_id, after=timedelta(1))
    )
    message = await store.open(follow_up, LATER)
    assert message.parent_id == said.id
    branch = await store.history(request_.conversation_id, message.id)
    assert [m.id for m in branch] == [request_.user_message_id, said.id, message.id]


async def test_the_history_is_one_branch_of_the_tree(database: Database, store: Store) -> None:
    root = await answered(database)
    _, right = [
        await answered(
            database,
            new_start(
                text, conversation=root.conversation_id, parent=root.response_message_id, after=timedelta(hours=n)
            ),
        )
        for n, text in enumerate(("left", "right"), start=1)
    ]
    branch = await store.history(root.conversation_id, right.response_message_id)
    assert [m.id for m in branch] == [
        root.user_message_id,
        root.response_message_id,
        right.user_message_id,
        right.response_message_id,
    ]


async def test_an_unknown_leaf_has_no_history(store: Store, request_: StartRequest) -> None:
    assert await store.history(request_.conversation_id, MessageId("none")) == []


async def test_a_message_is_stored_whole_and_replaced(store: Store, request_: StartRequest) -> None:
    conversation = request_.conversation_id
    partial = answer(request_, "H", unfinished=True)
    final = answer(request_, "Hi").model_copy(
        update={
            "parts": (
                ReasoningPart(text="", signature="sig"),
                ToolCallPart(call_id=CALL, name="mail", arguments={"b": 1, "a": [1e22, "\0"]}, decided_by=ANN),
            ),
            "error": ErrorInfo(code="cut", message="Cut"),
            "attachments": ("file_1",),
            "metadata": {"a": {"b": None}},
        }
    )
    for message in (partial, final, final):
        await store.save_message(conversation, message)
        assert (await store.history(conversation, message.id))[-1] == message


async def test_a_finished_message_is_not_replaced_by_an_unfinished_one(store: Store, request_: StartRequest) -> None:
    final = answer(request_)
    await store.save_message(request_.conversation_id, final)
    await store.save_message(request_.conversation_id, answer(request_, "H", unfinished=True))
    assert (await store.history(request_.conversation_id, final.id))[-1] == final


async def test_a_message_without_its_conversation_is_refused(store: Store) -> None:
    request = new_start().request
    with pytest.raises(NotFound):
        await store.save_message(request.conversation_id, answer(request))


async def test_a_message_of_the_same_id_in_another_conversation_is_another_message(
    database: Database, store: Store, request_: StartRequest
) -> None:
    other = await claimed(database, new_start("Mine", message=request_.user_message_id))
    message = await store.open(other, NOW)
    assert message.parts == (TextPart(text="Mine"),)
    first = await store.history(request_.conversation_id, request_.user_message_id)
    assert first[0].parts == (TextPart(text="Hello"),)


# Turns and the ledger.
async def test_a_reply_is_kept_with_one_line_per_call(store: Store, running: GenerationId) -> None:
    one, two = a_call("call_1", to="bob"), a_call("call_0", "search", q="x")
    turn = reply(TextPart(text="I will write."), one, two)
    for _ in range(2):
        await store.save_turn(running, turn)
    await store.save_turn(running, reply(TextPart(text="Done"), turn=2))
    assert await store.turns(running) == [turn, reply(TextPart(text="Done"), turn=2)]
    assert await store.calls(running) == [
        CallRecord(call_id=CALL, turn=1, name="mail", arguments={"to": "bob"}),
        CallRecord(call_id=CallId("call_0"), turn=1, name="search", arguments={"q": "x"}),
    ]


async def test_the_higher_attempt_wins_whoever_comes_last(store: Store, running: GenerationId) -> None:
    winner = reply(a_call("call_b"), attempt=2)
    await store.save_turn(running, reply(a_call("call_a"), attempt=1))
    await store.save_turn(running, winner)
    await store.save_turn(running, reply(a_call("call_a"), attempt=1))
    assert await store.turns(running) == [winner]
    assert [call.call_id for call in await store.calls(running)] == ["call_b"]


async def test_how_often_the_provider_failed_is_known_to_the_next_attempt(store: Store, running: GenerationId) -> None:
    await store.save_turn(running, failure(turn=1, attempt=1, failures=1))
    again = failure(turn=1, attempt=3, failures=2)  # the second attempt's worker died
    await store.save_turn(running, again)
    assert await store.turns(running) == [again]
    await store.save_turn(running, reply(a_call("call_a"), attempt=4))
    assert await store.turns(running) == [reply(a_call("call_a"), attempt=4)]


async def test_empty_parts_are_not_kept(store: Store, running: GenerationId) -> None:
    await store.save_turn(running, reply(TextPart(text=""), TextPart(text="Hi"), ReasoningPart(text="")))
    assert [turn.parts for turn in await store.turns(running)] == [(TextPart(text="Hi"),)]


async def test_arguments_that_are_no_object_are_kept_as_they_came(store: Store, running: GenerationId) -> None:
    await store.save_turn(running, reply(ToolCallPart(call_id=CALL, name="mail", arguments='{"to": ')))
    assert [call.arguments for call in await store.calls(running)] == ['{"to": ']


async def test_arguments_come_back_to_the_byte(store: Store, running: GenerationId) -> None:
    """The digest of what was approved is taken over them."""
    arguments = {"z": 1, "a": 1e22, "f": 1.0, "nul": "\0", "deep": {"y": [True, None], "x": "ü"}}
    await store.save_turn(running, reply(ToolCallPart(call_id=CALL, name="mail", arguments=arguments)))
    [line] = await store.calls(running)
    assert repr(line.arguments) == repr(arguments)


async def test_a_dispatch_gives_the_line_as_it_was_before(store: Store, running: GenerationId) -> None:
    await store.save_turn(running, reply(a_call("call_1")))
    fresh = await store.dispatch(running, CALL, 1, 1)
    assert (fresh.status, fresh.run, fresh.attempt) == ("pending", 0, 0)
    noted = await store.dispatch(running, CALL, 1, 2)
    assert (noted.status, noted.run, noted.attempt) == ("running", 1, 1)
    [line] = await store.calls(running)
    assert (line.run, line.attempt) == (1, 2)


async def test_a_dispatch_behind_the_noted_one_changes_nothing(store: Store, running: GenerationId) -> None:
    await store.save_turn(running, reply(a_call("call_1")))
    await store.dispatch(running, CALL, 2, 1)
    noted = await store.calls(running)
    for run, attempt in ((2, 1), (1, 9)):
        assert [await store.dispatch(running, CALL, run, attempt)] == noted
    assert await store.calls(running) == noted


async def test_a_run_with_a_result_is_not_dispatched_again_but_a_new_run_is(
    store: Store, running: GenerationId
) -> None:
    await store.save_turn(running, reply(a_call("call_1")))
    await store.dispatch(running, CALL, 1, 1)
    await store.save_result(running, CALL, status="completed", output="sent", is_error=False)
    assert (await store.dispatch(running, CALL, 1, 2)).output == "sent"
    [line] = await store.calls(running)
    assert (line.status, line.attempt) == ("completed", 1)
    await store.dispatch(running, CALL, 2, 1)
    [line] = await store.calls(running)
    assert (line.status, line.run, line.output) == ("running", 2, None)


async def test_of_concurrent_dispatches_exactly_one_finds_the_call_untouched(
    store: Store, running: GenerationId
) -> None:
    await store.save_turn(running, reply(a_call("call_1")))
    before = await asyncio.gather(*(store.dispatch(running, CALL, 1, attempt) for attempt in range(1, 6)))
    assert [line.attempt for line in before].count(0) == 1
    [line] = await store.calls(running)
    assert line.attempt == 5


async def test_dispatching_an_unknown_call_is_refused(store: Store, running: GenerationId) -> None:
    with pytest.raises(NotFound):
        await store.dispatch(running, CallId("none"), 1, 1)


async def test_the_first_result_stands(store: Store, running: GenerationId) -> None:
    await store.save_turn(running, reply(a_call("call_1")))
    await store.save_result(running, CALL, status="completed", output="", is_error=False, duration_ms=7)
    await store.save_result(running, CALL, status="failed", output="no", is_error=True)
    [line] = await store.calls(running)
    assert (line.status, line.output, line.is_error, line.duration_ms) == ("completed", "", False, 7)


async def test_a_result_that_comes_when_the_call_was_dispatched_again_changes_nothing(
    store: Store, running: GenerationId
) -> None:
    await store.save_turn(running, reply(a_call("call_1")))
    await store.dispatch(running, CALL, 1, 1)
    await store.dispatch(running, CALL, 1, 2)
    for dispatched, output in (((1, 1), "late"), ((1, 2), "right"), ((1, 2), "again")):
        await store.save_result(running, CALL, status="completed", output=output, is_error=False, dispatched=dispatched)
        [line] = await store.calls(running)
        assert line.output == (None if output == "late" else "right")


async def test_output_with_nul_characters_can_be_kept(store: Store, running: GenerationId) -> None:
    await store.save_turn(running, reply(a_call("call_1")))
    await store.save_result(running, CALL, status="completed", output="a\0b", is_error=False)
    assert [line.output for line in await store.calls(running)] == ["a\ufffdb"]


# Approvals.
async def test_an_approval_pauses_and_its_end_resumes(store: Store, running: GenerationId, apr: ApprovalId) -> None:
    calls = a_call("call_1"), a_call("call_2")
    await store.save_turn(running, reply(*calls))
    other = new_approval_id()
    for name, call in zip((apr, other), calls, strict=True):
        for _ in range(2):
            await store.save_approval(running, an_approval(name, call))
    assert (await store.load(running)).status == "requires_action"
    assert {line.reason for line in await store.calls(running)} == {"mails cannot be taken back"}
    assert await store.close_approvals(running, [apr], "decided") == [an_approval(apr, calls[0])]
    assert (await store.load(running)).status == "requires_action"
    closed = [await store.close_approvals(running, [apr, other], "decided") for _ in range(2)]
    assert closed == [[an_approval(other, calls[1])], []]
    assert (await store.load(running)).status == "running"


async def test_a_repeated_approval_does_not_open_it_again(store: Store, running: GenerationId, apr: ApprovalId) -> None:
    call = a_call("call_1")
    await store.save_turn(running, reply(call))
    await store.save_approval(running, an_approval(apr, call))
    await store.save_decision(running, a_decision(apr, "call_1"))
    await store.close_approvals(running, [apr], "decided")
    await store.save_approval(running, an_approval(apr, call))
    assert (await store.load(running)).status == "running"
    assert [line.status for line in await store.calls(running)] == ["approved"]


async def test_decisions_are_noted_on_their_calls(store: Store, running: GenerationId, apr: ApprovalId) -> None:
    calls = a_call("call_1", to="bob"), a_call("call_2"), a_call("call_3")
    await store.save_turn(running, reply(*calls))
    await store.save_approval(running, an_approval(apr, *calls))
    for _ in range(2):
        await store.save_decision(running, a_decision(apr, "call_1", "edit", to="eve"))
        await store.save_decision(running, a_decision(apr, "call_2", "reject", reason="not now"))
    edited, rejected, still_open = await store.calls(running)
    assert (edited.status, edited.arguments, edited.decided_by_name) == ("approved", {"to": "eve"}, "Ann")
    assert edited.reason == "mails cannot be taken back"
    assert (rejected.status, rejected.reason, rejected.decided_by_id) == ("rejected", "not now", "ann")
    assert (still_open.status, still_open.decided_by_id) == ("pending", None)


async def test_the_receipt_tells_what_is_decided_and_what_is_open(
    store: Store, running: GenerationId, apr: ApprovalId
) -> None:
    calls = a_call("call_1"), a_call("call_2")
    await store.save_turn(running, reply(*calls))
    await store.save_approval(running, an_approval(apr, *calls))
    await store.save_decision(running, a_decision(apr, "call_2", "reject"))
    await store.save_decision(running, a_decision(apr, "call_2", "reject"))
    receipt = await store.receipt(running, apr)
    assert receipt is not None
    assert [(line.call_id, line.decision, line.by, line.at) for line in receipt.decided] == [
        ("call_2", "reject", ANN, NOW)
    ]
    assert receipt.remaining == ("call_1",)
    assert await store.receipt(running, new_approval_id()) is None
    assert await store.receipt(GenerationId("gen_other"), apr) is None


async def test_expiry_reaches_the_calls_nobody_decided(store: Store, running: GenerationId, apr: ApprovalId) -> None:
    calls = a_call("call_1"), a_call("call_2")
    await store.save_turn(running, reply(*calls))
    await store.save_approval(running, an_approval(apr, *calls))
    await store.save_decision(running, a_decision(apr, "call_1"))
    for _ in range(2):
        await store.close_approvals(running, [apr], "expired")
    assert [line.status for line in await store.calls(running)] == ["approved", "expired"]
    await store.save_result(running, CallId("call_2"), status="expired", output="nobody decided", is_error=True)
    assert (await store.calls(running))[1].output == "nobody decided"


async def test_a_call_that_is_asked_about_again_has_no_result_until_it_has_one(
    store: Store, running: GenerationId, apr: ApprovalId
) -> None:
    """A lost call: the worker that was thought dead may still have written something."""
    call = a_call("call_1")
    await store.save_turn(running, reply(call))
    await store.dispatch(running, CALL, 1, 1)
    await store.save_result(running, CALL, status="completed", output="late", is_error=False)
    await store.save_approval(running, an_approval(apr, call))
    await store.save_decision(running, a_decision(apr, "call_1", "reject"))
    await store.save_result(running, CALL, status="rejected", output="refused", is_error=True)
    [line] = await store.calls(running)
    assert (line.status, line.output, line.is_error) == ("rejected", "refused", True)


async def test_the_end_closes_what_still_waits(
    database: Database, store: Store, running: GenerationId, apr: ApprovalId
) -> None:
    call = a_call("call_1")
    await store.save_turn(running, reply(call))
    await store.save_approval(running, an_approval(apr, call))
    for closed in ([an_approval(apr, call)], []):
        ended = await store.finish(running, outcome="aborted", error=None, totals=TOTALS, finished_at=NOW)
        assert ended == closed
    assert await store.close_approvals(running, [apr], "decided") == []
    assert (await store.load(running)).status == "aborted"
    assert (await Queries(database).approval("acme", "ann", (), apr)).status == "closed"


# Steers and titles.
async def test_steers_are_kept_in_order(store: Store, running: GenerationId) -> None:
    for turn, index, text in ((3, 1, "c"), (2, 2, "b"), (2, 1, "a"), (2, 1, "a")):
        await store.save_steer(running, turn, index, text)
    assert await store.steers(running) == [(2, "a"), (2, "b"), (3, "c")]


async def test_the_first_title_stays(store: Store, request_: StartRequest) -> None:
    conversation = request_.conversation_id
    assert await store.title(conversation) is None
    await store.set_title(conversation, "Music")
    await store.set_title(conversation, "Other")
    assert await store.title(conversation) == "Music"
    assert await store.title(ConversationId("none")) is None


# Trouble.
async def test_writes_of_many_at_once_all_arrive(store: Store, running: GenerationId) -> None:
    await asyncio.gather(*(store.save_steer(running, 2, index, "x") for index in range(40)))
    assert len(await store.steers(running)) == 40


@pytest.mark.parametrize(
    "url", ["sqlite+aiosqlite:///{path}/nowhere/fermata.db", "postgresql+asyncpg://u@127.0.0.1:1/fermata"]
)
async def test_a_database_that_is_away_is_unavailable(url: str, tmp_path: Path) -> None:
    database = Database(url.format(path=tmp_path))
    with pytest.raises(Unavailable):
        await DatabaseStore(database).load(GenerationId("gen_1"))
    await database.close()
