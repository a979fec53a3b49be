"""A request in the words of the pydantic-ai library. Pure."""

from collections.abc import Iterator, Sequence
from typing import assert_never, cast

from pydantic_ai import messages as library
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.anthropic import AnthropicModelSettings
from pydantic_ai.tools import ToolDefinition

from domain.agent import ToolSpec
from domain.content import JsonObject, ReasoningPart, TextPart, ToolCallPart
from domain.model import ModelRequest
from domain.prompt import ModelSaid, UserSaid

VENDOR = "anthropic"
REDACTED = "redacted_thinking:"
"""Marks the signature of reasoning the vendor keeps secret, which goes back in another form than a proof."""

SETTINGS = frozenset(AnthropicModelSettings.__annotations__) - {
    "extra_body",
    "extra_headers",
    "first_event_timeout",
    "max_retries",
    "request_timeout",
    "timeout",
}


def messages(request: ModelRequest) -> list[library.ModelMessage]:
    """What was said, in order; each reply is followed by the results of its calls."""
    said: list[library.ModelMessage] = []
    for item in request.said:
        match item:
            case UserSaid(text=text):
                said.append(library.ModelRequest(parts=[library.UserPromptPart(content=text)]))
            case ModelSaid(parts=parts):
                reply = [part for said_part in parts for part in _part(said_part)]
                calls = [part for part in parts if isinstance(part, ToolCallPart)]
                if any(not isinstance(part, library.ThinkingPart) for part in reply):
                    said.append(library.ModelResponse(parts=reply, provider_name=VENDOR))
                if calls:
                    said.append(library.ModelRequest(parts=[_result(call) for call in calls]))
            case _:
                assert_never(item)
    if isinstance(last := said[-1] if said else None, library.ModelRequest):
        last.instructions = request.instructions or None
    return said


def settings(parameters: JsonObject) -> AnthropicModelSettings:
    """Parameters under the library's names where it has one; all others go into the request's body as they are."""
    given = {name: value for name, value in parameters.items() if value is not None}
    if "max_output_tokens" in given:
        given["max_tokens"] = given.pop("max_output_tokens")
    known = {name: value for name, value in given.items() if name in SETTINGS}
    other = {name: value for name, value in given.items() if name not in SETTINGS}
    found = {**known, "max_retries": 0, **({"extra_body": other} if other else {})}
    return cast(AnthropicModelSettings, found)  # values are the vendor's to check


def offers(tools: Sequence[ToolSpec]) -> ModelRequestParameters:
    """The tools the model may call."""
    return ModelRequestParameters(
        function_tools=[
            ToolDefinition(name=tool.name, description=tool.description, parameters_json_schema=tool.parameters)
            for tool in tools
        ]
    )


def _part(part: TextPart | ReasoningPart | ToolCallPart) -> Iterator[library.ModelResponsePart]:
    match part:
        case TextPart(text=text):
            yield library.TextPart(content=text)
        case ReasoningPart(text=text, signature=str(signature)):
            redacted = signature.startswith(REDACTED)
            yield library.ThinkingPart(
                content=text,
                id="redacted_thinking" if redacted else None,
                signature=signature.removeprefix(REDACTED),
                provider_name=VENDOR,
            )
        case ReasoningPart():
            pass  # without a signature the vendor would refuse it
        case ToolCallPart(arguments=arguments, name=name, call_id=call_id):
            given = arguments if isinstance(arguments, dict) else {"not_json": arguments}
            yield library.ToolCallPart(tool_name=name, args=given, tool_call_id=call_id)
        case _:
            assert_never(part)


def _result(call: ToolCallPart) -> library.ToolReturnPart:
    return library.ToolReturnPart(
        tool_name=call.name,
        content=call.output or "",
        tool_call_id=call.call_id,
        outcome="failed" if call.is_error else "success",
    )
