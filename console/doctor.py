"""`fermata doctor`: what a check found, and the checks of this machine, its clock and the providers."""

import asyncio
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, Protocol
from urllib.parse import urlsplit, urlunsplit

import httpx2

PATIENCE = timedelta(seconds=5)
OLDEST_PYTHON = (3, 11)
ROOM = 200 * 1024**2
SKEW = timedelta(seconds=1)

HOMES = {"openai": "https://api.openai.com/v1", "anthropic": "https://api.anthropic.com"}
MARKS = {"good": ("✓", "green"), "doubtful": ("!", "yellow"), "bad": ("✗", "red")}


@dataclass(frozen=True)
class Finding:
    """One line of the report. `remedy` says what to do; only what is bad makes the command fail."""

    level: Literal["good", "doubtful", "bad"]
    subject: str
    text: str
    remedy: str | None = None


class Provider(Protocol):
    """How a provider is reached."""

    @property
    def kind(self) -> str: ...

    @property
    def base_url(self) -> str | None: ...

    @property
    def api_key(self) -> str | None: ...


def report(finding: Finding) -> str:
    """The finding as a line, or as many as its text has, with the remedy below."""
    mark, _ = MARKS[finding.level]
    indent = "\n" + " " * 18
    remedy = f"{indent}→ {finding.remedy}" if finding.remedy else ""
    return f"{mark} {finding.subject:<15} {finding.text.replace(chr(10), indent)}{remedy}"


def python_version(version: tuple[int, int, int]) -> Finding:
    said = ".".join(map(str, version))
    if version[:2] < OLDEST_PYTHON:
        return Finding("bad", "python", said, f"Use Python {'.'.join(map(str, OLDEST_PYTHON))} or newer.")
    return Finding("good", "python", said)


def data_directory(path: Path) -> Finding:
    """Whether it can be written, and has room. It need not be there: the first process makes it."""
    there = next(each for each in (path, *path.parents) if each.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        remedy = "Make it writable, or set FERMATA_DATA_DIR."
        return Finding("bad", "data directory", f"{path} cannot be written", remedy)
    free = shutil.disk_usage(there).free
    text = f"{path}{'' if path.exists() else ' (to be made)'}, {free / 1024**3:.1f} GB free"
    if free < ROOM:
        return Finding("bad", "data directory", text, f"Make room: {ROOM // 1024**2} MB are needed.")
    return Finding("good", "data directory", text)


def clock(ours: datetime, theirs: datetime, whose: str) -> Finding:
    """Whether two clocks agree. Deadlines are Temporal's, but what people are shown of them is counted here."""
    skew = abs(ours - theirs)
    if skew > SKEW:
        text = f"{skew.total_seconds():.1f} s away from {whose}'s"
        return Finding("doubtful", "clock", text, "Synchronise both machines (NTP).")
    return Finding("good", "clock", f"agrees with {whose}'s")


def without_secrets(url: str) -> str:
    """The URL of a server without user and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


async def providers(entries: Mapping[str, Provider], models: Iterable[str]) -> list[Finding]:
    """One finding for each provider that one of the models ("provider:model") is called at."""
    used = sorted({model.partition(":")[0] for model in models})
    return list(await asyncio.gather(*(_provider(name, entries[name]) for name in used)))


async def _provider(name: str, entry: Provider) -> Finding:
    subject = f"provider {name}"
    if entry.kind == "demo":
        return Finding("good", subject, "the scripted demo model; nothing to reach")
    if entry.base_url is None and not entry.api_key:
        remedy = f"Set {entry.kind.upper()}_API_KEY, or api_key in fermata.yaml."
        return Finding("bad", subject, "has no API key", remedy)
    url = entry.base_url or HOMES[entry.kind]
    try:
        async with httpx2.AsyncClient(timeout=PATIENCE.total_seconds()) as client:
            await client.get(url)  # whatever it answers, it is there
    except (httpx2.TransportError, httpx2.InvalidURL) as error:
        why = str(error) or type(error).__name__
        return Finding("bad", subject, f"{url} cannot be reached: {why}", "Check base_url, the network and the proxy.")
    return Finding("good", subject, f"{url} answers")
