"""The post to webhooks: what it sends, what it makes of answers, and where it never goes."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from adapters.webhooks import HttpPost, check_receiver, receiver
from domain.errors import InvalidRequest
from domain.ids import DeliveryId, WebhookId
from domain.webhook import WEBHOOK_EVENTS, Reach, Reception, Webhook
from tests.provider.acts import Act, Reset
from tests.provider.acts import Answer as Says
from tests.receiver import HANGS, Receiver, listening

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
DELIVERY = DeliveryId("msg_1")


@pytest.fixture
async def listener() -> AsyncIterator[Receiver]:
    async with listening() as opened:
        yield opened


@pytest.fixture
async def post() -> AsyncIterator[HttpPost]:
    opened = HttpPost()
    yield opened
    await opened.aclose()


def leading_to(url: str, reach: Reach = "development") -> Webhook:
    return Webhook(id=WebhookId("whk_1"), tenant="t", url=url, events=WEBHOOK_EVENTS, secret=SECRET, reach=reach)


async def test_a_request_is_signed_and_addressed_by_name(listener: Receiver, post: HttpPost) -> None:
    by_name = leading_to(listener.at("/hook?key=1").replace("127.0.0.1", "localhost"))
    assert await post.send(by_name, DELIVERY, '{"type": "x"}') == Reception(status=204)
    (got,) = listener.got("/hook")
    assert got.body == b'{"type": "x"}'
    assert got.headers["host"].startswith("localhost:")
    assert got.headers["content-type"] == "application/json"
    assert got.id == DELIVERY
    assert got.is_signed_with(SECRET)


@pytest.mark.parametrize(
    ("says", "answer"),
    [
        (Says(500, b"oh"), Reception(status=500)),
        (Says(429, b"", (("Retry-After", "7"),)), Reception(status=429, retry_after=timedelta(seconds=7))),
        (Says(503, b"", (("Retry-After", "soon"),)), Reception(status=503)),
        (Reset(), Reception(error="The receiver cannot be reached (ReadError).")),
    ],
)
async def test_what_was_answered_is_told_as_it_is(
    listener: Receiver, post: HttpPost, says: Act, answer: Reception
) -> None:
    listener.answer("/hook", says)
    assert await post.send(leading_to(listener.at("/hook")), DELIVERY, "{}") == answer


async def test_a_wait_may_be_asked_for_as_a_date(listener: Receiver, post: HttpPost) -> None:
    then = format_datetime(datetime.now(UTC) + timedelta(minutes=5), usegmt=True)
    listener.answer("/hook", Says(503, b"", (("Retry-After", then),)))
    answer = await post.send(leading_to(listener.at("/hook")), DELIVERY, "{}")
    assert answer.retry_after is not None
    assert timedelta(minutes=4) < answer.retry_after <= timedelta(minutes=5)


async def test_a_redirect_is_an_answer_like_any_other_and_is_not_followed(listener: Receiver, post: HttpPost) -> None:
    listener.answer("/hook", Says(307, b"", (("Location", listener.at("/inside")),)))
    assert await post.send(leading_to(listener.at("/hook")), DELIVERY, "{}") == Reception(status=307)
    assert listener.got("/inside") == []


async def test_nobody_waits_for_a_receiver_that_hangs(listener: Receiver) -> None:
    listener.answer("/hook", HANGS)
    hasty = HttpPost(patience=timedelta(seconds=0.2))
    answer = await hasty.send(leading_to(listener.at("/hook")), DELIVERY, "{}")
    await hasty.aclose()
    assert answer == Reception(error="There was no answer within 0.2 s.")


INSIDE = [
    "127.0.0.1",
    "localhost",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0",
    "0.0.0.0",
    "10.1.2.3",
    "192.168.0.1",
    "169.254.169.254",
    "224.0.0.1",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[fe80::1]",
    "[fd00::1]",
    "[fec0::1]",
]


@pytest.mark.parametrize("host", INSIDE)
async def test_what_lies_inside_is_refused_when_it_is_registered(host: str) -> None:
    with pytest.raises(InvalidRequest, match=r"is not on the public web.*public addresses only"):
        await check_receiver(f"https://{host}:8443/hook", "public")


@pytest.mark.parametrize("host", INSIDE)
async def test_what_lies_inside_is_not_connected_to_whatever_was_checked_before(
    listener: Receiver, post: HttpPost, host: str
) -> None:
    port = listener.url.rsplit(":", 1)[1]
    answer = await post.send(leading_to(f"https://{host}:{port}/hook", "public"), DELIVERY, "{}")
    assert answer.status is None
    assert answer.error is not None
    assert "is not on the public web" in answer.error
    assert listener.connections == 0


@pytest.mark.parametrize("host", ["10.1.2.3", "169.254.169.254", "[fe80::1]", "[::ffff:10.0.0.1]", "0.0.0.0"])
async def test_in_development_this_machine_is_allowed_and_nothing_else_inside(host: str) -> None:
    await check_receiver("http://127.0.0.1:1/", "development")
    await check_receiver("http://localhost:1/", "development")
    with pytest.raises(InvalidRequest, match="public addresses only"):
        await check_receiver(f"http://{host}/", "development")


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "224.0.0.1", "[ff02::1]", "[::ffff:0.0.0.0]"])
async def test_what_is_no_single_machine_is_never_allowed(host: str) -> None:
    await check_receiver("http://10.1.2.3/", "private")
    with pytest.raises(InvalidRequest):
        await check_receiver(f"http://{host}/", "private")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "ftp://example.org/",
        "https://",
        "https:///hook",
        "example.org/hook",
        "https://example.org@127.0.0.1/",
        "https://user:secret@example.org/",
        "https://example.org:0/",
        "https://example.org:99999/",
        "https://127.0.0.1\\@example.org/",
        "https://example.org\n.evil.example/",
        "https://exam ple.org/",
        "https://ex\u00e4mple.org/",
        "https://example.org/#fragment",
        "https://example.org/" + "x" * 3_000,
        "https://[::1/",
    ],
)
def test_a_url_that_is_not_plain_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"^The URL must .*\.$") as refused:
        receiver(url, "public")
    assert "secret" not in str(refused.value)


async def test_a_name_that_nobody_has_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="cannot be found"):
        await check_receiver("https://nobody.invalid/", "public")
