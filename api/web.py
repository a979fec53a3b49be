"""The page, the explanations of problem codes, and the headers that keep a browser safe."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import OTHER_STATUSES, PROBLEMS
from domain.limits import REQUEST_BYTES

PAGE = Path(__file__).parent.parent / "web"

SAFE = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; "
        "form-action 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}

# FastAPI's page of the OpenAPI document brings a script in itself and takes the rest from a public server.
DOCS = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'unsafe-inline' https://cdn.jsdelivr.net; "
        "style-src 'unsafe-inline' https://cdn.jsdelivr.net; img-src 'self' data: https://fastapi.tiangolo.com"
    )
}

router = APIRouter(include_in_schema=False)


def install(app: FastAPI) -> None:
    """Serve the page at `/` and its files under `/web`."""
    app.include_router(router)
    app.mount("/web", Assets(directory=PAGE), name="web")
    app.add_middleware(BodyLimit)
    app.add_middleware(SafeHeaders)


@router.get("/")
async def page() -> FileResponse:
    return FileResponse(PAGE / "index.html", headers={"Cache-Control": "no-cache"})


@router.get("/problems/{code}")
async def explain(code: str) -> PlainTextResponse:
    """What a problem code means."""
    for kind, (status, known) in PROBLEMS.items():
        if known == code:
            return PlainTextResponse(f"{code} ({status})\n\n{kind.__doc__}\n")
    if code in {*OTHER_STATUSES.values(), "internal_error"}:
        return PlainTextResponse(f"{code}\n\nA plain HTTP error.\n")
    raise HTTPException(404, "There is no such problem code.")


class Assets(StaticFiles):
    """Always asked for again, so that a browser never mixes the modules of two versions."""

    def file_response(self, *args: Any, **options: Any) -> Response:  # as the base class has it
        response = super().file_response(*args, **options)
        response.headers["Cache-Control"] = "no-cache"
        return response


class SafeHeaders:
    """Pure ASGI, so that streams pass through it untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        safe = {**SAFE, **DOCS} if scope["path"] == "/docs" else SAFE

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in safe.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_safely)


class BodyLimit:
    """Refuses a body beyond the limit while it comes in, announced or not."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        taken = 0

        async def receive_some() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > REQUEST_BYTES:
                raise HTTPException(413, f"A request may have {REQUEST_BYTES} bytes; this one has more.")
            return message

        await self._app(scope, receive_some, send)
