"""Who can answer, and who asks."""

from typing import Any

from fastapi import APIRouter

from api.deps import IdentityDep, PartsDep

router = APIRouter(prefix="/api", tags=["agents"])


@router.get("/agents")
async def list_agents(parts: PartsDep, who: IdentityDep) -> dict[str, Any]:
    """The configured agents, the default one first. Instructions stay here."""
    return {
        "items": [
            {
                "id": agent_id,
                "name": agent.spec.name,
                "description": agent.description,
                "model": agent.spec.model,
                "tools": [{"name": tool.name, "description": tool.description} for tool in agent.spec.tools],
                "overridable": agent.overridable,
            }
            for agent_id, agent in parts.agents.items()
        ]
    }


@router.get("/me")
async def me(parts: PartsDep, who: IdentityDep) -> dict[str, Any]:
    return {"id": who.user.id, "name": who.user.name, "tenant": who.tenant, "roles": sorted(who.roles)}
