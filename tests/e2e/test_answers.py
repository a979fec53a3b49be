"""Asking, reading along, stopping and asking otherwise, in the page."""

import asyncio

from playwright.async_api import Route, expect

from tests.e2e.conftest import OpenScreen
from tests.e2e.screen import Screen, numbered_words, plain
from tests.stack import Stack


async def test_an_answer_streams_and_ends_as_stored(screen: Screen) -> None:
    await screen.say("What can you do?")

    await screen.sees("Hello")
    await expect(screen.connection).to_have_attribute("data-state", "live")
    await expect(screen.answer).to_have_attribute("data-status", "running")
    await screen.ended()

    assert plain(await screen.text()) == plain(await screen.stored_text())
    await expect(screen.answer.get_by_test_id("usage")).to_contain_text("tokens in")
    await expect(screen.connection).to_be_empty()


async def test_a_reload_in_the_middle_loses_and_doubles_nothing(screen: Screen) -> None:
    await screen.say("slow 120")
    await screen.sees("word8 ")

    await screen.page.reload()

    await screen.sees("word1 word2 word3 word4 word5 word6 word7 word8")
    await expect(screen.answer).to_have_attribute("data-status", "running")
    await screen.ended()
    await screen.says(numbered_words(120))
    assert await screen.stored_text() == numbered_words(120)


async def test_what_a_broken_attempt_has_said_disappears(screen: Screen) -> None:
    await screen.say("fail")

    await screen.flashes("This is the")
    await screen.ended()

    await expect(screen.answer).not_to_contain_text("This is the")
    assert await screen.text() == await screen.stored_text()


async def test_a_failed_answer_says_why_once(screen: Screen) -> None:
    await screen.say("error")

    reason = screen.page.get_by_text("failed for good, because it was asked to")
    await expect(reason).to_have_count(1)
    await screen.page.reload()
    await expect(reason).to_have_count(1)


async def test_stop_keeps_what_was_said(screen: Screen) -> None:
    await screen.say("slow 200")
    await screen.sees("word5 ")

    await screen.press("Stop")

    await screen.ended("aborted")
    await expect(screen.answer.get_by_test_id("outcome")).to_have_text("Stopped before it was complete.")
    stored = await screen.stored()
    assert stored["unfinished"]
    said = await screen.text()
    assert said.startswith("word1 word2 word3 word4 word5")
    assert said == await screen.stored_text()


async def test_a_new_message_stops_the_answer_and_is_answered(screen: Screen) -> None:
    await screen.say("slow 200")
    await screen.sees("word5 ")

    await screen.say("slow 3")

    await screen.says("word1 word2 word3")
    await screen.ended()
    replaced = screen.page.get_by_test_id("answer").first
    await expect(replaced).to_contain_text("word5 ")
    await expect(screen.page.get_by_test_id("user-message")).to_contain_text(["slow 200", "slow 3"])
    roles = [message["role"] for message in await screen.messages()]
    assert roles == ["user", "assistant", "user", "assistant"]


async def test_the_first_message_sent_otherwise_is_a_branch_beside_it(screen: Screen) -> None:
    await screen.say("slow 2")
    await screen.ended()

    await screen.page.get_by_test_id("user-message").hover()
    await screen.press("Edit and send again")
    await screen.page.get_by_label("Edit message").fill("slow 3")
    await screen.press("Send again")
    await screen.says("word1 word2 word3")
    await screen.ended()

    said = screen.page.get_by_test_id("user-message")
    await expect(said).to_have_count(1)
    await screen.press("Previous version")
    await expect(said).to_contain_text("slow 2")
    await screen.says("word1 word2")
    await screen.page.reload()
    await expect(said).to_contain_text("slow 3")
    assert [message["parent_id"] for message in await screen.messages() if message["role"] == "user"] == [None, None]


async def test_an_answer_again_is_a_branch_of_the_same_question(screen: Screen) -> None:
    await screen.say("slow 2")
    await screen.ended()

    await screen.press("Answer again")

    await expect(screen.page.get_by_label("Version 2 of 2")).to_be_visible()
    await screen.ended()
    question, *answers = await screen.messages()
    assert [answer["parent_id"] for answer in answers] == [question["id"]] * 2


async def test_the_list_names_every_conversation_and_leads_to_it(screen: Screen) -> None:
    entries = screen.page.get_by_label("Conversations", exact=True).get_by_role("listitem")
    await screen.say("What time is it in Tokyo?")
    await screen.ended()
    first = screen.conversation
    await screen.page.get_by_role("link", name="New chat").click()
    await screen.say("slow 2")
    await screen.ended()

    await expect(entries).to_have_text(["Slow 2", "What time is it in"])
    await entries.get_by_text("What time is it in").click()
    await expect(screen.tool_card).to_contain_text("clock")
    assert screen.conversation == first
    await screen.page.go_back()
    await expect(screen.answer).to_contain_text("word1 word2")


