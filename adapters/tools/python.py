"""A tool made from a Python function: signature and docstring become what the model reads.

The API process imports this for the specs, so it stays free of model libraries.
"""

import asyncio
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, make_dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import ConfigDict, PydanticUserError, TypeAdapter
from pydantic.errors import PydanticSchemaGenerationError
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import to_json

from domain.agent import ToolSpec
from domain.content import JsonObject
from domain.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What a tool may know beside its arguments; a function gets it in the parameter of this type."""

    idempotency_key: str  # the same whenever this very call is run again
    data_dir: Path


@dataclass(frozen=True)
class PythonTool:
    """A typed function, plain or async, as a tool. Plain ones run in a thread.

    Only a tool that is marked `idempotent` is run again after a worker died in the middle of it.
    """

    function: Callable[..., object]
    idempotent: bool = False
    timeout: timedelta = timedelta(minutes=5)

    @property
    def name(self) -> str:
        return self.function.__name__

    @cached_property
    def spec(self) -> ToolSpec:
        """How the model sees it. Raises ConfigurationError if the function cannot be a tool."""
        description, about = documentation(self.function)
        schema = self._arguments.json_schema(schema_generator=_Untitled)
        for name, text in about.items():
            if name in schema["properties"]:
                schema["properties"][name].setdefault("description", text)
        return ToolSpec(
            name=self.name,
            description=description,
            parameters={key: value for key, value in schema.items() if key not in ("title", "description")},
            idempotent=self.idempotent,
            timeout=self.timeout,
        )

    async def run(self, arguments: JsonObject, context: ToolContext) -> str:
        """The result as text. Whatever the function raises is raised."""
        typed = self._arguments.validate_python(arguments)
        given = {name: getattr(typed, name) for name in self._parameters}
        if self._context_name is not None:
            given[self._context_name] = context
        if inspect.iscoroutinefunction(self.function):
            result = await self.function(**given)
        else:
            result = await asyncio.to_thread(self.function, **given)
        return result if isinstance(result, str) else to_json(result, fallback=str).decode()

    @cached_property
    def _hints(self) -> Mapping[str, Any]:
        return get_type_hints(self.function, include_extras=True)

    @cached_property
    def _context_name(self) -> str | None:
        return next((name for name, hint in self._hints.items() if hint is ToolContext), None)

    @cached_property
    def _parameters(self) -> Mapping[str, inspect.Parameter]:
        parameters = dict(inspect.signature(self.function).parameters)
        parameters.pop(self._context_name or "", None)
        for name, parameter in parameters.items():
            if name not in self._hints or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                raise ConfigurationError(f"argument {name!r} of tool {self.name!r} needs a name and a type of its own")
        return parameters

    @cached_property
    def _arguments(self) -> TypeAdapter[Any]:
        fields = [
            (name, self._hints[name], field() if parameter.default is parameter.empty else _default(parameter.default))
            for name, parameter in self._parameters.items()
        ]
        strict = {"__pydantic_config__": ConfigDict(extra="forbid")}
        try:
            return TypeAdapter(make_dataclass(self.name, fields, kw_only=True, namespace=strict))
        except (PydanticUserError, PydanticSchemaGenerationError) as error:
            raise ConfigurationError(f"tool {self.name!r} has an argument no JSON can carry: {error}") from error


def documentation(function: Callable[..., object]) -> tuple[str, dict[str, str]]:
    """What a docstring says of the function, and under `Args:` of each argument."""
    before, _, after = (inspect.getdoc(function) or "").partition("\nArgs:\n")
    arguments, name = dict[str, str](), ""
    for line in after.splitlines():
        if line and not line.startswith(" "):
            break  # the next section
        if found := re.match(r" {1,4}(\w+)(?: \([^)]*\))?: +(.*)", line):
            name = found[1]
            arguments[name] = found[2].strip()
        elif name and line.strip():
            arguments[name] += f" {line.strip()}"
    return before.strip(), arguments


def _default(value: Any) -> Any:
    """A default the model can read in the schema; lists and dictionaries are refused there by dataclasses."""
    return field(default=value) if value.__hash__ else field(default_factory=lambda: value)


class _Untitled(GenerateJsonSchema):
    """Titles only repeat the names, and the model pays for each."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False
