"""What the model reads of a Python function, and what is said of arguments that do not fit."""

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from adapters.schema import SchemaProblem, schema_errors
from adapters.tools import TOOLS
from adapters.tools.python import PythonTool, ToolContext
from domain.agent import ToolSpec
from domain.content import JsonObject
from domain.errors import ConfigurationError


class Place(BaseModel):
    """Somewhere on earth."""

    latitude: float
    longitude: float


def travel(
    context: ToolContext,
    to: Place,
    by: Literal["ship", "train"],
    title: str = "A journey",
    stops: Annotated[int, Field(ge=0, description="How often to stop.")] = 0,
    bags: list[str] = [],  # noqa: B006  # must not confuse the schema
) -> str:
    """Go there.

    Slowly, and with a view.

    Args:
        to: Where to go,
            as exactly as possible.
        by (str): What to take.
        stops: Overruled by the annotation.

    Returns:
        Not for the model.
    """
    return f"{context.idempotency_key} {to} {by} {title} {stops} {bags}"


def test_a_function_is_described_by_its_signature_and_docstring() -> None:
    assert PythonTool(travel, idempotent=True).spec == ToolSpec(
        name="travel",
        description="Go there.\n\nSlowly, and with a view.",
        idempotent=True,
        parameters={
            "$defs": {
                "Place": {
                    "description": "Somewhere on earth.",
                    "properties": {"latitude": {"type": "number"}, "longitude": {"type": "number"}},
                    "required": ["latitude", "longitude"],
                    "title": "Place",
                    "type": "object",
                }
            },
            "additionalProperties": False,
            "properties": {
                "to": {"$ref": "#/$defs/Place", "description": "Where to go, as exactly as possible."},
                "by": {"enum": ["ship", "train"], "type": "string", "description": "What to take."},
                "title": {"default": "A journey", "type": "string"},
                "stops": {"default": 0, "description": "How often to stop.", "minimum": 0, "type": "integer"},
                "bags": {"items": {"type": "string"}, "type": "array"},
            },
            "required": ["to", "by"],
            "type": "object",
        },
    )


def test_an_argument_without_a_type_is_refused() -> None:
    def vague(thing) -> str:  # type: ignore[no-untyped-def]  # the point of the test
        return str(thing)

    with pytest.raises(ConfigurationError, match="'thing' of tool 'vague'"):
        _ = PythonTool(vague).spec


def test_every_built_in_tool_tells_the_model_what_it_needs() -> None:
    for name, tool in TOOLS.items():
        assert tool.spec.name == name
        assert tool.spec.description
        assert all(about.get("description") for about in tool.spec.parameters["properties"].values())


def test_what_cannot_be_undone_is_not_repeated() -> None:
    assert [name for name, tool in TOOLS.items() if not tool.idempotent] == ["send_mail"]


SCHEMA: JsonObject = {
    "type": "object",
    "properties": {
        "to": {"type": "string", "format": "email"},
        "amount": {"type": "integer", "maximum": 3},
        "a/b": {"type": "object", "properties": {"~": {"type": "integer"}}},
        "code": {"type": "string", "pattern": "^(a+)+$"},
    },
    "required": ["to"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("arguments", "pointers"),
    [
        ({"to": "ada@example.org", "amount": 3}, []),
        ({}, ["/to"]),
        ({"to": "nobody", "amount": 4}, ["/amount", "/to"]),
        ({"to": "ada@example.org", "a/b": {"~": "x"}}, ["/a~1b/~0"]),
        ({"to": "ada@example.org", "extra": 1}, [""]),
        ({"to": "ada@example.org", "code": "a" * 40 + "b"}, ["/code"]),  # and it does not take for ever
    ],
)
def test_problems_point_to_where_they_are(arguments: JsonObject, pointers: list[str]) -> None:
    assert sorted(problem.pointer for problem in schema_errors(SCHEMA, arguments)) == pointers


def test_text_is_no_object() -> None:
    assert schema_errors(SCHEMA, '{"to": ') == [SchemaProblem(pointer="", message="this is no JSON object")]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nonsense"},
        {"$ref": "http://127.0.0.1:9/schema.json"},
        {"properties": {"a": {"$ref": "https://example.org/schema.json"}}},
        {"properties": {"a": {"pattern": "(?=look)around"}}},
    ],
)
def test_a_schema_that_cannot_be_trusted_fits_nothing(schema: JsonObject) -> None:
    (problem,) = schema_errors(schema, {})
    assert problem.message.startswith("the schema of the tool cannot be used")
