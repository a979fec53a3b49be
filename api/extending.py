"""More time to decide."""

from datetime import datetime, timedelta

from fastapi import APIRouter
from pydantic import BaseModel

from api.bodies import ExtendBody
from api.deciding import decidable
from api.deps import IdentityDep, PartsDep
from domain.decide import ExtendRequest
from domain.ids import ApprovalId, GenerationId
from domain.ports import whose

router = APIRouter(prefix="/api/generations", tags=["approvals"])


class Extension(BaseModel):
    approval_id: ApprovalId
    expires_at: datetime


@router.post("/{generation_id}/approvals/{approval_id}/extend")
async def extend(
    generation_id: str, approval_id: str, body: ExtendBody, parts: PartsDep, who: IdentityDep
) -> Extension:
    """Move the deadline of a pending approval. Refused like a decision: also once the time is over."""
    generation, approval = GenerationId(generation_id), ApprovalId(approval_id)
    stored = await decidable(parts, who, generation)
    request = ExtendRequest(
        generation_id=generation,
        approval_id=approval,
        more=timedelta(seconds=body.seconds),
        by=who.user,
        roles=tuple(sorted(who.roles)),
        via="http",
    )
    return Extension(approval_id=approval, expires_at=await parts.engine.extend(whose(stored.request), request))
