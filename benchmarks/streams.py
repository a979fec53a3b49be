"""So many streams at once, all of them up and in their stride while they are looked at, and exact to the last token."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import NamedTuple

from benchmarks.measure import busy, cpu_of, spent
from benchmarks.reader import Heard, Reader
from benchmarks.stage import Stage, together
from tests.provider.script import Refuse, Reply, Silence, Stamps
from tests.provider.stamp import sent_at

RATE = 50  # tokens per second and stream
SETTLE, WINDOW = 1.0, 5.0  # seconds: all streams speak, and nobody looks yet; then the seconds that count
HUSH = 0.03  # seconds per stream: until the engine has called all of them back, and so the silence of each
WAKING = 0.05  # seconds per stream: the first may speak so much longer than the last
AT_ONCE = 4  # starts


class TooMany(Exception):
    """So many streams are more than this machine can carry: whatever came of them was no fair measurement."""


class Arrival(NamedTuple):
    """Of one token, in nanoseconds of the monotonic clock."""

    sent: int
    at: int


@dataclass(frozen=True)
class Run:
    streams: int
    latencies: list[float]  # milliseconds, of the tokens in the window
    cost: dict[str, float]  # µs of CPU per token in the window, by process
    asked: dict[str, float]  # commands and bytes that went to Valkey per token in the window
    others: float  # cores that went to processes which are none of ours
    starting: float  # seconds per stream

    @property
    def chain(self) -> float:
        """What a token costs us, without the engine beside it."""
        return self.cost["worker"] + self.cost["API"] + self.cost["Valkey"]


async def run(here: Stage, streams: int, starting: float) -> Run:
    """`starting`: seconds it takes to start a stream; all of them are started before the first one speaks.

    They wait for that without costing anything: their provider is busy, and asks them to come again at the common
    moment. Raises TooMany.
    """
    now = time.monotonic()
    begin = now + 1 + 2 * streams * starting
    count = round((streams * WAKING + SETTLE + WINDOW + 2) * RATE)

    async def start(index: int) -> Reader:
        name, spread = f"stream {index}.", index / streams / RATE  # over one beat: they would not know of each other
        wait = timedelta(seconds=max(0.0, begin + spread - time.monotonic()))
        busy_now = Refuse(fault="rate_limit", retry_after=wait)
        speech = (Silence(lasts=timedelta(seconds=streams * HUSH)), Stamps(count=count, rate=RATE))
        await here.provider.script(Reply(steps=(busy_now,), match=name), Reply(steps=speech, match=name))
        reader = await here.read(await here.start(name))
        await reader.sees(b"event: turn.started")
        return reader

    readers = await together(streams, AT_ONCE, start)
    starting = (time.monotonic() - now) / streams
    if time.monotonic() > begin:
        raise TooMany(f"after {time.monotonic() - now:.0f} s they were still not all started")
    await asyncio.gather(*(reader.sees(b"event: text.delta") for reader in readers))
    await asyncio.sleep(SETTLE)
    asked = await here.asked_of_valkey()
    opened, machine, before = time.monotonic_ns(), busy(), cpu_of(here.pids)
    await asyncio.sleep(WINDOW)
    closed, used = time.monotonic_ns(), spent(before, cpu_of(here.pids))
    asked = spent(asked, await here.asked_of_valkey())
    others = (busy() - machine - sum(used.values())) / WINDOW
    await asyncio.gather(*(reader.ended() for reader in readers))
    read = [exact(reader.heard(), count, attempts=2) for reader in readers]
    if min(arrivals[-1].sent for arrivals in read) < closed:
        raise TooMany("some had ended before the last one was called")
    tokens = [arrival for arrivals in read for arrival in arrivals if opened <= arrival.sent < closed]
    latencies = [(arrival.at - arrival.sent) / 1e6 for arrival in tokens]
    cost = {name: seconds * 1e6 / len(tokens) for name, seconds in used.items()}
    asked = {what: count / len(tokens) for what, count in asked.items()}
    return Run(streams, latencies, cost, asked, others, starting)


def exact(events: list[Heard], count: int, attempts: int = 1) -> list[Arrival]:
    """When each token was sent and came; refuses any gap, any double, any token too few, and another final text.

    Raises TooMany if there were more attempts: the engine took the worker for dead, since its heartbeat came too late.
    """
    if (made := max(event.data["attempt"] for event in events if event.type == "turn.started")) != attempts:
        raise TooMany(f"heartbeats came too late, and the engine began an answer anew (attempt {made})")
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [event.type for event in events if event.type == "generation.finished"] == [events[-1].type]
    deltas = [event for event in events if event.type == "text.delta"]
    arrivals = [Arrival(sent, event.at) for event in deltas for sent in sent_at(_text(event))]
    moments = [arrival.sent for arrival in arrivals]
    assert len(moments) == count, f"{len(moments)} tokens instead of {count}"
    assert all(earlier < later for earlier, later in pairwise(moments))
    end = events[-1].data
    assert end["outcome"] == "completed", end
    assert list(sent_at(_final(end["message"]["parts"]))) == moments
    return arrivals


def _text(event: Heard) -> str:
    return str(event.data["text"])


def _final(parts: Iterable[dict[str, str]]) -> str:
    return "".join(part["text"] for part in parts if part["type"] == "text")
