"""Bounds that protect people, the model's context and the stores; the numbers are defaults of the configuration."""

from datetime import timedelta

TOOL_OUTPUT_CHARS = 50_000
STEER_CHARS = 16_000
STEERS_QUEUED = 10
QUEUE = 10
REASON_CHARS = 16_000
ANSWER_CHARS = 16_000  # of all answers to the questions of a call
NESTING = 100  # levels of JSON; parsers give up at 200, and what is stored gets wrapped in some more
REQUEST_BYTES = 1_000_000
LONGEST_EXTENSION = timedelta(days=30)  # at a time
EDITED_ARGUMENTS_BYTES = 64_000  # decisions travel through the engine's history


def too_deep(value: object, levels: int = NESTING) -> bool:
    """Whether JSON data is nested deeper than any parser on its way would follow."""
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(too_deep(item, levels - 1) for item in inner)


def cut(text: str, limit: int = TOOL_OUTPUT_CHARS) -> str:
    """The text, or its beginning with a note for the model that tells how much is missing."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}\n[cut here: {len(text) - limit} of {len(text)} characters left out]"
