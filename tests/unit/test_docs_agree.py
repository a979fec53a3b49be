"""What the pages written by hand list is what the code has: routes, codes, settings, links."""

import re
from pathlib import Path

import pytest
import yaml
from fastapi.routing import APIRoute

import configuration
from activities.metrics import METRICS
from adapters.redis_reading import Counts
from api import agents, approvals, conversations, decisions, events, extending, generations, grants, health, webhooks
from api.metrics import Numbers
from api.problems import OTHER_STATUSES, PROBLEMS
from cli import app as command
from configuration.sections import Retention, Streaming, Title
from devstack.temporal import SEARCH_ATTRIBUTES
from settings import Environment

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
ROUTERS = (agents, approvals, conversations, decisions, events, extending, generations, grants, health, webhooks)

# Errors of what has no route: steering.
UNREACHABLE = {"paused", "steer_conflict", "steer_queue_full"}


def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_link_leads_somewhere(page: Path) -> None:
    written = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", written)
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_contract_has_every_route_and_no_other() -> None:
    routes = [route for module in ROUTERS for route in module.router.routes if isinstance(route, APIRoute)]
    served = {(method, anonymous(route.path)) for route in routes for method in route.methods or ()}
    named = re.findall(r"`(GET|POST|DELETE) (/[^`?]*)`", text("docs/api.md"))
    told = {(method, anonymous(path)) for method, path in named}
    assert told - {("GET", "/"), ("GET", "/problems/{}"), ("GET", "/openapi.json")} == served


def test_the_contract_has_every_code_that_can_be_answered() -> None:
    codes = {code for _, code in PROBLEMS.values()} | {*OTHER_STATUSES.values(), "internal_error"}
    assert codes - set(re.findall(r"`([a-z_]+)`", text("docs/api.md"))) == UNREACHABLE


def test_every_variable_and_every_command_is_documented() -> None:
    page = text("docs/configuration.md")
    names = [str(field.alias) for field in Environment.model_fields.values()]
    names += [f"fermata {each.callback.__name__}" for each in command.registered_commands if each.callback]
    assert [name for name in names if f"`{name}" not in page] == []


def test_every_metric_is_explained_and_no_other() -> None:
    explained = re.findall(r"^\| `(fermata_\w+)`", text("docs/operations.md"), re.MULTILINE)
    of_the_api = {sample.name for metric in Numbers({}, Counts()).collect() for sample in metric.samples}
    assert sorted(explained) == sorted([*of_the_api, *(metric.name for metric in METRICS)])


def test_the_documented_configuration_can_be_read_and_shows_the_defaults(tmp_path: Path) -> None:
    found = re.search(r"```yaml\n(.*?)```", text("docs/configuration.md"), re.DOTALL)
    assert found is not None
    path = tmp_path / "fermata.yaml"
    path.write_text(found[1])
    read = configuration.read(path, {}, {}).sections
    assert (read.title, read.retention, read.streaming) == (Title(), Retention(), Streaming())


def test_the_example_of_the_readme_can_be_read(tmp_path: Path) -> None:
    found = re.search(r"```yaml\n(.*?)```", text("README.md"), re.DOTALL)
    assert found is not None
    path = tmp_path / "fermata.yaml"
    path.write_text(found[1])
    assert list(configuration.read(path, {}, {}).sections.agents) == ["assistant"]


def test_the_deployment_registers_every_search_attribute_before_a_worker_starts() -> None:
    services = yaml.safe_load(text("docker-compose.yml"))["services"]
    registering = services["temporal-namespace"]["command"][0]
    assert dict(re.findall(r"--name (\w+) --type (\w+)", registering)) == SEARCH_ATTRIBUTES
    assert services["worker"]["depends_on"]["temporal-namespace"] == {"condition": "service_completed_successfully"}


def anonymous(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)
