"""The rules by which tool calls run, ask a person first, or never run; and the layers they come from. Data only.

How they judge a call is in `verdict.py`.
"""

from collections.abc import Collection
from datetime import timedelta
from typing import Literal

from domain.content import Value

Mode = Literal["default", "dont_ask", "bypass"]
Verdict = Literal["allow", "ask", "deny"]
DecisionKind = Literal["approve", "reject", "edit", "respond"]
OnExpiry = Literal["end", "deny", "escalate"]

ALL_DECISIONS: tuple[DecisionKind, ...] = ("approve", "reject", "edit", "respond")
AS_IT_STANDS: tuple[DecisionKind, ...] = ("approve", "reject")  # what several people can say together
TIGHTNESS: dict[Mode, int] = {"bypass": 0, "default": 1, "dont_ask": 2}


class Expiry(Value):
    """How long an approval waits, and what then: the generation ends, the calls are denied, or others are asked.

    `to`: the roles that are asked then, for as long once more; after that the generation ends.
    """

    after: timedelta = timedelta(hours=24)
    then: OnExpiry = "end"
    to: tuple[str, ...] = ()


class Approvers(Value):
    """Who decides a call: people with one of the roles; without roles the owner of the conversation.

    So many different people as the `quorum` says must approve, and one is enough to reject. `requester_may_approve`:
    the owner, who had the agent make the call, is not shut out of the roles that the owner has.
    """

    roles: tuple[str, ...] = ()
    quorum: int = 1
    requester_may_approve: bool = True


OWNER = Approvers()


class Rule(Value):
    """A verdict on some calls of a tool. `tool` is a glob; `when` a CEL condition on the call, None for every call.

    What it leaves open (None) is as for the rest of the policy. Who decides can be said where the verdict is "ask".
    """

    tool: str
    when: str | None = None
    verdict: Verdict
    reason: str | None = None
    allowed_decisions: tuple[DecisionKind, ...] | None = None
    approvers: tuple[str, ...] = ()  # roles
    quorum: int = 1
    requester_may_approve: bool = True
    expiry: Expiry | None = None

    @property
    def decided_by(self) -> Approvers:
        return Approvers(roles=self.approvers, quorum=self.quorum, requester_may_approve=self.requester_may_approve)


class Policy(Value):
    """The resolved rules of one generation. `enabled` off: nothing is gated, nothing pauses.

    `of_agent` names what the agent's layer has set, `deny_at_least` and `ask_at_least` are the start request's
    additions: what would run asks, and what is denied stays denied.
    """

    enabled: bool = False
    mode: Mode = "default"
    allow: tuple[str, ...] = ()
    ask: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    hooks: tuple[str, ...] = ()  # "module:function"
    ask_at_least: tuple[str, ...] = ()
    deny_at_least: tuple[str, ...] = ()
    of_agent: tuple[str, ...] = ()
    reason: str | None = None
    allowed_decisions: tuple[DecisionKind, ...] = ALL_DECISIONS
    expiry: Expiry = Expiry()
    allow_always: bool = True  # a person may say so, of what only the mode has asked


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


def override(endpoint: Policy, agent: PolicyOverride) -> Policy:
    """The endpoint's policy with the agent's differences."""
    differences = {name: value for name in PolicyOverride.model_fields if (value := getattr(agent, name)) is not None}
    return endpoint.model_copy(update={**differences, "of_agent": tuple(differences)})


def naming(policy: Policy, tool: str) -> Policy:
    """What of the policy speaks of the tool by its name, and of no other: globs do not count, nor does the mode."""

    def named(patterns: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(pattern for pattern in patterns if pattern == tool)

    lists = ("allow", "ask", "deny", "ask_at_least", "deny_at_least")
    rules = tuple(rule for rule in policy.rules if rule.tool == tool)
    return policy.model_copy(
        update={
            **{name: named(getattr(policy, name)) for name in lists},
            "rules": rules,
            "mode": "bypass",
            "reason": None,
        }
    )


def tighten(policy: Policy, request: PolicyTightening) -> Policy:
    """The policy with the request's additions; a looser mode in the request is ignored."""
    mode = request.mode or policy.mode
    return policy.model_copy(
        update={
            "mode": mode if TIGHTNESS[mode] >= TIGHTNESS[policy.mode] else policy.mode,
            # Not into `ask`, which stands above the mode: it would turn what `dont_ask` denies into a question.
            "ask_at_least": policy.ask_at_least + request.ask,
            "deny_at_least": policy.deny_at_least + request.deny,
        }
    )


def roles_in(policy: Policy) -> frozenset[str]:
    """Every role that may come to be asked under this policy."""
    asked = (rule.approvers for rule in policy.rules)
    later = (expiry.to for expiry in (policy.expiry, *(rule.expiry for rule in policy.rules)) if expiry is not None)
    return frozenset(role for roles in (*asked, *later) for role in roles)


def narrowed(allowed: tuple[DecisionKind, ...], kinds: Collection[DecisionKind]) -> tuple[DecisionKind, ...]:
    """Those decisions that are among the kinds. What is left may be nothing: then the call can still be refused."""
    return tuple(kind for kind in allowed if kind in kinds) or ("reject",)


def agreeable(allowed: tuple[DecisionKind, ...], quorum: int) -> tuple[DecisionKind, ...]:
    """The decisions that so many people can make together: on a call as it stands, not on what one of them wrote."""
    return allowed if quorum == 1 else narrowed(allowed, AS_IT_STANDS)
