"""The configuration: `fermata.yaml` read and checked as a whole, and the agents, providers and prices in it."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from agents import AGENTS
from configuration import yaml_file
from configuration.problems import Key, Problem, Source, spelled, suggestion
from configuration.sections import (
    AgentEntry,
    AgentPolicy,
    Kind,
    Limits,
    ProviderEntry,
    Retention,
    Sections,
    Streaming,
    problem_of,
    set_aside,
)
from domain.agent import Agent, AgentSpec, ToolSpec
from domain.errors import ConfigurationError
from domain.policy import Policy, PolicyOverride, Rule, override
from domain.pricing import Price
from domain.webhook import Reach, Webhook, configured_id, reach

__all__ = ["Configuration", "Kind", "ProviderEntry", "read"]

PROVIDERS: Mapping[str, object] = {kind: {"kind": kind} for kind in get_args(Kind)}
WITHOUT_KEY: Kind = "demo"
VendorKeys = Mapping[Kind, str | None]
ResolveTools = Callable[[Sequence[str]], tuple[ToolSpec, ...]]
"""From names of tools to the tools. Raises ConfigurationError for a name it does not know."""


@dataclass(frozen=True)
class Configuration:
    """What the file says, with the defaults of what it leaves out."""

    limits: Limits
    retention: Retention
    streaming: Streaming
    prices: Mapping[str, Price]  # "provider:model" → price
    unheeded: tuple[str, ...]  # keys that are known and have no effect in this version
    sections: Sections = field(repr=False)
    source: Source = field(repr=False)

    def agents(self, resolve_tools: ResolveTools) -> dict[str, Agent]:
        """The agents, complete. Raises ConfigurationError for tools that do not exist."""
        agents, problems = {}, []
        for id, entry in self.sections.agents.items():
            tools: tuple[ToolSpec, ...] = ()
            for place in range(len(entry.tools)):
                try:
                    tools = resolve_tools(entry.tools[: place + 1])  # one more each time: so the wrong one is known
                except ConfigurationError as error:
                    problems.append(Problem(("agents", id, "tools", place), str(error)))
                    break
            agents[id] = self._agent(id, entry, tools)
        if problems:
            raise self.source.error(problems)
        return agents

    def providers(self) -> Mapping[str, ProviderEntry]:
        """How to reach them, for whoever calls models. Raises ConfigurationError if a vendor's key is not there."""
        problems = []
        for key, model in _models(self.sections):
            provider = self.sections.providers[_provider(model)]
            if provider.kind != WITHOUT_KEY and provider.base_url is None and provider.api_key is None:
                problems.append(Problem(key, f"{model!r} needs an API key. Set {provider.kind.upper()}_API_KEY."))
        if problems:
            raise self.source.error(problems)
        return self.sections.providers

    def check_policy(self, compile_condition: Callable[[str], object], load_hook: Callable[[str], object]) -> None:
        """Raises ConfigurationError for conditions that are none, and for hooks that cannot be loaded."""
        policy, problems = self.sections.policy, []
        wanted: list[tuple[Key, Callable[[str], object], str]] = [
            *(
                (("policy", "rules", place, "when"), compile_condition, rule.when)
                for place, rule in enumerate(policy.rules)
                if rule.when is not None
            ),
            *((("policy", "hooks", place), load_hook, hook) for place, hook in enumerate(policy.hooks)),
        ]
        for key, check, text in wanted:
            try:
                check(text)
            except ConfigurationError as error:
                problems.append(Problem(key, str(error)))
        if problems:
            raise self.source.error(problems)

    def webhooks(self, check: Callable[[str, Reach], object], *, development: bool) -> tuple[Webhook, ...]:
        """The operator's own. Raises ConfigurationError for URLs that `check` refuses with a ValueError."""
        webhooks, problems = dict[str, Webhook](), []
        for place, entry in enumerate(self.sections.webhooks):
            may = reach(private=entry.allow_private, development=development)
            try:
                if entry.url in webhooks:
                    raise ValueError("stands here twice. Put all its events into one entry.")
                check(entry.url, may)
            except ValueError as error:
                problems.append(Problem(("webhooks", place, "url"), str(error)))
            webhooks[entry.url] = Webhook(
                id=configured_id(entry.url),
                tenant=None,
                url=entry.url,
                events=entry.events,
                secret=entry.secret,
                reach=may,
            )
        if problems:
            raise self.source.error(problems)
        return tuple(webhooks.values())

    def registered_reach(self, *, development: bool) -> Reach:
        """Where the webhooks that tenants register may lead."""
        return reach(private=self.sections.private_webhooks, development=development)

    def _agent(self, id: str, entry: AgentEntry, tools: tuple[ToolSpec, ...]) -> Agent:
        title, provider = self.sections.title, self.sections.providers[_provider(entry.model)]
        return Agent(
            spec=AgentSpec(
                id=id,
                name=entry.name or id,
                model=entry.model,
                parameters=entry.parameters,
                instructions=entry.instructions,
                tools=tools,
                policy=override(_endpoint_policy(self.sections), _differences(entry.policy)),
                max_turns=entry.max_turns,
                max_attempts=entry.max_attempts,
                first_byte_timeout=provider.first_byte_timeout,
                silence_timeout=provider.silence_timeout,
                title_model=(title.model or entry.model) if title.enabled else None,
                title_timeout=title.timeout,
            ),
            description=entry.description,
            overridable=entry.overridable,
        )


