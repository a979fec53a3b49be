"""The demo agents, each as an entry under `agents` in fermata.yaml. To add one: a file, and its line here."""

from collections.abc import Mapping

from agents import assistant, mail_clerk, researcher

AGENTS: Mapping[str, Mapping[str, object]] = {
    "assistant": assistant.AGENT,
    "mail_clerk": mail_clerk.AGENT,
    "researcher": researcher.AGENT,
}
