"""The inbox in the page: what waits anywhere, decided with or without a mouse."""

import json
import re

from playwright.async_api import Locator, expect

from tests.e2e.conftest import OpenScreen
from tests.e2e.screen import Screen
from tests.e2e.test_decisions import TWO_NOTES
from tests.outsider import calls_of, deciding, visiting
from tests.stack import JsonDict


async def asked(screen: Screen, *names: str) -> list[JsonDict]:
    """The views of as many conversations of this user, each of which waits before it sends a mail."""
    views = []
    async with visiting(screen.stack, x_dev_user=screen.user) as user:
        for name in names:
            started = await user.start(f"Send a mail to {name}@example.org: Noon", agent="mail_clerk")
            views.append(await user.paused(started["id"]))
    return views


async def outcome(screen: Screen, view: JsonDict) -> JsonDict:
    """The mail's call, once its generation has ended."""
    async with visiting(screen.stack, x_dev_user=screen.user) as user:
        (call,) = calls_of((await user.finished(view["id"]))["message"])
    return call


def items(screen: Screen) -> Locator:
    return screen.page.get_by_test_id("inbox-item").filter(visible=True)


async def open_inbox(screen: Screen) -> None:
    await screen.page.get_by_test_id("inbox-link").click()
    await expect(screen.page.get_by_role("region", name="Approvals")).to_be_focused()


async def shows(screen: Screen, count: int) -> None:
    """Items, and their number in the sidebar and in the title."""
    await expect(items(screen)).to_have_count(count)
    badge = screen.page.get_by_test_id("inbox-count")
    if count:
        await expect(badge).to_have_text(f"{count} waiting")
        await expect(screen.page).to_have_title(re.compile(rf"^\({count}\) "))
    else:
        await expect(badge).to_have_count(0)
        await expect(screen.page).to_have_title("Approvals · Fermata")


async def test_what_waits_anywhere_is_counted_and_shown_with_where_it_comes_from(screen: Screen) -> None:
    (ada,) = await asked(screen, "ada")
    await expect(screen.page).to_have_title("(1) Fermata")
    await open_inbox(screen)
    await shows(screen, 1)
    await asked(screen, "bob")
    await shows(screen, 2)

    first = items(screen).first
    await expect(first).to_contain_text("ada@example.org")
    await expect(first).to_contain_text(f"Mail clerk asks, for {screen.user}")
    await expect(first.get_by_role("timer")).to_have_text("expires in 23 h 59 min")
    await expect(first.get_by_test_id("because")).to_be_visible()
    await screen.page.get_by_label("Filter by tool, agent or text").fill("send_mail BOB")
    await expect(items(screen)).to_have_count(1)
    await expect(items(screen)).to_contain_text("bob@example.org")

    await screen.page.reload()
    await shows(screen, 2)
    await first.get_by_role("link").click()
    assert screen.conversation == ada["conversation_id"]
    await expect(screen.approval).to_contain_text("ada@example.org")


async def test_a_day_of_decisions_needs_no_mouse(screen: Screen) -> None:
    views = await asked(screen, "ada", "bob", "cyd", "dan")
    page = screen.page
    await open_inbox(screen)
    await shows(screen, 4)
    keys = page.keyboard

    await keys.press("a")  # nothing is chosen yet
    await shows(screen, 4)
    await keys.press("j")
    await expect(items(screen).nth(0)).to_be_focused()
    await keys.press("j")
    await keys.press("k")
    await keys.press("k")
    await expect(items(screen).nth(0)).to_be_focused()
    await keys.press("a")
    await shows(screen, 3)
    await expect(items(screen).nth(0)).to_be_focused()
    await expect(items(screen).nth(0)).to_contain_text("bob@example.org")

    await keys.press("r")
    await expect(page.get_by_label("Reason")).to_be_focused()
    await keys.type("a jerk, they are")  # what is typed is no command
    await keys.press("Control+Enter")
    await shows(screen, 2)

    await keys.press("e")
    await expect(items(screen).nth(0).get_by_label("to", exact=True)).to_be_focused()
    await keys.press("ControlOrMeta+a")
    await keys.type("eve@example.org")
    await keys.press("Control+Enter")
    await shows(screen, 1)

    await keys.press("Enter")
    await expect(screen.approval).to_contain_text("dan@example.org")
    assert screen.conversation == views[3]["conversation_id"]

    approved, rejected, edited = [await outcome(screen, view) for view in views[:3]]
    assert (approved["status"], approved["arguments"]["to"]) == ("completed", "ada@example.org")
    assert (rejected["status"], "a jerk, they are" in rejected["output"]) == ("rejected", True)
    assert (edited["status"], edited["arguments"]["to"]) == ("completed", "eve@example.org")


