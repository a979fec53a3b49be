"""From the click on "approve" to the tool that was waiting for it."""

import time
from dataclasses import dataclass

from benchmarks.findings import Findings, Table
from benchmarks.measure import percentile
from benchmarks.stage import Stage, stage

WARM_UP, APPROVALS = 5, 40
ASK = "use moment {}"


@dataclass(frozen=True)
class Approved:
    """Milliseconds from the click."""

    answer: float
    tool: float
    seen: float


async def approve() -> Findings:
    async with stage() as here:
        for _ in range(WARM_UP):
            await click(here, await here.start(ASK, agent="careful"))
        clicks = [await click(here, await here.start(ASK, agent="careful")) for _ in range(APPROVALS)]
    return Findings(
        about=f"{APPROVALS} generations, one after the other, each with one call that asks; ms.",
        tables=[table(clicks)],
    )


def table(clicks: list[Approved]) -> Table:
    ways = {
        "decision → its answer": [each.answer for each in clicks],
        "decision → the tool runs": [each.tool for each in clicks],
        "decision → `tool.started` at a reader": [each.seen for each in clicks],
    }
    return Table(
        ("way", "p50", "p99"),
        [(way, f"{percentile(took, 50):.0f}", f"{percentile(took, 99):.0f}") for way, took in ways.items()],
    )


async def click(here: Stage, generation: str) -> Approved:
    """Approve what it waits for, and see it through to its end: the tool ran once, after the click and not before."""
    reader = await here.read(generation)
    await reader.sees(b"event: generation.paused")
    (approval,) = (event.data["approval"] for event in reader.heard() if event.type == "approval.requested")
    body = {
        "approval_id": approval["id"],
        "decisions": [{"call_id": call["call_id"], "decision": "approve"} for call in approval["calls"]],
    }
    clicked = time.monotonic_ns()
    response = await here.stack.decide(generation, body)
    answered = time.monotonic_ns()
    assert response.status_code == 200, response.text
    await reader.ended()
    events = reader.heard()
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert events[-1].data["outcome"] == "completed", events[-1].data
    (started,) = (event.at for event in events if event.type == "tool.started")
    (output,) = (event.data["output"] for event in events if event.type == "tool.completed")
    ran = int(output)
    assert ran > clicked
    return Approved((answered - clicked) / 1e6, (ran - clicked) / 1e6, (started - clicked) / 1e6)
