"""The data directory of a stack: made, checked, emptied on request, and held by one stack at a time."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from devstack.errors import CannotStart

FREE_BYTES_NEEDED = 200 * 1024**2
_LOCK = "lock"


@contextmanager
def held_data_dir(path: Path, *, reset: bool) -> Iterator[Path]:
    """Hold the directory while the stack runs; gives its absolute path, raises `CannotStart` if it cannot be used."""
    path = path.absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
        foreign = not (path / _LOCK).exists() and any(path.iterdir())
        if reset and foreign:
            raise CannotStart(
                f"{str(path)!r} was not made by fermata, so --reset leaves it alone", "give the right --data-dir"
            )
        lock = (path / _LOCK).open("a+")
    except OSError as error:
        raise CannotStart(
            f"the data directory {str(path)!r} cannot be used ({error.strerror})",
            "make it writable for this user, or choose another with --data-dir",
        ) from error
    # The lock goes with the open file, so with us: a stack that was killed never leaves a stale one.
    with lock:
        _take(lock, path)
        if reset:
            _empty(path)
        check_room(shutil.disk_usage(path).free, path)
        _set_logs_aside(path)
        yield path


def check_room(free_bytes: int, path: Path) -> None:
    """Refuse a disk so full that a database would break in the middle of its work."""
    if free_bytes < FREE_BYTES_NEEDED:
        raise CannotStart(
            f"only {free_bytes // 1024**2} MB are free on the disk of {str(path)!r},"
            f" {FREE_BYTES_NEEDED // 1024**2} MB are needed",
            "make room, or choose another disk with --data-dir",
        )


def _take(lock: TextIO, path: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.seek(0)
        raise CannotStart(
            f"the data directory {str(path)!r} is in use by process {lock.read() or 'unknown'}",
            "stop that stack, or choose another directory with --data-dir (and other ports with --port)",
        ) from error
    lock.seek(0)
    lock.truncate()
    lock.write(str(os.getpid()))
    lock.flush()


def _set_logs_aside(path: Path) -> None:
    """Keep the logs of this run and of the one before, so that they neither pile up nor vanish with a restart."""
    logs, previous = path / "logs", path / "logs.previous"
    if logs.exists():
        shutil.rmtree(previous, ignore_errors=True)
        logs.rename(previous)


def _empty(path: Path) -> None:
    for entry in path.iterdir():
        if entry.name == _LOCK:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
