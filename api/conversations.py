"""Conversations and what was said in them."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from api.deps import ConversationDep, IdentityDep, PartsDep
from api.events import stream
from api.stream import EventStream
from domain.record import Conversation

router = APIRouter(prefix="/api/conversations", tags=["conversations"])

PAGE = 50
PAGE_MAX = 200


@router.get("")
async def list_conversations(
    parts: PartsDep,
    who: IdentityDep,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE,
    before: str | None = None,
) -> dict[str, Any]:
    """The caller's conversations, the last used first."""
    page = await parts.queries.conversations(who.tenant, who.user.id, limit=limit, before=before)
    return {"items": [item.model_dump(mode="json") for item in page.items], "next": page.next}


@router.get("/{conversation_id}")
async def get_conversation(conversation: ConversationDep, parts: PartsDep, who: IdentityDep) -> Conversation:
    return await parts.queries.conversation(who.tenant, who.user.id, conversation)


@router.get(
    "/{conversation_id}/events",
    response_class=EventStream,
    responses={204: {"description": "Nothing is live there"}},
)
async def follow_conversation(conversation: ConversationDep, parts: PartsDep, who: IdentityDep) -> Response:
    """The live generation of the conversation, from a snapshot on; 204 when none is live.

    A cursor would be one of a generation that may not be the live one any more, so none is heeded here.
    """
    found = await parts.queries.conversation(who.tenant, who.user.id, conversation)
    return await stream(parts, who, found.live.id, None) if found.live else Response(status_code=204)


@router.get("/{conversation_id}/messages")
async def list_messages(conversation: ConversationDep, parts: PartsDep, who: IdentityDep) -> dict[str, Any]:
    """All branches of the tree, oldest first."""
    messages = await parts.queries.messages(who.tenant, who.user.id, conversation)
    return {"items": [message.model_dump(mode="json") for message in messages]}
