"""What is still open when this process has to go: its answer says so, instead of breaking off."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import problem


class Leaving:
    """The server cancels what has not been answered within its grace. That is no bug, and the client may ask again."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except asyncio.CancelledError:
            if started:
                raise
            answer = problem(503, "unavailable", "This server goes away; ask again.", instance=scope["path"])
            await answer(scope, receive, send)
