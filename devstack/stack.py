"""`fermata dev`: starts the embedded stack, says where everything is, and stops it in order."""

import asyncio
import os
import signal
import sys
import webbrowser
from collections.abc import Mapping
from contextlib import suppress

from devstack.composition import Stack, compose, other_addresses
from devstack.data_dir import held_data_dir
from devstack.environment import check_given, given_servers
from devstack.errors import CannotStart
from devstack.options import StackOptions
from devstack.ports import check_free, plan_ports
from devstack.supervisor import Supervisor, side_by_side

REFUSED = 2  # the exit code of a stack that could not start


async def run_stack(options: StackOptions) -> int:
    """Run the stack until Ctrl-C or SIGTERM; returns the exit code of `fermata dev`."""
    try:
        ports = plan_ports(options.port, workers=options.workers, apis=options.apis)
        if options.config is not None and not options.config.is_file():
            raise CannotStart(f"there is no configuration file {str(options.config)!r}", "give the right --config")
        given = given_servers(os.environ)
        await check_given(given)
        with held_data_dir(options.data_dir, reset=options.reset) as data_dir:
            stack = compose(options, ports, given, data_dir, os.environ)
            check_free((service.name, port) for service in stack.services for port in service.ports)
            await _run_until_stopped(
                stack,
                Supervisor(data_dir, _say),
                other_addresses(given, ports),
                open_browser=options.open_browser and has_desktop(os.environ, sys.platform),
            )
    except CannotStart as error:
        print(f"error: {error}", file=sys.stderr)
        return REFUSED
    return 0


def has_desktop(environ: Mapping[str, str], platform: str) -> bool:
    """Whether a browser window can appear; a text browser must not take over the terminal."""
    return platform == "darwin" or bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


async def _run_until_stopped(stack: Stack, supervisor: Supervisor, addresses: list[str], *, open_browser: bool) -> None:
    stop = _stop_signal(supervisor)
    starting = asyncio.create_task(_start(stack, supervisor, addresses))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            await starting
            _say(f"ready {stack.page}")
            if open_browser:
                await asyncio.to_thread(webbrowser.open, stack.page)
            await stopping
        _say("stopping (once more to kill)")
    finally:
        stopping.cancel()
        starting.cancel()
        await asyncio.wait((starting,))
        # Readers first, then who writes, then what both need.
        for services in (stack.apis, stack.workers, stack.valkey, stack.temporal):
            await supervisor.stop(services)


async def _start(stack: Stack, supervisor: Supervisor, addresses: list[str]) -> None:
    await side_by_side(
        supervisor.run("migrate", stack.migrate, stack.environment),
        supervisor.start((*stack.temporal, *stack.valkey)),
    )
    for line in addresses:
        _say(line)
    await supervisor.start(stack.workers)
    await supervisor.start(stack.apis)


def _stop_signal(supervisor: Supervisor) -> asyncio.Event:
    """An event set by the first Ctrl-C, SIGTERM or closed terminal; the second one kills."""
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            supervisor.kill()
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
            continue  # started with nohup: a closed terminal is no reason to stop
        loop.add_signal_handler(number, on_signal)
    return stop


def _say(line: str) -> None:
    with suppress(OSError):  # a closed terminal must not keep us from stopping in order
        print(line, flush=True)
