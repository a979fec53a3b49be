"""Notifications by the browser. What a headless one would show is noted in the place where it would be shown."""

from playwright.async_api import expect

from tests.e2e.conftest import OpenScreen
from tests.outsider import visiting
from tests.stack import Stack

SHOWN = """
window.shown = [];
window.Notification = class {
  static permission = localStorage.permission ?? "default";
  static async requestPermission() { return (this.permission = localStorage.permission = window.answer ?? "granted"); }
  constructor(title, { body }) { window.shown.push(`${title}: ${body}`); window.last = this; }
  close() {}
};
document.hasFocus = () => false;
"""
MAIL = "Send a mail to ada@example.org: Noon"


async def test_who_asked_for_it_is_told_of_what_comes_to_wait_and_gets_there_by_a_click(
    stack: Stack, open_screen: OpenScreen
) -> None:
    screen = await open_screen(stack)
    await screen.page.context.add_init_script(SHOWN)
    async with visiting(stack, x_dev_user=screen.user) as user:
        await user.paused((await user.start(MAIL, agent="mail_clerk"))["id"])  # it waits already: no news
        await screen.page.goto(f"{stack.url}/?inbox")
        await screen.press("Notify me")
        await expect(screen.page.get_by_role("button", name="Notify me")).to_have_attribute("aria-pressed", "true")
        await screen.page.goto(stack.url)
        await expect(screen.page).to_have_title("(1) Fermata")
        await user.start("ask Which one? red | green")
        await expect(screen.page).to_have_title("(2) Fermata")
        assert await screen.page.evaluate("shown") == ["Assistant waits for you: Which one?"]
        await screen.page.evaluate("last.onclick()")
        await expect(screen.page.get_by_role("heading", name="Approvals")).to_be_visible()

        await screen.press("Notify me")
        await user.start(MAIL, agent="mail_clerk")
        await expect(screen.page).to_have_title("(3) Approvals · Fermata")
        assert len(await screen.page.evaluate("shown")) == 1


async def test_a_browser_that_shows_none_is_said_so(stack: Stack, open_screen: OpenScreen) -> None:
    screen = await open_screen(stack)
    await screen.page.context.add_init_script(f"{SHOWN}\nwindow.answer = 'denied';")
    await screen.page.goto(f"{stack.url}/?inbox")
    await screen.press("Notify me")
    await expect(screen.page.get_by_text("shows no notifications of this page")).to_be_visible()
    await expect(screen.page.get_by_role("button", name="Notify me")).to_have_attribute("aria-pressed", "false")
