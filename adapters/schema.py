"""Whether arguments fit a tool's schema. One judgement for what models write and for what people edit."""

import json
from functools import lru_cache

import jsonschema_rs

from domain.content import JsonObject, Value


class SchemaProblem(Value):
    """`pointer` is a JSON pointer into the arguments, empty for the whole."""

    pointer: str
    message: str


def schema_errors(schema: JsonObject, arguments: JsonObject | str) -> list[SchemaProblem]:
    """What is wrong with the arguments; empty if they fit. A broken schema fits nothing, and says so."""
    if not isinstance(arguments, dict):
        return [SchemaProblem(pointer="", message="this is no JSON object")]
    try:
        validator = _validator(json.dumps(schema))
        return [_problem(error) for error in validator.iter_errors(arguments)]
    except jsonschema_rs.ValidationError as error:
        reason = error.message or str(error)
        return [SchemaProblem(pointer="", message=f"the schema of the tool cannot be used: {reason}")]


@lru_cache(maxsize=512)
def _validator(schema: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(
        json.loads(schema),
        retriever=_refuse,  # by default a remote reference is fetched, from wherever it points
        pattern_options=jsonschema_rs.RegexOptions(),  # linear time: a pattern must not be able to hang us
        validate_formats=True,
    )


def _refuse(uri: str) -> JsonObject:
    raise ValueError(f"references to other documents are not followed: {uri}")


def _problem(error: jsonschema_rs.ValidationError) -> SchemaProblem:
    path = list(error.instance_path)
    if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Required):
        path.append(error.kind.property)  # point to where it is missing, not to what it is missing in
    return SchemaProblem(pointer="".join(f"/{_escaped(str(step))}" for step in path), message=error.message)


def _escaped(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")
