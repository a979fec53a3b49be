"""Deciding what a call may do, in the page."""

import json
import re
from datetime import datetime, timedelta

from playwright.async_api import expect

from tests.e2e.screen import Screen

MAIL = "Send a mail to ada@example.org: See you at noon"
TWO_NOTES = """use write_note {"title": "milk", "text": "two litres"}
use write_note {"title": "bread", "text": "one loaf"}"""


async def test_an_approved_mail_is_sent_as_shown(clerk: Screen) -> None:
    await clerk.say(MAIL)
    await expect(clerk.approval).to_contain_text("ada@example.org")
    await expect(clerk.page).to_have_title(re.compile("Waiting for you"))

    await clerk.press("Approve")

    await clerk.ended()
    await expect(clerk.approval).to_have_count(0)
    await expect(clerk.tool_card).to_have_attribute("data-status", "completed")
    await expect(clerk.tool_card.get_by_test_id("decided-by")).to_have_text(f"Decided by {clerk.user}")
    await expect(clerk.answer).to_contain_text("Sent to ada@example.org")
    (call,) = await clerk.stored_calls()
    assert call["arguments"] == {"to": "ada@example.org", "subject": "See you at noon", "body": "See you at noon"}


async def test_a_rejected_mail_is_not_sent_and_the_model_reads_why(clerk: Screen) -> None:
    await clerk.say(MAIL)

    await clerk.press("Reject")
    await clerk.approval.get_by_label("Reason").fill("Noon is too late.")
    await clerk.press("Reject call")

    await clerk.ended()
    await expect(clerk.tool_card).to_have_attribute("data-status", "rejected")
    await expect(clerk.answer.locator("blockquote")).to_contain_text("Noon is too late.")


async def test_edited_arguments_are_checked_in_place_and_run_once_they_fit(clerk: Screen) -> None:
    await clerk.say(MAIL)
    await clerk.press("Edit")
    await clerk.press("Edit as JSON")
    field = clerk.approval.get_by_label("Arguments for send_mail")
    errors = clerk.approval.get_by_test_id("argument-errors")

    await field.fill('{"to": "bob@example.org", ')
    await expect(errors).to_contain_text("not valid JSON")
    await field.fill('{"to": "bob@example.org", "subject": 5}')
    await clerk.press("Approve edited")
    await expect(errors.get_by_role("listitem")).to_have_text(
        [re.compile("/body .*required"), re.compile("/subject .*")]
    )
    await expect(field).to_have_attribute("aria-invalid", "true")

    edited = {"to": "bob@example.org", "subject": "Noon", "body": "At one, then."}
    await field.fill(json.dumps(edited))
    await expect(errors).to_be_empty()
    await clerk.press("Approve edited")

    await clerk.ended()
    await expect(clerk.answer).to_contain_text("Sent to bob@example.org")
    assert [call["arguments"] for call in await clerk.stored_calls()] == [edited]


async def test_plain_arguments_are_edited_in_a_form(clerk: Screen) -> None:
    await clerk.say(MAIL)
    await clerk.press("Edit")

    changes = clerk.approval.get_by_test_id("changes")
    await expect(changes).to_have_count(0)
    await clerk.approval.get_by_label("subject").fill("See you at one")
    await expect(changes.get_by_role("term")).to_have_text(["subject"])
    await expect(changes.locator("del")).to_have_text("noon")
    await expect(changes.locator("ins")).to_have_text("one")
    await clerk.approval.get_by_label("subject").fill("See you at noon")
    await clerk.approval.get_by_label("body").fill("At one, then.\n\nAda")
    await expect(changes.get_by_role("term")).to_have_text(["body"])
    await clerk.press("Approve edited")

    await clerk.ended()
    (call,) = await clerk.stored_calls()
    assert call["arguments"] == {"to": "ada@example.org", "subject": "See you at noon", "body": "At one, then.\n\nAda"}


