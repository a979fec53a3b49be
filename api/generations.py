"""Starting, watching and stopping generations."""

import hashlib
import json
import os
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Query, Request, Response

from api.bodies import AbortBody, StartBody
from api.deps import IdempotencyKey, IdentityDep, PartsDep
from api.identity import Identity
from api.ports import Parts
from api.slots import started_in
from api.waiting import settled_view, view_of
from domain.agent import Overrides, pin
from domain.errors import AgentNotFound, AlreadyFinished, GenerationNotFound, PayloadTooLarge, Refused, Unavailable
from domain.ids import ConversationId, GenerationId, MessageId, mint
from domain.policy import PolicyTightening
from domain.ports import whose
from domain.record import ENDED, NewStart, StatusFilter, StoredGeneration
from domain.start import Aborted, AbortRequest, StartRequest
from domain.view import View

router = APIRouter(prefix="/api/generations", tags=["generations"])

PAGE = 50
PAGE_MAX = 200
WAIT_MAX = 60
CARRIED_BYTES = 64_000  # of what travels through the engine's history, with all starts that wait in line


@router.post("", status_code=201, responses={200: {"description": "It was started before, under this key"}})
async def start(
    body: StartBody, request: Request, response: Response, parts: PartsDep, who: IdentityDep, key: IdempotencyKey
) -> dict[str, Any]:
    """Start an answer. 200 instead of 201: this Idempotency-Key started it before."""
    wanted = _request(body, parts, who)
    claimed = await parts.starts.claim(
        NewStart(
            request=wanted,
            text=body.input.text,
            parent_message_id=MessageId(body.parent_message_id) if body.parent_message_id else None,
            regenerate=body.regenerate,
            idempotency_key=key,
            body_digest=hashlib.sha256(body.model_dump_json().encode()).hexdigest(),
        )
    )
    status = claimed.status
    if status == "submitted":  # new, or its first request died between the record and the engine
        try:
            async with started_in(parts, claimed.request):
                status = (await parts.engine.submit(claimed.request)).status
        except Refused:
            await parts.starts.withdraw(claimed.request.generation_id)
            raise
        await parts.starts.accepted(claimed.request.generation_id, status)
    if claimed.replayed:
        response.status_code = 200
    generation = claimed.request.generation_id
    response.headers["Location"] = f"/api/generations/{generation}"
    return {
        "id": generation,
        "conversation_id": claimed.request.conversation_id,
        "user_message_id": claimed.request.user_message_id,
        "response_message_id": claimed.request.response_message_id,
        "status": status,
        "created_at": claimed.request.created_at,
        "events_url": f"/api/generations/{generation}/events",
    }


def _request(body: StartBody, parts: Parts, who: Identity) -> StartRequest:
    """Everything that shapes the answer, pinned now."""
    carried = len(json.dumps([body.parameters, body.metadata, body.policy and body.policy.model_dump()]).encode())
    if carried > CARRIED_BYTES:
        raise PayloadTooLarge(
            f"parameters, policy and metadata have {carried} bytes together; {CARRIED_BYTES} are allowed."
        )
    agent_id = body.agent or next(iter(parts.agents))
    agent = parts.agents.get(agent_id)
    if agent is None:
        raise AgentNotFound(f"There is no agent {agent_id!r}. GET /api/agents lists them.")
    now = datetime.now(UTC)
    tightening = body.policy.tightening() if body.policy else PolicyTightening()
    spec = pin(agent, Overrides(model=body.model, parameters=body.parameters, policy=tightening), now, body.timezone)
    return StartRequest(
        generation_id=GenerationId(mint("gen", now, os.urandom(16))),
        conversation_id=ConversationId(body.conversation_id or str(uuid4())),
        tenant=who.tenant,
        owner=who.user,
        user_message_id=MessageId(body.message_id or str(uuid4())),
        response_message_id=MessageId(str(uuid4())),
        agent=spec,
        created_at=now,
        on_conflict=body.on_conflict,
        expected_generation=GenerationId(body.expected_generation) if body.expected_generation else None,
        approvals=body.approvals,
        wants_title=True,
        metadata=body.metadata,
    )


@router.get("")
async def list_generations(
    parts: PartsDep,
    who: IdentityDep,
    status: StatusFilter | None = None,
    conversation_id: str | None = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE,
    before: str | None = None,
) -> dict[str, Any]:
    """The caller's generations, newest first."""
    page = await parts.queries.generations(
        who.tenant,
        who.user.id,
        status=status,
        conversation=ConversationId(conversation_id.lower()) if conversation_id else None,
        limit=limit,
        before=before,
    )
    return {"items": [_summary(stored) for stored in page.items], "next": page.next}


def _summary(stored: StoredGeneration) -> dict[str, Any]:
    request = stored.request
    return {
        "id": request.generation_id,
        "conversation_id": request.conversation_id,
        "agent": {"id": request.agent.id, "name": request.agent.name, "model": request.agent.model},
        "status": stored.status,
        "created_at": request.created_at,
        "started_at": stored.started_at,
        "finished_at": stored.finished_at,
        "error": stored.error,
    }


@router.get("/{generation_id}")
async def get_generation(
    generation_id: str, parts: PartsDep, who: IdentityDep, wait: Annotated[int, Query(ge=0, le=WAIT_MAX)] = 0
) -> View:
    """The view: the fold of its events. With `wait` (seconds) the answer comes when it is paused or over, or then."""
    generation = GenerationId(generation_id)
    await owned(parts, who, generation)
    return await settled_view(parts, generation, wait) if wait else await view_of(parts, generation)


@router.post("/{generation_id}/abort")
async def abort(generation_id: str, parts: PartsDep, who: IdentityDep, body: AbortBody | None = None) -> Aborted:
    """Stop it. The answer comes when what was said is stored and everybody has been told."""
    generation = GenerationId(generation_id)
    stored = await owned(parts, who, generation)
    if stored.status in ENDED:
        return await _ended(parts, stored)
    request = AbortRequest(generation_id=generation, reason=body.reason if body else None)
    try:
        return await parts.engine.abort(whose(stored.request), request)
    except GenerationNotFound:  # it ended in this very moment; the record knows how
        return await _ended(parts, await owned(parts, who, generation))


async def _ended(parts: Parts, stored: StoredGeneration) -> Aborted:
    if stored.status not in ENDED:
        raise Unavailable("The engine does not know this generation yet. Try again in a moment.")
    if stored.status != "aborted":
        raise AlreadyFinished(outcome=stored.status)
    message = (await parts.queries.view(stored.request.generation_id)).message
    return Aborted(early=message is None, message_id=message.id if message else None)


async def owned(parts: Parts, who: Identity, generation: GenerationId) -> StoredGeneration:
    """The caller's generation. Raises GenerationNotFound, for another's as for none."""
    return await parts.queries.generation(who.tenant, who.user.id, generation)
