"""Python functions as a source of tools: the built-in ones, and those named `module:function`."""

import importlib
import inspect
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from adapters.tools.python import PythonTool, ToolContext
from domain.agent import ToolSpec
from domain.content import JsonObject
from domain.errors import ConfigurationError


class PythonSource:
    """Fulfils the toolbox's `Source`. `beside` is a directory to import from, after PYTHONPATH."""

    def __init__(self, builtin: Mapping[str, PythonTool], beside: Path | None = None) -> None:
        self._builtin = builtin
        if beside is not None and str(beside) not in sys.path:
            sys.path.append(str(beside))

    def specs(self, name: str) -> Sequence[ToolSpec]:
        tool = self._tool(name)
        return () if tool is None else (tool.spec.model_copy(update={"origin": name}),)

    def known(self) -> Sequence[str]:
        return sorted(self._builtin)

    def has(self, tool: ToolSpec) -> bool:
        return self._tool(tool.origin) is not None

    async def run(self, tool: ToolSpec, arguments: JsonObject, context: ToolContext) -> str:
        if (found := self._tool(tool.origin)) is None:
            raise ConfigurationError(f"there is no tool {tool.origin!r}")
        return await found.run(arguments, context)

    def _tool(self, name: str) -> PythonTool | None:
        """Also what the configuration no longer names: an answer keeps the tools with which it began."""
        if (tool := self._builtin.get(name)) is not None:
            return tool
        module, colon, attribute = name.partition(":")
        return None if not colon or module == "mcp" else _load(name, module, attribute)


@cache
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
