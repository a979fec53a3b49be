"""The policy: which calls run, which ask, which never run, and that nobody below the server can loosen it."""

import re
import time
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.policy import (
    ALL_DECISIONS,
    Expiry,
    Judgement,
    Mode,
    Policy,
    PolicyOverride,
    PolicyTightening,
    Verdict,
    judge,
    matches,
    override,
    spellings,
    tighten,
)

STRICTNESS: dict[Verdict, int] = {"allow": 0, "ask": 1, "deny": 2}


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
        because="ask list: b*",
        reason="book costs money, book!",
        allowed_decisions=("approve",),
    )
    assert judge(Policy(enabled=True), "book") == Judgement(
        verdict="ask", because="mode: default", reason=None, allowed_decisions=ALL_DECISIONS
    )


def test_where_nobody_can_be_asked_an_ask_is_a_deny_that_says_so() -> None:
    judgement = judge(Policy(enabled=True), "book", approvals_supported=False)
    assert (judgement.verdict, judgement.because) == ("deny", "mode: default; nobody can be asked here")
    assert judge(Policy(enabled=True, allow=("book",)), "book", approvals_supported=False).verdict == "allow"
    assert judge(Policy(), "book", approvals_supported=False).verdict == "allow"


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
    assert override(endpoint, agent) == Policy(
        enabled=True, mode="bypass", ask=("y",), reason="No.", expiry=Expiry(then="deny")
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
