"""Reading the instruments: percentiles, CPU and memory of other processes, and what machine this is. Linux only."""

import math
import os
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

MEGABYTE = 1024**2


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent do not exceed: one that was measured, nothing in between."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def cpu(pid: int) -> float:
    """Seconds of CPU the process has used so far, all its threads together, also those that have ended.

    The clock that `clock_getcpuclockid` names: nanoseconds, where /proc/PID/stat counts in hundredths of a second.
    """
    return time.clock_gettime((~pid << 3) | 2)


def cpu_of(pids: Mapping[str, int]) -> dict[str, float]:
    return {name: cpu(pid) for name, pid in pids.items()}


def busy() -> float:
    """Seconds of CPU that were used on this machine so far, by whomever, the kernel's own work and stolen time too."""
    user, nice, system, _, _, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def memory_of(pids: Mapping[str, int]) -> dict[str, float]:
    """Resident bytes of each."""
    pages = {name: int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for name, pid in pids.items()}
    return {name: count * os.sysconf("SC_PAGE_SIZE") for name, count in pages.items()}


def spent(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """What each has come to have more between two looks."""
    return {name: after[name] - before[name] for name in before}


def child_running(module: str) -> int:
    """Of our own child processes, the one that runs this Python module."""
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            words = (directory / "cmdline").read_bytes().split(b"\0")
            parent = int((directory / "stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        if parent == os.getpid() and module.encode() in words:
            return int(directory.name)
    raise RuntimeError(f"no child of this process runs {module!r}")


def machine() -> str:
    """In one line, with how busy it was before we began: on a busy machine the numbers are worth little."""
    model = next(
        (line.partition(": ")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return (
        f"{os.cpu_count()} × {model}, {gigabytes:.0f} GB, Linux {platform.release()},"
        f" Python {platform.python_version()}; before the run a load average of {os.getloadavg()[0]:.2f},"
        f" and {yardstick():.0f} ns for each turn of a small loop"
    )


def yardstick(turns: int = 1_000_000) -> float:
    """How fast this machine is at the moment, in nanoseconds: on a rented one that changes by the hour."""
    total, began = 0, time.process_time_ns()
    for turn in range(turns):
        total += turn * turn % 7
    return (time.process_time_ns() - began) / turns
