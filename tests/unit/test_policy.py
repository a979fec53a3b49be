"""The policy: which calls run, which ask, which never run, and that nobody below the server can loosen it."""

import re
import time
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.grants import MOST_GRANTS
from domain.policy import (
    ALL_DECISIONS,
    Expiry,
    Mode,
    Policy,
    PolicyOverride,
    PolicyTightening,
    Rule,
    Verdict,
    override,
    tighten,
)
from domain.verdict import STRICTNESS, Judgement, Opinion, judge, matches, spellings


def verdict(tool: str = "book", /, **rules: object) -> Verdict:
    return judge(Policy.model_validate({"enabled": True, **rules}), tool).verdict


def test_a_policy_that_is_off_allows_whatever_its_lists_say() -> None:
    assert verdict(enabled=False, deny=("*",), ask=("*",), mode="dont_ask") == "allow"


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({"deny": ("book",), "ask": ("book",), "allow": ("book",), "mode": "bypass"}, "deny"),
        ({"ask": ("book",), "allow": ("book",), "mode": "bypass"}, "ask"),
        ({"ask": ("book",), "mode": "dont_ask"}, "ask"),
        ({"allow": ("book",), "mode": "dont_ask"}, "allow"),
        ({"allow": ("book",), "mode": "default"}, "allow"),
        ({"mode": "bypass"}, "allow"),
        ({"mode": "dont_ask"}, "deny"),
        ({"mode": "default"}, "ask"),
        ({}, "ask"),
    ],
)
def test_deny_beats_ask_beats_allow_beats_the_mode(rules: dict[str, object], expected: Verdict) -> None:
    assert verdict(**rules) == expected


def test_a_judgement_says_which_rule_gave_it_and_why() -> None:
    policy = Policy(enabled=True, ask=("b*",), reason="{tool} costs money, {tool}!", allowed_decisions=("approve",))
    assert judge(policy, "book") == Judgement(
        verdict="ask",
        because="ask list of the endpoint: b*",
        reason="book costs money, book!",
        allowed_decisions=("approve",),
        expiry=Expiry(),
    )
    assert judge(Policy(enabled=True), "book") == Judgement(
        verdict="ask",
        because="mode of the endpoint: default",
        reason=None,
        allowed_decisions=ALL_DECISIONS,
        expiry=Expiry(),
        always_allowable=True,
    )


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({}, "allow"),
        ({"ask": ("book",)}, "ask"),
        ({"ask_at_least": ("b*",)}, "ask"),
        ({"deny": ("book",)}, "deny"),
        ({"mode": "dont_ask"}, "deny"),
        ({"rules": (Rule(tool="book", verdict="ask"),)}, "ask"),
        ({"allow_always": False}, "ask"),
    ],
)
def test_what_is_allowed_for_good_only_stands_for_the_answer_to_the_mode(
    policy: dict[str, object], expected: Verdict
) -> None:
    judgement = judge(Policy.model_validate({"enabled": True, **policy}), "book", grants=("book",))
    assert (judgement.verdict, judgement.always_allowable) == (expected, False)


def test_only_what_the_mode_asks_about_can_be_allowed_for_good() -> None:
    asked, insists = Policy(enabled=True), Opinion(hook="h", verdict="ask")
    assert judge(asked, "book").always_allowable
    assert judge(asked, "book", opinions=[Opinion(hook="h")]).always_allowable
    assert not judge(asked, "book", opinions=[insists]).always_allowable
    assert not judge(asked, "book", opinions=[Opinion(hook="h", failure="it broke")]).always_allowable
    assert judge(asked, "book", grants=("book",), opinions=[insists]).verdict == "ask"
    assert judge(asked, "book", grants=[f"tool_{n}" for n in range(MOST_GRANTS - 1)]).always_allowable
    assert not judge(asked, "book", grants=[f"tool_{n}" for n in range(MOST_GRANTS)]).always_allowable


def test_where_nobody_can_be_asked_an_ask_is_a_deny_that_says_so() -> None:
    judgement = judge(Policy(enabled=True), "book", approvals_supported=False)
    assert (judgement.verdict, judgement.because) == ("deny", "mode of the endpoint: default; nobody can be asked here")
    assert judge(Policy(enabled=True, allow=("book",)), "book", approvals_supported=False).verdict == "allow"
    assert judge(Policy(), "book", approvals_supported=False).verdict == "allow"


# Rules with conditions, and hooks.
RULES = (
    Rule(tool="pay", when="big", verdict="deny", reason="{tool} has a limit."),
    Rule(tool="pay", when="odd", verdict="ask", allowed_decisions=("approve", "reject"), expiry=Expiry(then="deny")),
    Rule(tool="p*", when="small", verdict="allow"),
)


