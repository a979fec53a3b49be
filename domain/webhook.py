"""Webhooks: who is told of what, in which words, and how the words are signed (https://www.standardwebhooks.com)."""

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field

from domain.approval import Approval, CallRequest
from domain.content import JsonObject, Value
from domain.events import ApprovalDecided, ApprovalExpired, ApprovalRequested, Event, GenerationFinished
from domain.ids import DeliveryId, GenerationId, WebhookId
from domain.start import StartRequest

WebhookEvent = Literal["approval.requested", "approval.decided", "approval.expired", "generation.finished"]
WEBHOOK_EVENTS: tuple[WebhookEvent, ...] = get_args(WebhookEvent)

Reach = Literal["public", "development", "private"]
"""Where a webhook may lead: by https to the public internet; also to this machine, and without TLS; also inside."""

SECRET_PREFIX = "whsec_"  # noqa: S105 - says what follows
SECRET_BYTES = range(24, 65)

# Between attempts: 2 s, 6 s, 18 s, … 73 min, 3.6 h, and then 4 h. A restart is soon over, an outage may take the night.
FIRST_WAIT, FACTOR, LONGEST_WAIT = timedelta(seconds=2), 3, timedelta(hours=4)
LAST_THAT_GROWS = 10  # attempt

ARGUMENTS_CHARS = 16_000  # of one call; what is longer is read from the API by who needs it
BULK_OF_DECISION = {"type", "text", "answers"}
BULK_OF_END = {"type", "message", "user_message", "unused_steers"}


def _check_secret(given: str) -> str:
    key_of(given)
    return given


Secret = Annotated[str, AfterValidator(_check_secret)]
"""One of Standard Webhooks: `whsec_` and the key in base64."""


class Webhook(Value):
    """A URL that is told. Without a tenant it is the operator's own, and told of all tenants."""

    id: WebhookId
    tenant: str | None
    url: str
    events: tuple[WebhookEvent, ...]
    secret: str = Field(repr=False)
    reach: Reach = "public"
    created_at: datetime | None = None
    disabled_at: datetime | None = None

    def wants(self, event: WebhookEvent) -> bool:
        return self.disabled_at is None and event in self.events


class Notice(Value):
    """What is to be told of one event: the body, as it is signed and sent."""

    event: WebhookEvent
    generation_id: GenerationId
    position: int  # of the event among all of its generation's
    body: str


class Delivery(Value):
    """One notice for one webhook. The body is kept until it is `delivered`, or given up as `failed`."""

    id: DeliveryId
    webhook_id: WebhookId
    generation_id: GenerationId
    event: WebhookEvent
    body: str | None
    status: Literal["pending", "delivered", "failed"] = "pending"
    attempts: int = 0
    response_status: int | None = None  # of the last attempt, like all that follows
    error: str | None = None
    created_at: datetime
    attempted_at: datetime | None = None


class DeliveryStep(Value):
    delivery_id: DeliveryId


@dataclass(frozen=True, slots=True)
class Reception:
    """What came back: a status, or the reason why none did."""

    status: int | None = None
    error: str | None = None
    retry_after: timedelta | None = None

    @property
    def gone(self) -> bool:
        """The receiver wants nothing more from us, ever."""
        return self.status == 410

    @property
    def settles(self) -> bool:
        """Whether there is no sense in another attempt."""
        return self.gone or (self.status is not None and 200 <= self.status < 300)


def configured_id(url: str) -> WebhookId:
    """Of a webhook in the configuration: the same in every worker and after every restart."""
    return WebhookId(f"conf_{hashlib.sha256(url.encode()).hexdigest()[:26]}")


def reach(*, private: bool, development: bool) -> Reach:
    """What the operator allows; in development a receiver is on this machine, which is also all that may ask us."""
    if private:
        return "private"
    return "development" if development else "public"


def notice(request: StartRequest, position: int, event: Event, now: datetime) -> Notice | None:
    """What webhooks are told of this event; None for the kinds they hear nothing of."""
    match event:
        case ApprovalRequested(approval=approval):
            return _notice(request, position, event.type, approval.created_at, {"approval": _asked(approval)})
        case ApprovalDecided():
            decided = event.model_dump(mode="json", exclude=BULK_OF_DECISION)
            return _notice(request, position, event.type, event.at, decided)
        case ApprovalExpired():
            return _notice(request, position, event.type, now, event.model_dump(mode="json", exclude={"type"}))
        case GenerationFinished():
            ended = event.model_dump(mode="json", exclude=BULK_OF_END)
            return _notice(request, position, event.type, event.finished_at, ended)
        case _:
            return None


def delivery(notice: Notice, webhook: WebhookId, now: datetime) -> Delivery:
    """The delivery of this notice to this webhook: the same one, however often it is asked for."""
    named = hashlib.sha256(f"{notice.generation_id}/{notice.position}/{webhook}".encode()).hexdigest()
    return Delivery(
        id=DeliveryId(f"msg_{named[:32]}"),
        webhook_id=webhook,
        generation_id=notice.generation_id,
        event=notice.event,
        body=notice.body,
        created_at=now,
    )


def wait_after(attempt: int, asked: timedelta | None) -> timedelta:
    """How long to wait for the next attempt. A receiver may ask for longer, not for less."""
    planned: timedelta = FIRST_WAIT * FACTOR ** (min(attempt, LAST_THAT_GROWS) - 1)
    return min(max(planned, asked or planned), LONGEST_WAIT)


def signed(secret: str, delivery: DeliveryId, at: datetime, body: str) -> dict[str, str]:
    """The headers that let a receiver know who sent this, when, and whether it has it already."""
    timestamp = str(int(at.timestamp()))
    digest = hmac.digest(key_of(secret), f"{delivery}.{timestamp}.{body}".encode(), "sha256")
    return {
        "webhook-id": delivery,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def new_secret(entropy: bytes) -> str:
    return SECRET_PREFIX + base64.b64encode(entropy).decode()


def key_of(secret: str) -> bytes:
    """The key within a secret. Raises ValueError, without quoting it."""
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(SECRET_PREFIX) or len(key) not in SECRET_BYTES:
        raise ValueError(
            f"must be {SECRET_PREFIX} and {SECRET_BYTES[0]} to {SECRET_BYTES[-1]} random bytes in base64, as from:"
            f' echo "{SECRET_PREFIX}$(openssl rand -base64 32)".'
        )
    return key


def _notice(request: StartRequest, position: int, event: WebhookEvent, at: datetime, what: JsonObject) -> Notice:
    about: JsonObject = {
        "tenant": request.tenant,
        "owner": request.owner.model_dump(mode="json"),
        "conversation_id": request.conversation_id,
        "generation_id": request.generation_id,
        "agent": {"id": request.agent.id, "name": request.agent.name},
        "response_message_id": request.response_message_id,
    }
    body = {"type": event, "timestamp": f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z", "data": about | what}
    return Notice(event=event, generation_id=request.generation_id, position=position, body=json.dumps(body))


def _asked(approval: Approval) -> JsonObject:
    """What a person is asked, without what only a form needs."""
    shown = approval.model_copy(update={"calls": tuple(map(_short, approval.calls))})
    return shown.model_dump(mode="json", exclude={"calls": {"__all__": {"json_schema"}}})


def _short(call: CallRequest) -> CallRequest:
    long = len(json.dumps(call.arguments)) > ARGUMENTS_CHARS
    return call.model_copy(update={"arguments": None}) if long else call
