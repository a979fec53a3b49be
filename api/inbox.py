"""An inbox as a client sees it: what waits, and then each change. The record is the memory, and a bell only rings."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, suppress
from datetime import timedelta

from fastapi import Response

from api.identity import Identity
from api.ports import Parts
from api.stream import EventStream
from domain.content import JsonObject
from domain.errors import ApprovalNotFound, Unavailable
from domain.ids import ApprovalId
from domain.record import Page, StoredApproval

LOOK = timedelta(seconds=15)  # into the record, at the latest; a ring may have been lost
WINDOW = 200  # the oldest that wait; when one of them is decided, the next one comes into sight

Shown = Mapping[ApprovalId, StoredApproval]


def item(stored: StoredApproval) -> JsonObject:
    """The approval, with what one needs to know beside it, on one level."""
    return stored.approval.model_dump(mode="json") | stored.model_dump(mode="json", exclude={"approval"})


async def follow(parts: Parts, who: Identity) -> Response:
    """The feed. It begins with all that waits and never ends by itself; who comes again begins again."""
    woken, leaving = asyncio.Event(), asyncio.Event()

    def leave() -> None:
        leaving.set()
        woken.set()

    with ExitStack() as listening:
        listening.enter_context(parts.bells.hearing(who.tenant, who.user.id, who.roles, woken))
        page = await _look(parts, who)
        close = listening.pop_all().close
    return EventStream(parts, _chunks(parts, who, page, woken, leaving), leave=leave, close=close)


async def _chunks(
    parts: Parts, who: Identity, page: Page[StoredApproval], woken: asyncio.Event, leaving: asyncio.Event
) -> AsyncIterator[bytes]:
    items = [item(stored) for stored in page.items]
    yield _frame({"type": "snapshot", "items": items, "more": page.next is not None})
    shown = _by_id(page)
    while not leaving.is_set():
        with suppress(TimeoutError):
            async with asyncio.timeout(min(LOOK, parts.keepalive).total_seconds()):
                await woken.wait()
        woken.clear()
        with suppress(Unavailable):  # the next look tells what this one could not
            waiting = _by_id(await _look(parts, who))
            news = [*await _settled(parts, who, shown, waiting), *_moved(shown, waiting)]
            shown = waiting
            if news:
                yield b"".join(map(_frame, news))


async def _look(parts: Parts, who: Identity) -> Page[StoredApproval]:
    return await parts.queries.approvals(who.tenant, who.user.id, who.roles, limit=WINDOW)


async def _settled(parts: Parts, who: Identity, shown: Shown, waiting: Shown) -> list[JsonObject]:
    """What became of those that are not among the waiting any more."""
    news = []
    for approval_id in (each for each in shown if each not in waiting):
        try:
            stored = await parts.queries.approval(who.tenant, who.user.id, who.roles, approval_id)
        except ApprovalNotFound:  # its conversation was deleted
            stored = shown[approval_id].model_copy(update={"status": "closed", "may_decide": False})
        if stored.status != "pending":  # else it is only out of sight
            news.append(_change(f"approval.{stored.status}", stored))
    return news


def _moved(shown: Shown, waiting: Shown) -> list[JsonObject]:
    """What is new among the waiting, and what else happened to them."""
    news: list[JsonObject] = []
    for approval_id, stored in waiting.items():
        before = shown.get(approval_id)
        if before is None:
            news.append({"type": "approval.requested", "item": item(stored)})
            continue
        if stored.receipt != before.receipt and stored.receipt.remaining:  # else it is told when it waits no more
            news.append(_change("approval.decided", stored))
        if stored.approval.expires_at != before.approval.expires_at:
            news.append(_change("approval.extended", stored))
    return news


def _change(kind: str, stored: StoredApproval) -> JsonObject:
    whole = item(stored)
    return {"type": kind, "approval_id": whole["id"]} | {
        name: whole[name] for name in ("generation_id", "status", "expires_at", "may_decide", "votes", "receipt")
    }


def _by_id(page: Page[StoredApproval]) -> Shown:
    return {stored.approval.id: stored for stored in page.items}


def _frame(event: JsonObject) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
