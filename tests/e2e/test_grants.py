"""Allowing a tool for the rest of a conversation, in the page, and taking that back."""

from playwright.async_api import expect

from tests.e2e.conftest import OpenScreen
from tests.e2e.test_accessibility import EVERY_RULE, violations
from tests.outsider import a_word, writing, written
from tests.stack import Stack

pytest_plugins = ["tests.workshop"]


async def test_what_is_always_allowed_is_not_asked_again_until_it_is_taken_back(
    workshop: Stack, open_screen: OpenScreen
) -> None:
    screen, word = await open_screen(workshop, "asked_demo"), a_word()
    grants = screen.page.get_by_test_id("grants")
    await screen.say(writing(word))
    await expect(grants).to_have_count(0)
    await screen.approval.get_by_label("Always allow in this conversation").check()
    await screen.press("Approve")
    await screen.ended()
    await expect(grants).to_contain_text("Not asked about here: write_book")

    await screen.say(writing(word))
    await expect(screen.page.get_by_test_id("answer")).to_have_count(2)
    await screen.ended()
    assert written(workshop, word) == [word] * 2
    await screen.page.reload()
    await grants.get_by_text("Not asked about here").click()
    await expect(grants).to_contain_text(f"write_book always allowed by {screen.user}")
    assert await violations(screen, EVERY_RULE) == []

    await screen.press("Ask again about write_book")
    await expect(grants).to_have_count(0)
    await screen.say(writing(word))
    await expect(screen.approval).to_contain_text(word)
