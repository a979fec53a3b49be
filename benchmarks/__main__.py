"""`python -m benchmarks [NAMES…]`: run them and print what they found; `--write` puts it into the README."""

import argparse
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from benchmarks.approve import approve
from benchmarks.fanout import fanout
from benchmarks.findings import Findings, section
from benchmarks.ingest import ingest
from benchmarks.join import join
from benchmarks.measure import machine
from benchmarks.paused import paused
from benchmarks.recovery import recovery
from benchmarks.start import start
from benchmarks.storm import storm
from benchmarks.streams import TooMany
from benchmarks.tokens import tokens

BENCHMARKS: Mapping[str, Callable[[], Awaitable[Findings]]] = {
    "tokens": tokens,
    "ingest": ingest,
    "fanout": fanout,
    "join": join,
    "storm": storm,
    "recovery": recovery,
    "start": start,
    "approve": approve,
    "paused": paused,
}
README = Path(__file__).with_name("README.md")


async def _run(names: list[str]) -> str:
    """The results as Markdown, printed while they come."""
    intro = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, `make bench`. {machine()}.\n"
    sections = [intro]
    print(intro, flush=True)
    for name in names:
        try:
            sections.append(section(name, await BENCHMARKS[name]()))
        except TooMany as reason:
            sections.append(f"### {name}\n\nThis machine cannot carry it: {reason}.\n")
        print(sections[-1], flush=True)
    return "\n".join(sections)


def _write(results: str) -> None:
    text, count = re.subn(r"(?s)(?<=<!-- results -->\n).*", lambda _: f"\n{results}", README.read_text())
    assert count == 1, f"{README} has no place for results"
    README.write_text(text)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    arguments.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all if none is named")
    arguments.add_argument("--write", action="store_true", help="put the results of all into the README")
    options = arguments.parse_args()
    if unknown := set(options.names) - set(BENCHMARKS):
        arguments.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    if options.write and options.names:
        arguments.error("--write is for all results together")
    results = uvloop.run(_run(options.names or list(BENCHMARKS)))
    if options.write:
        _write(results)