async def test_a_response_takes_the_place_of_the_result(clerk: Screen) -> None:
    await clerk.say(MAIL)

    await clerk.press("Respond")
    await clerk.approval.get_by_label("Result in place of send_mail").fill("I told her myself.")
    await clerk.press("Send response")

    await clerk.ended()
    await expect(clerk.tool_card).to_contain_text("I told her myself.")
    assert [call["output"] for call in await clerk.stored_calls()] == ["I told her myself."]


async def test_two_calls_of_a_turn_are_decided_together(screen: Screen) -> None:
    await screen.say(TWO_NOTES)
    calls = screen.approval.get_by_test_id("approval-call")
    await expect(calls).to_have_count(2)
    send = screen.approval.get_by_role("button", name="Send decisions")

    await calls.first.get_by_role("button", name="Approve").click()
    await expect(screen.approval).to_contain_text("1 of 2 still open")
    await expect(send).to_be_disabled()
    await calls.last.get_by_role("button", name="Reject").click()
    await calls.last.get_by_label("Reason").fill("We have bread.")
    await send.click()

    await screen.ended()
    decided = [(call["arguments"]["title"], call["status"]) for call in await screen.stored_calls()]
    assert decided == [("milk", "completed"), ("bread", "rejected")]


async def test_the_countdown_tells_the_time_left(clerk: Screen) -> None:
    await clerk.say(MAIL)
    countdown = clerk.approval.get_by_role("timer")
    await expect(countdown).to_have_text("expires in 23 h 59 min")
    await expect(countdown).to_have_attribute("data-close", "false")

    await clerk.page.clock.install()
    await clerk.page.reload()
    await clerk.page.clock.fast_forward("23:55:00")

    await expect(countdown).to_have_text(re.compile(r"expires in 4 min \d+ s"))
    await expect(countdown).to_have_attribute("data-close", "true")


async def test_a_second_tab_sees_the_decision_of_the_first(clerk: Screen) -> None:
    await clerk.say(MAIL)
    await expect(clerk.approval).to_be_visible()
    other = await clerk.another()
    await expect(other.approval).to_be_visible()

    await clerk.press("Approve")

    await expect(other.approval).to_have_count(0)
    await other.ended()
    assert await other.text() == await clerk.text()


async def test_a_late_click_is_told_who_was_first(clerk: Screen) -> None:
    await clerk.say(MAIL)
    await expect(clerk.approval).to_be_visible()
    late = await clerk.another()
    await expect(late.approval).to_be_visible()
    await late.page.route("**/events", lambda route: route.abort())
    await late.page.reload()
    await expect(late.approval).to_be_visible()

    await clerk.press("Reject")
    await clerk.press("Reject call")
    await clerk.ended()
    await late.press("Approve")

    notice = late.page.get_by_test_id("notice")
    await expect(notice).to_contain_text("Your decision did not count")
    await expect(notice).to_contain_text(f"{clerk.user} rejected send_mail")
    assert [call["status"] for call in await clerk.stored_calls()] == ["rejected"]


async def test_a_decision_needs_no_mouse(clerk: Screen) -> None:
    await clerk.say(MAIL)
    approve = clerk.approval.get_by_role("button", name="Approve")
    await expect(approve).to_be_visible()

    for _ in range(15):
        await clerk.page.keyboard.press("Shift+Tab")
        if await approve.evaluate("button => button === document.activeElement"):
            break
    await clerk.page.keyboard.press("Enter")

    await clerk.ended()
    await expect(clerk.page.get_by_label("Message", exact=True)).to_be_focused()
    await expect(clerk.page.get_by_test_id("announcement")).to_have_text("The answer is complete.")


async def test_more_time_is_one_press_away(clerk: Screen) -> None:
    await clerk.say(MAIL)
    deadline = clerk.approval.get_by_role("timer")
    before = await deadline.get_attribute("datetime")
    assert before is not None
    await clerk.press("+1 h")
    await expect(deadline).not_to_have_attribute("datetime", before)
    after = await deadline.get_attribute("datetime")
    assert after is not None
    assert datetime.fromisoformat(after) - datetime.fromisoformat(before) == timedelta(hours=1)
