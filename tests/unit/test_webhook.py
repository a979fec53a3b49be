"""What webhooks are told, under which id, and how it is signed."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.agent import AgentSpec
from domain.approval import Approval, CallRequest
from domain.content import Actor, Message, TextPart
from domain.events import (
    ApprovalDecided,
    ApprovalExpired,
    ApprovalRequested,
    Event,
    GenerationFinished,
    Steer,
    TextDelta,
)
from domain.ids import (
    ApprovalId,
    CallId,
    ConversationId,
    DeliveryId,
    GenerationId,
    MessageId,
    QuestionId,
    SteerId,
    WebhookId,
)
from domain.start import StartRequest
from domain.webhook import ARGUMENTS_CHARS, delivery, key_of, new_secret, notice, signed, wait_after

NOW = datetime(2026, 11, 24, 22, 0, 0, 123456, UTC)
ANN = Actor(id="ann", name="Ann")
WORDS = "what was said"
REQUEST = StartRequest(
    generation_id=GenerationId("gen_1"),
    conversation_id=ConversationId("con"),
    tenant="acme",
    owner=ANN,
    user_message_id=MessageId("question"),
    response_message_id=MessageId("answer"),
    agent=AgentSpec(id="clerk", name="Clerk", model="demo:x", instructions="Secret instructions."),
    created_at=NOW,
)
ABOUT = {
    "tenant": "acme",
    "owner": {"id": "ann", "name": "Ann"},
    "conversation_id": "con",
    "generation_id": "gen_1",
    "agent": {"id": "clerk", "name": "Clerk"},
    "response_message_id": "answer",
}


def told(event: Event) -> dict[str, Any]:
    made = notice(REQUEST, 3, event, NOW + timedelta(hours=1))
    assert made is not None
    assert "Secret" not in made.body
    assert WORDS not in made.body
    return dict(json.loads(made.body))


def asked(**arguments: Any) -> ApprovalRequested:
    call = CallRequest(
        call_id=CallId("call_1"),
        name="pay",
        arguments=arguments,
        description="Pays.",
        reason="It is money.",
        allowed_decisions=("approve", "reject"),
        json_schema={"type": "object"},
        digest="d",
    )
    approval = Approval(
        id=ApprovalId("apr_1"), turn=1, calls=(call,), created_at=NOW, expires_at=NOW + timedelta(hours=24)
    )
    return ApprovalRequested(approval=approval)


def test_who_is_asked_is_told_with_what_a_person_needs_to_decide() -> None:
    body = told(asked(amount=100))
    approval = body["data"].pop("approval")
    assert body == {"type": "approval.requested", "timestamp": "2026-11-24T22:00:00.123456Z", "data": ABOUT}
    (call,) = approval.pop("calls")
    assert (approval["id"], approval["expires_at"]) == ("apr_1", "2026-11-25T22:00:00.123456Z")
    assert (call["name"], call["arguments"], call["reason"]) == ("pay", {"amount": 100}, "It is money.")
    assert call["allowed_decisions"] == ["approve", "reject"]
    assert "schema" not in call
    assert "json_schema" not in call


def test_arguments_beyond_what_a_notice_carries_are_left_to_the_api() -> None:
    assert told(asked(text="x" * ARGUMENTS_CHARS))["data"]["approval"]["calls"][0]["arguments"] is None


def test_a_decision_is_told_without_what_a_person_wrote_in_the_place_of_a_tool() -> None:
    decided = ApprovalDecided(
        approval_id=ApprovalId("apr_1"),
        call_id=CallId("call_1"),
        decision="respond",
        by=ANN,
        at=NOW,
        text=WORDS,
        answers={QuestionId("q1"): WORDS},
    )
    body = told(decided)
    assert body["timestamp"] == "2026-11-24T22:00:00.123456Z"
    assert body["data"].items() >= {**ABOUT, "approval_id": "apr_1", "decision": "respond"}.items()
    assert body["data"]["by"] == {"id": "ann", "name": "Ann"}


def test_what_came_too_late_is_told_with_what_happens_then() -> None:
    body = told(ApprovalExpired(approval_id=ApprovalId("apr_1"), then="deny"))
    assert body["data"] == {**ABOUT, "approval_id": "apr_1", "then": "deny"}
    assert body["timestamp"] == "2026-11-24T23:00:00.123456Z"


def test_an_end_is_told_without_what_was_said() -> None:
    message = Message(
        id=MessageId("answer"), parent_id=None, role="assistant", parts=(TextPart(text=WORDS),), created_at=NOW
    )
    steer = Steer(id=SteerId("str_1"), text=WORDS, position=1)
    body = told(
        GenerationFinished(
            outcome="completed", message=message, user_message=message, unused_steers=(steer,), finished_at=NOW
        )
    )
    assert body["data"].keys() - ABOUT.keys() == {
        "outcome",
        "error",
        "early",
        "title",
        "usage",
        "cost",
        "finished_at",
    }


def test_what_is_said_on_the_way_is_told_to_nobody() -> None:
    assert notice(REQUEST, 1, TextDelta(turn=1, attempt=1, part=0, text=WORDS), NOW) is None


def test_a_delivery_has_one_id_of_its_own_however_often_it_is_made() -> None:
    event = ApprovalExpired(approval_id=ApprovalId("apr_1"), then="deny")
    third, fourth = notice(REQUEST, 3, event, NOW), notice(REQUEST, 4, event, NOW)
    assert third is not None
    assert fourth is not None
    one, two = WebhookId("whk_1"), WebhookId("whk_2")
    ids = [delivery(each, webhook, NOW).id for each in (third, fourth) for webhook in (one, two)]
    assert len(set(ids)) == 4
    assert delivery(third, one, NOW + timedelta(days=1)).id == ids[0]


def test_attempts_are_spread_over_a_day_and_a_receiver_may_ask_for_longer_but_not_for_less() -> None:
    waits = [wait_after(attempt, None) for attempt in range(1, 14)]
    assert waits[:3] == [timedelta(seconds=2), timedelta(seconds=6), timedelta(seconds=18)]
    assert waits[-1] == wait_after(1_000, None) == timedelta(hours=4)
    assert timedelta(hours=20) < sum(waits, timedelta()) < timedelta(hours=26)
    assert wait_after(1, timedelta(seconds=30)) == timedelta(seconds=30)
    assert wait_after(3, timedelta()) == timedelta(seconds=18)
    assert wait_after(1, timedelta(days=30)) == timedelta(hours=4)


VECTOR = ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, '{"test": 2432232314}')


def test_the_signature_is_that_of_the_specification() -> None:
    secret, id, seconds, body = VECTOR
    assert signed(secret, DeliveryId(id), datetime.fromtimestamp(seconds, UTC), body) == {
        "webhook-id": id,
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_the_recipe_of_the_docs_accepts_what_we_sign_and_nothing_else() -> None:
    page = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text()
    found = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {}
    exec(found[1], names)
    secret, verify = new_secret(b"k" * 32), names["verify"]
    headers = signed(secret, DeliveryId("msg_1"), datetime.now(UTC), "{}")
    verify(secret, headers, b"{}")
    for wrong in (
        (new_secret(b"l" * 32), headers, b"{}"),
        (secret, headers, b"{ }"),
        (secret, {**headers, "webhook-id": "msg_2"}, b"{}"),
        (secret, signed(secret, DeliveryId("msg_1"), datetime.now(UTC) - timedelta(hours=1), "{}"), b"{}"),
    ):
        with pytest.raises(ValueError):
            verify(*wrong)


SHORT, LONG = "whsec_c2hvcnQ=", "whsec_" + "A" * 88


@pytest.mark.parametrize("secret", ["no-secret", SHORT, LONG, "whsec_!!!", VECTOR[0].upper()])
def test_a_secret_that_is_none_is_refused_without_being_quoted(secret: str) -> None:
    with pytest.raises(ValueError, match="must be whsec_ and 24 to 64") as refused:
        key_of(secret)
    assert secret not in str(refused.value)
