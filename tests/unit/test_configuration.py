"""What `fermata.yaml` may say, what comes of it, and how a bad one is refused."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from textwrap import dedent

import pytest

from adapters.conditions import compiled
from adapters.hooks import load
from adapters.tools import toolbox
from agents import AGENTS
from configuration import Configuration, Kind, read
from configuration.sections import NOT_YET, Sections, keys_beside, parse_duration
from domain.errors import ConfigurationError
from domain.policy import ALL_DECISIONS, Approvers, Expiry, Policy, Rule, roles_in
from domain.pricing import Price

EXAMPLE = Path(__file__).parents[2] / "fermata.example.yaml"
AN_AGENT = "agents: {a: {model: 'demo:default'}}\n"

Configure = Callable[..., Configuration]
resolve = toolbox(Path("nowhere")).resolve


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configure:
    """Reads the text as the file `f.yaml`."""
    monkeypatch.chdir(tmp_path)

    def configured(
        text: str, environ: Mapping[str, str] | None = None, keys: Mapping[Kind, str] | None = None
    ) -> Configuration:
        path = Path("f.yaml")
        path.write_text(dedent(text), encoding="utf-8")
        return read(path, environ or {}, keys or {})

    return configured


def test_without_a_file_the_demo_agents_run_and_ask() -> None:
    configuration = read(None, {}, {})
    agents = configuration.agents(resolve)
    assert agents.keys() == AGENTS.keys()
    assert all(agent.spec.model.startswith("demo:") and agent.spec.policy.enabled for agent in agents.values())
    assert configuration.providers().keys() == {"openai", "anthropic", "demo"}
    assert configuration.retention.log == timedelta(hours=24)
    assert configuration.streaming.keepalive == timedelta(seconds=15)
    assert configuration.streaming.snapshot_every == 256


def test_an_empty_file_and_no_file_are_the_same(configure: Configure) -> None:
    assert configure("# nothing\n").agents(resolve) == read(None, {}, {}).agents(resolve)


def test_agents_in_the_file_replace_the_demo_with_its_approvals(configure: Configure) -> None:
    agents = configure(AN_AGENT).agents(resolve)
    assert list(agents) == ["a"]
    assert not agents["a"].spec.policy.enabled


def test_a_file_without_agents_configures_the_demo(configure: Configure) -> None:
    agents = configure("policy: {enabled: true, mode: bypass}\ntitle: {enabled: false}").agents(resolve)
    assert agents.keys() == AGENTS.keys()
    assert all(agent.spec.title_model is None for agent in agents.values())


def test_the_example_says_what_its_comments_promise() -> None:
    configuration = read(EXAMPLE, {"LOCAL_KEY": "secret"}, {})
    assistant = configuration.agents(resolve)["assistant"]
    assert [tool.name for tool in assistant.spec.tools] == ["clock", "calculator", "notes", "write_note"]
    assert assistant.overridable == ("model", "parameters")
    assert assistant.description == "Answers, calculates, and keeps notes."
    assert assistant.spec.first_byte_timeout == timedelta(minutes=5)
    assert assistant.spec.silence_timeout == timedelta(minutes=1)
    assert assistant.spec.title_model == "local:llama3.2"
    assert assistant.spec.policy == Policy(
        enabled=True,
        allow=("clock", "calculator", "notes"),
        ask=("send_*", "write_*"),
        deny=("*delete*",),
        reason="{tool} changes the notes",
        allowed_decisions=ALL_DECISIONS,
        expiry=Expiry(after=timedelta(hours=24), then="end"),
        of_agent=("allow", "reason"),
    )
    assert configuration.prices == {"local:llama3.2": Price(input_per_million=0, output_per_million=0)}
    local = configuration.providers()["local"]
    assert (local.kind, local.base_url, local.api_key) == ("openai", "http://127.0.0.1:11434/v1", "secret")


def test_an_agent_overrides_the_endpoints_policy_list_by_list(configure: Configure) -> None:
    agents = configure("""
        agents:
          a: {model: "demo:default", policy: {ask: [], mode: bypass, expiry: {then: deny}}}
        policy: {enabled: true, ask: ["*"], deny: [rm], expiry: {after: 2h}}
    """).agents(resolve)
    assert agents["a"].spec.policy == Policy(
        enabled=True, mode="bypass", deny=("rm",), expiry=Expiry(then="deny"), of_agent=("mode", "ask", "expiry")
    )


def test_titles_come_from_their_own_model_where_one_is_named(configure: Configure) -> None:
    configuration = configure(AN_AGENT + "title: {model: 'openai:small', timeout: 3s}", keys={"openai": "k"})
    spec = configuration.agents(resolve)["a"].spec
    assert (spec.title_model, spec.title_timeout) == ("openai:small", timedelta(seconds=3))


def test_a_vendors_key_never_goes_to_another_base_url(configure: Configure) -> None:
    providers = configure(
        """
        providers:
          openai: {kind: openai, silence_timeout: 2m}
          gateway: {kind: openai, base_url: "http://gateway"}
        """,
        keys={"openai": "the vendor's"},
    ).providers()
    assert providers["openai"].api_key == "the vendor's"
    assert providers["gateway"].api_key is None


def test_a_vendor_without_a_key_is_refused_before_it_is_called(configure: Configure) -> None:
    configuration = configure("agents:\n  a:\n    model: anthropic:large")
    with pytest.raises(ConfigurationError) as refused:
        configuration.providers()
    assert str(refused.value) == (
        "f.yaml, line 3, agents.a.model: 'anthropic:large' needs an API key. Set ANTHROPIC_API_KEY."
    )


def test_variables_are_filled_in_with_their_default_or_left_alone(configure: Configure) -> None:
    text = """
        agents: {a: {model: "demo:default", instructions: "${SET} ${EMPTY:-default} ${UNSET:-} $${LEFT} $5 {{x}}"}}
    """
    agents = configure(text, {"SET": "set ${NOT_AGAIN}", "EMPTY": ""}).agents(resolve)
    assert agents["a"].spec.instructions == "set ${NOT_AGAIN} default  ${LEFT} $5 {{x}}"


def test_an_anchor_may_be_used_again(configure: Configure) -> None:
    agents = configure("agents: {a: &a {model: 'demo:default'}, b: *a}").agents(resolve)
    assert agents["b"].spec == agents["a"].spec.model_copy(update={"id": "b", "name": "b"})


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("250ms", timedelta(milliseconds=250)),
        ("60s", timedelta(seconds=60)),
        ("15m", timedelta(minutes=15)),
        ("24h", timedelta(hours=24)),
        ("7d", timedelta(days=7)),
    ],
)
def test_a_duration_is_a_number_and_its_unit(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    "given", ["", "5", 5, "1.5s", "5 s", "-5s", "0s", "5S", "1h30m", "٣s", "9999999999d", None, True]
)
def test_what_is_no_duration_is_refused(given: object) -> None:
    with pytest.raises(ValueError, match="250ms"):
        parse_duration(given)


def test_the_refusal_names_everything_at_once_in_the_order_of_the_file(configure: Configure) -> None:
    with pytest.raises(ConfigurationError) as refused:
        configure("""\
            agents:
              mail:
                modle: demo:default
                max_turns: 0
                tools: clock
                policy:
                  mode: defualt
                  enabled: true
                  expiry: {after: 1 day, then: ask}
              the clerk: {model: demo}
            policy: {enabled: "yes", ask: send_*}
            providers:
              local: {kind: opnai, base_url: localhost:80, api_key: 123456, silence_timeout: 60}
            titel: {}
            streaming:
            """)
    assert str(refused.value).splitlines() == [
        "f.yaml, line 2, agents.mail.model: is missing.",
        "f.yaml, line 3, agents.mail.modle: is unknown. Did you mean 'model'?",
        "f.yaml, line 4, agents.mail.max_turns: must be at least 1.",
        "f.yaml, line 5, agents.mail.tools: must be a list, such as [one, two], not a text.",
        "f.yaml, line 7, agents.mail.policy.mode: must be 'default', 'dont_ask' or 'bypass', not 'defualt'.",
        "f.yaml, line 8, agents.mail.policy.enabled: is unknown. "
        "There are: mode, allow, ask, deny, reason, allowed_decisions, expiry.",
        "f.yaml, line 9, agents.mail.policy.expiry.after: "
        "must be a duration such as 250ms, 60s, 15m, 24h or 7d, not '1 day'.",
        "f.yaml, line 9, agents.mail.policy.expiry.then: must be 'end', 'deny' or 'escalate', not 'ask'.",
        "f.yaml, line 10, agents.the clerk: is no possible name. "
        "Use letters, digits, - and _, and begin with a letter or digit.",
        "f.yaml, line 10, agents.the clerk.model: must be written as provider:model, such as openai:gpt-5, not 'demo'.",
        "f.yaml, line 11, policy.ask: must be a list, such as [one, two], not a text.",
        "f.yaml, line 11, policy.enabled: must be true or false, not a text.",
        "f.yaml, line 13, providers.local.kind: must be 'openai', 'anthropic' or 'demo', not 'opnai'.",
        "f.yaml, line 13, providers.local.base_url: must be a URL such as http://127.0.0.1:8080/v1.",
        "f.yaml, line 13, providers.local.api_key: "
        "must be a text (in quotes if it looks like something else), not a number.",
        "f.yaml, line 13, providers.local.silence_timeout: "
        "must be a duration such as 250ms, 60s, 15m, 24h or 7d, not 60.",
        "f.yaml, line 14, titel: is unknown. Did you mean 'title'?",
        "f.yaml, line 15, streaming: must be a section of keys and values, not empty.",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "providers:\n  a: 1\n  a: 2\n",
            "f.yaml, line 3, providers.a: stands here again, after line 2. Remove one of the two.",
        ),
        (
            "providers:\n  a: {api_key: '${KEY}'}\n",
            "f.yaml, line 2, providers.a.api_key: needs the environment variable KEY."
            " Set it, or write ${KEY:-default}, or $${KEY} if no variable is meant.",
        ),
        (
            "policy:\n  deny: [*delete*]\n",
            "f.yaml, line 2: is not valid YAML: expected alphabetic or numeric character, but found '*'."
            " Indent with spaces; a text that begins with * or contains ': ' needs quotes.",
        ),
        (
            "agents:\n\ta: 1\n",
            "f.yaml, line 2: is not valid YAML: found character '\\t' that cannot start any token."
            " Indent with spaces; a text that begins with * or contains ': ' needs quotes.",
        ),
        ("title: {}\n# \x07\n", "f.yaml, line 2: has a character that YAML forbids: '\\x07'. Remove it."),
        ("- a\n", "f.yaml, line 1: must consist of keys and values, such as `agents:`."),
        ("? [a]\n: 1\n", "f.yaml, line 1: has a key that is no text."),
        ("title: !env X\n", "f.yaml, line 1, title: has the tag !env, which means nothing here. Remove it."),
        ("title: &t [*t]\n", "f.yaml, line 1, title[0]: is an alias of what it stands in. Remove it."),
        ("agents: {}\n", "f.yaml, line 1, agents: must not be empty."),
        (
            "agents:\n  a:\n    model: opneai:x\n",
            "f.yaml, line 3, agents.a.model: 'opneai:x' names no provider. Did you mean 'openai'?",
        ),
        (
            AN_AGENT + "title: {model: 'zzz:x'}\n",
            "f.yaml, line 2, title.model: 'zzz:x' names no provider. There are: anthropic, demo, openai.",
        ),
        (
            "prices: {gpt: {input_per_million: 1, output_per_million: 1}}\n",
            "f.yaml, line 1, prices.gpt: must be written as provider:model, such as openai:gpt-5, not 'gpt'.",
        ),
    ],
)
def test_a_bad_file_is_refused_with_its_place_and_its_remedy(configure: Configure, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        configure(text)
    assert str(refused.value) == message


def test_an_unknown_tool_is_refused_with_its_line(configure: Configure) -> None:
    configuration = configure("agents:\n  a:\n    model: demo:default\n    tools:\n      - clock\n      - clokc\n")
    with pytest.raises(ConfigurationError) as refused:
        configuration.agents(resolve)
    assert str(refused.value).startswith("f.yaml, line 6, agents.a.tools[1]: there is no tool 'clokc'")


@pytest.mark.parametrize("pattern", NOT_YET)
def test_what_is_not_available_yet_is_refused_and_not_ignored(configure: Configure, pattern: str) -> None:
    *above, last = pattern.split(".")
    assert last not in keys_beside((*above, last))
    text = nested(f"{last}: [something]", above)
    with pytest.raises(ConfigurationError, match=rf"{last}: is not available in this version\. Remove it\."):
        configure(text)


@pytest.mark.parametrize("pattern", NOT_YET)
def test_what_is_not_available_yet_may_stand_there_empty(configure: Configure, pattern: str) -> None:
    *above, last = pattern.split(".")
    configure(nested(f"{last}: null", above))


def nested(text: str, above: list[str]) -> str:
    """The YAML in which `text` stands below these keys, where `*` is the id of an agent, or a place in a list."""
    for parent, key in reversed(list(pairwise(["", *above]))):
        match parent, key:
            case "agents", "*":
                text = f"a: {{model: demo:x, {text}}}"
            case _, "*":
                text = f"- {{tool: t, verdict: ask, {text}}}"
            case _:
                text = f"{key}: [{text.removeprefix('- ')}]" if text.startswith("- ") else f"{key}: {{{text}}}"
    return text


def test_what_has_no_effect_yet_is_accepted_and_told(configure: Configure) -> None:
    unheeded = configure("limits: {queue: 3}\nstreaming: {coalesce: 20ms}\n").unheeded
    assert unheeded == ("limits.queue", "streaming.coalesce")


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.yaml: No such file or directory"):
        read(tmp_path / "none.yaml", {}, {})
    (tmp_path / "latin.yaml").write_bytes("title: ä".encode("latin-1"))
    with pytest.raises(ConfigurationError, match=r"latin\.yaml: is not UTF-8"):
        read(tmp_path / "latin.yaml", {}, {})


def test_keys_are_in_no_representation(configure: Configure) -> None:
    configuration = configure("providers: {p: {kind: openai, api_key: hidden-key}}", keys={"openai": "hidden-key"})
    assert "hidden-key" not in repr(configuration) + repr(configuration.providers())


def test_every_section_knows_its_keys() -> None:
    assert keys_beside(("agents",)) == list(Sections.model_fields)
    assert keys_beside(("agents", "policy", "policy", "expiry", "x")) == ["after", "then", "to"]


# Rules and hooks of the policy.
def test_rules_and_hooks_come_from_the_endpoint_and_no_agent_changes_them(configure: Configure) -> None:
    agents = configure("""
        agents:
          a: {model: "demo:default", policy: {mode: bypass}}
        policy:
          enabled: true
          rules:
            - {tool: pay, when: "arguments.amount > 100", verdict: deny, reason: "Too much."}
            - {tool: pay, verdict: ask, allowed_decisions: [approve, reject], expiry: {after: 2h, then: deny}}
          hooks: ["my_policy:check"]
    """).agents(resolve)
    policy = agents["a"].spec.policy
    assert policy.rules == (
        Rule(tool="pay", when="arguments.amount > 100", verdict="deny", reason="Too much."),
        Rule(
            tool="pay",
            verdict="ask",
            allowed_decisions=("approve", "reject"),
            expiry=Expiry(after=timedelta(hours=2), then="deny"),
        ),
    )
    assert policy.hooks == ("my_policy:check",)
    with pytest.raises(ConfigurationError, match="rules"):
        configure("agents: {a: {model: 'demo:x', policy: {rules: []}}}")


def test_rules_say_who_decides_and_who_is_asked_when_the_time_is_over(configure: Configure) -> None:
    agents = configure("""
        agents:
          a: {model: "demo:default", policy: {expiry: {after: 1h, then: escalate, to: [director]}}}
        policy:
          enabled: true
          rules:
            - tool: pay
              verdict: ask
              approvers: [manager, finance]
              quorum: 2
              requester_may_approve: false
              expiry: {after: 2h, then: escalate, to: [director]}
    """).agents(resolve)
    policy = agents["a"].spec.policy
    later = Expiry(after=timedelta(hours=2), then="escalate", to=("director",))
    (rule,) = policy.rules
    assert (rule.decided_by, rule.expiry) == (
        Approvers(roles=("manager", "finance"), quorum=2, requester_may_approve=False),
        later,
    )
    assert policy.expiry == later.model_copy(update={"after": timedelta(hours=1)})
    assert roles_in(policy) == {"manager", "finance", "director"}


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("verdict: deny, approvers: [boss]", r"rules\[0\]: approvers is for rules whose verdict is ask"),
        ("verdict: allow, quorum: 1", r"rules\[0\]: quorum is for rules whose verdict is ask"),
        ("verdict: allow, requester_may_approve: false", r"requester_may_approve is for rules whose verdict is ask"),
        ("verdict: ask, quorum: 2", r"rules\[0\]: quorum needs approvers"),
        ("verdict: ask, requester_may_approve: false", r"requester_may_approve: false needs approvers"),
        ("verdict: ask, approvers: [boss], quorum: 0", r"rules\[0\].quorum: must be at least 1\."),
        ("verdict: ask, approvers: [boss], quorum: many", r"rules\[0\].quorum: must be a whole number, not a text\."),
        ("verdict: ask, approvers: boss", r"rules\[0\].approvers: must be a list, such as \[one, two\], not a text\."),
        ("verdict: ask, approvers: ['']", r"rules\[0\].approvers\[0\]: must be the name of a role"),
        ("verdict: ask, approvers: ['a, b']", r"rules\[0\].approvers\[0\]: must be the name of a role"),
        ("verdict: ask, expiry: {then: escalate}", r"rules\[0\].expiry: escalate needs to: the roles"),
        ("verdict: ask, expiry: {then: deny, to: [boss]}", r"rules\[0\].expiry: to is for then: escalate\."),
    ],
)
def test_a_rule_that_nobody_could_decide_is_refused(configure: Configure, rule: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        configure(f"policy: {{enabled: true, rules: [{{tool: pay, {rule}}}]}}")


def test_conditions_and_hooks_that_cannot_work_are_refused_all_at_once(configure: Configure, tmp_path: Path) -> None:
    configuration = configure("""
        policy:
          rules:
            - {tool: pay, when: "arguments.amount >", verdict: ask}
            - {tool: pay, when: "argument.amount > 1", verdict: ask}
            - {tool: pay, when: "arguments.to.all(x, x.endsWith('@example.org')) && user != 'bob'", verdict: allow}
          hooks: ["no_such_module_of_test:check", "json:nothing", "json:loads", "nonsense"]
    """)
    with pytest.raises(ConfigurationError) as refused:
        configuration.check_policy(compiled, load)
    problems = str(refused.value).splitlines()
    assert [problem.split(": ")[0] for problem in problems] == [
        "f.yaml, line 4, policy.rules[0].when",
        "f.yaml, line 5, policy.rules[1].when",
        "f.yaml, line 7, policy.hooks[0]",
        "f.yaml, line 7, policy.hooks[1]",
        "f.yaml, line 7, policy.hooks[3]",
    ]
    assert "at character 19" in problems[0]
    assert "'argument'; known are: agent, arguments, call_id" in problems[1]
    assert "PYTHONPATH" in problems[2]
