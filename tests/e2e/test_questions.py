"""Answering the model's questions, in the page: with the mouse, with the keyboard, and from the inbox."""

import json
import re

from playwright.async_api import Locator, Route, expect

from tests.e2e.screen import Screen
from tests.e2e.test_accessibility import EVERY_RULE, violations

WHICH = "ask Which one? red | green | blue"
THREE = f"{WHICH}\nask Which days? Mon & Tue & Wed\nask Anything else?"


def question(screen: Screen, place: int) -> Locator:
    return screen.approval.get_by_test_id("question").nth(place)


def send(screen: Screen) -> Locator:
    return screen.approval.get_by_role("button", name=re.compile("Send answers?"))


async def answers(screen: Screen) -> list[object]:
    """What the model was told."""
    (call,) = await screen.stored_calls()
    return [each["answer"] for each in json.loads(call["output"])["answers"]]


async def test_all_questions_are_answered_before_any_answer_is_sent(screen: Screen) -> None:
    await screen.say(THREE)
    await expect(screen.approval.get_by_role("heading", name="3 questions for you")).to_be_visible()
    await expect(screen.page).to_have_title(re.compile("Waiting for you"))
    assert await violations(screen, EVERY_RULE) == []

    await expect(send(screen)).to_be_disabled()
    await question(screen, 0).get_by_label("green").check()
    await question(screen, 1).get_by_label("Wed").check()
    await question(screen, 1).get_by_label("Mon").check()
    await expect(screen.approval).to_contain_text("1 of 3 still open")
    await question(screen, 2).get_by_role("textbox", name="Anything else?").fill("  ")
    await expect(send(screen)).to_be_disabled()
    await question(screen, 2).get_by_role("textbox", name="Anything else?").fill("Make it matt.")
    await send(screen).click()

    await screen.ended()
    await expect(screen.approval).to_have_count(0)
    card = screen.answer.get_by_test_id("answered-card")
    await expect(card.get_by_role("definition")).to_have_text(["green", "Mon", "Wed", "Make it matt."])
    await expect(card.get_by_test_id("decided-by")).to_have_text(f"Answered by {screen.user}")
    assert await answers(screen) == [["green"], ["Mon", "Wed"], "Make it matt."]
    await screen.page.reload()
    await expect(card.get_by_role("definition")).to_have_text(["green", "Mon", "Wed", "Make it matt."])
    assert await violations(screen, EVERY_RULE) == []


async def test_own_words_take_the_place_of_options_and_options_that_of_own_words(screen: Screen) -> None:
    await screen.say(WHICH)
    await question(screen, 0).get_by_label("red").check()
    await question(screen, 0).get_by_label("Something else").check()
    await expect(question(screen, 0).get_by_label("red")).not_to_be_checked()
    await expect(question(screen, 0).get_by_role("textbox")).to_be_focused()
    await expect(send(screen)).to_be_disabled()
    await question(screen, 0).get_by_label("blue").check()
    await expect(question(screen, 0).get_by_role("textbox")).to_have_count(0)
    await question(screen, 0).get_by_label("Something else").check()
    await screen.page.keyboard.type("Purple, if you have it.")
    await send(screen).click()
    await screen.ended()
    assert await answers(screen) == ["Purple, if you have it."]


async def test_a_question_is_answered_without_a_mouse(screen: Screen) -> None:
    await screen.say(f"{WHICH}\nask Why?")
    await expect(screen.approval).to_be_visible()
    await screen.approval.get_by_role("button", name="+1 h").focus()
    for key in ("Tab", "Space", "ArrowDown", "Tab", "B", "y", " ", "t", "a", "s", "t", "e", "Enter"):
        await screen.page.keyboard.press(key)
    await screen.ended()
    assert await answers(screen) == [["green"], "By taste"]


async def test_a_reload_in_between_keeps_the_question(screen: Screen) -> None:
    await screen.say(WHICH)
    await expect(screen.approval).to_be_visible()
    await screen.page.reload()
    await question(screen, 0).get_by_label("red").check()
    await send(screen).click()
    await screen.ended()
    assert await answers(screen) == [["red"]]


async def test_what_the_server_does_not_take_is_said_at_the_question(screen: Screen) -> None:
    await screen.say(WHICH)
    await question(screen, 0).get_by_label("red").check()

    async def with_another_value(route: Route) -> None:
        body = json.loads(route.request.post_data or "")
        await route.continue_(post_data=json.dumps({**body, "answers": {"q1": ["purple"]}}))

    await screen.page.route("**/decisions", with_another_value)
    await send(screen).click()
    await expect(question(screen, 0).get_by_role("alert")).to_contain_text("'purple' is not the value of an option")
    await screen.page.unroute("**/decisions")
    await send(screen).click()
    await screen.ended()
    assert await answers(screen) == [["red"]]


async def test_a_question_is_answered_from_the_inbox_by_keys(screen: Screen) -> None:
    await screen.say(WHICH)
    await expect(screen.approval).to_be_visible()
    conversation = screen.conversation
    await screen.page.get_by_test_id("inbox-link").click()
    item = screen.page.get_by_test_id("inbox-item").filter(visible=True)
    await expect(item.get_by_role("group", name="Which one?")).to_be_visible()
    assert await violations(screen, EVERY_RULE) == []
    for key in ("j", "a", "Space", "ArrowDown", "Enter"):
        await screen.page.keyboard.press(key)
    await expect(item).to_have_count(0)
    await screen.press("History")
    past = screen.page.get_by_test_id("past-approval")
    await expect(past).to_contain_text("Which one?")
    await expect(past).to_contain_text("Answered")
    await screen.open(conversation)
    await screen.ended()
    assert await answers(screen) == [["green"]]
