"""Things die while somebody is looking at the page."""

from playwright.async_api import expect

from tests.e2e.conftest import OpenScreen
from tests.e2e.screen import numbered_words
from tests.stack import CROWD, Stack, fermata_dev, stop


async def test_a_killed_worker_costs_the_reader_nothing(mortal: Stack, open_screen: OpenScreen) -> None:
    screen = await open_screen(mortal)
    await screen.say("slow 120")
    await screen.sees("word10 ")

    mortal.kill("worker-1")

    await expect(screen.answer).to_have_attribute("data-status", "running")
    await screen.ended()
    await screen.says(numbered_words(120))
    assert await screen.stored_text() == numbered_words(120)


async def test_a_killed_api_is_found_again_by_the_page(mortal: Stack, open_screen: OpenScreen) -> None:
    screen = await open_screen(mortal)
    await screen.say("slow 120")
    await screen.sees("word10 ")

    mortal.kill("api-1")

    await expect(screen.connection).to_have_text("Reconnecting")
    await screen.ended()
    await screen.says(numbered_words(120))
    assert await screen.stored_text() == numbered_words(120)


async def test_a_click_while_the_api_restarts_still_counts(mortal: Stack, open_screen: OpenScreen) -> None:
    screen = await open_screen(mortal, "Mail clerk")
    await screen.say("Send a mail to ada@example.org: See you at noon")
    await expect(screen.approval).to_be_visible()

    mortal.kill("api-1")
    await expect(screen.connection).to_have_text("Reconnecting")
    await screen.press("Approve")

    await screen.ended()
    await expect(screen.tool_card).to_have_attribute("data-status", "completed")


async def test_a_pause_outlives_the_whole_stack(mortal: Stack, open_screen: OpenScreen) -> None:
    screen = await open_screen(mortal, "Mail clerk")
    await screen.say("Send a mail to ada@example.org: See you at noon")
    await expect(screen.approval).to_be_visible()

    await stop(mortal.process)  # the last test here: there is nothing left to kill
    await expect(screen.connection).to_have_text("Reconnecting")
    async with fermata_dev(int(mortal.url.rsplit(":", 1)[1]), mortal.data_dir, *CROWD):
        await screen.page.reload()
        await expect(screen.approval).to_contain_text("ada@example.org")
        await screen.press("Approve")

        await screen.ended()
        assert [call["status"] for call in await screen.stored_calls()] == ["completed"]
