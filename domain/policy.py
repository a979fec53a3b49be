"""Which tool calls run, which ask a person first, which never run."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal

from domain.content import Value

Mode = Literal["default", "dont_ask", "bypass"]
Verdict = Literal["allow", "ask", "deny"]
DecisionKind = Literal["approve", "reject", "edit", "respond"]
OnExpiry = Literal["end", "deny"]

ALL_DECISIONS: tuple[DecisionKind, ...] = ("approve", "reject", "edit", "respond")
TIGHTNESS: dict[Mode, int] = {"bypass": 0, "default": 1, "dont_ask": 2}
MCP_MARKER = "_mcp_"


class Expiry(Value):
    """How long an approval waits, and what happens then: the generation ends, or the calls are denied."""

    after: timedelta = timedelta(hours=24)
    then: OnExpiry = "end"


class Policy(Value):
    """The resolved rules of one generation. `enabled` off: nothing is gated, nothing pauses."""

    enabled: bool = False
    mode: Mode = "default"
    allow: tuple[str, ...] = ()
    ask: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    ask_at_least: tuple[str, ...] = ()  # a request's additions: what would run asks; what is denied stays denied
    reason: str | None = None
    allowed_decisions: tuple[DecisionKind, ...] = ALL_DECISIONS
    expiry: Expiry = Expiry()


class PolicyOverride(Value):
    """What an agent may set differently from the endpoint; None keeps the endpoint's. `enabled` is not among it."""

    mode: Mode | None = None
    allow: tuple[str, ...] | None = None
    ask: tuple[str, ...] | None = None
    deny: tuple[str, ...] | None = None
    reason: str | None = None
    allowed_decisions: tuple[DecisionKind, ...] | None = None
    expiry: Expiry | None = None


class PolicyTightening(Value):
    """What a start request may add: more asking, more denying, a stricter mode. It can loosen nothing."""

    mode: Mode | None = None
    ask: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


class Judgement(Value):
    """A verdict with its why: which list or mode gave it, and the text for the human."""

    verdict: Verdict
    because: str
    reason: str | None
    allowed_decisions: tuple[DecisionKind, ...]


def override(endpoint: Policy, agent: PolicyOverride) -> Policy:
    """The endpoint's policy with the agent's differences."""
    return endpoint.model_copy(update={k: v for k in type(agent).model_fields if (v := getattr(agent, k)) is not None})


def tighten(policy: Policy, request: PolicyTightening) -> Policy:
    """The policy with the request's additions; a looser mode in the request is ignored."""
    mode = request.mode or policy.mode
    return policy.model_copy(
        update={
            "mode": mode if TIGHTNESS[mode] >= TIGHTNESS[policy.mode] else policy.mode,
            # Not into `ask`, which stands above the mode: it would turn what `dont_ask` denies into a question.
            "ask_at_least": policy.ask_at_least + request.ask,
            "deny": policy.deny + request.deny,
        }
    )


def judge(policy: Policy, tool: str, *, approvals_supported: bool = True) -> Judgement:
    """The verdict on a call of `tool`: deny, then ask, then allow, then what the mode says.

    An entry point that cannot show an approval must never hang on one: there an "ask" becomes a "deny".
    """
    verdict, because = _first_match(policy, tool)
    if verdict == "allow" and policy.enabled and (pattern := _matching(policy.ask_at_least, tool)) is not None:
        verdict, because = "ask", f"ask list of the request: {pattern}"
    if verdict == "ask" and not approvals_supported:
        verdict, because = "deny", f"{because}; nobody can be asked here"
    reason = policy.reason.replace("{tool}", tool) if policy.reason else None
    return Judgement(verdict=verdict, because=because, reason=reason, allowed_decisions=policy.allowed_decisions)


def _first_match(policy: Policy, tool: str) -> tuple[Verdict, str]:
    if not policy.enabled:
        return "allow", "approvals are off"
    lists: tuple[tuple[Verdict, tuple[str, ...]], ...] = (
        ("deny", policy.deny),
        ("ask", policy.ask),
        ("allow", policy.allow),
    )
    for verdict, patterns in lists:
        if (pattern := _matching(patterns, tool)) is not None:
            return verdict, f"{verdict} list: {pattern}"
    match policy.mode:
        case "bypass":
            return "allow", "mode: bypass"
        case "dont_ask":
            return "deny", "mode: dont_ask"
        case "default":
            return "ask", "mode: default"


def _matching(patterns: Sequence[str], tool: str) -> str | None:
    """The first pattern that covers a spelling of the tool's name."""
    names = spellings(tool)
    return next((pattern for pattern in patterns if any(matches(pattern, name) for name in names)), None)


def spellings(tool: str) -> Sequence[str]:
    """Every name under which a list may speak of a tool; an MCP tool (`tool_mcp_server`) has four.

    A deny that fails to match would fail open, so each spelling is tried, and where the marker stands more than once
    each place is taken for the border between tool and server.
    """
    names = [tool]
    at = tool.find(MCP_MARKER)
    while at >= 0:
        name, server = tool[:at], tool[at + len(MCP_MARKER) :]
        names += (name, f"{server}:{name}", f"mcp:{server}:{name}")
        at = tool.find(MCP_MARKER, at + 1)
    return names


def matches(pattern: str, name: str) -> bool:
    """Whether the glob covers the whole name. Only `*` is special; case counts. Linear in the length of the name."""
    head, *rest = pattern.split("*")
    if not rest:
        return pattern == name
    *middle, tail = rest
    if not name.startswith(head) or not name.endswith(tail) or len(name) < len(head) + len(tail):
        return False
    position, end = len(head), len(name) - len(tail)
    for piece in middle:
        found = name.find(piece, position, end)
        if found < 0:
            return False
        position = found + len(piece)
    return True
