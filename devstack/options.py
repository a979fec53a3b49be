"""What `fermata dev` was asked for."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

# -P keeps the working directory off sys.path: a stranger's cli.py or api/ there must not shadow ours.
_FERMATA = (sys.executable, "-P", "-m", "cli")


@dataclass(frozen=True)
class Commands:
    """The command lines of our own processes; `--host` and `--port` are appended to those of worker and API."""

    migrate: tuple[str, ...] = (*_FERMATA, "migrate")
    worker: tuple[str, ...] = (*_FERMATA, "worker")
    api: tuple[str, ...] = (*_FERMATA, "api")


@dataclass(frozen=True)
class StackOptions:
    """The options of `fermata dev`, one field each; `commands` is for tests of the stack itself."""

    config: Path | None = None
    port: int = 8000
    data_dir: Path = Path(".data")
    reset: bool = False
    workers: int = 1
    apis: int = 1
    open_browser: bool = True
    commands: Commands = field(default_factory=Commands)
