"""The verdict on one call: what the policy says, what hooks say, and which of it counts. Pure.

Order: deny, ask, allow, then the mode; within each, rules before lists. Conditions and hooks are evaluated outside, and
handed in: a condition that cannot be evaluated makes nothing looser.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Literal, NamedTuple

from domain.ask_user import asks_user
from domain.content import JsonObject, Value
from domain.grants import MOST_GRANTS
from domain.ids import CallId, ConversationId
from domain.policy import (
    ALL_DECISIONS,
    OWNER,
    Approvers,
    DecisionKind,
    Expiry,
    Policy,
    Rule,
    Verdict,
    agreeable,
    naming,
    narrowed,
)
from domain.start import StartRequest
from domain.wording import NOBODY_THERE

STRICTNESS: dict[Verdict, int] = {"allow": 0, "ask": 1, "deny": 2}
MCP_MARKER = "_mcp_"

Holds = Callable[[str], bool | None]
"""Whether a condition holds for the call; None if that cannot be told."""


class CallFacts(Value):
    """What conditions and hooks are told of a call: its own facts, and whose call it is."""

    name: str
    arguments: JsonObject
    call_id: CallId
    agent: str
    user: str
    tenant: str
    conversation_id: ConversationId


Evaluate = Callable[[str, CallFacts], bool | None]
"""Whether a condition holds for this call."""


def facts_of(request: StartRequest, call_id: CallId, name: str, arguments: JsonObject) -> CallFacts:
    return CallFacts(
        name=name,
        arguments=arguments,
        call_id=call_id,
        agent=request.agent.id,
        user=request.owner.id,
        tenant=request.tenant,
        conversation_id=request.conversation_id,
    )


class Opinion(Value):
    """What a hook says of a call: a verdict no looser than the policy's, fewer decisions, a reason. None: no opinion.

    `arguments`: with which the call goes on instead of its own.
    """

    hook: str
    verdict: Verdict | None = None
    reason: str | None = None
    allowed_decisions: tuple[DecisionKind, ...] | None = None
    arguments: JsonObject | None = None
    failure: str | None = None  # what went wrong, if it could not be asked


class Judgement(Value):
    """A verdict with its why: which list, rule, mode or hook gave it, and the text for the human; and who decides."""

    verdict: Verdict
    because: str
    reason: str | None
    allowed_decisions: tuple[DecisionKind, ...]
    expiry: Expiry
    approvers: Approvers = OWNER
    always_allowable: bool = False  # a person may allow every call of the tool, for as long as the conversation goes


class _Match(NamedTuple):
    verdict: Verdict
    because: str
    rule: Rule | None = None
    by_mode: bool = False  # no list and no rule speaks of the call


def judge(
    policy: Policy,
    tool: str,
    *,
    holds: Holds | None = None,
    opinions: Sequence[Opinion] = (),
    grants: Collection[str] = (),
    approvals_supported: bool = True,
) -> Judgement:
    """The verdict on a call of `tool`. Without `holds` no rule with a condition can be told to hold.

    `grants`: the tools that a person has allowed for good in the conversation.

    An entry point that cannot show an approval must never hang on one: there an "ask" becomes a "deny".
    """
    judgement = _by_policy(policy, tool, holds or _unknown, grants)
    for opinion in opinions:
        judgement = _heed(judgement, opinion)
    if judgement.verdict == "ask" and not approvals_supported:
        update = {"verdict": "deny", "because": f"{judgement.because}; nobody can be asked here"}
        return judgement.model_copy(update=update)
    return judgement


def judge_call(
    request: StartRequest,
    call: CallFacts,
    evaluate: Evaluate,
    opinions: Sequence[Opinion] = (),
    grants: Collection[str] = (),
) -> Judgement:
    """The verdict that the pinned policy of a generation gives on a call of it."""
    if asks_user(request.agent.tool(call.name)):
        return _judge_questions(request, call, evaluate, opinions)
    return judge(
        request.agent.policy,
        call.name,
        holds=lambda condition: evaluate(condition, call),
        opinions=opinions,
        grants=grants,
        approvals_supported=request.approvals == "supported",
    )


def _judge_questions(
    request: StartRequest, call: CallFacts, evaluate: Evaluate, opinions: Sequence[Opinion]
) -> Judgement:
    """To ask is all that this call does, so the policy counts only where it speaks of it by name: it may be denied."""
    policy = naming(request.agent.policy, call.name)
    judgement = judge(policy, call.name, holds=lambda condition: evaluate(condition, call), opinions=opinions)
    if judgement.verdict == "deny":
        return judgement
    if request.approvals == "unsupported":
        nobody = {"verdict": "deny", "because": "nobody can be asked here", "reason": NOBODY_THERE}
        return judgement.model_copy(update=nobody)
    because = judgement.because if judgement.verdict == "ask" else "the model asks the user"
    return judgement.model_copy(update={"verdict": "ask", "because": because})


def _by_policy(policy: Policy, tool: str, holds: Holds, grants: Collection[str]) -> Judgement:
    match = _first_match(policy, tool, holds)
    grantable = match.by_mode and match.verdict == "ask" and policy.allow_always
    if grantable and tool in grants:
        match = _Match("allow", "always allowed in this conversation")
    if match.verdict == "allow" and policy.enabled and (pattern := _matching(policy.ask_at_least, tool)) is not None:
        match = _Match("ask", f"ask list of the request: {pattern}")
    rule = match.rule
    reason = (rule.reason if rule else None) or policy.reason
    approvers = rule.decided_by if rule else OWNER
    allowed = (rule.allowed_decisions if rule else None) or policy.allowed_decisions
    return Judgement(
        verdict=match.verdict,
        because=match.because,
        reason=reason.replace("{tool}", tool) if reason else None,
        allowed_decisions=agreeable(allowed, approvers.quorum),
        expiry=(rule.expiry if rule else None) or policy.expiry,
        approvers=approvers,
        always_allowable=grantable and match.by_mode and len(grants) < MOST_GRANTS,
    )


def _first_match(policy: Policy, tool: str, holds: Holds) -> _Match:
    if not policy.enabled:
        return _Match("allow", "approvals are off")
    lists: tuple[tuple[Verdict, tuple[str, ...]], ...] = (
        ("deny", policy.deny),
        ("ask", policy.ask),
        ("allow", policy.allow),
    )
    for verdict, patterns in lists:
        for number, rule in enumerate(policy.rules, 1):
            if rule.verdict == verdict and (because := _applies(rule, tool, holds)) is not None:
                return _Match(verdict, f"{verdict} rule {number} of the endpoint: {because}", rule)
        if (pattern := _matching(patterns, tool)) is not None:
            return _Match(verdict, f"{verdict} list of {_layer(policy, verdict)}: {pattern}")
        if verdict == "deny" and (pattern := _matching(policy.deny_at_least, tool)) is not None:
            return _Match(verdict, f"deny list of the request: {pattern}")
    by_mode: dict[str, Verdict] = {"bypass": "allow", "dont_ask": "deny", "default": "ask"}
    return _Match(by_mode[policy.mode], f"mode of {_layer(policy, 'mode')}: {policy.mode}", by_mode=True)


def _layer(policy: Policy, name: Literal["deny", "ask", "allow", "mode"]) -> str:
    return "the agent" if name in policy.of_agent else "the endpoint"


def _applies(rule: Rule, tool: str, holds: Holds) -> str | None:
    """Why the rule counts for this call, if it does."""
    if _matching((rule.tool,), tool) is None:
        return None
    if rule.when is None:
        return rule.tool
    match holds(rule.when):
        case True:
            return f"{rule.tool} when {rule.when}"
        case None if rule.verdict != "allow":
            return f"{rule.tool} when {rule.when} (which cannot be told of this call)"
        case _:
            return None


def _unknown(condition: str) -> None:
    return None


def _heed(judgement: Judgement, opinion: Opinion) -> Judgement:
    """The stricter of both; of two equals the first gives the why, and reasons of a hook are heard in any case."""
    wanted = opinion.verdict or "allow"
    because = f"hook {opinion.hook}"
    if opinion.failure is not None:
        wanted, because = "ask", f"hook {opinion.hook} failed: {opinion.failure}"
    stricter = STRICTNESS[wanted] > STRICTNESS[judgement.verdict]
    allowed = ALL_DECISIONS if opinion.allowed_decisions is None else opinion.allowed_decisions
    return judgement.model_copy(
        update={
            "verdict": wanted if stricter else judgement.verdict,
            "because": because if stricter else judgement.because,
            # What a hook asks about it asks about again.
            "always_allowable": judgement.always_allowable and wanted == "allow",
            "reason": opinion.reason or judgement.reason,
            "allowed_decisions": narrowed(judgement.allowed_decisions, allowed),
        }
    )


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
