"""What answers: an agent, resolved and pinned when its generation starts."""

from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from domain.content import JsonObject, Value
from domain.errors import InvalidRequest
from domain.policy import Policy, PolicyTightening, tighten


class ToolSpec(Value):
    """A tool as the model and the machine see it. `parameters` is a JSON schema of an object.

    `origin`: how the configuration named it, by which whoever runs it finds it.
    `idempotent`: running it twice with one call id is the same as running it once, so a lost run may be repeated.
    """

    name: str
    origin: str = ""
    description: str
    parameters: JsonObject
    idempotent: bool = False
    timeout: timedelta = timedelta(minutes=5)


class AgentSpec(Value):
    """Everything that shapes the answer. A later edit of the configuration does not reach it."""

    id: str
    name: str
    model: str  # "provider:model"
    parameters: JsonObject = Field(default_factory=dict)
    instructions: str = ""
    tools: tuple[ToolSpec, ...] = ()
    policy: Policy = Policy()
    max_turns: int = 25
    max_attempts: int = 4  # of one model call
    first_byte_timeout: timedelta = timedelta(seconds=60)
    silence_timeout: timedelta = timedelta(seconds=60)
    title_model: str | None = None  # None: no title is made
    title_timeout: timedelta = timedelta(seconds=15)

    def tool(self, name: str) -> ToolSpec | None:
        """The tool of that name, if the agent has it."""
        return next((tool for tool in self.tools if tool.name == name), None)


class Agent(Value):
    """An agent as configured: the specification that a generation pins, and what a start request may change in it."""

    spec: AgentSpec
    description: str = ""
    overridable: tuple[Literal["model", "parameters"], ...] = ()


class Overrides(Value):
    """What a start request wants different."""

    model: str | None = None
    parameters: JsonObject = Field(default_factory=dict)
    policy: PolicyTightening = PolicyTightening()


def pin(agent: Agent, wanted: Overrides, now: datetime, timezone: str) -> AgentSpec:
    """What answers, fixed for the whole generation. Raises InvalidRequest if the agent lets no one change that."""
    asked = {name for name in ("model", "parameters") if getattr(wanted, name)}
    if forbidden := sorted(asked - set(agent.overridable)):
        raise InvalidRequest(f"The agent {agent.spec.id!r} does not let a request change {' or '.join(forbidden)}.")
    return agent.spec.model_copy(
        update={
            "model": wanted.model or agent.spec.model,
            "parameters": {**agent.spec.parameters, **wanted.parameters},
            "policy": tighten(agent.spec.policy, wanted.policy),
            "instructions": render_instructions(agent.spec.instructions, now, timezone),
        }
    )


def render_instructions(template: str, now: datetime, timezone: str) -> str:
    """Instructions with their date and time filled in, once, for the whole generation."""
    local = now.astimezone(ZoneInfo(timezone))
    values = {
        "current_date": local.date().isoformat(),
        "current_time": local.strftime("%H:%M"),
        "current_datetime": local.isoformat(timespec="seconds"),
        "timezone": timezone,
    }
    for name, value in values.items():
        template = template.replace("{{" + name + "}}", value)
    return template
