"""The tool that asks the user, as a source of tools. There is nothing to run: its answers are decisions of people."""

from collections.abc import Sequence

from adapters.tools.python import ToolContext
from domain.agent import ToolSpec
from domain.ask_user import ASK_USER, asks_user
from domain.content import JsonObject
from domain.errors import ConfigurationError


class Questions:
    """Fulfils the toolbox's `Source`."""

    def specs(self, name: str) -> Sequence[ToolSpec]:
        return (ASK_USER,) if name == ASK_USER.name else ()

    def known(self) -> Sequence[str]:
        return (ASK_USER.name,)

    def has(self, tool: ToolSpec) -> bool:
        return asks_user(tool)

    async def run(self, tool: ToolSpec, arguments: JsonObject, context: ToolContext) -> str:
        raise ConfigurationError(f"{tool.name!r} is answered by people and cannot be run.")
