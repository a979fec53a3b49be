"""Redis forgets everything: answers go on, and readers are told of the gap and then shown all of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.chaos.reader import Frame, Reader
from tests.stack import CROWD, Stack, fermata_dev

VALKEY = 3  # ports above the first
MAIL = 'use send_mail {"to": "ada@example.org", "subject": "Hi", "body": "Tea?"}'


@pytest.fixture(scope="module")
async def stack(free_ports: Callable[[int], int], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with fermata_dev(free_ports(10), tmp_path_factory.mktemp("stack"), *CROWD) as running:
        yield running


async def forget(stack: Stack) -> None:
    async with Redis.from_url(f"redis://127.0.0.1:{int(stack.url.rsplit(':', 1)[1]) + VALKEY}") as redis:
        await redis.flushall()


async def test_in_the_middle_of_an_answer(stack: Stack) -> None:
    started = await stack.start("slow 80")
    heard = asyncio.Event()

    def tell(frame: Frame) -> None:
        if frame.type == "text.delta":
            heard.set()

    reader = Reader([stack.url], started["id"], cursor=0, tell=tell)
    reading = asyncio.create_task(reader.read())
    await heard.wait()
    await forget(stack)
    view = await stack.finished(started["id"])
    async with asyncio.timeout(20):
        await reading
    types = [frame.type for frame in reader.frames]
    assert types[types.index("gap") + 1] == "snapshot"
    assert types.count("generation.finished") == 1
    shown = reader.view()
    assert shown is not None
    assert shown.model_dump(mode="json") == view
    assert view["outcome"] == "completed"


@pytest.mark.parametrize("_round", range(3))
async def test_while_a_person_is_asked(stack: Stack, _round: int) -> None:
    started = await stack.start(MAIL, agent="mail_clerk")
    await stack.paused(started["id"])
    await forget(stack)
    view = await stack.view(started["id"])
    assert (view["status"], len(view["approvals"])) == ("requires_action", 1)
    late = Reader([stack.url], started["id"])
    reading = asyncio.create_task(late.read())
    assert (await stack.approve(started["id"])).status_code == 200
    view = await stack.finished(started["id"])
    async with asyncio.timeout(20):
        await reading
    shown = late.view()
    assert shown is not None
    assert shown.message is not None
    assert shown.model_dump(mode="json")["message"] == view["message"]
    assert len(list(Path(stack.data_dir / "outbox").glob(f"*{started['id']}*"))) == 1
