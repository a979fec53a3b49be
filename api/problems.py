"""Errors as problem details (RFC 9457). The one place that knows which domain error is which status and code."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from domain import errors

RETRY_AFTER_SECONDS = 2

PROBLEMS: dict[type[errors.FermataError], tuple[int, str]] = {
    errors.GenerationNotFound: (404, "generation_not_found"),
    errors.ConversationNotFound: (404, "conversation_not_found"),
    errors.MessageNotFound: (404, "message_not_found"),
    errors.AgentNotFound: (404, "agent_not_found"),
    errors.ApprovalNotFound: (404, "approval_not_found"),
    errors.WebhookNotFound: (404, "webhook_not_found"),
    errors.GenerationLive: (409, "generation_live"),
    errors.QueueFull: (409, "queue_full"),
    errors.PredecessorMismatch: (409, "predecessor_mismatch"),
    errors.ParentUnfinished: (409, "parent_unfinished"),
    errors.IdempotencyMismatch: (422, "idempotency_mismatch"),
    errors.NotPaused: (409, "not_paused"),
    errors.PauseExpired: (409, "approval_expired"),
    errors.ApprovalIdRequired: (400, "approval_id_required"),
    errors.ApprovalMismatch: (409, "approval_mismatch"),
    errors.AlreadyDecided: (409, "already_decided"),
    errors.UndecidedCalls: (400, "undecided_calls"),
    errors.AnswersMismatch: (400, "answers_mismatch"),
    errors.NotAnApprover: (403, "not_an_approver"),
    errors.DecisionNotAllowed: (403, "decision_not_allowed"),
    errors.UnknownCall: (403, "unknown_call"),
    errors.IncompleteDecision: (400, "incomplete_decision"),
    errors.ArgumentsInvalid: (422, "arguments_invalid"),
    errors.AlreadyFinished: (409, "already_finished"),
    errors.CursorAhead: (409, "cursor_ahead"),
    errors.Paused: (409, "paused"),
    errors.SteerConflict: (409, "steer_conflict"),
    errors.SteerQueueFull: (429, "steer_queue_full"),
    errors.ConcurrencyLimit: (429, "concurrency_limit"),
    errors.TooManyWebhooks: (409, "too_many_webhooks"),
    errors.InvalidBody: (400, "invalid_body"),
    errors.InvalidRequest: (422, "invalid_request"),
    errors.Unauthenticated: (401, "unauthenticated"),
    errors.RoleRequired: (403, "role_required"),
    errors.PayloadTooLarge: (413, "payload_too_large"),
    errors.Unavailable: (503, "unavailable"),
}

MEDIA_TYPE = "application/problem+json"
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "type": {"type": "string", "description": "A page on this server that explains the code."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "One sentence, with the remedy."},
        "instance": {"type": "string"},
        "code": {"type": "string", "description": "A stable word."},
    },
    "required": ["type", "title", "status", "detail", "instance", "code"],
}
_ANY = {"description": "A problem (RFC 9457)", "content": {MEDIA_TYPE: {"schema": SCHEMA}}}
RESPONSES: dict[int | str, dict[str, Any]] = {"4XX": _ANY, "5XX": _ANY}  # what any route may answer, for the document

OTHER_STATUSES = {404: "not_found", 405: "method_not_allowed", 413: "payload_too_large"}
HEADERS: dict[int, dict[str, str]] = {
    401: {"WWW-Authenticate": "Bearer"},
    429: {"Retry-After": str(RETRY_AFTER_SECONDS)},
    503: {"Retry-After": str(RETRY_AFTER_SECONDS)},
}


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    instance: str,
    members: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The response; `type` in it is a path on this server that explains the code."""
    return JSONResponse(
        _body(status, code, detail, instance, members),
        status_code=status,
        media_type=MEDIA_TYPE,
        headers={**HEADERS.get(status, {}), **(headers or {})},
    )


def refusal(error: errors.FermataError, *, instance: str) -> dict[str, Any]:
    """The body of the problem that this error is. One that has no place in the table is a bug, and raised again."""
    known = next((PROBLEMS[kind] for kind in type(error).__mro__ if kind in PROBLEMS), None)
    if known is None:
        raise error
    return _body(*known, str(error), instance, error.members)


def misread(found: Sequence[Mapping[str, Any]], *, instance: str) -> dict[str, Any]:
    """The body about a request that is not what the contract says.

    A decision whose body is no JSON object at all has a code of its own.
    """
    if any(_is_shapeless(each) for each in found) and instance.endswith("/decisions"):
        return refusal(errors.InvalidBody(), instance=instance)
    details = [{"pointer": _pointer(each["loc"]), "message": each["msg"]} for each in found]
    what = "; ".join(f"{each['pointer'] or 'the body'}: {each['message']}" for each in details[:3])
    detail = f"The request is not what the contract says. {what}"[:500]
    return _body(422, "invalid_request", detail, instance, {"errors": details})


def install(app: FastAPI) -> None:
    """Make every error of the application a problem."""
    app.add_exception_handler(errors.FermataError, _domain_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _bug)


async def _domain_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, errors.FermataError):
        return await _bug(request, error)
    return _answer(refusal(error, instance=request.url.path))


async def _validation_error(request: Request, error: Exception) -> JSONResponse:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    return _answer(misread(found, instance=request.url.path))


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 400:  # how FastAPI says that it could not even parse the body: nested too deeply, for one
        nowhere = [{"type": "json_invalid", "loc": ("body",), "msg": "this cannot be read as JSON"}]
        return await _validation_error(request, RequestValidationError(nowhere))
    headers = error.headers if isinstance(error, HTTPException) else None
    code = OTHER_STATUSES.get(status, "http_error")
    detail = str(error.detail) if isinstance(error, HTTPException) else "Something went wrong."
    return problem(status, code, detail, instance=request.url.path, headers=headers)


async def _bug(request: Request, error: Exception) -> JSONResponse:
    """Says nothing about the inside; the server's own log has the rest."""
    return problem(500, "internal_error", "Something went wrong on the server.", instance=request.url.path)


def _body(
    status: int, code: str, detail: str, instance: str, members: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "type": f"/problems/{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": instance,
        "code": code,
        **{name: value for name, value in (members or {}).items() if value is not None},
    }


def _answer(body: dict[str, Any]) -> JSONResponse:
    status: int = body["status"]
    return JSONResponse(body, status_code=status, media_type=MEDIA_TYPE, headers=HEADERS.get(status))


def _is_shapeless(found: Mapping[str, Any]) -> bool:
    """Whether the body is no JSON object, as opposed to one in which something is wrong."""
    whole = tuple(found["loc"]) == ("body",)
    return found["type"] == "json_invalid" or (whole and found["type"] not in ("value_error", "too_long"))


def _pointer(location: Sequence[str | int]) -> str:
    """A JSON pointer into the body, or the name of a parameter."""
    where, *path = location
    return "".join(f"/{step}" for step in path) if where == "body" else str(path[0] if path else where)
