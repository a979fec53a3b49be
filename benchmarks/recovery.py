"""Somebody dies, or leaves, in the middle of answers: how long until their readers hear something again."""

import asyncio
import io
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

from benchmarks.findings import Findings, Table
from benchmarks.measure import percentile
from benchmarks.stage import free_ports
from tests.chaos.answer import Answer, Observation
from tests.chaos.battered import Battered, battered
from tests.chaos.reader import COMES_BACK_AFTER, Frame
from tests.chaos.verdict import judge, told
from tests.provider.process import provider_process

ROUNDS, ANSWERS = 3, 4
WORDS, RATE = 160, 40
PORTS = 12

Waits = Mapping[str, Callable[[Answer, Frame], bool]]
"""What a reader waits for afterwards; each is the first frame of its kind."""


@dataclass(frozen=True)
class Blow:
    strike: Callable[[Battered, str], None]
    victim: Callable[[Battered, Sequence[Answer]], Awaitable[tuple[str, list[Answer]]]]  # and which answers it meets
    waits: Waits


async def recovery() -> Findings:
    with tempfile.TemporaryDirectory(prefix="fermata-bench-") as directory, redirect_stdout(io.StringIO()):
        async with (
            provider_process() as provider,
            battered(free_ports(PORTS), Path(directory), workers=2, apis=2, scripted_url=provider.url) as stack,
        ):
            rows = [row for name, blow in BLOWS.items() for row in await _rows(stack, name, blow)]
    return Findings(
        about=f"Two workers and two APIs. {ROUNDS} times each, {ANSWERS} answers at {RATE} words/s are under way when"
        " it happens. The numbers are of the answers that it met, in ms, as seen by readers who come back"
        f" {COMES_BACK_AFTER.total_seconds() * 1000:g} ms after they were cut. In the end each reader has seen each"
        " word once, and the record says the same.",
        tables=[Table(("what", "until", "answers", "median", "max"), rows)],
    )


async def _rows(stack: Battered, name: str, blow: Blow) -> list[tuple[str, ...]]:
    rounds = [await _round(stack, blow, number) for number in range(ROUNDS)]
    waited = {what: [seconds for each in rounds for seconds in each[what]] for what in blow.waits}
    return [
        (name, what, str(len(all_)), *(f"{percentile(all_, percent) * 1000:.0f}" for percent in (50, 100)))
        for what, all_ in waited.items()
    ]


async def _round(stack: Battered, blow: Blow, number: int) -> dict[str, list[float]]:
    """Seconds from the blow on, by what was waited for; one for each answer it met."""
    async with Observation(stack.urls, Random(number)) as observation:
        ask = f"slow {WORDS} at {RATE}"
        answers = await asyncio.gather(*(observation.start(ask, "narrator") for _ in range(ANSWERS)))
        await asyncio.gather(*(answer.until(lambda frame: frame.speaks(attempt=1)) for answer in answers))
        victim, met = await blow.victim(stack, answers)
        began = time.monotonic()
        blow.strike(stack, victim)
        seen = {
            what: asyncio.gather(*(answer.until(partial(wanted, answer)) for answer in met))
            for what, wanted in blow.waits.items()
        }
        waited = {what: [frame.at - began for frame in await frames] for what, frames in seen.items()}
    await stack.whole()
    for answer in answers:
        await judge(stack.stack, answer)
        assert told(answer) == [" ".join(f"word{number}" for number in range(1, WORDS + 1))]
    return waited


async def _worker(stack: Battered, answers: Sequence[Answer]) -> tuple[str, list[Answer]]:
    """One that calls models now, and the answers it calls them for."""
    workers = await asyncio.gather(*map(stack.worker_of, answers))
    return workers[0], [answer for answer, worker in zip(answers, workers, strict=True) if worker == workers[0]]


async def _first_api(_: Battered, answers: Sequence[Answer]) -> tuple[str, list[Answer]]:
    return "api-1", list(answers)


def _begins_again(_: Answer, frame: Frame) -> bool:
    return frame.type == "turn.started" and bool(frame.data["attempt"] == 2)


def _speaks_again(_: Answer, frame: Frame) -> bool:
    return frame.speaks(attempt=2)


def _is_back(answer: Answer, _: Frame) -> bool:
    return answer.readers[0].connections > 1


ANEW: Waits = {"the next attempt's first event": _begins_again, "its first text": _speaks_again}
BLOWS: Mapping[str, Blow] = {
    "a worker is killed (-9)": Blow(Battered.kill, _worker, ANEW),
    "a worker leaves (SIGTERM)": Blow(Battered.leave, _worker, ANEW),
    "an API is killed (-9)": Blow(Battered.kill, _first_api, {"the next event, from the other API": _is_back}),
}
