"""Deciding: the API gathers what only it can know, the workflow judges, and the answer is durable either way."""

import hashlib
import json
from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import uuid4

from fastapi import APIRouter, Header, Response

from api.bodies import DecisionsBody
from api.deps import IdempotencyKey, IdentityDep, PartsDep
from api.generations import address, owned
from api.identity import Identity
from api.ports import Parts
from domain.approval import Approval, CallRequest, Decision
from domain.content import JsonObject
from domain.decide import ResumeRequest
from domain.errors import (
    AlreadyDecided,
    AnswersMismatch,
    ApprovalNotFound,
    FermataError,
    NotPaused,
    PauseExpired,
    PayloadTooLarge,
)
from domain.ids import ApprovalId, CallId, GenerationId
from domain.limits import EDITED_ARGUMENTS_BYTES
from domain.start import StartRequest
from domain.verdict import facts_of, judge
from domain.wording import denied

router = APIRouter(prefix="/api/generations", tags=["approvals"])


@router.post("/{generation_id}/decisions", responses={202: {"description": "Kept until a worker takes it"}})
async def decide(
    generation_id: str,
    body: DecisionsBody,
    response: Response,
    parts: PartsDep,
    who: IdentityDep,
    key: IdempotencyKey,
    prefer: str | None = Header(None),
) -> dict[str, Any]:
    """Decide the calls of the pending approval. 202: no worker answered in time; the decision is kept and counts."""
    generation = GenerationId(generation_id)
    stored = await owned(parts, who, generation)
    request = ResumeRequest(
        generation_id=generation,
        approval_id=ApprovalId(body.approval_id) if body.approval_id else None,
        decisions=tuple(_decision(each.model_dump()) for each in body.decisions),
        partial=body.partial,
        by=who.user,
        argument_errors=await _argument_errors(parts, stored.request, body),
    )
    if body.answers:
        raise AnswersMismatch("Nothing was asked that has answers; send decisions.", unknown=sorted(body.answers))
    try:
        if prefer == "respond-async":
            await parts.engine.resume_later(address(stored), request)
            answer = None
        else:
            answer = await parts.engine.resume(address(stored), request, _decision_id(generation, key, body))
    except NotPaused as error:
        raise await _why_not(parts, who, generation, request.approval_id) from error
    if answer is None:
        response.status_code = 202
        return {"status": "queued"}
    return answer.model_dump(mode="json")


def _decision(fields: dict[str, Any]) -> Decision:
    arguments = fields["arguments"] if isinstance(fields["arguments"], dict) else None
    size = len(json.dumps(arguments).encode())
    if size > EDITED_ARGUMENTS_BYTES:
        raise PayloadTooLarge(f"Edited arguments have {size} bytes; {EDITED_ARGUMENTS_BYTES} are allowed.")
    return Decision(**{**fields, "call_id": CallId(fields["call_id"]), "arguments": arguments})


async def _argument_errors(parts: Parts, start: StartRequest, body: DecisionsBody) -> tuple[JsonObject, ...]:
    """What is wrong with edited arguments: they do not fit the schema, or the policy denies them.

    The workflow gives this refusal its place in the ladder; whoever decides past the API is stopped before the tool.
    """
    edits = [each for each in body.decisions if each.decision == "edit" and isinstance(each.arguments, dict)]
    if not edits or body.approval_id is None:
        return ()
    try:
        approval: Approval = (
            await parts.queries.approval(start.tenant, start.owner.id, ApprovalId(body.approval_id))
        ).approval
    except ApprovalNotFound:
        return ()  # the ladder has a word for that
    asked = {call.call_id: call for call in approval.calls}
    return tuple(
        {"call_id": edit.call_id, **problem}
        for edit in edits
        if (call := asked.get(CallId(edit.call_id))) is not None
        for problem in _edit_errors(parts, start, call, edit.arguments)
    )


def _edit_errors(parts: Parts, start: StartRequest, call: CallRequest, edited: JsonObject) -> Sequence[JsonObject]:
    if call.json_schema is not None and (problems := parts.schema_errors(call.json_schema, edited)):
        return problems
    holds = partial(parts.conditions.holds, call=facts_of(start, call.call_id, call.name, edited))
    judgement = judge(start.agent.policy, call.name, holds=holds)
    if judgement.verdict != "deny":
        return ()
    return [{"pointer": "", "message": denied(judgement.because, judgement.reason)}]


async def _why_not(
    parts: Parts, who: Identity, generation: GenerationId, approval_id: ApprovalId | None
) -> FermataError:
    """Nothing waits there any more; the record may know what became of this approval."""
    if approval_id is None:
        return NotPaused()
    try:
        found = await parts.queries.approval(who.tenant, who.user.id, approval_id)
    except ApprovalNotFound:
        return NotPaused()
    receipt = await parts.queries.receipt(generation, approval_id)
    if found.status == "expired":
        return PauseExpired(expires_at=found.approval.expires_at.isoformat())
    if receipt is not None and receipt.decided:
        return AlreadyDecided(receipt=receipt.model_dump(mode="json"))
    return NotPaused()


def _decision_id(generation: GenerationId, key: str | None, body: DecisionsBody) -> str:
    """The same key with the same decision is one decision for the engine; without a key each request is its own."""
    if key is None:
        return str(uuid4())
    return hashlib.sha256(f"{generation}\n{key}\n{body.model_dump_json()}".encode()).hexdigest()
