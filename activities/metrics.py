"""What a worker counts of its steps, on the endpoint where Temporal's own metrics are.

A few times in an attempt of a step, never per token. Label values come from the configuration or are words of ours, so
that there are few of them: no ids, no people, nothing that a model has said.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal, assert_never

from temporalio import activity

from domain.approval import Approval
from domain.content import ToolStatus, Usage
from domain.ports import Mishap


@dataclass(frozen=True, slots=True)
class Counter:
    name: str
    meaning: str

    def add(self, number: int = 1, **labels: str) -> None:
        activity.metric_meter().create_counter(self.name, self.meaning).add(number, labels)


@dataclass(frozen=True, slots=True)
class Durations:
    """A histogram of seconds."""

    name: str
    meaning: str
    buckets: tuple[float, ...]

    def record(self, lasted: timedelta, **labels: str) -> None:
        meter = activity.metric_meter()
        meter.create_histogram_float(self.name, self.meaning, "s").record(lasted.total_seconds(), labels)


MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0

FIRST_TOKEN: Final = Durations(
    "fermata_time_to_first_token_seconds",
    "From the start of a model call's attempt to the first text, reasoning or tool call.",
    (0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, MINUTE, 5 * MINUTE),
)
MODEL_CALLS: Final = Counter("fermata_model_calls_total", "Attempts of model calls that came to an end.")
TOKENS: Final = Counter("fermata_tokens_total", "Tokens of model calls; estimated where the call was cut.")
TOOL_RUNS: Final = Counter("fermata_tool_runs_total", "Runs of tools that came to an end, or whose end nobody knows.")
APPROVAL_WAIT: Final = Durations(
    "fermata_approval_wait_seconds",
    "From asking for an approval until it was decided in full, expired, or closed with its generation.",
    (1.0, 10.0, 30.0, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 4 * HOUR, 12 * HOUR, DAY, 3 * DAY, 7 * DAY),
)
STALE_WRITES: Final = Counter("fermata_stale_writes_total", "Writes of overtaken attempts, which the log refused.")
LOGS_LOST: Final = Counter("fermata_logs_lost_total", "Logs that Redis had lost, and that were begun anew.")
DELIVERIES: Final = Counter(
    "fermata_webhook_deliveries_total", "Attempts to deliver to webhooks, and what came of them."
)

METRICS: Final = (FIRST_TOKEN, MODEL_CALLS, TOKENS, TOOL_RUNS, APPROVAL_WAIT, STALE_WRITES, LOGS_LOST, DELIVERIES)
BUCKETS: Final = {each.name: each.buckets for each in (FIRST_TOKEN, APPROVAL_WAIT)}


def first_token(model: str, after: timedelta) -> None:
    """`model` is "provider:name" here and below; only the provider becomes a label."""
    FIRST_TOKEN.record(after, provider=_provider(model))


def model_called(
    model: str, outcome: Literal["replied", "cut", "failed", "retried"], reason: str, usage: Usage | None = None
) -> None:
    """`reason` is the finish reason of a reply, the code of a provider's failure, or why the call was cut."""
    provider = _provider(model)
    MODEL_CALLS.add(provider=provider, outcome=outcome, reason=reason)
    if usage is not None:
        TOKENS.add(usage.input_tokens, provider=provider, kind="input")
        TOKENS.add(usage.output_tokens, provider=provider, kind="output")


def tool_ran(tool: str, status: ToolStatus) -> None:
    TOOL_RUNS.add(tool=tool, status=status)


def waited(outcome: Literal["decided", "expired", "closed"], approvals: Iterable[Approval]) -> None:
    """These approvals wait no more. By the clock of the engine, which also says when they were asked for; the step may
    come late, or again, and measures the same.
    """
    until = activity.info().scheduled_time
    for approval in approvals:
        # Not below zero: the engine has several machines, and the metric takes no negative number.
        APPROVAL_WAIT.record(max(until - approval.created_at, timedelta()), outcome=outcome)


def delivery(outcome: Literal["delivered", "retried", "gone", "failed"]) -> None:
    """`retried` attempts are followed by others; the rest is how a delivery ends."""
    DELIVERIES.add(outcome=outcome)


def log_mishap(mishap: Mishap) -> None:
    """Told by the log, in the step that writes to it."""
    match mishap:
        case "fenced" | "sealed":
            STALE_WRITES.add(why=mishap)
        case "lost":
            LOGS_LOST.add()
        case _:
            assert_never(mishap)


def _provider(model: str) -> str:
    return model.partition(":")[0]
