"""Many readers, and slow ones: each gets every event, none delays another or the producer, none costs much memory."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from activities.snapshots import Snapshots
from adapters.redis_log import RedisLog
from domain.events import Event, GenerationFinished, frame, parse_frame
from domain.ids import GenerationId
from domain.ports import Writer
from tests.chaos.reader import Frame, shown
from tests.event_builders import text
from tests.integration.sockets import SocketReader, frames, redis_url, resident
from tests.outsider import a_word, abort, eventually, writing
from tests.provider.process import ProviderProcess
from tests.provider.script import Reply, Silence, Text, ToolCall
from tests.stack import Stack

pytest_plugins = ["tests.workshop"]
BATCH = 250
TURN = b"event: turn.started\n"
END = b"event: generation.finished\n"
TIMES_SLOWER = 100
SIP = 64  # bytes: less than an event


@pytest.fixture
async def api(workshop: Stack) -> AsyncIterator[int]:
    """Its process; nobody reads there before and after."""
    await served(workshop, 0)
    yield workshop.pid("api-1")
    await served(workshop, 0)


async def served(stack: Stack, readers: int) -> None:
    """Until the API knows of exactly so many."""

    async def known() -> bool:
        return f"fermata_readers {readers}.0\n" in (await stack.http.get("/metrics")).text

    await eventually(known)


@asynccontextmanager
async def readers(stack: Stack, generation: str, count: int, *, narrow: int = 0) -> AsyncIterator[list[SocketReader]]:
    """So many from the start on, the first of them narrow. All are served in the block, and leave after it."""
    opened = await asyncio.gather(
        *(SocketReader.open(stack.url, generation, narrow=number < narrow) for number in range(count))
    )
    try:
        await served(stack, count)
        yield opened
    finally:
        for reader in opened:
            reader.close()


async def held(stack: Stack, provider: ProviderProcess, speech: Text) -> str:
    """A generation that says this once it is approved: so its readers can all be there before."""
    word = a_word()
    ask = ToolCall(name="write_book", arguments={"line": word})
    await provider.script(Reply(match=word, steps=(ask,)), Reply(match=word, steps=(speech,)))
    started = await stack.start(word, agent="clerk")
    await stack.paused(started["id"])
    return str(started["id"])


def words(count: int, letters: int = 5) -> str:
    return " ".join(f"{number:0{letters}d}" for number in range(count))


def agree(behind: Sequence[Frame], live: Sequence[Frame]) -> None:
    """Whoever was behind has seen what the others saw: the same bytes, every number, or a snapshot that stands for
    those that are not kept any more; and the same screen.
    """
    said, cursor = {each.seq: each.raw for each in live}, 0
    for each in behind:
        if each.type == "snapshot":
            cursor = each.seq or 0
        elif each.type != "gap":
            assert (each.seq, each.raw) == (cursor + 1, said[cursor + 1])
            cursor += 1
    assert cursor == live[-1].seq
    end, view = parse_frame(behind[-1].raw), shown(behind[:-1])
    assert isinstance(end, GenerationFinished)
    assert end.message is not None
    assert view is not None
    assert view.message is not None
    assert view.message.parts == end.message.parts


@pytest.mark.parametrize(
    ("deltas", "letters"),
    [
        pytest.param(6_000, 100, id="more than is kept for a reader"),
        pytest.param(60_000, 5, id="a very long answer", marks=pytest.mark.long),
    ],
)
async def test_a_reader_a_hundred_times_slower_delays_nobody_and_misses_nothing(
    workshop: Stack, provider: ProviderProcess, api: int, deltas: int, letters: int
) -> None:
    generation = await held(workshop, provider, Text(text=words(deltas, letters), rate=2_000))
    async with readers(workshop, generation, 2, narrow=1) as (slow, fast):
        before = most = resident(api)
        await workshop.approve(generation)
        heard = sips = 0
        while size := await fast.read(SIP * TIMES_SLOWER):
            heard += size
            if heard > sips * SIP * TIMES_SLOWER:
                sips += 1
                await slow.read(SIP)
                most = max(most, resident(api))
        live = list(frames(fast.body))
        assert live[-1].type == "generation.finished"
        assert (await workshop.finished(generation))["outcome"] == "completed"
        assert len(slow.body) * TIMES_SLOWER / 2 < len(fast.body)
        slow.hurry()
        late = list(frames(await slow.rest()))
        most = max(most, resident(api))
    agree(late, live)
    agree(list(frames(await replay(workshop, generation))), live)
    print(f"{deltas} deltas: {len(live)} events, {len(fast.body)} bytes; the API grew by {most - before:.0f} MB")
    assert most - before < 60


async def test_a_reader_that_is_behind_what_is_kept_is_told_so_and_goes_on(
    workshop: Stack, provider: ProviderProcess, api: int
) -> None:
    """A model that is faster than any: its events go into the log directly, and the log keeps only the last of them."""
    word = a_word()
    await provider.script(Reply(match=word, steps=(Silence(),)))
    generation = GenerationId((await workshop.start(word))["id"])
    events: list[Event] = [text(f"{number:05d} ") for number in range(25_000)]
    log = RedisLog(redis_url(workshop), retention=timedelta(hours=1))
    snapshots, writer = Snapshots(log, generation, every=256), Writer(name="faster", epoch=1)
    async with readers(workshop, generation, 2, narrow=1) as (slow, fast):
        await asyncio.gather(slow.sees(TURN), fast.sees(TURN))
        for begin in range(0, len(events), BATCH):
            batch = events[begin : begin + BATCH]
            snapshots.took(batch, await log.append(generation, writer, begin + 1, batch))
            if begin % (10 * BATCH) == 0:
                await snapshots.save()
            await fast.sees(frame(batch[-1]))
        assert frame(events[BATCH]) not in slow.body
        slow.hurry()
        await slow.sees(b"event: snapshot\n")
        events.append(text("and one more"))  # the snapshot may reach up to the last one
        await log.append(generation, writer, len(events), events[-1:])
        await asyncio.gather(*(reader.sees(frame(events[-1])) for reader in (slow, fast)))
    await snapshots.aclose()
    await log.aclose()
    await abort(workshop, generation)
    live, late = list(frames(fast.body)), list(frames(slow.body))
    assert [each.raw.partition(b"\n")[2] + b"\n\n" for each in live[-len(events) :]] == list(map(frame, events))
    gap = next(at for at, each in enumerate(late) if each.type == "gap")
    assert late[:gap] == live[:gap]
    assert (late[gap].data["requested"], late[gap + 1].type) == (late[gap - 1].seq, "snapshot")
    assert late[gap].data["first_kept"] > gap + 1
    assert late[gap + 2 :] == live[late[gap + 1].data["cursor"] :]
    assert shown(late) == shown(live)


async def test_sockets_that_are_never_read_delay_nobody(workshop: Stack, provider: ProviderProcess, api: int) -> None:
    generation = await held(workshop, provider, Text(text=words(2_000, letters=200), rate=2_000))
    async with readers(workshop, generation, 51, narrow=50) as (*_, reader):
        before = resident(api)
        await workshop.approve(generation)
        live = await reader.rest()
        print(f"the API grew by {resident(api) - before:.0f} MB")
        assert resident(api) - before < 60
    assert END in live
    assert live == await replay(workshop, generation)


async def test_five_hundred_readers_of_one_answer_get_the_same_bytes(
    workshop: Stack, provider: ProviderProcess, api: int
) -> None:
    generation = await held(workshop, provider, Text(text=words(100), rate=50))
    async with readers(workshop, generation, 500) as crowd:
        await workshop.approve(generation)
        bodies = await asyncio.gather(*(reader.rest() for reader in crowd))
    assert set(bodies) == {await replay(workshop, generation)}


@pytest.mark.long
async def test_two_thousand_readers_of_a_paused_answer_cost_next_to_nothing(workshop: Stack, api: int) -> None:
    started = await workshop.start(writing(a_word()), agent="clerk")
    await workshop.paused(started["id"])
    async with readers(workshop, started["id"], 100):  # what a process grows by once is not for them to pay
        pass
    await served(workshop, 0)
    before = resident(api)
    async with readers(workshop, started["id"], 2_000) as idle:
        each = (resident(api) - before) * 1024 / len(idle)
        print(f"{each:.0f} KB for each reader")
        assert each < 100
        assert (await workshop.http.get("/api/generations")).is_success
        assert (await workshop.finished((await workshop.start("echo short"))["id"]))["status"] == "completed"
        await abort(workshop, started["id"])
        bodies = set(await asyncio.gather(*(reader.rest() for reader in idle)))
    assert bodies == {await replay(workshop, started["id"])}


async def replay(stack: Stack, generation: str) -> bytes:
    return await (await SocketReader.open(stack.url, generation)).rest()
