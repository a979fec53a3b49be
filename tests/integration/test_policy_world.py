"""What a verdict needs of the world: conditions in CEL, and the operator's hooks, whatever they do."""

import asyncio
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.conditions import CelConditions
from adapters.hooks import PythonHooks
from adapters.named import import_from
from domain.content import JsonObject
from domain.ids import CallId, ConversationId
from domain.verdict import CallFacts, Opinion

HOOKS = """
import asyncio, time

def nothing(call): return None
def refuses(call): return {"verdict": "deny", "reason": f"{call.user} may not {call.name}"}
async def narrows(call): return {"verdict": "ask", "allowed_decisions": ["approve", "reject"]}
def rewrites(call): return {"arguments": {**call.arguments, "to": "ada@example.org"}}
def meddles(call): call.arguments["list"].append("more")
def raises(call): raise RuntimeError("secret")
def hangs(call): time.sleep(1.5)
async def sleeps(call): await asyncio.sleep(60)
def babbles(call): return "allow"
def errs(call): return {"verdict": "maybe", "reason": 7}
def misspells(call): return {"verdikt": "deny"}
"""


def call(**arguments: object) -> CallFacts:
    return CallFacts(
        name="send_mail",
        arguments=arguments,
        call_id=CallId("call_1"),
        agent="clerk",
        user="ada",
        tenant="default",
        conversation_id=ConversationId("c"),
    )


@pytest.mark.parametrize(
    ("condition", "arguments", "holds"),
    [
        ("arguments.amount > 100", {"amount": 150}, True),
        ("arguments.amount > 100", {"amount": 150.5}, True),
        ("arguments.amount > 100", {"amount": 10**30}, True),
        ("arguments.amount > 100", {"amount": 100}, False),
        ("arguments.amount > 100", {"amount": "150"}, None),
        ("arguments.amount > 100", {"amount": None}, None),
        ("arguments.amount > 100", {}, None),
        ("!has(arguments.amount) || arguments.amount > 100", {}, True),
        ("arguments.amount", {"amount": 150}, None),  # no condition, but a number
        ("arguments.to.endsWith('@example.org')", {"to": "bob@example.org"}, True),
        ("arguments.to.all(each, each.endsWith('.org'))", {"to": ["a.org", "b.com"]}, False),
        ("arguments.url.matches('^(a+)+$')", {"url": "a" * 50_000 + "b"}, False),
        ("user == 'ada' && name == 'send_mail' && agent == 'clerk' && tenant == 'default'", {}, True),
        ("arguments.text.contains('ä')", {"text": "\ud800 ä"}, None),
    ],
)
def test_a_condition_holds_or_not_or_cannot_be_told(condition: str, arguments: JsonObject, holds: bool | None) -> None:
    assert CelConditions().holds(condition, call(**arguments)) is holds


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> PythonHooks:
    beside: Path = tmp_path_factory.mktemp("beside")
    (beside / "hooks_of_test.py").write_text(HOOKS)
    import_from(beside)
    return PythonHooks(patience=timedelta(seconds=0.5))


async def said(hooks: PythonHooks, name: str, asked: CallFacts | None = None) -> Opinion:
    opinion = await hooks.ask(f"hooks_of_test:{name}", asked or call(to="bob@example.org"))
    assert opinion.hook == f"hooks_of_test:{name}"
    return opinion


async def test_a_hook_says_what_it_wants_and_nothing_is_an_answer(hooks: PythonHooks) -> None:
    assert (await said(hooks, "nothing")).model_dump(exclude={"hook"}, exclude_none=True) == {}
    refusal = await said(hooks, "refuses")
    assert (refusal.verdict, refusal.reason) == ("deny", "ada may not send_mail")
    assert (await said(hooks, "narrows")).allowed_decisions == ("approve", "reject")
    assert (await said(hooks, "rewrites")).arguments == {"to": "ada@example.org"}


async def test_a_hook_that_meddles_with_its_arguments_changes_only_its_copy(hooks: PythonHooks) -> None:
    asked = call(list=["one"])
    assert (await said(hooks, "meddles", asked)).arguments is None
    assert asked.arguments == {"list": ["one"]}


@pytest.mark.parametrize(
    ("name", "failure"),
    [
        ("raises", "RuntimeError"),
        ("hangs", "no answer within 0.5 s"),
        ("sleeps", "no answer within 0.5 s"),
        ("babbles", "it returned a str"),
        ("errs", "it returned something else: verdict, reason"),
        ("misspells", "it returned 'verdikt'"),
        ("is_gone", "ConfigurationError"),
    ],
)
async def test_a_hook_that_fails_is_an_opinion_that_says_so_and_no_more(
    hooks: PythonHooks, name: str, failure: str
) -> None:
    opinion = await said(hooks, name)
    assert opinion.model_dump(exclude={"hook"}, exclude_none=True) == {"failure": failure}


def test_a_stack_with_a_condition_that_is_none_is_refused_before_anything_starts(tmp_path: Path) -> None:
    file, data = tmp_path / "f.yaml", tmp_path / "data"
    file.write_text('policy: {rules: [{tool: pay, when: "arguments.amount >", verdict: ask}]}')
    options = ("--no-open", "--data-dir", str(data), "--config", str(file))
    root = Path(__file__).parents[2]
    ran = subprocess.run(
        [sys.executable, "-m", "cli", "dev", *options], cwd=root, capture_output=True, text=True, timeout=60
    )
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "policy.rules[0].when" in ran.stderr
    assert not data.exists()


async def test_a_hook_that_hangs_holds_up_nobody_else(hooks: PythonHooks) -> None:
    hanging = asyncio.create_task(said(hooks, "hangs"))
    await said(hooks, "nothing")
    assert not hanging.done()
    assert (await hanging).failure is not None
