"""The decisions of one generation: making them, and reading who made which."""

from typing import Any, Literal

from fastapi import APIRouter, Response

from api.bodies import DecisionsBody
from api.deciding import SendingDep, decide, status_of
from api.deps import IdentityDep, PartsDep
from api.generations import owned
from domain.ids import GenerationId

router = APIRouter(prefix="/api/generations", tags=["approvals"])

LINES = "application/x-ndjson"


@router.post("/{generation_id}/decisions", responses={202: {"description": "Kept until a worker takes it"}})
async def make(
    generation_id: str, body: DecisionsBody, response: Response, parts: PartsDep, who: IdentityDep, sent: SendingDep
) -> dict[str, Any]:
    """Decide the calls of the pending approval. 202: no worker answered in time; the decision is kept and counts."""
    answer = await decide(parts, who, GenerationId(generation_id), body, sent)
    response.status_code = status_of(answer)
    return answer


@router.get("/{generation_id}/decisions", responses={200: {"content": {LINES: {}}}}, response_model=dict[str, Any])
async def read(
    generation_id: str, parts: PartsDep, who: IdentityDep, format: Literal["json", "ndjson"] = "json"
) -> Response | dict[str, Any]:
    """The audit trail: every decision in the order in which they were taken. `ndjson`: one on each line."""
    generation = GenerationId(generation_id)
    await owned(parts, who, generation)
    made = await parts.queries.decisions(generation)
    if format == "ndjson":
        return Response("".join(f"{each.model_dump_json()}\n" for each in made), media_type=LINES)
    return {"items": made}
