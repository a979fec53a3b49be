"""The sections of `fermata.yaml`, typed: what may stand there, what it is by default, and what is not there yet."""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import NoneType
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, StringConstraints, model_validator
from pydantic_core import ErrorDetails

from configuration.problems import Key, Problem, explain, suggestion
from domain.content import JsonObject
from domain.policy import Expiry, PolicyOverride, Rule
from domain.pricing import Price
from domain.webhook import WEBHOOK_EVENTS, Secret, WebhookEvent

NOT_YET = (
    "agents.*.budget",
    "agents.*.deferred_tools",
    "agents.*.hide_sequential_outputs",
    "agents.*.subagents",
    "agents.*.then",
    "mcp_servers",
    "moderation",
    "skills",
)
"""Keys that a later version will know. Refused until then unless they are empty: people would rely on them in vain."""

WITHOUT_EFFECT = (
    "auth",
    "limits.answer_chars",
    "limits.decisions_per_minute",
    "limits.queue",
    "limits.starts_per_minute",
    "limits.steers",
    "limits.tool_output_chars",
    "retention.idempotency",
    "retention.temporary",
    "streaming.coalesce",
)
"""Keys that a later version will heed. Nothing gets less safe without them, so they are accepted, with a warning."""

UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_duration(given: object) -> timedelta:
    """`250ms`, `60s`, `15m`, `24h` or `7d`. Raises ValueError."""
    found = re.fullmatch(r"([1-9]\d{0,8})(ms|s|m|h|d)", given, re.ASCII) if isinstance(given, str) else None
    if found is None:
        raise ValueError(f"must be a duration such as 250ms, 60s, 15m, 24h or 7d, not {given!r}.")
    return timedelta(**{UNITS[found[2]]: int(found[1])})


def check_model(given: str) -> str:
    """Whether it has the form "provider:model". Raises ValueError."""
    if not re.fullmatch(r"[^:\s]+:\S+", given):
        raise ValueError(f"must be written as provider:model, such as openai:gpt-5, not {given!r}.")
    return given


def check_url(given: str) -> str:
    """Whether it is the URL of a web server. Raises ValueError."""
    if not re.match(r"https?://[^/\s]", given):
        raise ValueError("must be a URL such as http://127.0.0.1:8080/v1.")
    return given


def check_role(given: str) -> str:
    """Whether it can be the name of a role, as it stands in a header between commas. Raises ValueError."""
    if not given or given != given.strip() or "," in given:
        raise ValueError(f"must be the name of a role, without commas and spaces around it, not {given!r}.")
    return given


