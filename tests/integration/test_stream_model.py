"""Join, resume and live are one algorithm: whatever happens to it, a client's view is the fold of what was written.

Hypothesis draws the steps of a life, which are taken against a real Valkey: each writes, breaks or reads something, and
after each the log and all clients are judged by what the log took.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from adapters.redis_clients import command_client
from adapters.redis_kept import Kept, snapshot_key
from tests.integration.stream_life import MOST_CLIENTS, NOBODY, PATIENT, QUICK, Deaf, Life, World, a_life, a_world


@pytest.fixture(scope="module")
async def world(valkey_url: str) -> AsyncIterator[World]:
    async with a_world(valkey_url) as world:
        yield world


@dataclass(frozen=True)
class Step:
    what: Callable[..., Awaitable[None]]
    how: dict[str, Any]
    deaf: Deaf

    def __repr__(self) -> str:
        how = ", ".join(f"{name}={value!r}" for name, value in self.how.items())
        return f"{self.what.__name__}({how})" + (f" unheard by {sorted(self.deaf)}" if self.deaf else "")


def a_step(what: Callable[..., Awaitable[None]], **how: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    return st.builds(Step, st.just(what), st.fixed_dictionaries(how), some_deaf)


some_deaf = st.sampled_from([NOBODY, frozenset({PATIENT}), frozenset({QUICK}), frozenset({PATIENT, QUICK})])
a_ring = st.sampled_from([PATIENT, QUICK])
a_title = st.sampled_from(["Oslo", "Rome"])
back = st.integers(0, 8)
who = st.integers(0, MOST_CLIENTS - 1)
words = st.lists(st.sampled_from(["a ", "bc ", "\n", "é"]), min_size=1, max_size=4)

usual = (
    *[a_step(Life.say, words=words, anew=st.booleans())] * 4,
    *[a_step(Life.say_while_a_title_comes, words=words, title=a_title)] * 2,
    *[a_step(Life.try_again)] * 3,
    *[a_step(Life.reply, snapshot=st.booleans(), told=st.booleans())] * 2,
    a_step(Life.give_a_title, title=a_title),
    a_step(Life.keep_a_late_view, back=back),
    a_step(Life.finish, at=a_ring, enough=st.just(15)),
    *[a_step(Life.join, after=st.none() | st.integers(0, 12), at=a_ring)] * 4,
    *[a_step(Life.come_back, who=who, at=a_ring)] * 4,
    a_step(Life.hang_up, who=who),
    a_step(Life.stall_or_go_on, who=who),
    a_step(Life.the_quick_catch_up),
    a_step(Life.redis_forgets),
    *[a_step(Life.a_zombie_writes)] * 2,
    *[a_step(Life.an_old_ring_comes_again, back=back, count=st.integers(1, 5))] * 2,
)
rough = (*usual, a_step(Life.a_wire_is_cut, at=a_ring), a_step(Life.redis_drops_everyone))


def steps_of(kinds: Sequence[st.SearchStrategy[Step]], *, least: int, most: int) -> st.SearchStrategy[list[Step]]:
    return st.lists(st.sampled_from(kinds).flatmap(lambda kind: kind), min_size=least, max_size=most)


some_steps = steps_of(usual, least=25, most=60)
some_rough_steps = steps_of(rough, least=15, most=30)
starts = st.sampled_from([0, 0, 0, 5])  # after so many steps
bounds = st.sampled_from([20_000, 8, 0])
promise = settings(deadline=None, derandomize=True, print_blob=True, suppress_health_check=list(HealthCheck))


async def live(world: World, bound: int, start: int, steps: Sequence[Step]) -> None:
    note(f"trimmed beyond {bound}, started after {start}: {steps}")
    async with a_life(world, bound) as life:
        for number, step in enumerate(steps):
            if number == start:
                await life.take(life.start())
            await life.take(step.what(life, **step.how), step.deaf)


@settings(promise, max_examples=70)
@given(bounds, starts, some_steps)
async def test_whatever_happens_every_client_sees_what_was_written(
    world: World, bound: int, start: int, steps: list[Step]
) -> None:
    await live(world, bound, start, steps)


@settings(promise, max_examples=6)
@given(bounds, starts, some_rough_steps)
async def test_it_does_so_over_connections_that_break(world: World, bound: int, start: int, steps: list[Step]) -> None:
    await live(world, bound, start, steps)


async def test_a_turn_goes_on_behind_the_one_before_though_its_beginning_was_lost(world: World) -> None:
    async with a_life(world) as life:
        await life.take(life.start())
        await life.take(life.say(["one"]))
        await life.take(life.reply())
        await life.take(life.join(after=None, at=QUICK))
        await life.take(life.say(["two "]))
        await life.take(life.redis_forgets())
        await life.take(life.the_quick_catch_up())  # shown what the record has, which ends with the first turn
        await life.take(life.say(["three"]))
        await life.take(life.the_quick_catch_up())
        assert life.shown == ["one", "three"]
        await life.take(life.reply())
        await life.take(life.the_quick_catch_up())
        assert life.shown == ["one", "two three"]


async def test_who_reads_from_the_start_is_told_as_well_that_the_log_is_gone(world: World) -> None:
    async with a_life(world) as life:
        await life.take(life.start())
        await life.take(life.say(["one"]))
        await life.take(life.reply())
        await life.take(life.redis_forgets())
        await life.take(life.join(after=0, at=QUICK))
        await life.take(life.the_quick_catch_up())
        assert life.shown == ["one"]


async def test_a_snapshot_from_before_a_loss_is_not_kept(world: World) -> None:
    async with a_life(world) as life:
        await life.take(life.start())
        await life.take(life.give_a_title("Oslo"))
        await life.take(life.redis_forgets())
        await life.take(life.give_a_title("Rome"))
        await life.take(life.keep_a_late_view(back=1))
        assert not await world.redis.exists(snapshot_key(life.generation))


async def test_a_log_that_began_while_the_record_was_asked_is_not_mended(world: World, valkey_url: str) -> None:
    async with a_life(world) as life, command_client(valkey_url) as redis:
        await life.take(life.start())
        view = await world.rebuild(life.generation)
        assert view is not None
        await Kept(redis, life.generation).restore(view)
        assert not await world.redis.exists(snapshot_key(life.generation))


@pytest.mark.long
@pytest.mark.timeout(1800)
@settings(promise, max_examples=1_000, derandomize=False)
@given(bounds, starts, some_steps)
async def test_it_does_so_in_thousands_of_lives(world: World, bound: int, start: int, steps: list[Step]) -> None:
    await live(world, bound, start, steps)


@pytest.mark.long
@pytest.mark.timeout(1800)
@settings(promise, max_examples=300, derandomize=False)
@given(bounds, starts, some_rough_steps)
async def test_it_does_so_over_connections_that_often_break(
    world: World, bound: int, start: int, steps: list[Step]
) -> None:
    await live(world, bound, start, steps)