async def test_several_calls_are_approved_by_key_and_sent_together(screen: Screen) -> None:
    async with visiting(screen.stack, x_dev_user=screen.user) as user:
        view = await user.paused((await user.start(TWO_NOTES))["id"])
        await open_inbox(screen)
        await shows(screen, 1)
        await screen.page.keyboard.press("j")
        await screen.page.keyboard.press("a")
        await expect(screen.page.get_by_role("button", name="Send decisions")).to_be_focused()
        await screen.page.keyboard.press("Enter")
        await shows(screen, 0)
        calls = calls_of((await user.finished(view["id"]))["message"])
    assert [call["status"] for call in calls] == ["completed", "completed"]


async def test_another_tab_and_another_browser_see_it_vanish(screen: Screen, open_screen: OpenScreen) -> None:
    (view,) = await asked(screen, "ada")
    await open_inbox(screen)
    tab = Screen(await screen.page.context.new_page(), screen.stack, screen.user)
    await tab.open()
    elsewhere = await open_screen(screen.stack)
    await elsewhere.page.context.set_extra_http_headers({"X-Dev-User": screen.user})
    await elsewhere.page.goto(f"{screen.stack.url}/?inbox")
    await open_inbox(tab)
    for each in (screen, tab, elsewhere):
        await shows(each, 1)
    await items(tab).focus()

    await screen.press("Approve")

    for each in (screen, tab, elsewhere):
        await shows(each, 0)
    await expect(tab.page.get_by_role("region", name="Approvals")).to_be_focused()
    assert (await outcome(screen, view))["status"] == "completed"
    assert tab.failures == []
    await screen.page.close()  # the tab that listened for both
    await asked(tab, "bob")
    await shows(tab, 1)


async def test_a_refused_decision_brings_the_approval_back_as_it_was(screen: Screen) -> None:
    await asked(screen, "ada", "bob")
    page = screen.page
    await open_inbox(screen)
    item = items(screen).first
    await item.get_by_role("button", name="Edit").click()
    await item.get_by_role("button", name="Edit as JSON").click()
    await item.get_by_label("Arguments for send_mail").fill('{"to": 5}')
    await item.get_by_role("button", name="Approve edited").click()

    await expect(item.get_by_test_id("argument-errors").get_by_role("listitem")).not_to_have_count(0)
    await expect(item.get_by_label("Arguments for send_mail")).to_have_value('{"to": 5}')
    await shows(screen, 2)

    await page.route("**/decisions", lambda route: route.fulfill(status=429, body=json.dumps({"detail": "Not now."})))
    await item.get_by_role("button", name="Respond").click()
    await item.get_by_label("Result in place of").fill("Done.")
    await item.get_by_role("button", name="Send response").click()
    await expect(item.get_by_test_id("decision-status")).to_have_text("Not now.")
    await shows(screen, 2)


async def test_a_late_click_is_told_who_was_first(screen: Screen) -> None:
    (view,) = await asked(screen, "ada")
    await screen.page.route("**/approvals/events", lambda route: route.abort())  # after what it has shown already
    await open_inbox(screen)
    await shows(screen, 1)
    async with visiting(screen.stack, x_dev_user=screen.user) as user:
        first = user.decide(view["id"], deciding(view["approvals"][0], "reject"))

        async def late(route):  # type: ignore[no-untyped-def]
            await first
            await route.continue_()

        await screen.page.route("**/decisions", late)
        await screen.press("Approve")
        await expect(screen.page.get_by_test_id("notice")).to_contain_text(f"{screen.user} rejected send_mail")
    await shows(screen, 0)


async def test_what_became_of_the_others_is_in_the_history(screen: Screen) -> None:
    ada, bob, cyd = await asked(screen, "ada", "bob", "cyd")
    async with visiting(screen.stack, x_dev_user=screen.user) as user:
        await user.decide(ada["id"], deciding(ada["approvals"][0]))
        await user.decide(bob["id"], deciding(bob["approvals"][0], "reject"))
        await user.http.post(f"/api/generations/{cyd['id']}/abort")
    await open_inbox(screen)
    await shows(screen, 0)
    await screen.press("History")
    past = screen.page.get_by_test_id("past-approval")
    await expect(past).to_have_count(3)
    await expect(past.nth(0)).to_contain_text("Closed")
    await expect(past.nth(1)).to_contain_text("Rejected")
    await expect(past.nth(1).get_by_test_id("decided-by")).to_contain_text(f"By {screen.user}, ")
    await expect(past.nth(2)).to_contain_text("Approved")
    await past.nth(2).locator("summary").click()
    await expect(past.nth(2).get_by_test_id("arguments")).to_contain_text("ada@example.org")
