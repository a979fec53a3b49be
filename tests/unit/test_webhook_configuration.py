"""Webhooks in `fermata.yaml`: who is told of what, where they may lead, and how a bad one is refused."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from adapters.webhooks import receiver
from configuration import Configuration, read
from domain.errors import ConfigurationError
from domain.webhook import WEBHOOK_EVENTS

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
Configure = Callable[[str], Configuration]


@pytest.fixture
def configure(tmp_path: Path) -> Configure:
    def configured(text: str) -> Configuration:
        path = tmp_path / "f.yaml"
        path.write_text(dedent(text))
        return read(path, {"HOOK_SECRET": SECRET}, {})

    return configured


def test_webhooks_are_told_of_everything_unless_they_say_of_what(configure: Configure) -> None:
    told = configure("""
        webhooks:
          - {url: "https://a.example", secret: "${HOOK_SECRET}"}
          - {url: "http://10.0.0.1/", secret: "${HOOK_SECRET}", events: [generation.finished], allow_private: true}
    """).webhooks(receiver, development=False)
    assert [(webhook.tenant, webhook.events, webhook.reach) for webhook in told] == [
        (None, WEBHOOK_EVENTS, "public"),
        (None, ("generation.finished",), "private"),
    ]
    assert [webhook.secret for webhook in told] == [SECRET, SECRET]
    assert SECRET not in repr(told)


def test_a_webhook_keeps_its_id_as_long_as_its_url(configure: Configure) -> None:
    def id_of(url: str, secret: str = SECRET) -> str:
        webhooks = configure(f"webhooks: [{{url: '{url}', secret: {secret}}}]").webhooks(receiver, development=False)
        return webhooks[0].id

    assert id_of("https://a.example") == id_of("https://a.example", "whsec_" + "A" * 32)
    assert id_of("https://a.example") != id_of("https://b.example")


def test_in_development_webhooks_may_lead_to_this_machine_and_nowhere_else_inside(configure: Configure) -> None:
    def configured(host: str) -> Configuration:
        return configure(f"webhooks: [{{url: 'http://{host}:9000/', secret: {SECRET}}}]")

    (webhook,) = configured("127.0.0.1").webhooks(receiver, development=True)
    assert webhook.reach == "development"
    with pytest.raises(ConfigurationError, match="https"):
        configured("127.0.0.1").webhooks(receiver, development=False)
    with pytest.raises(ConfigurationError, match="public addresses only"):
        configured("10.0.0.1").webhooks(receiver, development=True)


def test_those_that_tenants_register_lead_inside_only_if_the_operator_says_so(configure: Configure) -> None:
    assert configure("{}").registered_reach(development=False) == "public"
    assert configure("private_webhooks: true").registered_reach(development=False) == "private"


def test_webhooks_that_cannot_work_are_refused_with_their_lines_and_without_their_secrets(configure: Configure) -> None:
    configuration = configure(f"""
        webhooks:
          - {{url: "ftp://a.example", secret: {SECRET}}}
          - {{url: "https://a.example", secret: {SECRET}}}
          - {{url: "https://a.example", secret: {SECRET}}}
          - {{url: "https://user:pass@a.example", secret: {SECRET}}}
          - {{url: "https://169.254.169.254/latest", secret: {SECRET}}}
    """)
    with pytest.raises(ConfigurationError) as refused:
        configuration.webhooks(receiver, development=False)
    assert [problem.split("f.yaml, ")[1].split(": ")[0] for problem in str(refused.value).splitlines()] == [
        "line 3, webhooks[0].url",
        "line 5, webhooks[2].url",
        "line 6, webhooks[3].url",
        "line 7, webhooks[4].url",
    ]
    assert "pass" not in str(refused.value)
    with pytest.raises(ConfigurationError, match="24 to 64 random bytes") as refused:
        configure('webhooks: [{url: "https://a.example", secret: whsec_tooshort}]')
    assert "tooshort" not in str(refused.value)
    with pytest.raises(ConfigurationError, match=r"webhooks\[0\]\.events\[0\]: must be 'approval\.requested'"):
        configure(f'webhooks: [{{url: "https://a.example", secret: {SECRET}, events: [approval.asked]}}]')
