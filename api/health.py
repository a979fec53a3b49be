"""Whether this process lives, and whether it can serve."""

import asyncio
from typing import Any

from fastapi import APIRouter, Response

from api.deps import PartsDep

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def alive() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/readyz", responses={503: {"description": "Something is away"}})
async def ready(parts: PartsDep, response: Response) -> dict[str, Any]:
    """503 names what is away."""
    checks = {"temporal": parts.engine.healthy, **parts.checks}
    answers = await asyncio.gather(*(check() for check in checks.values()))
    away = sorted(name for name, well in zip(checks, answers, strict=True) if not well)
    if away:
        response.status_code = 503
    return {"status": "unavailable" if away else "ok", "away": away}
