"""A network that keeps cutting connections, seen by a browser: its own `EventSource`, and the page's client."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import get_args
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Response, expect

from devstack.ports import HOST
from domain.events import Event
from tests.e2e.conftest import OpenScreen
from tests.e2e.screen import numbered_words
from tests.proxy import Proxy, proxy
from tests.stack import Stack

CONNECTION_BYTES = 1_500  # the head of a response, a few events, and a piece of one
NO_MORE = 204
PAGE_CUTS = 8
WORDS_PER_CUT = 60  # so many are said until a browser comes back, which takes 3 s
TYPES = [kind.model_fields["type"].default for kind in get_args(get_args(Event)[0])]

# Follows a generation to the moment when the browser gives up: it is told that there is no more.
FOLLOW = """
([url, types]) => new Promise((resolve) => {
  const events = [];
  const source = new EventSource(url);
  for (const type of types)
    source.addEventListener(type, (event) => events.push([Number(event.lastEventId), JSON.parse(event.data)]));
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) resolve(events);
  });
})
"""


@pytest.fixture
async def network(stack: Stack, free_ports: Callable[[int], int]) -> AsyncIterator[Proxy]:
    target = urlsplit(stack.url).port
    assert target is not None
    async with proxy(free_ports(1), target) as network:
        yield network


@pytest.mark.timeout(180)
@pytest.mark.parametrize("cuts", [2, pytest.param(8, marks=pytest.mark.long)])
async def test_the_browsers_own_event_source_follows_to_the_end_and_then_stops(
    stack: Stack, network: Proxy, browser: Browser, cuts: int
) -> None:
    page = await browser.new_page()
    statuses: list[int] = []

    async def note(response: Response) -> None:
        if "/events" in response.url:
            statuses.append(response.status)
            if len(statuses) == cuts:  # this one has its limit already
                await network.heal()

    await page.goto(f"http://{HOST}:{network.port}/healthz")
    page.on("response", note)
    started = await stack.start(f"slow {WORDS_PER_CUT * cuts + 20}")
    network.cut_after(CONNECTION_BYTES)
    network.cut()  # what the browser has kept open
    events = await page.evaluate(FOLLOW, [f"{started['events_url']}?after=0", TYPES])
    assert [tuple(event) for event in events] == await stack.read(started["id"])
    assert statuses == [200] * (cuts + 1) + [NO_MORE]
    await page.close()


async def test_the_page_reconnects_as_often_as_it_takes(stack: Stack, network: Proxy, open_screen: OpenScreen) -> None:
    screen = await open_screen(replace(stack, url=f"http://{HOST}:{network.port}"))
    await screen.say("slow 160")
    for _ in range(PAGE_CUTS):
        await expect(screen.connection).to_have_attribute("data-state", "live")
        network.cut()
        await expect(screen.connection).to_have_text("Reconnecting")
    await screen.ended()
    await screen.says(numbered_words(160))
    assert await screen.stored_text() == numbered_words(160)
