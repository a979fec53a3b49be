"""Events with nothing in them but what a test is about."""

from datetime import UTC, datetime

from domain.events import AgentRef, GenerationFinished, GenerationStarted, TextDelta, TurnStarted
from domain.ids import ConversationId, GenerationId, MessageId

FIRST = GenerationId("gen_1")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def started(generation: GenerationId = FIRST) -> GenerationStarted:
    return GenerationStarted(
        generation_id=generation,
        conversation_id=ConversationId("conv_1"),
        agent=AgentRef(id="demo", name="Demo", model="demo:demo"),
        response_message_id=MessageId("msg_1"),
        created_at=NOON,
        started_at=NOON,
    )


def turn(number: int = 1, attempt: int = 1) -> TurnStarted:
    return TurnStarted(turn=number, attempt=attempt)


def text(said: str, *, attempt: int = 1, part: int = 0) -> TextDelta:
    return TextDelta(turn=1, attempt=attempt, part=part, text=said)


def finished() -> GenerationFinished:
    return GenerationFinished(outcome="completed", finished_at=NOON)
