"""Identifiers, and how the time-ordered ones are minted."""

import hashlib
from datetime import datetime
from typing import NewType
from urllib.parse import quote

GenerationId = NewType("GenerationId", str)
ApprovalId = NewType("ApprovalId", str)
SteerId = NewType("SteerId", str)
ConversationId = NewType("ConversationId", str)
MessageId = NewType("MessageId", str)
CallId = NewType("CallId", str)
QuestionId = NewType("QuestionId", str)
WebhookId = NewType("WebhookId", str)
DeliveryId = NewType("DeliveryId", str)

ROOT = MessageId("root")  # in the place of a parent's id: a new branch from the top, not from the newest message

CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
TIME_BITS, ENTROPY_BITS, CHARACTERS = 48, 80, 26


def mint(prefix: str, at: datetime, entropy: bytes) -> str:
    """`prefix_` and 26 characters that sort by time (the ULID layout: 48 bits of milliseconds, 80 of entropy).

    Pure on purpose: the workflow must mint the same id again on replay, so time and entropy are handed in.
    """
    milliseconds = int(at.timestamp() * 1000)
    noise = int.from_bytes(hashlib.sha256(entropy).digest()[: ENTROPY_BITS // 8], "big")
    number = (milliseconds << ENTROPY_BITS) | noise
    return f"{prefix}_" + "".join(CROCKFORD[(number >> (5 * i)) & 31] for i in reversed(range(CHARACTERS)))


def workflow_id(tenant: str, owner: str, conversation: ConversationId) -> str:
    """One workflow id per conversation, so that the engine itself allows one live generation in it (ADR 0001)."""
    return "/".join(("conversation", *(quote(name, safe="") for name in (tenant, owner, conversation))))
