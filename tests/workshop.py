"""Fixtures: the product with many kinds of agents, whose models are scripted.

A plugin, so that every module that names it in `pytest_plugins` shares the servers it starts.
"""

from collections.abc import AsyncIterator, Callable, Sequence

import httpx2
import pytest

from tests.configurations import configuration, write
from tests.outsider import visiting
from tests.provider.process import ProviderProcess, provider_process
from tests.stack import Stack, fermata_dev

APIS = 3
PORTS = 12  # the other APIs listen ten and eleven above the first


@pytest.fixture(scope="session")
async def provider() -> AsyncIterator[ProviderProcess]:
    """Shared: a test's replies match a word that only this test says."""
    async with provider_process() as running:
        yield running


@pytest.fixture(scope="session")
async def workshop(
    provider: ProviderProcess, free_ports: Callable[[int], int], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stack]:
    """The whole product with the agents above, one worker and three APIs; this is the first."""
    directory = tmp_path_factory.mktemp("workshop")
    file = write(directory, configuration(provider.url))
    async with fermata_dev(free_ports(PORTS), directory / "data", "--config", str(file), "--apis", str(APIS)) as stack:
        yield stack


@pytest.fixture(scope="session")
async def second(workshop: Stack) -> AsyncIterator[Stack]:
    """The same stack through its second API."""
    async with visiting(workshop, base_url=_url(workshop, 1)) as stack:
        yield stack


@pytest.fixture(scope="session")
async def apis(workshop: Stack, second: Stack) -> AsyncIterator[Sequence[Stack]]:
    """The same stack through each of its APIs."""
    async with visiting(workshop, base_url=_url(workshop, 2)) as third:
        yield workshop, second, third


def _url(workshop: Stack, number: int) -> str:
    url = httpx2.URL(workshop.url)
    assert url.port is not None
    return str(url.copy_with(port=url.port + 9 + number))
