"""Ties a child to its supervisor, then becomes the child: `python -I -S tether.py SUPERVISOR_PID COMMAND...`.

On Linux the kernel then kills the child when the supervisor dies, even by kill -9: no orphan keeps a port or a
database. It is a script of its own and not a `preexec_fn`, because the supervisor has threads (Temporal's client), and
Python between fork and exec of a threaded process can deadlock.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(supervisor: int, command: list[str]) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != supervisor:
            sys.exit("the supervisor died before its child was tied to it")
    os.execv(command[0], command)  # noqa: S606 - the supervisor's own command line


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
