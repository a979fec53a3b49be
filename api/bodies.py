"""Request bodies: strict types, no unknown fields, and no text that a store could not keep."""

import math
from datetime import timedelta
from typing import Annotated, Any, Literal, Self
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from domain.content import JsonObject
from domain.limits import LONGEST_EXTENSION, NESTING, REASON_CHARS, TOOL_OUTPUT_CHARS
from domain.policy import DecisionKind, PolicyTightening
from domain.start import OnConflict


def _uuid(value: str) -> str:
    return str(UUID(value))


def _timezone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("not a time zone of the IANA database, like Europe/Berlin") from error
    return value


def _keepable(value: object, depth: int = 0) -> None:
    """Refuse what JSON can spell but stores, wires and parsers cannot keep."""
    if depth > NESTING:
        raise ValueError(f"nothing may be nested deeper than {NESTING} levels")
    match value:
        case str():
            if "\x00" in value or (not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value)):
                raise ValueError("text may contain neither NUL characters nor lone surrogates")
        case float():
            if not math.isfinite(value):
                raise ValueError("numbers must be finite")
        case dict():
            for key, item in value.items():
                _keepable(key, depth + 1)
                _keepable(item, depth + 1)
        case list():
            for item in value:
                _keepable(item, depth + 1)


Uuid = Annotated[str, AfterValidator(_uuid)]
Timezone = Annotated[str, AfterValidator(_timezone)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _check(cls, data: Any) -> Any:  # whatever the client sent
        _keepable(data)
        return data


class Input(Body):
    text: str = ""
    files: list[str] = Field(default_factory=list, max_length=0)  # files and quotes come with their own subject
    quotes: list[str] = Field(default_factory=list, max_length=0)


class PolicyBody(Body):
    mode: Literal["default", "dont_ask", "bypass"] | None = None
    ask: list[str] = Field(default_factory=list)
    deny: list[str] = Field(default_factory=list)

    def tightening(self) -> PolicyTightening:
        return PolicyTightening(mode=self.mode, ask=tuple(self.ask), deny=tuple(self.deny))


class StartBody(Body):
    """A request for a generation; the fields are those of docs/api.md."""

    conversation_id: Uuid | None = None
    agent: str | None = None
    input: Input = Field(default_factory=Input)
    message_id: Uuid | None = None
    parent_message_id: Uuid | Literal["root"] | None = None  # null: the newest message
    regenerate: bool = False
    on_conflict: OnConflict = "replace"
    expected_generation: str | None = None
    temporary: Literal[False] = False
    timezone: Timezone = "UTC"
    model: str | None = None
    parameters: JsonObject = Field(default_factory=dict)
    skills: list[str] = Field(default_factory=list, max_length=0)
    policy: PolicyBody | None = None
    approvals: Literal["supported", "unsupported"] = "supported"
    budget: None = None
    metadata: JsonObject = Field(default_factory=dict)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.regenerate:
            if self.message_id is None or self.conversation_id is None:
                raise ValueError("regenerate needs conversation_id, and message_id of the message to answer again")
            if self.input.text:
                raise ValueError("regenerate answers a message again, so input.text must be absent")
        elif not self.input.text.strip():
            raise ValueError("input.text is required and must not be blank")
        return self


class DecisionBody(Body):
    call_id: str
    decision: DecisionKind
    reason: Annotated[str, Field(max_length=REASON_CHARS)] | None = None
    arguments: Any = None  # what is no object is an incomplete edit, which has its own place in the ladder
    text: Annotated[str, Field(max_length=TOOL_OUTPUT_CHARS)] | None = None
    scope: Literal["once", "conversation"] = "once"


class DecisionsBody(Body):
    """Decisions or answers and nothing else: no model, tools, files or agent can be changed on the way."""

    approval_id: str | None = None
    decisions: list[DecisionBody] = Field(default_factory=list, max_length=256)
    answers: dict[str, str | list[str]] | None = None
    partial: bool = False


class BulkDecisionBody(DecisionsBody):
    """One of many, each exactly what it would be by itself."""

    generation_id: str

    def alone(self) -> DecisionsBody:
        return DecisionsBody.model_validate(self.model_dump(exclude={"generation_id"}))


class ExtendBody(Body):
    seconds: Annotated[int, Field(ge=1, le=LONGEST_EXTENSION // timedelta(seconds=1))]


class AbortBody(Body):
    reason: Annotated[str, Field(max_length=REASON_CHARS)] | None = None
