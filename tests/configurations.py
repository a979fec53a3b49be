"""Configurations to test with: a fermata.yaml whose agents speak to the scripted provider, and tools beside it."""

import json
from pathlib import Path
from typing import Any

# What a user puts beside the file. The book tells how often a tool really ran.
TOOLS = '''
"""Tools of this installation."""

import time

from adapters.tools import ToolContext


def write_book(line: str, context: ToolContext) -> str:
    """Write a line into the book. Doing it twice is not the same as doing it once."""
    with (context.data_dir / "book").open("a") as book:
        book.write(line + "\\n")
    return f"wrote {line}"


def linger(line: str, seconds: float, context: ToolContext) -> str:
    """Write a line into the book, and take a while."""
    write_book(line, context)
    time.sleep(seconds)
    return f"lingered over {line}"


def break_down(why: str) -> str:
    """Fails."""
    raise RuntimeError(why)


def recite(characters: int) -> str:
    """Say so many characters."""
    return "x" * characters
'''
# What an operator puts there. It has opinions on lines that begin with "hook".
HOOKS = '''
"""Opinions on calls."""


async def check(call):
    what = str(call.arguments.get("line", "")).split(":")[0]
    if what == "hook rewrites":
        return {"arguments": {"line": call.arguments["line"].replace("hook rewrites", "rewritten")}}
    if what == "hook asks":
        return {"verdict": "ask", "allowed_decisions": ["approve", "reject"], "reason": f"{call.user}, are you sure?"}
    if what == "hook denies":
        return {"verdict": "deny", "reason": "The hook said no."}
    if what == "hook fails":
        raise RuntimeError("secret")
'''
RULES = [
    {"tool": "write_book", "when": "arguments.line.startsWith('rule denies')", "verdict": "deny", "reason": "A rule."},
    {
        "tool": "write_book",
        "when": "arguments.line.startsWith('rule asks')",
        "verdict": "ask",
        "allowed_decisions": ["approve", "edit"],
        "reason": "{tool}: a rule.",
        "expiry": {"after": "1h", "then": "deny"},
    },
    {"tool": "write_*", "when": "arguments.line.startsWith('rule allows')", "verdict": "allow"},
    {
        "tool": "write_book",
        "when": "arguments.line.startsWith('one boss')",
        "verdict": "ask",
        "approvers": ["manager"],
    },
    {
        "tool": "write_book",
        "when": "arguments.line.startsWith('two bosses')",
        "verdict": "ask",
        "approvers": ["manager", "director"],
        "quorum": 2,
    },
    {
        "tool": "write_book",
        "when": "arguments.line.startsWith('another boss')",
        "verdict": "ask",
        "approvers": ["manager"],
        "requester_may_approve": False,
    },
    {
        "tool": "write_book",
        "when": "arguments.line.startsWith('a quick boss')",
        "verdict": "ask",
        "approvers": ["manager"],
        "expiry": {"after": "2s", "then": "escalate", "to": ["director"]},
    },
]
TOOL_NAMES = ["clock", *(f"my_tools:{name}" for name in ("write_book", "linger", "break_down", "recite"))]
ASKING = [*TOOL_NAMES, "ask_user"]

Section = dict[str, Any]


def agent(model: str = "patient:scripted", **differences: Any) -> Section:
    """An agent with all tools, asking before it writes."""
    ask = {"ask": ["write_book"], "allow": ["*"]}
    return {"model": model, "instructions": "Be brief.", "tools": TOOL_NAMES, "policy": ask, **differences}


def policy(**lists: Any) -> Section:
    return agent(policy=lists)


AGENTS: Section = {
    "clerk": agent(),
    "anthropic": agent("anthropic:scripted"),
    "hasty": agent("hasty:scripted", max_attempts=2),
    "priced": agent("patient:priced"),
    "tireless": agent(max_turns=2),
    "open": agent(overridable=["model", "parameters"], parameters={"temperature": 0.5}),
    "cautious": policy(),
    "asked_demo": agent("demo:scripted", policy={}),
    "listed_demo": agent("demo:scripted"),
    "silent": policy(mode="dont_ask", allow=["clock"], reason="{tool} is not for you; {tool} never is"),
    "trusting": policy(mode="bypass", ask=["write_book"], deny=["break*"]),
    "contrary": policy(allow=["*"], ask=["write_book", "recite"], deny=["write*"]),
    "literal": policy(allow=["*"], ask=["Write_book", "rite_boo", "write.book"]),
    "narrow": policy(ask=["write_book"], allow=["*"], allowed_decisions=["approve", "edit", "respond"]),
    "reasoned": policy(ask=["write_book"], allow=["*"], reason="{tool} cannot be undone: look at {tool} twice"),
    "ending": policy(ask=["write_book"], allow=["*"], expiry={"after": "2s", "then": "end"}),
    "asker": agent(tools=ASKING),
    "impatient": agent(tools=ASKING, policy={"allow": ["*"], "expiry": {"after": "1s", "then": "deny"}}),
    "mute": agent(tools=ASKING, policy={"allow": ["*"], "deny": ["ask_user"]}),
    "anthropic_asker": agent("anthropic:scripted", tools=ASKING),
    "denying": policy(ask=["write_book"], allow=["*"], expiry={"after": "1s", "then": "deny"}),
}


def configuration(provider_url: str, **differences: Any) -> Section:
    """A whole file: every agent above, the three ways to the provider, and limits a test can wait for."""
    openai = {"kind": "openai", "base_url": f"{provider_url}/v1", "api_key": "none"}
    short = {"first_byte_timeout": "1s", "silence_timeout": "1s"}
    return {
        "providers": {
            "patient": openai,
            "hasty": {**openai, **short},
            "anthropic": {"kind": "anthropic", "base_url": provider_url, "api_key": "none"},
        },
        "agents": AGENTS,
        "policy": {"enabled": True, "rules": RULES, "hooks": ["my_hooks:check"]},
        "streaming": {"keepalive": "500ms"},
        "title": {"timeout": "2s"},
        "limits": {"concurrent_generations": 0},
        "prices": {"patient:priced": {"input_per_million": 1_000, "output_per_million": 10_000}},
        **differences,
    }


def write(directory: Path, sections: Section) -> Path:
    """The file with the tools beside it. JSON is YAML."""
    (directory / "my_tools.py").write_text(TOOLS)
    (directory / "my_hooks.py").write_text(HOOKS)
    path = directory / "fermata.yaml"
    path.write_text(json.dumps(sections, indent=2))
    return path
