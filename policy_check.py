"""Composition root of `fermata policy test`: a configuration and a call → the verdict, just as a worker gives it."""

import asyncio
import json
import os
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

import settings
from activities.policy import PolicyCourt
from adapters.conditions import CelConditions, compiled
from adapters.hooks import PythonHooks, load
from adapters.tools import toolbox
from domain.agent import Agent, Overrides, pin
from domain.content import Actor, JsonObject
from domain.errors import AgentNotFound, InvalidRequest
from domain.facts import CallJudgement
from domain.ids import CallId, ConversationId, GenerationId, MessageId
from domain.start import StartRequest


class GivenCall(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    arguments: JsonObject = {}


def judged(file: Path, call: str, agent: str | None, user: str) -> tuple[CallJudgement, str | None]:
    """The judgement, and the arguments as JSON if a hook changed them. Raises domain errors for what is wrong."""
    try:
        given = GivenCall.model_validate_json(call)
    except ValidationError as error:
        raise InvalidRequest(f'--call must be {{"name": …, "arguments": {{…}}}}: {error.errors()[0]["msg"]}') from error
    loaded = settings.load({**os.environ, "FERMATA_CONFIG": str(file), "FERMATA_ENV": "development"})
    tools = toolbox(loaded.environment.data_dir, file.absolute().parent)
    loaded.configuration.check_policy(compiled, load)
    agents = loaded.configuration.agents(tools.resolve)
    if agent is not None and agent not in agents:
        raise AgentNotFound(f"There is no agent {agent!r}; known are: {', '.join(agents)}.")
    request = _request(agents[agent] if agent else next(iter(agents.values())), user)
    court = PolicyCourt(tools, CelConditions(), PythonHooks())
    judging = court.judge_call(request, CallId("call"), given.name, given.arguments)
    judgement, changed = asyncio.run(judging)
    return judgement, None if changed is None else json.dumps(changed, ensure_ascii=False)


def _request(agent: Agent, user: str) -> StartRequest:
    now = datetime.now(UTC)
    return StartRequest(
        generation_id=GenerationId("gen_test"),
        conversation_id=ConversationId("test"),
        tenant="default",
        owner=Actor(id=user, name=user),
        user_message_id=MessageId("test"),
        response_message_id=MessageId("test"),
        agent=pin(agent, Overrides(), now, "UTC"),
        created_at=now,
    )
