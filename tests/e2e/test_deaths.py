"""Things die while somebody is looking at the page."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from playwright.async_api import expect

from tests.e2e.conftest import OpenScreen
from tests.e2e.screen import numbered_words
from tests.stack import Stack, fermata_dev, stop


async def test_a_killed_worker_costs_the_reader_nothing(mortal: Stack, open_screen: OpenScreen) -> None:
    screen = await open_screen(mortal)
    await screen.say("slow 60")
    await screen.sees("word10 ")

    mortal.kill("worker-1")

    await screen.ended()
    assert await screen.text() == numbered_words(60) == await screen.stored_text()


async def test_a_killed_api_is_found_again_by_the_page(mortal: Stack, open_screen: OpenScreen) -> None:
    screen = await open_screen(mortal)
    await screen.say("slow 120")
    await screen.sees("word10 ")

    mortal.kill("api-1")

    await expect(screen.connection).to_have_text("Reconnecting")
    await expect(screen.connection).to_have_text("Live")
    await screen.ended()
    assert await screen.text() == numbered_words(120) == await screen.stored_text()


async def test_a_click_while_the_api_restarts_still_counts(mortal: Stack, open_screen: OpenScreen) -> None:
    screen = await open_screen(mortal, "Mail clerk")
    await screen.say("Send a mail to ada@example.org: See you at noon")
    await expect(screen.approval).to_be_visible()

    mortal.kill("api-1")
    await expect(screen.connection).to_have_text("Reconnecting")
    await screen.press("Approve")

    await screen.ended()
    await expect(screen.tool_card).to_have_attribute("data-status", "completed")


async def test_a_pause_outlives_the_whole_stack(
    free_ports: Callable[[int], int], tmp_path: Path, open_screen: OpenScreen
) -> None:
    port = free_ports(10)
    async with fermata_dev(port, tmp_path) as before:
        screen = await open_screen(before, "Mail clerk")
        await screen.say("Send a mail to ada@example.org: See you at noon")
        await expect(screen.approval).to_be_visible()
        await asyncio.shield(stop(before.process))
        await expect(screen.connection).to_have_text("Reconnecting")

    async with fermata_dev(port, tmp_path) as after:
        screen.moved_to(after)
        await screen.page.reload()
        await expect(screen.approval).to_contain_text("ada@example.org")
        await screen.press("Approve")

        await screen.ended()
        assert await screen.text() == ""
