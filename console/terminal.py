"""The terminal: lines in, styled text out, an editor, and what Ctrl-C means. Works the same when it is a pipe."""

import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from rich.console import Console

from console.transcript import Piece
from domain.errors import FermataError


class Terminal:
    """Standard input and output."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self.interactive = sys.stdin.isatty()
        if isinstance(sys.stdin, TextIOWrapper):
            sys.stdin.reconfigure(errors="replace")  # half a character is none that could be sent
        if self.interactive:
            with suppress(ImportError):
                import readline  # noqa: F401 - gives `input` its line editing and history

    def ask(self, prompt: str) -> str | None:
        """The next line; None when there are no more. A pipe's line is shown, so that the output tells everything."""
        if self.interactive:
            try:
                return input(prompt)
            except EOFError:
                said = ""
        else:
            self.write([Piece(prompt)])
            said = sys.stdin.readline()
        self.write([Piece(f"{said.rstrip()}\n")])
        return said.rstrip("\r\n") if said else None

    def write(self, pieces: Iterable[Piece]) -> None:
        for piece in pieces:
            self._console.out(piece.text, style=piece.style or None, end="", highlight=False)

    def edit(self, text: str) -> str:
        """The text as it comes back from the person's editor. Raises FermataError if there is none."""
        command = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
        with TemporaryDirectory() as directory:
            path = Path(directory, "arguments.json")
            path.write_text(text, encoding="utf-8")
            try:
                subprocess.run([*command, str(path)], check=True)  # noqa: S603 - the person's own choice
            except (OSError, subprocess.CalledProcessError) as error:
                raise FermataError(f"The editor failed: {error}. Set EDITOR, or write the JSON after `e`.") from error
            return path.read_text(encoding="utf-8")


@contextmanager
def first_interrupt(act: Callable[[], None]) -> Iterator[None]:
    """Inside, the first Ctrl-C does `act` beside what runs, which goes on; the next one is an interrupt as usual."""

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        threading.Thread(target=act, daemon=True).start()

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
