"""Deciding: the API gathers what only it can know, the workflow judges, and the answer is durable either way."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import uuid4

from fastapi import Depends, Header

from api.bodies import DecisionsBody
from api.deps import IdempotencyKey
from api.identity import Identity
from api.ports import Parts
from api.slots import resumed_in
from domain.approval import Approval, CallRequest, Decision
from domain.content import JsonObject
from domain.decide import ResumeRequest
from domain.errors import (
    AlreadyDecided,
    ApprovalNotFound,
    FermataError,
    NotPaused,
    PauseExpired,
    PayloadTooLarge,
)
from domain.ids import ApprovalId, CallId, GenerationId, QuestionId
from domain.limits import ANSWER_CHARS, EDITED_ARGUMENTS_BYTES
from domain.ports import whose
from domain.question import Answer, length
from domain.record import StoredGeneration
from domain.start import StartRequest
from domain.verdict import facts_of, judge_call
from domain.wording import denied

CLIENT_CHARS = 200


@dataclass(frozen=True)
class Sending:
    """How decisions were sent: under which key, by which program, and whether it waits for a worker's answer."""

    key: str | None
    client: str | None
    waits: bool


async def sending(
    key: IdempotencyKey,
    prefer: Annotated[str | None, Header()] = None,
    user_agent: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> Sending:
    return Sending(key=key, client=user_agent and user_agent[:CLIENT_CHARS], waits=prefer != "respond-async")


SendingDep = Annotated[Sending, Depends(sending)]


async def decide(
    parts: Parts, who: Identity, generation: GenerationId, body: DecisionsBody, sent: Sending
) -> JsonObject:
    """What is answered to these decisions; `queued` if no worker took them in time. Raises what refuses them."""
    stored = await decidable(parts, who, generation)
    request = ResumeRequest(
        generation_id=generation,
        approval_id=ApprovalId(body.approval_id) if body.approval_id else None,
        decisions=tuple(_decision(each.model_dump()) for each in body.decisions),
        answers=_answers(body.answers),
        partial=body.partial,
        by=who.user,
        roles=tuple(sorted(who.roles)),
        via="http",
        client=sent.client,
        argument_errors=await _argument_errors(parts, stored.request, body),
    )
    key = _decision_id(who, generation, sent.key, body)
    async with resumed_in(parts, stored) as place:
        request = request.model_copy(update={"slots": place.full})
        try:
            if not sent.waits:
                await parts.engine.resume_later(whose(stored.request), request)
                answer = None
            else:
                answer = await parts.engine.resume(whose(stored.request), request, key)
        except NotPaused as error:
            raise await _why_not(parts, who, generation, request.approval_id) from error
        if answer is not None and answer.status == "waiting":
            await place.give_back()
    return {"status": "queued"} if answer is None else answer.model_dump(mode="json")


def status_of(answer: JsonObject) -> int:
    """The HTTP status that says the same as the answer."""
    return 202 if answer["status"] == "queued" else 200


async def decidable(parts: Parts, who: Identity, generation: GenerationId) -> StoredGeneration:
    """The generation, if this person has a say in it. Raises GenerationNotFound, for another's as for none.

    Which of its approvals the person decides is for the workflow to tell, in its place among all that refuses them.
    """
    return await parts.queries.decidable(who.tenant, who.user.id, who.roles, generation)


def _decision(fields: dict[str, Any]) -> Decision:
    arguments = fields["arguments"] if isinstance(fields["arguments"], dict) else None
    size = len(json.dumps(arguments).encode())
    if size > EDITED_ARGUMENTS_BYTES:
        raise PayloadTooLarge(f"Edited arguments have {size} bytes; {EDITED_ARGUMENTS_BYTES} are allowed.")
    return Decision(**{**fields, "call_id": CallId(fields["call_id"]), "arguments": arguments})


def _answers(given: Mapping[str, str | list[str]] | None) -> dict[QuestionId, Answer] | None:
    if given is None:
        return None
    answers = {QuestionId(name): answer if isinstance(answer, str) else tuple(answer) for name, answer in given.items()}
    if (chars := length(answers)) > ANSWER_CHARS:
        raise PayloadTooLarge(f"The answers have {chars} characters in all; {ANSWER_CHARS} are allowed.")
    return answers


async def _argument_errors(parts: Parts, start: StartRequest, body: DecisionsBody) -> tuple[JsonObject, ...]:
    """What is wrong with edited arguments: they do not fit the schema, or the policy denies them.

    The workflow gives this refusal its place in the ladder; whoever decides past the API is stopped before the tool.
    """
    edits = [each for each in body.decisions if each.decision == "edit" and isinstance(each.arguments, dict)]
    if not edits or body.approval_id is None:
        return ()
    try:
        approval: Approval = (
            await parts.queries.approval(start.tenant, start.owner.id, (), ApprovalId(body.approval_id))
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
    judgement = judge_call(start, facts_of(start, call.call_id, call.name, edited), parts.conditions.holds)
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
        found = await parts.queries.approval(who.tenant, who.user.id, who.roles, approval_id)
    except ApprovalNotFound:
        return NotPaused()
    if found.generation_id != generation:
        return NotPaused()
    if found.status == "expired":
        return PauseExpired(expires_at=found.approval.expires_at.isoformat())
    if found.receipt.decided:
        return AlreadyDecided(receipt=found.receipt.model_dump(mode="json"))
    return NotPaused()


def _decision_id(who: Identity, generation: GenerationId, key: str | None, body: DecisionsBody) -> str:
    """The same key with the same decision of the same person is one decision for the engine; without a key each
    request is its own.
    """
    if key is None:
        return str(uuid4())
    said = json.dumps([who.user.id, generation, key, body.model_dump_json()])
    return hashlib.sha256(said.encode()).hexdigest()
