"""Decisions that others than the owner make, in the page: who is shown what, and who may press which button."""

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.e2e.conftest import OpenScreen
from tests.e2e.screen import Screen
from tests.outsider import a_word
from tests.stack import Stack, fermata_dev

MAIL = "Send a mail to ada@example.org: See you at noon"
RULE = "{tool: send_mail, verdict: ask, approvers: [manager], quorum: 2, requester_may_approve: false}"


@pytest.fixture(scope="module")
async def strict(free_ports: Callable[[int], int], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A stack on which two managers must agree to every mail."""
    directory: Path = tmp_path_factory.mktemp("strict")
    file = directory / "fermata.yaml"
    file.write_text(f"policy: {{enabled: true, rules: [{RULE}]}}")
    async with fermata_dev(free_ports(10), directory / "data", "--config", str(file)) as running:
        yield running


async def become(screen: Screen, roles: str, at: str = "/?inbox") -> None:
    """Come back with these roles."""
    headers = {"X-Dev-User": screen.user, "X-Dev-Roles": roles}
    await screen.page.context.set_extra_http_headers(headers)
    await screen.page.goto(screen.stack.url + at)


async def test_two_managers_let_a_mail_go_while_its_owner_watches(strict: Stack, open_screen: OpenScreen) -> None:
    owner, one, two = [await open_screen(strict, "Mail clerk"), await open_screen(strict), await open_screen(strict)]
    await become(owner, "manager", at="/")  # a role that does not help who asked
    await owner.choose("Mail clerk")
    for boss in (one, two):
        await become(boss, "clerk, manager")
    await owner.say(f"{MAIL} {a_word()}")

    card = owner.approval
    await expect(card.get_by_test_id("needs")).to_have_text("Needs: manager (0 of 2)")
    await expect(card.get_by_test_id("decision-status")).to_contain_text("You asked for this, so somebody else decides")
    await expect(card.get_by_test_id("decision-status")).to_be_visible()
    await expect(owner.page).to_have_title(re.compile("Waiting for others"))
    await expect(card.get_by_role("button", name="Approve")).to_have_count(0)
    await expect(card.get_by_role("button", name="+1 h")).to_have_count(0)

    for boss in (one, two):
        item = boss.page.get_by_test_id("inbox-item")
        await expect(item).to_contain_text(f"A conversation of {owner.user}")
        await expect(item.get_by_role("link")).to_have_count(0)
        await expect(boss.page).to_have_title("(1) Approvals · Fermata")
    await expect(item.get_by_role("button", name="Edit")).to_have_count(0)
    await one.press("Approve")
    await expect(one.approval.get_by_test_id("decision-status")).to_have_text(
        "You have approved. It waits for others to agree."
    )
    await expect(one.page).to_have_title("Approvals · Fermata")
    for screen in (owner, two):
        await expect(screen.approval.get_by_test_id("needs")).to_have_text(f"Needs: manager (1 of 2: {one.user})")

    await two.press("Approve")
    await owner.ended()
    await expect(owner.answer).to_contain_text("Sent to ada@example.org")
    for boss in (one, two):
        await expect(boss.page.get_by_test_id("inbox-item")).to_have_count(0)
    await one.press("History")
    by = one.page.get_by_test_id("past-approval").get_by_test_id("decided-by")
    await expect(by).to_contain_text(f"By {one.user}, ")
    await expect(by).to_contain_text(f"; {two.user}, ")
