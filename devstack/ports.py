"""Which port each process gets, and whether it is still free."""

import errno
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from devstack.errors import CannotStart

HOST = "127.0.0.1"
MAX_WORKERS = 6  # their metrics ports lie between Valkey's and the second API's
_HIGHEST_PORT = 65535


@dataclass(frozen=True)
class Ports:
    """Everything counts from the first API's port, so that one number moves a whole stack."""

    temporal: int
    temporal_ui: int
    valkey: int
    workers: tuple[int, ...]  # metrics
    apis: tuple[int, ...]


def plan_ports(first: int, *, workers: int, apis: int) -> Ports:
    """Lay the stack out from `first`; raises `CannotStart` where the layout has no room."""
    if not 0 <= workers <= MAX_WORKERS:
        raise CannotStart(f"{workers} workers do not fit into one stack", f"ask for 0 to {MAX_WORKERS} with --workers")
    if apis < 1:
        raise CannotStart("a stack without an API cannot be reached", "ask for at least one with --apis")
    ports = Ports(
        temporal=first + 1,
        temporal_ui=first + 2,
        valkey=first + 3,
        workers=tuple(first + 4 + index for index in range(workers)),
        apis=(first, *(first + 10 + index for index in range(apis - 1))),
    )
    if first < 1 or max(first + 4, *ports.apis) > _HIGHEST_PORT:
        raise CannotStart(f"port {first} leaves no room for the ports that follow it", "choose a lower one with --port")
    return ports


def check_free(wanted: Iterable[tuple[str, int]]) -> None:
    """Refuse before anything is started, naming every port of `wanted` (who needs it, number) that is taken."""
    taken = [f"{port} ({name})" for name, port in wanted if not _is_free(port)]
    if taken:
        raise CannotStart(
            f"port {', '.join(taken)} is taken by another process",
            "stop that process, or choose other ports with --port",
        )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do: a port that only waits out the last connection of a stopped stack counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno == errno.EACCES:
                raise CannotStart(
                    f"this user may not listen on port {port}", "choose one above 1023 with --port"
                ) from error
            return False
    return True
