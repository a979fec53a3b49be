"""Answers of the whole product, from the request to the stored message."""

from tests.stack import Stack

MAIL = 'use send_mail {"to": "ada@example.org", "subject": "Hi", "body": "Tea?"}'


async def test_every_reader_and_the_store_end_with_the_same_message(stack: Stack) -> None:
    started = await stack.start(MAIL, agent="mail_clerk")
    assert (await stack.approve(started["id"])).status_code == 200
    view = await stack.finished(started["id"])
    events = await stack.read(started["id"])
    stored = (await stack.http.get(f"/api/conversations/{started['conversation_id']}/messages")).json()["items"]
    assert [seq for seq, _ in events] == list(range(1, len(events) + 1))
    assert events[-1][1]["type"] == "generation.finished"
    assert events[-1][1]["message"] == view["message"] == stored[-1]
    assert [event["type"] for _, event in events].count("generation.finished") == 1
