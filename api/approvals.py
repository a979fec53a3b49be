"""Approvals across conversations: the inbox of those who decide, and deciding many at once."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field, SkipValidation, ValidationError

from api import inbox
from api.bodies import BulkDecisionBody
from api.deciding import Sending, SendingDep, decide, status_of
from api.deps import IdentityDep, PartsDep
from api.generations import PAGE, PAGE_MAX
from api.identity import Identity
from api.ports import Parts
from api.problems import misread, refusal
from api.stream import EventStream
from domain.content import JsonObject
from domain.errors import FermataError
from domain.ids import ApprovalId, GenerationId
from domain.record import ApprovalFilter

router = APIRouter(prefix="/api/approvals", tags=["approvals"])

BULK = 100
AT_ONCE = 8  # of one body; each holds a connection to the engine for as long as a worker needs


@router.get("")
async def list_approvals(
    parts: PartsDep,
    who: IdentityDep,
    status: ApprovalFilter = "pending",
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE,
    before: str | None = None,
) -> dict[str, Any]:
    """Those that wait for the caller, oldest first; with another `status` what became of earlier ones, newest first."""
    page = await parts.queries.approvals(who.tenant, who.user.id, who.roles, status=status, limit=limit, before=before)
    return {"items": [inbox.item(stored) for stored in page.items], "next": page.next}


@router.get("/events", response_class=EventStream)
async def events(parts: PartsDep, who: IdentityDep) -> Response:
    """All that waits for the caller, and then each change."""
    return await inbox.follow(parts, who)


@router.get("/{approval_id}")
async def get_approval(approval_id: str, parts: PartsDep, who: IdentityDep) -> dict[str, Any]:
    """One, whether it still waits or not, with its receipt."""
    return inbox.item(await parts.queries.approval(who.tenant, who.user.id, who.roles, ApprovalId(approval_id)))


@router.post("/decisions", status_code=207)
async def decide_many(
    body: Annotated[list[SkipValidation[BulkDecisionBody]], Field(max_length=BULK)],
    parts: PartsDep,
    who: IdentityDep,
    sent: SendingDep,
) -> dict[str, Any]:
    """Each as if it had come alone: the results are in the order of the body, and none depends on another."""
    at_once = asyncio.Semaphore(AT_ONCE)

    async def one(given: object) -> JsonObject:
        async with at_once:
            return await _result(parts, who, given, sent)

    return {"items": await asyncio.gather(*map(one, body))}


async def _result(parts: Parts, who: Identity, given: object, sent: Sending) -> JsonObject:
    """What a single request would have been answered, and its status."""
    named = given.get("approval_id") if isinstance(given, dict) else None
    instance = "/api/approvals/decisions"
    try:
        body = BulkDecisionBody.model_validate(given)
        instance = f"/api/generations/{body.generation_id}/decisions"
        answer = await decide(parts, who, GenerationId(body.generation_id), body.alone(), sent)
    except ValidationError as error:
        problem = misread([{**each, "loc": ("body", *each["loc"])} for each in error.errors()], instance=instance)
    except FermataError as error:
        problem = refusal(error, instance=instance)
    else:
        return {"approval_id": named, "status_code": status_of(answer), **answer}
    return {"approval_id": named, "status_code": problem["status"], **problem}