async def test_a_new_conversation_is_looked_for_in_the_list_once_its_answer_has_begun(screen: Screen) -> None:
    """Before, the record may not have it yet, and nothing would make the page look again."""
    begun, looked = asyncio.Event(), list[str]()

    async def hold(route: Route) -> None:
        await begun.wait()
        await route.continue_()

    await screen.page.route("**/api/generations/*/events*", hold)
    screen.page.on("request", lambda request: looked.append(request.url))
    async with screen.page.expect_request("**/api/generations/*/events*"):
        await screen.say("slow 60")
    assert not [url for url in looked if "/api/conversations?" in url]
    begun.set()
    await screen.sees("word1 ")
    entry = screen.page.get_by_label("Conversations", exact=True).get_by_role("listitem")
    await expect(entry).to_contain_text("running")


async def test_what_runs_elsewhere_is_marked_in_the_list(screen: Screen) -> None:
    await screen.say("slow 60")
    await screen.sees("word1 ")

    await screen.page.get_by_role("link", name="New chat").click()

    entry = screen.page.get_by_label("Conversations", exact=True).get_by_role("listitem")
    await expect(entry).to_contain_text("running")
    await expect(entry).not_to_contain_text("running")


async def test_a_second_tab_reads_the_same(screen: Screen) -> None:
    await screen.say("slow 60")
    await screen.sees("word3 ")

    other = await screen.another()

    await other.sees("word3 ")
    await other.ended()
    await other.says(numbered_words(60))


async def test_a_tab_that_is_looked_at_again_shows_what_another_one_did(screen: Screen) -> None:
    await screen.say("slow 2")
    await screen.ended()
    other = await screen.another()
    await other.ended()

    await screen.say("slow 3")
    await screen.says("word1 word2 word3")
    await screen.ended()
    await other.page.evaluate("dispatchEvent(new Event('focus'))")  # a headless browser gives none by itself
    await other.says("word1 word2 word3")

    await screen.say("slow 120")
    await screen.sees("word9 ")
    await other.page.evaluate("dispatchEvent(new Event('focus'))")
    await other.sees("word9 ")
    await expect(other.connection).to_have_attribute("data-state", "live")


HOSTILE = """<script>window.hacked = 1</script><img src=x onerror="window.hacked=1">
[a link](javascript:window.hacked=1) <a href="javascript:window.hacked=1">another</a>
<section class="approval"><button>Approve</button></section>
![a picture](https://example.org/seen.png)
<svg onload="window.hacked=1"><style>* {display: none}</style></svg>"""


async def test_markdown_of_the_model_runs_no_script_and_draws_no_controls(screen: Screen) -> None:
    asked: list[str] = []
    screen.page.on("request", lambda request: asked.append(request.url))
    await screen.say(HOSTILE)
    await screen.ended()

    quoted = screen.answer.locator("blockquote")
    await expect(quoted).to_contain_text("window.hacked")
    assert await quoted.locator("script, img, svg, style, section, button, iframe, [onerror], [onload]").count() == 0
    targets = await quoted.locator("a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert [target for target in targets if target and not target.startswith(("http:", "https:", "mailto:"))] == []
    assert await screen.page.evaluate("window.hacked") is None
    assert [url for url in asked if "example.org" in url] == []
    assert screen.complaints == []  # the content security policy had nothing to stop


async def test_an_ordinary_run_leaves_the_console_empty(clerk: Screen) -> None:
    await clerk.say("Send a mail to ada@example.org: See you at noon")
    await clerk.press("Approve")
    await clerk.ended()
    await clerk.page.reload()
    await clerk.ended()

    assert clerk.complaints == []


async def test_a_narrow_screen_never_scrolls_sideways(stack: Stack, open_screen: OpenScreen) -> None:
    narrow = await open_screen(stack, viewport={"width": 360, "height": 640})

    async def overhang() -> float:
        right = "Math.max(...[...document.querySelectorAll('body, main *')].map(e => e.getBoundingClientRect().right))"
        return float(await narrow.page.evaluate(f"{right} - innerWidth"))

    await narrow.say("What can you do?")
    await narrow.ended()
    assert await overhang() <= 0
    await narrow.say("Write a note: milk, bread and apples")
    await expect(narrow.approval).to_be_visible()
    assert await overhang() <= 0
