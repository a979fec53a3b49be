"""The environment of the stack's processes, and the servers it was told to use instead of its own."""

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from devstack import temporal
from devstack.errors import CannotStart
from devstack.ports import HOST, Ports

_ANSWER_WITHIN = timedelta(seconds=5)
_DEFAULT_PORTS = {"redis": 6379, "rediss": 6379, "postgresql": 5432, "temporal": 7233}


@dataclass(frozen=True)
class Given:
    """Addresses from the environment; the stack starts its own server for each that is None."""

    temporal: str | None
    redis: str | None
    database: str | None


def given_servers(environ: Mapping[str, str]) -> Given:
    """An empty variable counts as not set."""
    return Given(
        temporal=environ.get("TEMPORAL_ADDRESS") or None,
        redis=environ.get("REDIS_URL") or None,
        database=environ.get("DATABASE_URL") or None,
    )


def child_environment(
    environ: Mapping[str, str], given: Given, ports: Ports, data_dir: Path, config: Path | None
) -> dict[str, str]:
    """What the migrations, the workers and the APIs of a stack see."""
    own = {
        "FERMATA_ENV": environ.get("FERMATA_ENV") or "development",
        "FERMATA_DATA_DIR": str(data_dir),
        "DATABASE_URL": given.database or f"sqlite+aiosqlite:///{data_dir / 'fermata.db'}",
        "REDIS_URL": given.redis or f"redis://{HOST}:{ports.valkey}/0",
        # A log must show the last line before a crash; readiness is read from it as well.
        "PYTHONUNBUFFERED": "1",
    }
    if config is not None:
        own["FERMATA_CONFIG"] = str(config.absolute())
    if given.temporal is not None:
        return {**environ, **own}
    # A profile, key or certificate meant for another Temporal would be offered to the embedded one, which has none.
    others = {name: value for name, value in environ.items() if not name.startswith("TEMPORAL_")}
    return {
        **others,
        **own,
        "TEMPORAL_CONFIG_FILE": os.devnull,
        "TEMPORAL_ADDRESS": f"{HOST}:{ports.temporal}",
        "TEMPORAL_NAMESPACE": temporal.NAMESPACE,
        "FERMATA_TEMPORAL_UI": f"http://{HOST}:{ports.temporal_ui}",
    }


async def check_given(given: Given) -> None:
    """Refuse when a server from the environment cannot be reached, before anything is started."""
    for variable, url in (
        ("TEMPORAL_ADDRESS", given.temporal and f"temporal://{given.temporal}"),
        ("REDIS_URL", given.redis),
        ("DATABASE_URL", given.database),
    ):
        if url and (address := server_address(url)) and not await _answers(*address):
            raise CannotStart(
                f"{variable} names {address[0]}:{address[1]}, where nothing answers",
                f"start that server, or unset {variable} to use the embedded one",
            )


def server_address(url: str) -> tuple[str, int] | None:
    """Host and port of a server's URL; None for a file or a socket, which have no port to knock at."""
    parts = urlsplit(url)
    port = parts.port or _DEFAULT_PORTS.get(parts.scheme.partition("+")[0])
    return (parts.hostname, port) if parts.hostname and port else None


async def _answers(host: str, port: int) -> bool:
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(_ANSWER_WITHIN.total_seconds()):
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
            return True
    return False
