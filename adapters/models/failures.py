"""What a provider's failure means: one table from statuses and codes to ours, with a sentence for people."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from domain.errors import ModelCallError, ModelFinal, ModelRetryable

RETRYABLE: Mapping[str, str] = {
    "rate_limited": "has reached its rate limit.",
    "provider_overloaded": "is overloaded.",
    "provider_error": "had an error of its own.",
    "connection_failed": "could not be reached, or the connection broke.",
    "timeout": "did not answer in time.",
    "truncated": "stopped in the middle of its answer.",
}
FINAL: Mapping[str, str] = {
    "quota_exceeded": "is not available: the account's quota or credit is used up.",
    "authentication_failed": "refused the credentials. Check the provider's API key.",
    "model_not_found": "is not known to the provider. Check the name of the model and the provider's base URL.",
    "context_length_exceeded": "cannot read that much: the conversation is longer than the model's context.",
    "content_filtered": "refused the request because of its content policy.",
    "bad_request": "did not accept the request.",
}

BY_CODE: Mapping[str, str] = {
    "insufficient_quota": "quota_exceeded",
    "billing_error": "quota_exceeded",
    "billing_hard_limit_reached": "quota_exceeded",
    "billing_not_active": "quota_exceeded",
    "context_length_exceeded": "context_length_exceeded",
    "content_filter": "content_filtered",
    "content_policy_violation": "content_filtered",
    "invalid_api_key": "authentication_failed",
    "authentication_error": "authentication_failed",
    "permission_error": "authentication_failed",
    "model_not_found": "model_not_found",
    "not_found_error": "model_not_found",
    "rate_limit_exceeded": "rate_limited",
    "rate_limit_error": "rate_limited",
    "overloaded_error": "provider_overloaded",
    "server_is_overloaded": "provider_overloaded",
    "service_unavailable_error": "provider_overloaded",
    "timeout_error": "timeout",
    "api_error": "provider_error",
    "server_error": "provider_error",
}
"""The provider's own word, its `code` before its `type`. It is more exact than any status."""

BY_MESSAGE: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"(prompt|input|request) is too long|(maximum |max_)?context (length|window|size)", re.IGNORECASE),
        "context_length_exceeded",
    ),
    (re.compile(r"credit balance is too low", re.IGNORECASE), "quota_exceeded"),
)
"""For refusals (400, 413) that say only in words what is wrong."""

BY_STATUS: Mapping[int, str] = {
    401: "authentication_failed",
    402: "quota_exceeded",
    403: "authentication_failed",
    404: "model_not_found",
    408: "timeout",
    409: "provider_error",
    413: "context_length_exceeded",
    425: "provider_error",
    429: "rate_limited",
    503: "provider_overloaded",
    504: "timeout",
    529: "provider_overloaded",
}

DETAIL_CHARS = 300
_SECRET = re.compile(r"\b(sk|pk|key|Bearer)[-_ ][\w\-*.]{6,}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Complaint:
    """What the provider said about a failure. No status: it said it inside a stream that had begun well."""

    status: int | None = None
    code: str | None = None
    type: str | None = None
    message: str | None = None
    retry_after: timedelta | None = None


def failure(model: str, complaint: Complaint) -> ModelCallError:
    """The error for `model` ("provider:name")."""
    code = _classify(complaint)
    detail = None if code == "authentication_failed" else complaint.message  # providers quote the key they refuse
    return failed(model, code, detail, complaint.retry_after)


def failed(model: str, code: str, detail: str | None = None, retry_after: timedelta | None = None) -> ModelCallError:
    """The error with one of our codes; `detail` is the reason in the words of others."""
    message = f"{model} {RETRYABLE.get(code) or FINAL[code]}"
    if detail:
        message += f" Reason: {_SECRET.sub('[secret]', detail.strip())[:DETAIL_CHARS]}"
    return ModelRetryable(code, message, retry_after=retry_after) if code in RETRYABLE else ModelFinal(code, message)


def timed_out(model: str, seconds: float) -> ModelCallError:
    return ModelRetryable("timeout", f"{model} was silent for {seconds:g} s.")


def complaint_of(body: object, status: int | None = None, retry_after: timedelta | None = None) -> Complaint:
    """What an error's JSON body says; both `{"error": {…}}` and a bare object are in use."""
    error = body.get("error", body) if isinstance(body, dict) else body
    if not isinstance(error, dict):
        return Complaint(status, message=error if isinstance(error, str) else None, retry_after=retry_after)
    code, kind, message = error.get("code"), error.get("type"), error.get("message")
    if isinstance(code, int):  # gateways put the upstream's status there
        code, status = None, status or code
    return Complaint(
        status,
        code if isinstance(code, str) else None,
        kind if isinstance(kind, str) else None,
        message if isinstance(message, str) else None,
        retry_after,
    )


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> timedelta | None:
    """How long the provider asks us to wait (header names in lower case)."""
    milliseconds, seconds = headers.get("retry-after-ms"), headers.get("retry-after")
    try:
        if milliseconds is not None:
            return timedelta(milliseconds=float(milliseconds))
        return None if seconds is None else timedelta(seconds=float(seconds))
    except (ValueError, OverflowError):
        pass
    try:
        moment = parsedate_to_datetime(seconds or "")
        return max(moment - (now or datetime.now(UTC)), timedelta())
    except (TypeError, ValueError):
        return None


def _classify(complaint: Complaint) -> str:
    for word in (complaint.code, complaint.type):
        if found := BY_CODE.get(word or ""):
            return found
    status = complaint.status
    if status in (None, 400, 413, 422):
        for pattern, code in BY_MESSAGE:
            if pattern.search(complaint.message or ""):
                return code
    if status is None:
        return "bad_request" if complaint.type == "invalid_request_error" else "provider_error"
    return BY_STATUS.get(status, "provider_error" if status >= 500 else "bad_request")
