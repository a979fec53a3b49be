"""The tools. To add one: a file in `builtin/`, its import, and its line in the table."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from adapters.tools.builtin.calculator import calculator
from adapters.tools.builtin.clock import clock
from adapters.tools.builtin.notes import notes
from adapters.tools.builtin.send_mail import send_mail
from adapters.tools.builtin.web_get import web_get
from adapters.tools.builtin.write_note import write_note
from adapters.tools.python import PythonTool, ToolContext
from adapters.tools.python_source import PythonSource
from adapters.tools.questions import Questions
from adapters.tools.toolbox import Toolbox

__all__ = ["TOOLS", "PythonTool", "ToolContext", "Toolbox", "toolbox"]

TOOLS: Mapping[str, PythonTool] = {
    "calculator": PythonTool(calculator, idempotent=True, timeout=timedelta(seconds=10)),
    "clock": PythonTool(clock, idempotent=True, timeout=timedelta(seconds=10)),
    "notes": PythonTool(notes, idempotent=True, timeout=timedelta(seconds=10)),
    "send_mail": PythonTool(send_mail, timeout=timedelta(minutes=1)),
    "web_get": PythonTool(web_get, idempotent=True, timeout=timedelta(minutes=1)),
    "write_note": PythonTool(write_note, idempotent=True, timeout=timedelta(seconds=10)),
}


def toolbox(data_dir: Path, beside: Path | None = None) -> Toolbox:
    """The toolbox of a process. `beside` is the directory of the configuration file."""
    return Toolbox([PythonSource(TOOLS, beside), Questions()], data_dir)
