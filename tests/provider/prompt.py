"""What a request asks, whichever dialect it came in."""

import re
from dataclasses import dataclass
from typing import Literal, assert_never


class BadPrompt(Exception):
    """A request that the real provider would refuse; the message says why."""


@dataclass(frozen=True, slots=True)
class UserSaid:
    text: str


@dataclass(frozen=True, slots=True)
class AssistantSaid:
    text: str


@dataclass(frozen=True, slots=True)
class Called:
    call_id: str
    tool: str


@dataclass(frozen=True, slots=True)
class Returned:
    call_id: str
    text: str


Item = UserSaid | AssistantSaid | Called | Returned


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request: instructions, what was said so far in order, and how the answer is wanted."""

    model: str
    system: str
    items: tuple[Item, ...]
    tools: tuple[str, ...]
    stream: bool
    usage_wanted: bool

    @property
    def user_text(self) -> str:
        """The last thing the user said."""
        return next((item.text for item in reversed(self.items) if isinstance(item, UserSaid)), "")

    @property
    def purpose(self) -> Literal["answer", "title"]:
        """A title is asked for in the instructions, and by a request that offers no tools."""
        return "title" if not self.tools and re.search(r"\btitle\b", self.system, re.IGNORECASE) else "answer"

    @property
    def words(self) -> int:
        """The length of the prompt, for a usage that can be predicted by hand."""
        said = [item.text for item in self.items if not isinstance(item, Called)]
        return sum(len(text.split()) for text in (self.system, *said))


def fresh_results(prompt: Prompt) -> list[tuple[str, str]]:
    """The tool results nobody has commented on yet, as (tool, text): those after the last words of the user."""
    tools = {item.call_id: item.tool for item in prompt.items if isinstance(item, Called)}
    results: list[tuple[str, str]] = []
    for item in reversed(prompt.items):
        match item:
            case Returned():
                results.insert(0, (tools[item.call_id], item.text))
            case UserSaid():
                break
            case AssistantSaid() | Called():
                if results:
                    break
            case _:
                assert_never(item)
    return results


def check_calls_answered(items: tuple[Item, ...]) -> None:
    """Raise `BadPrompt` unless every call is answered once before the user speaks again: both providers insist."""
    open_calls: set[str] = set()
    for item in items:
        match item:
            case Called():
                open_calls.add(item.call_id)
            case Returned():
                if item.call_id not in open_calls:
                    raise BadPrompt(f"a tool result answers {item.call_id!r}, which is no open tool call")
                open_calls.remove(item.call_id)
            case UserSaid():
                if open_calls:
                    break
            case AssistantSaid():
                pass
            case _:
                assert_never(item)
    if open_calls:
        raise BadPrompt(f"tool calls without a result: {sorted(open_calls)}")
