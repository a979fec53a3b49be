"""What axe-core can see of whether everybody can use the page. Its file comes from npm, version 4.14.1."""

from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.e2e.conftest import OpenScreen
from tests.e2e.screen import Screen
from tests.outsider import visiting
from tests.stack import JsonDict, Stack

AXE = (Path(__file__).parent / "axe.min.js").read_text()
RUN = """async options => (await axe.run(options)).violations.flatMap(
    ({id, nodes}) => nodes.map(({html, failureSummary}) => `${id}: ${html}\\n${failureSummary}`))"""
EVERY_RULE: JsonDict = {}
CONTRAST: JsonDict = {"runOnly": ["color-contrast"]}  # nothing else changes with the colours


async def violations(screen: Screen, rules: JsonDict) -> list[str]:
    await screen.page.evaluate(AXE)
    return list(await screen.page.evaluate(RUN, rules))


@pytest.mark.parametrize(("scheme", "rules"), [("light", EVERY_RULE), ("dark", CONTRAST)])
async def test_axe_finds_nothing(stack: Stack, open_screen: OpenScreen, scheme: str, rules: JsonDict) -> None:
    clerk = await open_screen(stack, "Mail clerk", color_scheme=scheme, reduced_motion="reduce")

    assert await violations(clerk, rules) == [], "empty"

    await clerk.say("Send a mail to ada@example.org: See you at noon")
    await expect(clerk.approval).to_be_visible()
    assert await violations(clerk, rules) == [], "paused"

    await clerk.press("Edit")
    await clerk.press("Edit as JSON")
    await clerk.approval.get_by_label("Arguments for send_mail").fill("{}")
    await clerk.press("Approve edited")
    await expect(clerk.approval.get_by_test_id("argument-errors").get_by_role("listitem")).not_to_have_count(0)
    assert await violations(clerk, rules) == [], "edited"

    await clerk.press("Approve")
    await clerk.ended()
    assert await violations(clerk, rules) == [], "done"


@pytest.mark.parametrize(("scheme", "rules"), [("light", EVERY_RULE), ("dark", CONTRAST)])
async def test_axe_finds_nothing_in_the_inbox(
    stack: Stack, open_screen: OpenScreen, scheme: str, rules: JsonDict
) -> None:
    clerk = await open_screen(stack, "Mail clerk", color_scheme=scheme, reduced_motion="reduce")
    await clerk.page.get_by_test_id("inbox-link").click()
    await expect(clerk.page.get_by_text("Nothing waits for your decision.")).to_be_visible()
    assert await violations(clerk, rules) == [], "empty"

    async with visiting(stack, x_dev_user=clerk.user) as user:
        for recipient in ("ada", "bob"):
            await user.start(f"Send a mail to {recipient}@example.org: Noon", agent="mail_clerk")
    item = clerk.page.get_by_test_id("inbox-item").filter(visible=True)
    await expect(item).to_have_count(2)
    await item.first.focus()
    await clerk.page.keyboard.press("r")
    assert await violations(clerk, rules) == [], "waiting"

    await clerk.page.keyboard.press("Control+Enter")
    await expect(item).to_have_count(1)
    await clerk.press("History")
    await expect(clerk.page.get_by_test_id("past-approval")).to_have_count(1)
    await clerk.page.get_by_test_id("past-approval").locator("summary").click()
    assert await violations(clerk, rules) == [], "history"
