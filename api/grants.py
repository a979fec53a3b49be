"""What is allowed for good in a conversation: looked at, and taken back."""

from typing import Any

from fastapi import APIRouter

from api.deps import ConversationDep, IdentityDep, PartsDep

router = APIRouter(prefix="/api/conversations", tags=["approvals"])


@router.get("/{conversation_id}/grants")
async def read(conversation: ConversationDep, parts: PartsDep, who: IdentityDep) -> dict[str, Any]:
    """The tools whose calls are not asked about here any more, with who said so and when."""
    await parts.queries.conversation(who.tenant, who.user.id, conversation)
    return {"items": await parts.grants.listed(conversation)}


@router.delete("/{conversation_id}/grants/{tool:path}")
async def revoke(conversation: ConversationDep, tool: str, parts: PartsDep, who: IdentityDep) -> dict[str, bool]:
    """From the next call on people are asked again. `removed`: whether it was allowed."""
    await parts.queries.conversation(who.tenant, who.user.id, conversation)
    return {"removed": await parts.grants.revoke(conversation, tool)}