def read(path: Path | None, environ: Mapping[str, str], vendor_keys: VendorKeys) -> Configuration:
    """The configuration in the file, or the built-in one. Raises one ConfigurationError for all that is wrong.

    `environ` fills in the file's `${VARIABLES}`; `vendor_keys` are the API keys by kind of provider.
    """
    data, source = yaml_file.read(path, environ) if path else ({}, Source("built-in configuration"))
    return check(data, source, vendor_keys)


def check(data: Mapping[str, object], source: Source, vendor_keys: VendorKeys) -> Configuration:
    """The configuration that stands in `data`. Raises ConfigurationError."""
    data, unheeded = set_aside(data)
    try:
        sections = Sections.model_validate_json(json.dumps(_completed(data)))  # JSON: strict, and a list is a tuple
    except ValidationError as error:
        raise source.error(map(problem_of, error.errors(include_url=False))) from None  # it would show secrets
    problems = [
        Problem(key, f"{model!r} names no provider. {suggestion(_provider(model), sorted(sections.providers))}")
        for key, model in _models(sections)
        if _provider(model) not in sections.providers
    ]
    if problems:
        raise source.error(problems)
    return Configuration(
        limits=sections.limits,
        retention=sections.retention,
        streaming=sections.streaming,
        prices={model: Price.model_validate(entry.model_dump()) for model, entry in sections.prices.items()},
        unheeded=tuple(map(spelled, unheeded)),
        sections=_with_keys(sections, vendor_keys),
        source=source,
    )


def _completed(data: Mapping[str, object]) -> dict[str, object]:
    """A file without agents configures the demo; the providers that always exist may be set differently."""
    demo: dict[str, object] = {} if "agents" in data else {"agents": dict(AGENTS), "policy": {"enabled": True}}
    providers = data.get("providers", {})
    return {**demo, **data, "providers": {**PROVIDERS, **providers} if isinstance(providers, dict) else providers}


def _with_keys(sections: Sections, vendor_keys: VendorKeys) -> Sections:
    """A vendor's key goes to the vendor only, never to a base URL of somebody else."""
    providers = {
        name: provider.model_copy(update={"api_key": vendor_keys.get(provider.kind)})
        if provider.base_url is None and not provider.api_key
        else provider
        for name, provider in sections.providers.items()
    }
    return sections.model_copy(update={"providers": providers})


def _models(sections: Sections) -> Iterator[tuple[Key, str]]:
    for id, agent in sections.agents.items():
        yield ("agents", id, "model"), agent.model
    if sections.title.enabled and sections.title.model:
        yield ("title", "model"), sections.title.model


def _provider(model: str) -> str:
    return model.partition(":")[0]


def _endpoint_policy(sections: Sections) -> Policy:
    endpoint = sections.policy
    rules = tuple(Rule.model_validate(entry.model_dump()) for entry in endpoint.rules)
    policy = Policy(enabled=endpoint.enabled, rules=rules, hooks=endpoint.hooks, allow_always=endpoint.allow_always)
    return override(policy, _differences(endpoint)).model_copy(update={"of_agent": ()})


def _differences(policy: AgentPolicy) -> PolicyOverride:
    return PolicyOverride.model_validate(policy.model_dump(include=set(PolicyOverride.model_fields)), strict=False)
