"""Behind an nginx that buffers, as it does unless it is told otherwise: streams are live, and their ends are true."""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest

from devstack.ports import HOST
from tests.conftest import running
from tests.integration.test_api_outage import restarted
from tests.integration.test_api_stream import END, KEEP_ALIVE, frames, number, stream
from tests.outsider import a_word, eventually, text_of, visiting
from tests.provider.process import ProviderProcess
from tests.provider.script import Reply, Silence, Text
from tests.stack import Stack

pytest_plugins = ["tests.workshop"]
PAUSE = timedelta(seconds=1.3)

# What nobody would write for a proxy whose streams are to be live; the temporary files are only to be ours.
CONFIGURATION = """
daemon off;
master_process off;
pid nginx.pid;
error_log stderr;
events {{}}
http {{
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy;
  fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {{
    listen {host}:{port};
    location / {{
      proxy_pass {target};
      {more}
    }}
  }}
}}
"""


@asynccontextmanager
async def nginx(stack: Stack, port: int, directory: Path, more: str) -> AsyncIterator[Stack]:
    """The same stack behind an nginx of this test."""
    binary = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if binary is None:
        pytest.skip("no nginx: install it (apt-get install nginx-light)")
    file = directory / "nginx.conf"
    file.write_text(CONFIGURATION.format(host=HOST, port=port, target=stack.url, more=more))

    async def ready(_: str) -> bool:
        try:
            (await asyncio.open_connection(HOST, port))[1].close()
        except OSError:
            return False
        return True

    argv = (binary, "-p", str(directory), "-c", str(file), "-e", "stderr")
    async with (
        running("nginx", argv, ready, directory),
        visiting(stack, base_url=f"http://{HOST}:{port}") as behind,
    ):
        yield behind


@pytest.fixture(params=["", pytest.param("proxy_http_version 1.1;", marks=pytest.mark.long)])
def more(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_events_and_keep_alives_come_when_they_are_sent(
    workshop: Stack, provider: ProviderProcess, free_ports: Callable[[int], int], tmp_path: Path, more: str
) -> None:
    word = a_word()
    steps = (Text(text="before "), Silence(lasts=PAUSE), Text(text="after"))
    async with nginx(workshop, free_ports(1), tmp_path, more) as behind:
        await provider.script(Reply(match=word, steps=steps))
        started = await behind.start(word)
        signs, came = [b"before", KEEP_ALIVE, b"after"], list[float]()
        async with stream(behind, started["id"], 0) as response:
            async for chunk in response.aiter_raw():
                if signs[len(came) :] and signs[len(came)] in chunk:
                    came.append(time.monotonic())
        assert len(came) == len(signs)  # each by itself
        assert came[-1] - came[0] > PAUSE.total_seconds() * 0.8
        through, direct = [[f async for f in frames(each, started["id"], 0)] for each in (behind, workshop)]
        assert through == direct
        async with stream(behind, started["id"], number(through[-1])) as response:
            assert (response.status_code, await response.aread()) == (204, b"")


async def test_an_api_that_leaves_says_when_to_come_back_and_cuts_the_stream(
    workshop: Stack, second: Stack, free_ports: Callable[[int], int], tmp_path: Path, more: str
) -> None:
    started = await workshop.start("slow 100")
    got, cut = b"", False
    async with nginx(second, free_ports(1), tmp_path, more) as behind:
        async with restarted(workshop, "api-2"), stream(behind, started["id"], 0) as response:
            try:
                async for chunk in response.aiter_raw():
                    if b"text.delta" in chunk and b"text.delta" not in got:
                        os.kill(workshop.pid("api-2"), signal.SIGTERM)
                    got += chunk
            except httpx2.RemoteProtocolError:
                cut = True
        assert cut
        assert END.encode() not in got
        assert got.replace(KEEP_ALIVE, b"").endswith(b"retry: 500\n\n")

        async def is_back() -> bool:
            return (await behind.http.get("/readyz")).status_code == 200

        await eventually(is_back)
        cursor = max(int(line[4:]) for line in got.split(b"\n") if line.startswith(b"id: "))
        rest = await behind.read(started["id"], after=cursor)
        assert [seq for seq, _ in rest] == list(range(cursor + 1, cursor + 1 + len(rest)))
        assert len(text_of(rest[-1][1]["message"]).split()) == 100
