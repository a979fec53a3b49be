"""Following a generation: all frames after a cursor, over as many connections as it takes."""

import json
import time
from collections.abc import Generator

import httpx2
from pydantic import ValidationError

from console.backoff import FIRST_SECONDS, delay
from console.client import AWAY, Api, refused
from domain.events import Event, parse_frame
from domain.ids import GenerationId
from domain.view import View

TERMINAL = "generation.finished"


def follow(
    api: Api, generation: GenerationId, after: int | None, *, trusted: bool
) -> Generator[httpx2.ServerSentEvent]:
    """Every frame beyond the cursor, up to the terminal one. Raises Problem if the server refuses.

    A connection that is lost, or ends without the terminal event, is opened again at the last cursor, for as long as
    it takes. A trusted cursor was read from this log: if the log does not reach it, then the log was begun anew after a
    loss, and its snapshot comes instead.
    """
    cursor, first, failures = after, FIRST_SECONDS, 0
    while True:
        wait = None
        try:
            with api.stream(generation, cursor) as source:
                response = source.response
                if response.status_code == httpx2.codes.NO_CONTENT:
                    return
                if response.is_success:
                    for frame in source:
                        failures, trusted = 0, True
                        cursor = int(frame.id) if frame.id else cursor
                        first = frame.retry / 1000 if frame.retry is not None else first
                        if frame.data:
                            yield frame
                        if frame.event == TERMINAL:
                            return
                elif response.status_code == httpx2.codes.CONFLICT and trusted:
                    cursor = None
                elif response.status_code in (*AWAY, httpx2.codes.TOO_MANY_REQUESTS):
                    wait = _seconds(response.headers.get("Retry-After"))
                else:
                    response.read()
                    raise refused(response)
        except httpx2.TransportError:
            pass  # the cursor remembers where it was
        if failures == 0:
            api.lost()
        time.sleep(delay(failures, first) if wait is None else wait)
        failures += 1


def known_event(frame: httpx2.ServerSentEvent) -> Event | None:
    """The event in a frame; None for control frames, and for what a newer server may say."""
    try:
        return parse_frame(b"data: " + frame.data.encode())
    except ValidationError:
        return None


def snapshot(frame: httpx2.ServerSentEvent) -> View | None:
    """The view in a snapshot frame; None for every other frame."""
    return View.model_validate(json.loads(frame.data)["view"]) if frame.event == "snapshot" else None


def _seconds(header: str | None) -> float | None:
    return float(header) if header is not None and header.isdigit() else None
