"""`python -m tests.provider --port 0`: run the provider and say where."""

import argparse
import asyncio
import contextlib
import sys

import uvloop

from tests.provider.server import listen


async def _run(port: int, *, until_stdin_closes: bool) -> None:
    server = await listen(port)
    print(f"provider http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    # Not awaited as a context manager: that would wait for streams which a script told to hang for ever.
    await (_stdin_closed() if until_stdin_closes else server.serve_forever())


async def _stdin_closed() -> None:
    """The parent holds the other end of this pipe, so its death, however sudden, ends us too."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(prog="python -m tests.provider", description=__doc__)
    arguments.add_argument("--port", type=int, default=0)
    arguments.add_argument("--until-stdin-closes", action="store_true", help="live as long as the parent does")
    options = arguments.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(_run(options.port, until_stdin_closes=options.until_stdin_closes))
