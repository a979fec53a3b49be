"""Bounds that protect people, the model's context and the stores; the numbers are defaults of the configuration."""

TOOL_OUTPUT_CHARS = 50_000
STEER_CHARS = 16_000
STEERS_QUEUED = 10
QUEUE = 10
REASON_CHARS = 16_000
REQUEST_BYTES = 1_000_000
EDITED_ARGUMENTS_BYTES = 64_000  # decisions travel through the engine's history


def cut(text: str, limit: int = TOOL_OUTPUT_CHARS) -> str:
    """The text, or its beginning with a note for the model that tells how much is missing."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}\n[cut here: {len(text) - limit} of {len(text)} characters left out]"
