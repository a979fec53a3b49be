"""Python functions as a source of tools: the built-in ones, and those named `module:function`."""

import inspect
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from adapters.named import import_from, named, no_function
from adapters.tools.python import PythonTool, ToolContext
from domain.agent import ToolSpec
from domain.content import JsonObject
from domain.errors import ConfigurationError


class PythonSource:
    """Fulfils the toolbox's `Source`. `beside` is a directory to import from, after PYTHONPATH."""

    def __init__(self, builtin: Mapping[str, PythonTool], beside: Path | None = None) -> None:
        self._builtin = builtin
        import_from(beside)

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
        module, colon, _ = name.partition(":")
        return None if not colon or module == "mcp" else _load(name)


@cache
def _load(name: str) -> PythonTool:
    found = named("tool", name)
    if isinstance(found, PythonTool):
        return found
    if inspect.isroutine(found):
        return PythonTool(found)
    raise no_function("tool", name)
