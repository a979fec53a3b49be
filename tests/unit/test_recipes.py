"""The recipes of CONTRIBUTING.md are true of the code: so many files, so many lines, and nowhere else."""

import ast
import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

import pytest

from adapters.models import KINDS
from adapters.models import provider as models_provider
from adapters.tools import TOOLS
from agents import AGENTS
from configuration import sections
from domain import events
from domain.content import Value
from domain.events import Event

ROOT = Path(__file__).parents[2]
PRODUCT = ("activities", "adapters", "agents", "api", "configuration", "console", "devstack", "domain", "workflows")
BUILTIN = ROOT / "adapters/tools/builtin"
EVENTS: Mapping[str, type[Value]] = {
    event.model_fields["type"].default: event for event in get_args(get_args(Event)[0])
}


def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def modules(folder: str) -> Iterator[str]:
    return (path.stem for path in (ROOT / folder).glob("*.py") if path.stem != "__init__")


def naming(module: str) -> set[str]:
    """The files of the product that import the module."""
    package, _, name = module.rpartition(".")
    imports = re.compile(rf"^\s*(from {re.escape(module)} import|from {re.escape(package)} import .*\b{name}\b)", re.M)
    paths = [*ROOT.glob("*.py"), *(path for folder in PRODUCT for path in (ROOT / folder).rglob("*.py"))]
    return {str(path.relative_to(ROOT)) for path in paths if imports.search(path.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("name", TOOLS)
def test_a_tool_is_one_file_and_two_lines(name: str) -> None:
    function = TOOLS[name].function
    assert (function.__name__, inspect.getsourcefile(function)) == (name, str(BUILTIN / f"{name}.py"))
    assert naming(f"adapters.tools.builtin.{name}") == {"adapters/tools/__init__.py"}
    lines = [line for line in text("adapters/tools/__init__.py").splitlines() if re.search(rf"\b{name}\b", line)]
    assert [line.split("(")[0] for line in lines] == [
        f"from adapters.tools.builtin.{name} import {name}",
        f'    "{name}": PythonTool',
    ]


def test_every_file_beside_the_tools_is_a_tool_or_a_part_of_tools() -> None:
    for module in set(modules("adapters/tools/builtin")) - TOOLS.keys():
        users = naming(f"adapters.tools.builtin.{module}")
        assert users, f"nobody uses {module}.py"
        assert {str(Path(user).parent) for user in users} == {"adapters/tools/builtin"}


def test_an_agent_is_one_file_and_one_line() -> None:
    assert set(modules("agents")) == AGENTS.keys()
    for name in AGENTS:
        assert naming(f"agents.{name}") == {"agents/__init__.py"}
        assert text("agents/__init__.py").count(f'"{name}": {name}.AGENT,') == 1


def test_a_provider_is_one_file_and_its_word_in_three_places() -> None:
    assert get_args(models_provider.Kind) == get_args(sections.Kind) == tuple(KINDS)


def test_every_event_is_in_the_union() -> None:
    declared = {
        thing
        for _, thing in inspect.getmembers(events, inspect.isclass)
        if issubclass(thing, Value) and thing.__module__ == events.__name__ and "type" in thing.model_fields
    }
    assert declared == set(EVENTS.values())


@pytest.mark.parametrize("kind", EVENTS)
def test_an_event_is_known_to_both_folds_the_contract_and_the_docs(kind: str) -> None:
    assert re.fullmatch(r"[a-z_]+\.[a-z]+", kind)
    assert re.search(rf"(case|\|) {EVENTS[kind].__name__}\(", text("domain/view.py"))
    assert f'"{kind}"' in text("web/fold.js")
    assert f"`{kind}`" in text("docs/api.md")
    assert f"## `{kind}`" in text("docs/events.md")


def test_every_event_is_emitted_by_the_machine_or_by_a_step() -> None:
    made = {
        name for folder in ("domain", "activities") for path in (ROOT / folder).glob("*.py") for name in calls(path)
    }
    assert {kind for kind, event in EVENTS.items() if event.__name__ not in made} == set()


def calls(path: Path) -> Iterator[str]:
    """What the file calls: `Name(…)` and `Name.method(…)`; a case of a match is no call."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(value=ast.Name(id=name))):
                yield name
            case _:
                pass
