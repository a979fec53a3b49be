"""Claims: a start is in the record once, however many ask for it at once, and leaves no trace if it is refused."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest

from adapters.database.engine import Database
from adapters.database.queries import Queries
from adapters.database.starts import Starts
from adapters.database.store import DatabaseStore
from domain.content import Actor
from domain.errors import (
    ConversationNotFound,
    GenerationNotFound,
    IdempotencyMismatch,
    InvalidRequest,
    MessageNotFound,
    ParentUnfinished,
    PredecessorMismatch,
)
from domain.record import Claimed
from tests.integration.record import NOW, answered, claimed, new_start, opened

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
async def database(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    async with opened(request) as database:
        yield database


@pytest.fixture
def starts(database: Database) -> Starts:
    return Starts(database)


@pytest.fixture
def ann() -> Actor:
    """Somebody with nothing in the record."""
    return Actor(id=str(uuid4()), name="Ann")


async def test_the_first_start_of_a_conversation_gets_its_title(starts: Starts) -> None:
    start = new_start()
    assert await starts.claim(start) == Claimed(request=start.request, status="submitted", first=True)


async def test_a_later_start_knows_what_came_before_it_and_wants_no_title(database: Database, starts: Starts) -> None:
    before = await answered(database)
    later = await starts.claim(new_start(conversation=before.conversation_id, after=HOUR))
    assert (later.first, later.latest, later.request.wants_title) == (False, before.generation_id, False)
    assert (await DatabaseStore(database).load(later.request.generation_id)).request == later.request


async def test_the_same_key_gives_the_same_generation(starts: Starts, ann: Actor) -> None:
    first = await starts.claim(new_start(owner=ann, key="k"))
    again = await starts.claim(new_start(owner=ann, key="k"))
    assert again == Claimed(request=first.request, status="submitted", replayed=True)


async def test_the_same_key_with_another_body_is_refused(starts: Starts, ann: Actor) -> None:
    await starts.claim(new_start(owner=ann, key="k"))
    with pytest.raises(IdempotencyMismatch):
        await starts.claim(new_start(owner=ann, key="k", digest="other"))


async def test_keys_of_different_owners_have_nothing_to_do_with_each_other(starts: Starts, ann: Actor) -> None:
    first = await starts.claim(new_start(owner=ann, key="k"))
    others = [
        await starts.claim(new_start(owner=Actor(id=str(uuid4()), name="Bob"), key="k")),
        await starts.claim(new_start(owner=ann, tenant="other", key="k")),
    ]
    assert [other.replayed for other in others] == [False, False]
    assert len({first.request.generation_id, *(other.request.generation_id for other in others)}) == 3


@pytest.mark.parametrize("same_conversation", [True, False])
async def test_of_ten_concurrent_identical_requests_one_is_claimed(
    database: Database, starts: Starts, ann: Actor, same_conversation: bool
) -> None:
    """Without a conversation id each request comes with a new one; nothing of the nine may stay."""
    conversation, message = str(uuid4()), str(uuid4())
    claims = await asyncio.gather(
        *(
            starts.claim(
                new_start(owner=ann, key="k", message=message, conversation=conversation if same_conversation else None)
            )
            for _ in range(10)
        )
    )
    assert [claim.replayed for claim in claims].count(False) == 1
    [request] = {claim.request.generation_id: claim.request for claim in claims}.values()
    await starts.withdraw(request.generation_id)
    later = await starts.claim(new_start(owner=ann, conversation=request.conversation_id))
    assert later.first


async def test_a_start_in_a_conversation_of_another_is_refused(starts: Starts, ann: Actor) -> None:
    conversation = (await starts.claim(new_start(owner=ann))).request.conversation_id
    for intruder in (
        new_start(owner=Actor(id="bob", name="Bob"), conversation=conversation),
        new_start(owner=ann, tenant="other", conversation=conversation),
    ):
        with pytest.raises(ConversationNotFound):
            await starts.claim(intruder)


async def test_another_predecessor_than_expected_is_named(database: Database, starts: Starts) -> None:
    first = await answered(database)
    follow_up = await starts.claim(
        new_start(conversation=first.conversation_id, expected=first.generation_id, after=HOUR)
    )
    with pytest.raises(PredecessorMismatch) as refused:
        await starts.claim(new_start(conversation=first.conversation_id, expected=first.generation_id, after=2 * HOUR))
    assert refused.value.members == {"latest": follow_up.request.generation_id}


async def test_of_two_concurrent_followers_one_is_taken(database: Database, starts: Starts) -> None:
    first = await answered(database)
    results = await asyncio.gather(
        *(
            starts.claim(new_start(conversation=first.conversation_id, expected=first.generation_id, after=n * HOUR))
            for n in (1, 2)
        ),
        return_exceptions=True,
    )
    assert sorted(type(result).__name__ for result in results) == ["Claimed", "PredecessorMismatch"]


async def test_a_message_id_is_used_once(database: Database, starts: Starts) -> None:
    request = await answered(database)
    waiting = await claimed(database, new_start(conversation=request.conversation_id, after=HOUR))
    for taken in (request.user_message_id, request.response_message_id, waiting.user_message_id):
        with pytest.raises(InvalidRequest):
            await starts.claim(new_start(conversation=request.conversation_id, message=taken))


async def test_the_parent_must_be_in_the_conversation(database: Database, starts: Starts) -> None:
    here, elsewhere = await answered(database), await answered(database)
    assert await starts.claim(new_start(conversation=here.conversation_id, parent=here.response_message_id))
    with pytest.raises(MessageNotFound):
        await starts.claim(new_start(conversation=here.conversation_id, parent=elsewhere.response_message_id))


async def test_a_parent_that_is_still_being_written_is_refused(database: Database, starts: Starts) -> None:
    live = await claimed(database)
    await DatabaseStore(database).open(live, NOW)
    with pytest.raises(ParentUnfinished):
        await starts.claim(new_start(conversation=live.conversation_id, parent=live.response_message_id))


async def test_only_a_message_of_the_user_is_answered_again(database: Database, starts: Starts) -> None:
    old = await answered(database)
    conversation = old.conversation_id
    again = await starts.claim(
        new_start(conversation=conversation, message=old.user_message_id, regenerate=True, after=HOUR)
    )
    message = await DatabaseStore(database).open(again.request, NOW)
    assert (message.id, message.generation_id) == (old.user_message_id, old.generation_id)
    for other in (old.response_message_id, str(uuid4())):
        with pytest.raises(MessageNotFound):
            await starts.claim(new_start(conversation=conversation, message=other, regenerate=True))


async def test_what_was_refused_leaves_no_conversation(database: Database, starts: Starts, ann: Actor) -> None:
    start = new_start(owner=ann, parent=str(uuid4()))
    with pytest.raises(MessageNotFound):
        await starts.claim(start)
    with pytest.raises(ConversationNotFound):
        await Queries(database).conversation("acme", ann.id, start.request.conversation_id)


async def test_acceptance_moves_a_start_forward_only(database: Database, starts: Starts) -> None:
    store, request = DatabaseStore(database), await claimed(database)
    await starts.accepted(request.generation_id, "queued")
    assert (await store.load(request.generation_id)).status == "queued"
    await store.open(request, NOW)
    await starts.accepted(request.generation_id, "queued")
    assert (await store.load(request.generation_id)).status == "running"


async def test_a_generation_that_runs_from_the_start_has_its_starting_time(database: Database, starts: Starts) -> None:
    store, request = DatabaseStore(database), await claimed(database)
    await starts.accepted(request.generation_id, "running")
    await store.open(request, NOW)
    stored = await store.load(request.generation_id)
    assert (stored.status, stored.started_at) == ("running", NOW)


async def test_a_withdrawn_start_never_was(database: Database, starts: Starts) -> None:
    request = await claimed(database)
    for _ in range(2):
        await starts.withdraw(request.generation_id)
    with pytest.raises(GenerationNotFound):
        await DatabaseStore(database).load(request.generation_id)
    with pytest.raises(ConversationNotFound):
        await Queries(database).conversation("acme", "ann", request.conversation_id)


async def test_a_withdrawal_leaves_the_conversation_that_has_more(database: Database, starts: Starts) -> None:
    before = await answered(database)
    refused = await claimed(database, new_start(conversation=before.conversation_id, after=HOUR))
    await starts.withdraw(refused.generation_id)
    assert len(await Queries(database).messages("acme", "ann", before.conversation_id)) == 2


async def test_what_the_engine_has_taken_is_not_withdrawn(database: Database, starts: Starts) -> None:
    request = await claimed(database)
    await DatabaseStore(database).open(request, NOW)
    await starts.withdraw(request.generation_id)
    assert (await DatabaseStore(database).load(request.generation_id)).status == "running"


async def test_a_claim_survives_the_withdrawal_of_another_in_its_conversation(
    database: Database, starts: Starts
) -> None:
    for _ in range(5):
        refused = await claimed(database)
        kept = new_start(conversation=refused.conversation_id, after=HOUR)
        await asyncio.gather(starts.withdraw(refused.generation_id), starts.claim(kept))
        assert (await DatabaseStore(database).load(kept.request.generation_id)).status == "submitted"
