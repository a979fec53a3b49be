"""The OpenAPI document: it builds, names every route, and says the truth about whatever is made up from it."""

import asyncio
import sys
from pathlib import Path

from tests.outsider import a_word, visiting, writing
from tests.stack import JsonDict, Stack

pytest_plugins = ["tests.workshop"]
BUDGET_SECONDS = 40
CHECKS = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")
ROUTES = {
    "/api/generations": {"get", "post"},
    "/api/generations/{generation_id}": {"get"},
    "/api/generations/{generation_id}/events": {"get"},
    "/api/generations/{generation_id}/decisions": {"get", "post"},
    "/api/approvals": {"get"},
    "/api/approvals/{approval_id}": {"get"},
    "/api/approvals/decisions": {"post"},
    "/api/approvals/events": {"get"},
    "/api/generations/{generation_id}/abort": {"post"},
    "/api/conversations": {"get"},
    "/api/conversations/{conversation_id}": {"get"},
    "/api/conversations/{conversation_id}/events": {"get"},
    "/api/conversations/{conversation_id}/messages": {"get"},
    "/api/agents": {"get"},
    "/api/me": {"get"},
    "/healthz": {"get"},
    "/readyz": {"get"},
}


async def test_the_document_names_every_route(workshop: Stack) -> None:
    schema: JsonDict = (await workshop.http.get("/openapi.json")).raise_for_status().json()
    assert schema["openapi"].startswith("3.")
    assert {path: set(methods) for path, methods in schema["paths"].items()}.items() >= ROUTES.items()
    assert (await workshop.http.get("/docs")).status_code == 200


async def test_whatever_is_made_up_from_the_document_is_answered_as_it_says(workshop: Stack, tmp_path: Path) -> None:
    """Tried by a tool that knows only the document: no 500, no status or body beside it.

    Left out: streams, and what would end the paused answer that the requests name.
    """
    async with visiting(workshop, x_dev_user="fuzz") as fuzz:
        started = await fuzz.start(writing(a_word()), agent="clerk")
        await fuzz.paused(started["id"])
    known = {"path.conversation_id": started["conversation_id"], "path.generation_id": started["id"]}
    lines = (f'"{name}" = "{value}"' for name, value in known.items())
    (tmp_path / "schemathesis.toml").write_text("\n".join(("[parameters]", *lines)))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{workshop.url}/openapi.json", "--no-color"),
        *("--header", "X-Dev-User: fuzz", "--exclude-path-regex", "events$|metrics$|abort$", "--request-timeout", "20"),
        *("--phases", "coverage,fuzzing", "--max-examples", "12", "--no-shrink", "--generation-deterministic"),
        *("--checks", ",".join(CHECKS)),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(BUDGET_SECONDS):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, said.decode()
    assert (await workshop.http.get("/readyz")).status_code == 200
