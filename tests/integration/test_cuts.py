"""A network that keeps cutting connections: a reader comes back each time and loses nothing."""

import asyncio
from collections.abc import Callable
from urllib.parse import urlsplit

from devstack.ports import HOST
from tests.chaos.reader import Reader
from tests.outsider import text_of
from tests.proxy import proxy
from tests.stack import Stack

pytest_plugins = ["tests.workshop"]
CUTS = 100
WORDS = 600
CONNECTION_BYTES = 1_500  # the head of a response, a few events, and a piece of one


async def test_a_hundred_cuts_in_one_answer_change_nothing(workshop: Stack, free_ports: Callable[[int], int]) -> None:
    target = urlsplit(workshop.url).port
    assert target is not None
    async with proxy(free_ports(1), target) as network, asyncio.timeout(60):
        network.cut_after(CONNECTION_BYTES)
        started = await workshop.start(f"slow {WORDS} at 120")
        url = f"http://{HOST}:{network.port}"
        cut, uncut = Reader([url], started["id"], cursor=0), Reader([workshop.url], started["id"], cursor=0)
        reading = asyncio.gather(cut.read(), uncut.read())
        while network.cuts < CUTS:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
        await network.heal()
        await reading
    assert cut.connections > CUTS
    assert [frame.raw for frame in cut.frames] == [frame.raw for frame in uncut.frames]
    assert [frame.seq for frame in cut.frames] == list(range(1, len(cut.frames) + 1))
    said = "".join(frame.data["text"] for frame in cut.frames if frame.type == "text.delta")
    assert said == text_of(cut.frames[-1].data["message"])
    assert len(said.split()) == WORDS
