"""What a route gets handed: the parts of the application, who asks, and the idempotency key.

All of it in coroutines, though none of them waits: FastAPI hands plain functions to a thread each time.
"""

from typing import Annotated

from fastapi import Depends, Header, Request

from api.identity import Identity, identify
from api.ports import Parts
from domain.errors import InvalidRequest
from domain.ids import ConversationId

KEY_CHARS = 255


async def parts(request: Request) -> Parts:
    made: Parts = request.app.state.parts
    return made


async def identity(request: Request) -> Identity:
    made: Parts = request.app.state.parts
    return identify(request, development=made.development)


async def idempotency_key(value: Annotated[str | None, Header(alias="Idempotency-Key")] = None) -> str | None:
    """The key, quoted (as the draft standard writes it) or bare."""
    if value is None:
        return None
    key = value.strip().removeprefix('"').removesuffix('"')
    if not 0 < len(key) <= KEY_CHARS or not key.isprintable():
        raise InvalidRequest(f"Idempotency-Key must have 1 to {KEY_CHARS} printable characters.")
    return key


async def conversation(conversation_id: str) -> ConversationId:
    """The id in the spelling of the record; there are clients that write UUIDs in capitals."""
    return ConversationId(conversation_id.lower())


PartsDep = Annotated[Parts, Depends(parts)]
IdentityDep = Annotated[Identity, Depends(identity)]
IdempotencyKey = Annotated[str | None, Depends(idempotency_key)]
ConversationDep = Annotated[ConversationId, Depends(conversation)]
