"""A Temporal server that can skip time, and a stage on it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from devstack import temporal
from tests.workflow.stage import Stage, staged

ATTRIBUTES = temporal.SEARCH_ATTRIBUTES.items()


@asynccontextmanager
async def skipping_time() -> AsyncIterator[WorkflowEnvironment]:
    flags = {**temporal.DYNAMIC_CONFIG, **temporal.TIME_SKIPPING}
    extra = [argument for key, value in flags.items() for argument in ("--dynamic-config-value", f"{key}={value}")]
    extra += [argument for name, kind in ATTRIBUTES for argument in ("--search-attribute", f"{name}={kind}")]
    async with await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=str(temporal.find_binary()),
        dev_server_extra_args=extra,
        dev_server_log_level="error",
        data_converter=pydantic_data_converter,
    ) as started:
        yield started


@pytest.fixture(scope="session")
async def environment() -> AsyncIterator[WorkflowEnvironment]:
    async with skipping_time() as started:
        yield started


@pytest.fixture(params=[1000, 0], ids=["cached", "replaying"])
async def stage(environment: WorkflowEnvironment, request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    async with staged(environment, cached=request.param) as opened:
        yield opened


@pytest.fixture
def conversation() -> str:
    return str(uuid4())
