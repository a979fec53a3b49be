"""The request for a generation: everything that is pinned when it starts."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from domain.agent import AgentSpec
from domain.content import Actor, JsonObject, Value
from domain.ids import ConversationId, GenerationId, MessageId

OnConflict = Literal["replace", "reject", "queue"]


class StartRequest(Value):
    """What the workflow needs to run one generation. What the user wrote is in the store under the generation id."""

    generation_id: GenerationId
    conversation_id: ConversationId
    tenant: str
    owner: Actor
    user_message_id: MessageId
    response_message_id: MessageId
    agent: AgentSpec
    created_at: datetime
    continues: GenerationId | None = None
    on_conflict: OnConflict = "replace"
    expected_generation: GenerationId | None = None
    approvals: Literal["supported", "unsupported"] = "supported"
    wants_title: bool = False
    metadata: JsonObject = Field(default_factory=dict)  # the client's own, kept on the user's message


class Submitted(Value):
    """What became of a request: it runs, or it waits for the live one to end."""

    generation_id: GenerationId
    status: Literal["running", "queued"]


class AbortRequest(Value):
    generation_id: GenerationId
    reason: str | None = None


class Aborted(Value):
    """`early`: nothing had been said, and there is no message."""

    status: Literal["aborted"] = "aborted"
    early: bool
    message_id: MessageId | None


class Steering(Value):
    """A message of the user to the running generation."""

    generation_id: GenerationId
    id: str
    text: str


class Carried(Value):
    """What one run of a conversation hands to the next: the requests that still wait, in order."""

    requests: tuple[StartRequest, ...] = ()
