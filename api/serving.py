"""Serving the application over HTTP: when the server has to go, the open streams hear of it first."""

import gc
import resource
import socket
from contextlib import suppress

import uvicorn
from fastapi import FastAPI

from api.ports import Parts

GRACE_SECONDS = 5  # for answers that are under way


def serve(app: FastAPI, host: str, port: int) -> bool:
    """Until SIGTERM or SIGINT. Whether it could start."""
    config = uvicorn.Config(
        app,
        log_config=None,
        host=host,
        port=port,
        timeout_graceful_shutdown=GRACE_SECONDS,
        access_log=False,
        server_header=False,
    )
    server = _Server(config, app)
    _allow_many_readers()
    # What was loaded stays, and so do readers: to look through all of it again and again stops every stream for 0.1 s.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)
    with suppress(KeyboardInterrupt):
        server.run()
    return server.started


def _allow_many_readers() -> None:
    """Each is an open file, of which many systems let a process have 1,024 unless it asks for what it may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS names a limit that it does not grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        parts: Parts = self._app.state.parts
        for stream in tuple(parts.streams):
            stream.leave()
        await super().shutdown(sockets)
