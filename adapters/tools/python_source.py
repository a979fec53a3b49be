"""Python functions as a source of tools: the built-in ones, and those named `module:function`."""

import importlib
import inspect
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from adapters.tools.python import PythonTool, ToolContext
from domain.agent import ToolSpec
from domain.content import JsonObject
from domain.errors import ConfigurationError


class PythonSource:
    """Fulfils the toolbox's `Source`. `beside` is a directory to import from, after PYTHONPATH."""

    def __init__(self, builtin: Mapping[str, PythonTool], beside: Path | None = None) -> None:
        self._builtin = builtin
        self._tools = {tool.name: tool for tool in builtin.values()}
        if beside is not None and str(beside) not in sys.path:
            sys.path.append(str(beside))

    def specs(self, name: str) -> Sequence[ToolSpec]:
        tool = self._builtin.get(name)
        if tool is None:
            module, colon, attribute = name.partition(":")
            if not colon or module == "mcp":
                return ()
            tool = _load(name, module, attribute)
            if self._tools.setdefault(tool.name, tool) != tool:
                raise ConfigurationError(f"{name!r}: another tool is called {tool.name!r} already; rename the function")
        return (tool.spec,)

    def known(self) -> Sequence[str]:
        return sorted(self._builtin)

    def has(self, tool: str) -> bool:
        return tool in self._tools

    async def run(self, tool: str, arguments: JsonObject, context: ToolContext) -> str:
        return await self._tools[tool].run(arguments, context)


def _load(name: str, module: str, attribute: str) -> PythonTool:
    try:
        found: object = getattr(importlib.import_module(module), attribute, None)
    except ImportError as error:
        raise ConfigurationError(
            f"tool {name!r}: {error}. It must be on PYTHONPATH or beside the configuration file."
        ) from error
    if isinstance(found, PythonTool):
        return found
    if inspect.isroutine(found):
        return PythonTool(found)
    raise ConfigurationError(f"tool {name!r}: the module has no function {attribute!r}")