@pytest.mark.parametrize(
    ("holding", "expected", "because"),
    [
        ({"big", "odd", "small"}, "deny", "deny rule 1 of the endpoint: pay when big"),
        ({"odd", "small"}, "ask", "ask rule 2 of the endpoint: pay when odd"),
        ({"small"}, "allow", "allow rule 3 of the endpoint: p* when small"),
        (set(), "ask", "mode of the endpoint: default"),
    ],
)
def test_a_rule_counts_where_its_condition_holds_in_the_order_of_the_verdicts(
    holding: set[str], expected: Verdict, because: str
) -> None:
    judgement = judge(Policy(enabled=True, rules=RULES), "pay", holds=holding.__contains__)
    assert (judgement.verdict, judgement.because) == (expected, because)


def test_what_a_rule_says_of_its_calls_stands_before_what_the_policy_says_of_all() -> None:
    policy = Policy(enabled=True, rules=RULES, ask=("pay",), reason="Money.")
    asked = judge(policy, "pay", holds={"odd"}.__contains__)
    assert (asked.allowed_decisions, asked.expiry) == (("approve", "reject"), Expiry(then="deny"))
    assert asked.reason == "Money."
    assert judge(policy, "pay", holds={"big"}.__contains__).reason == "pay has a limit."
    assert judge(policy, "play", holds=lambda _: False).verdict == "ask"


def test_a_condition_that_cannot_be_told_makes_nothing_looser() -> None:
    for rule in RULES:
        policy = Policy(enabled=True, mode="bypass" if rule.verdict != "allow" else "default", rules=(rule,))
        expected = "ask" if rule.verdict == "allow" else rule.verdict
        assert judge(policy, "pay", holds=lambda _: None).verdict == judge(policy, "pay").verdict == expected


@pytest.mark.parametrize("mode", get_args(Mode))
@pytest.mark.parametrize("wanted", [None, *get_args(Verdict)])
def test_of_policy_and_hook_the_stricter_counts(mode: Mode, wanted: Verdict | None) -> None:
    policy = Policy(enabled=True, mode=mode)
    alone = judge(policy, "book").verdict
    together = judge(policy, "book", opinions=[Opinion(hook="mod:hook", verdict=wanted)]).verdict
    assert STRICTNESS[together] == max(STRICTNESS[alone], STRICTNESS[wanted or "allow"])


def test_a_hook_that_fails_has_somebody_asked_and_says_so() -> None:
    broken = Opinion(hook="mod:hook", failure="KeyError")
    asked = judge(Policy(enabled=True, mode="bypass"), "book", opinions=[broken])
    assert (asked.verdict, asked.because) == ("ask", "hook mod:hook failed: KeyError")
    assert judge(Policy(enabled=True, mode="dont_ask"), "book", opinions=[broken]).verdict == "deny"
    assert (
        judge(Policy(enabled=True, mode="bypass"), "b", opinions=[broken], approvals_supported=False).verdict == "deny"
    )


def test_hooks_narrow_the_decisions_and_never_to_none() -> None:
    policy = Policy(enabled=True, allowed_decisions=("approve", "reject", "edit"))

    def left(*hooks: tuple[str, ...]) -> tuple[str, ...]:
        opinions = [Opinion.model_validate({"hook": "m:h", "allowed_decisions": hook}) for hook in hooks]
        return judge(policy, "book", opinions=opinions).allowed_decisions

    assert left(("approve", "reject", "respond"), ("reject", "edit")) == ("reject",)
    assert left(("respond",)) == ("reject",)
    assert left() == ("approve", "reject", "edit")


# Globs.
@pytest.mark.parametrize(
    ("pattern", "name", "covered"),
    [
        ("book", "book", True),
        ("book", "booking", False),
        ("ook", "book", False),
        ("Book", "book", False),
        ("book*", "booking", True),
        ("*ing", "booking", True),
        ("b*k*g", "booking", True),
        ("*", "", True),
        ("**", "book", True),
        ("", "", True),
        ("", "book", False),
        ("ab*ba", "aba", False),  # the two ends must not share a letter
        ("a*b*a", "aba", True),
        ("*a*a*", "a", False),
        ("b?ok", "book", False),
        ("b[o]ok", "book", False),
        ("b.ok", "book", False),
        ("b\\*", "bo", False),
        ("*\n*", "bo\nok", True),
    ],
)
def test_only_the_star_is_special_and_the_whole_name_counts(pattern: str, name: str, covered: bool) -> None:
    assert matches(pattern, name) is covered


