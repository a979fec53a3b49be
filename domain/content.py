"""What was said: the parts of a message, the message, and what it cost."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from domain.ids import CallId, GenerationId, MessageId

JsonObject = dict[str, Any]  # tool arguments and schemas: the one place where anything may come


class Value(BaseModel):
    """Base of everything that crosses a wire or a history: frozen, and tolerant of fields a newer version added."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, serialize_by_alias=True)


class Actor(Value):
    """Who did something: a user id and the name to show for it."""

    id: str
    name: str


class Usage(Value):
    """Tokens of one or several model calls. `estimated` marks a call that was cut before the provider counted."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            estimated=self.estimated or other.estimated,
        )


class ErrorInfo(Value):
    """Why something failed: a stable word and a sentence for people."""

    code: str
    message: str


class TextPart(Value):
    type: Literal["text"] = "text"
    text: str


class ReasoningPart(Value):
    """What the model thought. The signature is the provider's, and goes back to it unchanged."""

    type: Literal["reasoning"] = "reasoning"
    text: str
    signature: str | None = None


ToolStatus = Literal[
    "pending", "approved", "rejected", "expired", "running", "completed", "failed", "unknown", "denied"
]


class ToolCallPart(Value):
    """One tool call with, once there is one, its result. The output is text, as the model will read it."""

    type: Literal["tool_call"] = "tool_call"
    call_id: CallId
    name: str
    arguments: JsonObject | str  # a string only while the fragments are still coming, or when they were no JSON object
    status: ToolStatus = "pending"
    output: str | None = None
    is_error: bool | None = None
    reason: str | None = None
    artifacts: tuple[str, ...] = ()
    decided_by: Actor | None = None


class FilePart(Value):
    type: Literal["file"] = "file"
    file_id: str
    name: str
    mime_type: str


class ImagePart(Value):
    type: Literal["image"] = "image"
    file_id: str


class ErrorPart(Value):
    type: Literal["error"] = "error"
    message: str


class SteerPart(Value):
    """What the user said into a running generation, at the place where the model heard it."""

    type: Literal["steer"] = "steer"
    text: str


Part = Annotated[
    TextPart | ReasoningPart | ToolCallPart | FilePart | ImagePart | ErrorPart | SteerPart, Field(discriminator="type")
]


class Message(Value):
    """One message of a conversation; messages form a tree through `parent_id`. Cost is in US dollars, or unknown."""

    id: MessageId
    parent_id: MessageId | None
    role: Literal["user", "assistant"]
    parts: tuple[Part, ...]
    unfinished: bool = False
    error: ErrorInfo | None = None
    usage: Usage | None = None
    cost: float | None = None
    created_at: datetime
    generation_id: GenerationId | None = None
    attachments: tuple[str, ...] = ()
    metadata: JsonObject = Field(default_factory=dict)


def is_empty(part: Part) -> bool:
    """Whether a part says nothing; such parts are never stored."""
    match part:
        case TextPart(text=text) | SteerPart(text=text):
            return not text
        case ReasoningPart(text=text, signature=signature):
            return not text and not signature  # a provider may redact the text and still need its signature back
        case _:
            return False
