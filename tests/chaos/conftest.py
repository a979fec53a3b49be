"""One stack of two workers and two APIs for all who batter it, each of whom finds it whole."""

from collections.abc import AsyncIterator, Callable

import pytest

from tests.chaos.battered import Battered, battered
from tests.provider.process import ProviderProcess, provider_process

pytest.register_assert_rewrite("tests.chaos.verdict")


@pytest.fixture(scope="session")
async def provider() -> AsyncIterator[ProviderProcess]:
    async with provider_process() as process:
        yield process


@pytest.fixture(scope="session")
async def shared_stack(
    free_ports: Callable[[int], int], tmp_path_factory: pytest.TempPathFactory, provider: ProviderProcess
) -> AsyncIterator[Battered]:
    directory = tmp_path_factory.mktemp("chaos")
    async with battered(free_ports(12), directory, workers=2, apis=2, scripted_url=provider.url) as stack:
        yield stack


@pytest.fixture
async def stack(shared_stack: Battered) -> Battered:
    shared_stack.thaw()
    await shared_stack.whole()
    return shared_stack
