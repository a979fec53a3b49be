"""The browser, and screens in it that show the page of a stack."""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import pytest
from playwright.async_api import Browser, async_playwright, expect

from tests.e2e.screen import Screen
from tests.stack import CROWD, Stack, fermata_dev

PATIENCE_MS = 40_000  # a killed worker is missed after 5 s, and has to start again
QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")

OpenScreen = Callable[..., Awaitable[Screen]]


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        pytest.skip("no Chromium: install it (apt-get install chromium), or name it in the variable CHROMIUM")
    root = ("--no-sandbox",) if os.geteuid() == 0 else ()  # its sandbox does not work for root
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=[*QUIET, *root])
        yield browser
        await browser.close()


@pytest.fixture
async def open_screen(browser: Browser) -> AsyncIterator[OpenScreen]:
    """Open a new conversation on a stack, each screen as a user of its own; afterwards no script may have failed."""
    async with AsyncExitStack() as closing:
        screens = []

        async def open_one(stack: Stack, agent: str | None = None, **options: Any) -> Screen:
            user = f"user-{uuid4().hex[:8]}"
            context = await browser.new_context(extra_http_headers={"X-Dev-User": user}, **options)
            closing.push_async_callback(context.close)
            screen = Screen(await context.new_page(), stack, user)
            screens.append(screen)
            await screen.open()
            if agent is not None:
                await screen.choose(agent)
            return screen

        yield open_one
        for screen in screens:
            assert screen.failures == []


@pytest.fixture
async def screen(stack: Stack, open_screen: OpenScreen) -> Screen:
    """A new conversation with the assistant."""
    return await open_screen(stack)


@pytest.fixture
async def clerk(stack: Stack, open_screen: OpenScreen) -> Screen:
    """A new conversation with the mail clerk, who asks before every mail."""
    return await open_screen(stack, "Mail clerk")


@pytest.fixture(scope="module")
async def mortal(free_ports: Callable[[int], int], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A stack whose processes may be killed: its supervisor starts them again."""
    async with fermata_dev(free_ports(10), tmp_path_factory.mktemp("mortal"), *CROWD) as running:
        yield running
