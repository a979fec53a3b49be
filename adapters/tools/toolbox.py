"""All tools of a process, whatever source they come from: their specs for the configuration, and running them."""

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from adapters.schema import schema_errors
from adapters.tools.python import ToolContext
from domain.agent import ToolSpec
from domain.content import JsonObject
from domain.errors import ConfigurationError
from domain.limits import TOOL_OUTPUT_CHARS, cut
from domain.ports import ToolOutput


class Source(Protocol):
    """Where tools come from."""

    def specs(self, name: str) -> Sequence[ToolSpec]:
        """The tools a name in the configuration means; none if it is not a name of this source."""
        ...

    def known(self) -> Sequence[str]:
        """Names that can stand in the configuration, for the message about one that cannot."""
        ...

    def has(self, tool: ToolSpec) -> bool:
        """Whether it is a tool of this source. May raise ConfigurationError if it is, and is gone."""
        ...

    async def run(self, tool: ToolSpec, arguments: JsonObject, context: ToolContext) -> str:
        """The tool's output. May raise whatever the tool raises."""
        ...


class Toolbox:
    """Fulfils `domain.ports.Tools`."""

    def __init__(self, sources: Sequence[Source], data_dir: Path, output_chars: int = TOOL_OUTPUT_CHARS) -> None:
        self._sources = sources
        self._data_dir = data_dir
        self._output_chars = output_chars

    def resolve(self, names: Iterable[str]) -> tuple[ToolSpec, ...]:
        """The specs of an agent's tools, in order. Raises ConfigurationError for unknown and for ambiguous names."""
        specs: dict[str, ToolSpec] = {}
        for name in names:
            found = [spec for source in self._sources for spec in source.specs(name)]
            if not found:
                known = ", ".join(name for source in self._sources for name in source.known())
                raise ConfigurationError(f"there is no tool {name!r}; known are: {known}, and module:function")
            for spec in found:
                if specs.setdefault(spec.name, spec) != spec:
                    raise ConfigurationError(f"two different tools are called {spec.name!r}; rename one of them")
        return tuple(specs.values())

    def invalid(self, tool: ToolSpec, arguments: JsonObject | str) -> str | None:
        problems = schema_errors(tool.parameters, arguments)
        return "; ".join(f"{problem.pointer or 'arguments'}: {problem.message}" for problem in problems) or None

    async def run(self, tool: ToolSpec, arguments: JsonObject, *, idempotency_key: str) -> ToolOutput:
        context = ToolContext(idempotency_key=idempotency_key, data_dir=self._data_dir)
        clock = asyncio.timeout(tool.timeout.total_seconds())
        try:
            async with clock:
                text, is_error = await self._source(tool).run(tool, arguments, context), False
        except Exception as error:  # a tool is foreign code: whatever it raises is a result the model should see
            text, is_error = f"{type(error).__name__}: {error}", True
            if clock.expired():
                text = f"The tool was stopped after {tool.timeout}; whether it took effect is unknown."
        return ToolOutput(text=cut(_valid(text), self._output_chars), is_error=is_error)

    def _source(self, tool: ToolSpec) -> Source:
        for source in self._sources:
            if source.has(tool):
                return source
        raise ConfigurationError(f"The tool {tool.name!r} is not configured where it was to run.")


def _valid(text: str) -> str:
    """Text every store and wire can carry."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
