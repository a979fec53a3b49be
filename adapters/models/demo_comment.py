"""What the demo model says about the results of its calls. Honest: only what ran is said to have run."""

import json
from collections.abc import Sequence
from typing import assert_never

from adapters.models.demo_steps import Say, Steps, Think, as_json, quote
from domain.ask_user import ASK_USER
from domain.content import JsonObject, ToolCallPart
from domain.question import shown


def comment(calls: Sequence[ToolCallPart], asked: Sequence[tuple[str, JsonObject]]) -> Steps:
    """`asked`: what the user wanted, tool by tool, to notice where a person has changed it."""
    said = "\n\n".join(_about(call, asked) for call in calls)
    thought = "My call has come back." if len(calls) == 1 else f"All {len(calls)} calls have come back."
    return (Think(thought), Say(said))


def _about(call: ToolCallPart, asked: Sequence[tuple[str, JsonObject]]) -> str:
    name, said = f"`{call.name}`", quote(call.output or "")
    match call.status:
        case "rejected":
            return f"{name} did not run, because it was refused:\n\n{said}\n\nI will leave it at that."
        case "expired":
            return f"{name} did not run: nobody decided in time.\n\n{said}"
        case "denied":
            return f"{name} did not run, because the policy does not allow it:\n\n{said}"
        case "unknown":
            return f"I do not know whether {name} took effect, so I will not repeat it by myself:\n\n{said}"
        case "failed":
            return f"{name} failed:\n\n{said}"
        case "pending" | "approved" | "running" | "completed":
            if call.name == ASK_USER.name:
                return f"You answered:\n\n{quote(_answers(call.output or ''))}\n\nNow I know."
            if call.is_error:
                return f"{name} failed:\n\n{said}"
            wanted = [arguments for tool, arguments in asked if tool == call.name]
            if wanted and call.arguments not in wanted:
                return f"{name} ran with the arguments as you changed them, `{as_json(call.arguments)}`:\n\n{said}"
            return f"{name} says:\n\n{said}"
        case _:
            assert_never(call.status)


def _answers(told: str) -> str:
    """One line for each question, with what was answered."""
    try:
        answers = [(each["question"], each["answer"]) for each in json.loads(told)["answers"]]
    except (ValueError, LookupError, TypeError):
        return told
    return "\n".join(f"- {asked} {shown(said)}" for asked, said in answers)
