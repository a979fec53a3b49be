"""Following without knowing the generation, and without streaming."""

import asyncio
from uuid import uuid4

from tests.stack import Stack

MAIL = 'use send_mail {"to": "ada@example.org", "subject": "Hi", "body": "Tea?"}'


async def test_a_long_poll_answers_when_a_person_is_needed_and_again_at_the_end(stack: Stack) -> None:
    started = await stack.start(MAIL, agent="mail_clerk")
    paused = (await stack.http.get(f"/api/generations/{started['id']}", params={"wait": 30})).json()
    assert paused["status"] == "requires_action"
    polling = asyncio.create_task(stack.http.get(f"/api/generations/{started['id']}", params={"wait": 30}))
    assert (await polling).json()["status"] == "requires_action"  # it is still for a person to act
    await stack.approve(started["id"])
    done = await stack.until(started["id"], lambda view: view["status"] != "requires_action")
    if done["status"] == "running":
        done = (await stack.http.get(f"/api/generations/{started['id']}", params={"wait": 30})).json()
    assert done["status"] == "completed"


async def test_a_long_poll_ends_with_its_time(stack: Stack) -> None:
    started = await stack.start("slow 100")
    view = (await stack.http.get(f"/api/generations/{started['id']}", params={"wait": 1})).json()
    assert view["status"] == "running"
    await stack.http.post(f"/api/generations/{started['id']}/abort")


async def test_a_conversation_is_followed_through_its_live_answer(stack: Stack) -> None:
    conversation = str(uuid4())
    started = await stack.start("slow 20", conversation_id=conversation)
    await stack.until(started["id"], lambda view: view["started_at"] is not None)
    response = await stack.http.get(f"/api/conversations/{conversation}/events")
    assert "event: snapshot\n" in response.text
    assert "event: generation.finished\n" in response.text
    again = await stack.http.get(f"/api/conversations/{conversation}/events")
    assert again.status_code == 204
    foreign = await stack.http.get(f"/api/conversations/{conversation}/events", headers={"X-Dev-User": "eve"})
    assert foreign.status_code == 404
