"""What the provider says when nobody scripted it: the last user message is the script.

| the user says | the reply |
|---|---|
| `use TOOL {json}` | calls the tool; several such lines are parallel calls |
| `ask QUESTION` | calls `ask_user` |
| `slow N` / `slow N at R` | N words at 20 / R per second |
| `echo TEXT` | exactly TEXT, in small chunks |
| `bench N at R` | N stamped tokens at exactly R per second |
| `fail …` | the socket is cut in mid-sentence the first time this conversation is seen, then it succeeds |
| `error …` | HTTP 400 |
| anything else | reasoning, then words |

Tool results are commented on, with quotes; a request for a title gets one.
"""

import json
import re
from collections.abc import Callable, Sequence

from tests.provider.prompt import Prompt, fresh_results
from tests.provider.script import Cut, Reasoning, Refuse, Reply, Stamps, Step, Text, ToolCall


def improvise(prompt: Prompt, *, seen_before: bool) -> Reply:
    """Make up the reply to an unscripted request; `seen_before` is for `fail`, which breaks only once."""
    if prompt.purpose == "title":
        return Reply(steps=(Text(text=_title(prompt.user_text)),), purpose="title")
    if results := fresh_results(prompt):
        return Reply(steps=_comment(results))
    for pattern, steps in COMMANDS:
        if found := pattern.match(prompt.user_text):
            return Reply(steps=steps(found, seen_before))
    return Reply(steps=_answer(prompt.user_text))


def _title(text: str) -> str:
    return " ".join(re.findall(r"\w+", text)[:5]).capitalize() or "Conversation"


def _comment(results: Sequence[tuple[str, str]]) -> tuple[Step, ...]:
    quotes = "\n".join(f"> {tool}: {text}" for tool, text in results)
    return (Reasoning(text="The tools have answered."), Text(text=f"This is what came back:\n\n{quotes}"))


def _answer(text: str) -> tuple[Step, ...]:
    return (Reasoning(text=f"The message has {len(text.split())} words."), Text(text=f"You said: {text}"))


def _use(found: re.Match[str], _: bool) -> tuple[Step, ...]:
    calls = [_call(line[1], line[2] or "{}") for line in _USE.finditer(found.string)]
    names = " and ".join(call.name for call in calls)
    return (Reasoning(text=f"This needs {names}."), Text(text=f"Let me use {names}."), *calls)


def _call(tool: str, arguments: str) -> ToolCall:
    try:
        return ToolCall(name=tool, arguments=json.loads(arguments))
    except ValueError:
        return ToolCall(name=tool, arguments=arguments)  # a model that writes broken JSON is worth trying out too


def _ask(found: re.Match[str], _: bool) -> tuple[Step, ...]:
    return (ToolCall(name="ask_user", arguments={"questions": [{"id": "q1", "text": found[1]}]}),)


def _slow(found: re.Match[str], _: bool) -> tuple[Step, ...]:
    words = " ".join(f"word{n}" for n in range(1, int(found[1]) + 1))
    return (Text(text=words, rate=float(found[2] or 20)),)


def _echo(found: re.Match[str], _: bool) -> tuple[Step, ...]:
    return (Text(text=found[1], chunk=3),)


def _bench(found: re.Match[str], _: bool) -> tuple[Step, ...]:
    return (Stamps(count=int(found[1]), rate=float(found[2])),)


def _fail(found: re.Match[str], seen_before: bool) -> tuple[Step, ...]:
    return _answer(found.string) if seen_before else (*_answer("this answer breaks"), Cut())


def _error(_: re.Match[str], __: bool) -> tuple[Step, ...]:
    return (Refuse(fault="bad_request"),)


_NUMBER = r"(\d+(?:\.\d+)?)"
_USE = re.compile(r"^use (\S+)(?:[ \t]+(\{.*))?[ \t]*$", re.MULTILINE)
COMMANDS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], bool], tuple[Step, ...]]], ...] = (
    (re.compile(r"(?s:.*?)" + _USE.pattern, re.MULTILINE), _use),
    (re.compile(r"ask (.+)", re.DOTALL), _ask),
    (re.compile(rf"slow (\d+)(?: at {_NUMBER})?\s*$"), _slow),
    (re.compile(r"echo (.*)", re.DOTALL), _echo),
    (re.compile(rf"bench (\d+) at {_NUMBER}\s*$"), _bench),
    (re.compile(r"fail\b"), _fail),
    (re.compile(r"error\b"), _error),
)