@settings(derandomize=True, deadline=None)
@given(st.text("ab*.", max_size=8), st.text("ab.", max_size=8))
def test_globs_mean_what_the_same_regular_expression_means(pattern: str, name: str) -> None:
    expression = ".*".join(re.escape(piece) for piece in pattern.split("*"))
    assert matches(pattern, name) is (re.fullmatch(expression, name, re.DOTALL) is not None)


def test_a_hostile_pattern_costs_no_time() -> None:
    """Backtracking would take longer than the universe has."""
    began = time.process_time()
    assert not matches("*a" * 5_000 + "b", "a" * 50_000)
    assert not matches("*aa" * 5_000 + "*b*", "a" * 50_000)
    assert time.process_time() - began < 1


# MCP tools.
@pytest.mark.parametrize(
    "pattern", ["delete", "files:delete", "mcp:files:delete", "delete_mcp_files", "mcp:files:*", "files:*", "del*"]
)
def test_an_mcp_tool_is_denied_under_every_spelling_of_its_name(pattern: str) -> None:
    assert verdict("delete_mcp_files", allow=("*",), deny=(pattern,)) == "deny"


@pytest.mark.parametrize("pattern", ["Delete", "other:delete", "mcp:delete", "delete_mcp", "files"])
def test_another_name_is_another_tool(pattern: str) -> None:
    assert verdict("delete_mcp_files", mode="bypass", deny=(pattern,)) == "allow"


def test_a_marker_inside_a_name_leaves_no_spelling_untried() -> None:
    assert spellings("read_mcp_my_mcp_files") == [
        "read_mcp_my_mcp_files",
        *("read", "my_mcp_files:read", "mcp:my_mcp_files:read"),
        *("read_mcp_my", "files:read_mcp_my", "mcp:files:read_mcp_my"),
    ]


def test_a_tool_of_ours_has_one_name() -> None:
    assert spellings("book") == ["book"]


# Layers.
def test_an_agent_differs_where_it_says_so_and_never_switches_the_policy() -> None:
    endpoint = Policy(enabled=True, mode="dont_ask", deny=("x",), reason="No.")
    agent = PolicyOverride(mode="bypass", ask=("y",), deny=(), expiry=Expiry(then="deny"))
    differences = ("mode", "ask", "deny", "expiry")
    assert override(endpoint, agent) == Policy(
        enabled=True, mode="bypass", ask=("y",), reason="No.", expiry=Expiry(then="deny"), of_agent=differences
    )
    assert override(endpoint, PolicyOverride()) == endpoint
    assert "enabled" not in PolicyOverride.model_fields


def test_a_request_adds_to_the_lists_and_keeps_the_rest() -> None:
    policy = Policy(enabled=True, allow=("*",), deny=("x",))
    tightened = tighten(policy, PolicyTightening(ask=("book",), deny=("y",)))
    assert [judge(tightened, tool).verdict for tool in ("book", "x", "y", "z")] == ["ask", "deny", "deny", "allow"]


def test_a_request_that_wants_to_ask_cannot_open_what_is_denied() -> None:
    policy = tighten(Policy(enabled=True, mode="dont_ask"), PolicyTightening(ask=("book",)))
    assert judge(policy, "book").verdict == "deny"


@pytest.mark.parametrize("mode", get_args(Mode))
@pytest.mark.parametrize("wanted", get_args(Mode))
def test_a_looser_mode_in_a_request_is_ignored(mode: Mode, wanted: Mode) -> None:
    order: tuple[Mode, ...] = ("bypass", "default", "dont_ask")
    assert tighten(Policy(mode=mode), PolicyTightening(mode=wanted)).mode == max(mode, wanted, key=order.index)


globs = st.lists(st.sampled_from(["a", "b", "a*", "*", "s:a", "*_mcp_s"]), max_size=2).map(tuple)
modes = st.sampled_from(get_args(Mode))
policies = st.builds(Policy, enabled=st.booleans(), mode=modes, allow=globs, ask=globs, deny=globs)
tightenings = st.builds(PolicyTightening, mode=st.none() | modes, ask=globs, deny=globs)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(policies, st.lists(tightenings, max_size=3), st.sampled_from(["a", "b", "ab", "a_mcp_s"]), st.booleans())
def test_no_request_ever_loosens_a_verdict(
    policy: Policy, requests: list[PolicyTightening], tool: str, supported: bool
) -> None:
    for request in requests:
        tightened = tighten(policy, request)
        before = judge(policy, tool, approvals_supported=supported).verdict
        after = judge(tightened, tool, approvals_supported=supported).verdict
        assert STRICTNESS[after] >= STRICTNESS[before]
        assert tightened.enabled == policy.enabled
        policy = tightened
