"""Composition root of the API: settings → adapters → routes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI

from adapters.conditions import CelConditions, compiled
from adapters.database import Database, DatabaseDeliveries, Queries, RegisteredWebhooks, Starts
from adapters.database.grants import DatabaseGrants
from adapters.hooks import load
from adapters.redis_bell import Bells
from adapters.redis_leases import RedisLeases
from adapters.redis_log import RedisLog
from adapters.redis_ring import Ring
from adapters.schema import schema_errors
from adapters.temporal import TemporalEngine, connect
from adapters.tools import toolbox
from adapters.webhooks import check_receiver, receiver
from api import (
    agents,
    approvals,
    conversations,
    decisions,
    events,
    extending,
    generations,
    grants,
    health,
    metrics,
    problems,
    web,
    webhooks,
)
from api.leaving import Leaving
from api.ports import Parts
from domain.content import JsonObject
from domain.errors import NotFound
from domain.ids import GenerationId
from domain.view import View
from settings import Settings
from workflows.registration import TASK_QUEUE


def create_app(settings: Settings) -> FastAPI:
    """The application. It starts also while the servers behind it are away, and says so at `/readyz`."""
    environment, configuration = settings.environment, settings.configuration
    tools = toolbox(environment.data_dir, environment.config.parent if environment.config else None)
    configuration.check_policy(compiled, load)
    configured = configuration.agents(tools.resolve)
    configuration.webhooks(receiver, development=environment.development)
    reach = configuration.registered_reach(development=environment.development)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        database = Database(environment.database_url)
        log = RedisLog(environment.redis_url, retention=configuration.retention.log)
        slots = RedisLeases(environment.redis_url, configuration.limits.concurrent_generations)
        client = await connect(
            environment.temporal_address,
            environment.temporal_namespace,
            api_key=environment.temporal_api_key,
            lazy=True,
        )
        queries = Queries(database)

        async def rebuild(generation: GenerationId) -> View | None:
            """What the record knows of a generation, for a reader who finds its log gone."""
            try:
                view = await queries.view(generation)
            except NotFound:
                return None
            return view if view.started_at else None

        async with Ring(environment.redis_url, rebuild=rebuild) as ring:
            app.state.parts = Parts(
                engine=TemporalEngine(client, TASK_QUEUE),
                starts=Starts(database),
                queries=queries,
                grants=DatabaseGrants(database),
                logs=log,
                readers=ring,
                bells=Bells(ring.subscription),
                slots=slots,
                webhooks=RegisteredWebhooks(database, reach),
                deliveries=DatabaseDeliveries(database),
                check_receiver=partial(check_receiver, reach=reach),
                agents=configured,
                schema_errors=_schema_errors,
                conditions=CelConditions(),
                checks={"database": database.healthy, "redis": log.healthy},
                development=environment.development,
                keepalive=configuration.streaming.keepalive,
                streams=set(),
            )
            yield
        await slots.aclose()
        await log.aclose()
        await database.close()

    app = FastAPI(title="Fermata", version="0.1.0", lifespan=lifespan, redoc_url=None, responses=problems.RESPONSES)
    problems.install(app)
    app.add_middleware(Leaving)
    for module in (
        generations,
        decisions,
        extending,
        approvals,
        events,
        conversations,
        grants,
        agents,
        webhooks,
        health,
        metrics,
    ):
        app.include_router(module.router)
    web.install(app)
    return app


def _schema_errors(schema: JsonObject, arguments: JsonObject) -> list[JsonObject]:
    return [{"pointer": problem.pointer, "message": problem.message} for problem in schema_errors(schema, arguments)]
