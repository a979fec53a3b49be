"""Fixtures: the product with many kinds of agents, whose models are scripted.

A plugin, so that every module that names it in `pytest_plugins` shares the servers it starts.
"""

from collections.abc import AsyncIterator, Callable

import httpx2
import pytest

from tests.configurations import configuration, write
from tests.outsider import visiting
from tests.provider.process import ProviderProcess, provider_process
from tests.stack import Stack, fermata_dev

PORTS = 11  # the second API listens ten above the first


@pytest.fixture(scope="session")
async def provider() -> AsyncIterator[ProviderProcess]:
    """Shared: a test's replies match a word that only this test says."""
    async with provider_process() as running:
        yield running


@pytest.fixture(scope="session")
async def workshop(
    provider: ProviderProcess, free_ports: Callable[[int], int], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stack]:
    """The whole product with the agents above, one worker and two APIs; this is the first."""
    directory = tmp_path_factory.mktemp("workshop")
    file = write(directory, configuration(provider.url))
    async with fermata_dev(free_ports(PORTS), directory / "data", "--config", str(file), "--apis", "2") as stack:
        yield stack


@pytest.fixture(scope="session")
async def second(workshop: Stack) -> AsyncIterator[Stack]:
    """The same stack through its second API."""
    url = httpx2.URL(workshop.url)
    assert url.port is not None
    async with visiting(workshop, base_url=str(url.copy_with(port=url.port + 10))) as stack:
        yield stack