Kind = Literal["openai", "anthropic", "demo"]
Duration = Annotated[timedelta, PlainValidator(parse_duration)]
ModelName = Annotated[str, AfterValidator(check_model)]
Url = Annotated[str, AfterValidator(check_url)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
Count = Annotated[int, Field(ge=1)]
Role = Annotated[str, AfterValidator(check_role)]

STRICT = ConfigDict(frozen=True, extra="forbid", strict=True)


class Section(BaseModel):
    """Base of what stands in the file: nothing unknown, nothing guessed."""

    model_config = STRICT


class ProviderEntry(Section):
    """How to reach a provider, and how long it may be silent. Without a base URL it is the vendor's own service."""

    kind: Kind
    base_url: Url | None = None
    api_key: str | None = Field(default=None, repr=False)
    first_byte_timeout: Duration = timedelta(seconds=60)
    silence_timeout: Duration = timedelta(seconds=60)


class ExpirySection(Expiry):
    model_config = STRICT
    after: Duration = timedelta(hours=24)
    to: tuple[Role, ...] = ()

    @model_validator(mode="after")
    def _asks_somebody(self) -> Self:
        if self.then == "escalate" and not self.to:
            raise ValueError("escalate needs to: the roles that are asked then, such as to: [director].")
        if self.then != "escalate" and self.to:
            raise ValueError(f"to is for then: escalate. Remove it, or write escalate instead of {self.then}.")
        return self


class AgentPolicy(PolicyOverride):
    model_config = STRICT
    expiry: ExpirySection | None = None


class RuleEntry(Rule):
    model_config = STRICT
    approvers: tuple[Role, ...] = ()
    quorum: Count = 1
    expiry: ExpirySection | None = None

    @model_validator(mode="after")
    def _can_be_decided(self) -> Self:
        said = [key for key in ("approvers", "quorum", "requester_may_approve") if key in self.model_fields_set]
        if said and self.verdict != "ask":
            raise ValueError(
                f"{said[0]} is for rules whose verdict is ask; nobody decides on a rule that says {self.verdict}."
            )
        if not self.approvers and self.quorum > 1:
            raise ValueError("quorum needs approvers: only the owner decides without them, and that is one person.")
        if not self.approvers and not self.requester_may_approve:
            raise ValueError("requester_may_approve: false needs approvers, or nobody could ever decide.")
        return self


class EndpointPolicy(AgentPolicy):
    enabled: bool = False
    rules: tuple[RuleEntry, ...] = ()
    hooks: tuple[str, ...] = ()
    allow_always: bool = True


class AgentEntry(Section):
    name: str | None = None
    description: str = ""
    model: ModelName
    parameters: JsonObject = Field(default_factory=dict)
    overridable: tuple[Literal["model", "parameters"], ...] = ()
    instructions: str = ""
    tools: tuple[str, ...] = ()
    policy: AgentPolicy = AgentPolicy()
    max_turns: Count = 25
    max_attempts: Count = 4  # of one model call


class Limits(Section):
    concurrent_generations: Annotated[int, Field(ge=0)] = 2  # of one user; 0 is no limit


class Retention(Section):
    log: Duration = timedelta(hours=24)  # after the end of its generation


class Streaming(Section):
    keepalive: Duration = timedelta(seconds=15)
    snapshot_every: Count = 256  # events


class Title(Section):
    enabled: bool = True
    model: ModelName | None = None  # None: the agent's own
    timeout: Duration = timedelta(seconds=15)  # after the answer


class PriceEntry(Price):
    model_config = STRICT


class WebhookEntry(Section):
    """The operator's own, told of all tenants. With `allow_private` it may lead inside, and without TLS."""

    url: str
    secret: Secret = Field(repr=False)
    events: tuple[WebhookEvent, ...] = Field(default=WEBHOOK_EVENTS, min_length=1)
    allow_private: bool = False


class Sections(Section):
    """The whole file."""

    providers: dict[Name, ProviderEntry]
    agents: dict[Name, AgentEntry] = Field(min_length=1)
    policy: EndpointPolicy = EndpointPolicy()
    limits: Limits = Limits()
    retention: Retention = Retention()
    streaming: Streaming = Streaming()
    title: Title = Title()
    prices: dict[ModelName, PriceEntry] = Field(default_factory=dict)
    webhooks: tuple[WebhookEntry, ...] = ()
    private_webhooks: bool = False  # whether those that tenants register may lead inside


def problem_of(error: ErrorDetails) -> Problem:
    """What a validation error of `Sections` means."""
    if error["type"] != "extra_forbidden":
        return explain(error)
    key = error["loc"]
    if _is_one_of(NOT_YET, key):
        return Problem(key, "is not available in this version. Remove it.")
    return Problem(key, f"is unknown. {suggestion(str(key[-1]), keys_beside(key))}")


def set_aside(data: Mapping[str, object]) -> tuple[dict[str, object], list[Key]]:
    """The data without what this version does not heed and need not refuse, and the keys that had a value there."""
    unheeded: list[Key] = []

    def within(value: object, key: Key) -> object:
        match value:
            case Mapping():
                return heeded(value, key)
            case list():
                return [within(each, (*key, place)) for place, each in enumerate(value)]
            case _:
                return value

    def heeded(section: Mapping[str, object], key: Key) -> dict[str, object]:
        left: dict[str, object] = {}
        for name, value in section.items():
            here = (*key, name)
            if _is_one_of(WITHOUT_EFFECT, here):
                unheeded.append(here)
            elif value or not _is_one_of(NOT_YET, here):
                left[name] = within(value, here)
        return left

    return heeded(data, ()), unheeded


def _is_one_of(patterns: Sequence[str], key: Key) -> bool:
    return any(_covers(pattern.split("."), key) for pattern in patterns)


def keys_beside(key: Key) -> Sequence[str]:
    """The keys that may stand where this one stands."""
    section: object = Sections
    for step in key[:-1]:
        if isinstance(section, type) and issubclass(section, BaseModel):
            section = section.model_fields[str(step)].annotation
            if NoneType in get_args(section):
                section = get_args(section)[0]
        else:
            section = get_args(section)[1]  # of a dict of sections: their names are free
    return list(section.model_fields) if isinstance(section, type) and issubclass(section, BaseModel) else ()


def _covers(pattern: Sequence[str], key: Key) -> bool:
    return len(pattern) == len(key) and all(want in ("*", step) for want, step in zip(pattern, key, strict=True))
