"""The `fermata` command. Each command imports what it needs, so that none pays for another."""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from domain.errors import FermataError

if TYPE_CHECKING:
    from console.doctor import Finding

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
policy = typer.Typer(no_args_is_help=True)
app.add_typer(policy, name="policy", help="The rules by which tool calls run.")

Config = Annotated[Path | None, typer.Option(help="The fermata.yaml; FERMATA_CONFIG otherwise.")]
Port = Annotated[int, typer.Option(min=1, max=65535)]
Host = Annotated[str, typer.Option()]
Url = Annotated[str, typer.Option(envvar="FERMATA_URL", help="The API to speak to.")]
Reason = Annotated[str | None, typer.Option(help="Told to the model, and kept with the decision.")]
Approval = Annotated[str, typer.Argument(metavar="APR", help="The id of an approval.")]

LOCAL = "http://127.0.0.1:8000"


@app.command()
def dev(
    config: Config = None,
    port: Port = 8000,
    data_dir: Annotated[Path, typer.Option(help="Where everything is kept.")] = Path(".data"),
    reset: Annotated[bool, typer.Option(help="Forget everything first.")] = False,
    workers: Annotated[int, typer.Option(min=0, max=6)] = 1,
    apis: Annotated[int, typer.Option(min=1, max=100)] = 1,
    no_open: Annotated[bool, typer.Option(help="Do not open the page.")] = False,
) -> None:
    """The whole stack in one terminal: Temporal, Valkey, worker, API and page. Ctrl-C stops it in order."""
    import os

    import settings
    from adapters.conditions import compiled
    from adapters.hooks import load
    from adapters.tools import toolbox
    from adapters.webhooks import receiver
    from devstack.options import StackOptions
    from devstack.stack import run_stack

    named = {"FERMATA_CONFIG": str(config)} if config else {}
    environ = {**os.environ, "FERMATA_ENV": "development", "FERMATA_DATA_DIR": str(data_dir), **named}
    loaded = settings.load(environ)
    file = loaded.environment.config
    tools = toolbox(data_dir, file.parent if file else None)
    loaded.configuration.check_policy(compiled, load)  # refused before all starts
    loaded.configuration.agents(tools.resolve)
    loaded.configuration.providers()
    loaded.configuration.webhooks(receiver, development=True)
    for key in loaded.configuration.unheeded:
        print(f"note: {key} in {file} has no effect in this version", file=sys.stderr)
    options = StackOptions(
        config=config,
        port=port,
        data_dir=data_dir,
        reset=reset,
        workers=workers,
        apis=apis,
        open_browser=not no_open,
    )
    raise typer.Exit(asyncio.run(run_stack(options)))


@app.command()
def worker(host: Host = "127.0.0.1", port: Annotated[int | None, typer.Option(help="For metrics.")] = None) -> None:
    """One worker process."""
    import uvloop

    import logs
    import settings
    from worker import run_worker

    loaded = settings.load()
    logs.set_up(loaded.environment.log_level, loaded.environment.log_format)
    uvloop.run(run_worker(loaded, metrics_address=f"{host}:{port}" if port else None))


@app.command()
def api(host: Host = "127.0.0.1", port: Port = 8000) -> None:
    """One API process, which also serves the page."""
    import logs
    import settings
    from api.app import create_app
    from api.serving import serve

    loaded = settings.load()
    logs.set_up(loaded.environment.log_level, loaded.environment.log_format)
    if not serve(create_app(loaded), host, port):
        raise typer.Exit(1)


@app.command()
def migrate() -> None:
    """Bring the database to this version."""
    import settings
    from adapters.database.migrate import migrate as run

    run(settings.load().environment.database_url)


@app.command()
def chat(
    agent: Annotated[str | None, typer.Argument(help="Its id; the first one otherwise.")] = None, url: Url = LOCAL
) -> None:
    """A conversation in the terminal, with approvals. Messages may also come from a pipe, one in each line."""
    from datetime import timedelta

    from console.chat import chat as converse
    from console.client import Api
    from console.terminal import Terminal

    with Api(url, lost=_reconnecting, patience=timedelta(seconds=20)) as client:  # a restart may take so long
        converse(client, Terminal(), agent)


@app.command()
def tail(
    generation: Annotated[str, typer.Argument(metavar="GEN", help="The id of a generation.")],
    after: Annotated[int, typer.Option(min=0, help="Only events beyond this one.")] = 0,
    url: Url = LOCAL,
) -> None:
    """The events of a generation, one in each line, until it has ended."""
    from console.client import Api
    from console.tail import tail as follow
    from domain.ids import GenerationId

    with Api(url, lost=_reconnecting) as client:
        follow(client, GenerationId(generation), after, say=typer.echo)


@app.command()
def approvals(url: Url = LOCAL) -> None:
    """What waits for your decision."""
    from rich.console import Console

    from console.approvals import table
    from console.client import Api
    from console.legible import now

    with Api(url, lost=_reconnecting) as client:
        waiting = list(client.waiting())
    if not waiting:
        print("Nothing waits for your decision.")
        return
    width = None if sys.stdout.isatty() else 200  # a pipe has no edge that lines should be folded at
    Console(highlight=False, width=width).print(table(waiting, now()))


@app.command()
def approve(approval: Approval, reason: Reason = None, url: Url = LOCAL) -> None:
    """Let every call of an approval run as it is shown."""
    _decide(approval, "approve", reason, url)


@app.command()
def reject(approval: Approval, reason: Reason = None, url: Url = LOCAL) -> None:
    """Let no call of an approval run."""
    _decide(approval, "reject", reason, url)


@app.command()
def answer(
    approval: Approval,
    said: Annotated[
        list[str],
        typer.Argument(metavar="ANSWER…", help="One for each question: an option, its number, or your words."),
    ],
    url: Url = LOCAL,
) -> None:
    """Answer the questions of an approval, in their order."""
    from console.approvals import answer_all
    from console.client import Api
    from domain.ids import ApprovalId

    with Api(url, lost=_reconnecting) as client:
        for line in answer_all(client, ApprovalId(approval), said):
            print(line)


def _decide(approval: str, kind: Literal["approve", "reject"], reason: str | None, url: str) -> None:
    from console.approvals import decide_all
    from console.client import Api
    from domain.ids import ApprovalId

    with Api(url, lost=_reconnecting) as client:
        for line in decide_all(client, ApprovalId(approval), kind, reason):
            print(line)


@policy.command("test")
def policy_test(
    file: Annotated[Path, typer.Argument(help="The fermata.yaml.")],
    call: Annotated[str, typer.Option(help='A tool call: {"name": "send_mail", "arguments": {…}}')],
    agent: Annotated[str | None, typer.Option(help="Whose call; the first agent's otherwise.")] = None,
    user: Annotated[str, typer.Option(help="Whose conversation.")] = "local",
) -> None:
    """Say what would happen to a call, and which layer, list and rule says so. Hooks are asked; no tool runs."""
    from console.policy import explain
    from policy_check import judged

    for line in explain(*judged(file, call, agent, user)):
        print(line)


@app.command()
def doctor(
    config: Config = None,
    dev_port: Annotated[
        int | None, typer.Option(min=1, max=65_500, help="Check the stack that `fermata dev --port` runs.")
    ] = None,
    data_dir: Annotated[Path, typer.Option(help="Of that stack.")] = Path(".data"),
) -> None:
    """Check everything that a process needs, and say what to do about what is missing."""
    import os

    from console.doctor import report

    environ = {**os.environ, **({"FERMATA_CONFIG": str(config)} if config else {})}
    if dev_port is not None:
        from devstack.environment import child_environment, given_servers
        from devstack.ports import plan_ports

        ports = plan_ports(dev_port, workers=1, apis=1)
        environ = child_environment(environ, given_servers(environ), ports, data_dir.absolute(), config)
    findings = asyncio.run(_examine(environ))
    for finding in findings:
        print(report(finding))
    sys.stdout.flush()
    # Not an orderly exit: a thread of Temporal's runtime that still hands over its last answer would then abort the
    # interpreter ("PyGILState_Release … finalizing"; one run of twelve with the server away).
    os._exit(any(finding.level == "bad" for finding in findings))


async def _examine(environ: Mapping[str, str]) -> list["Finding"]:
    """Composition root of the doctor: settings → checks."""
    from functools import partial

    import configuration
    import settings
    from adapters.database.migrate import MIGRATIONS
    from adapters.redis_clients import command_client
    from adapters.temporal import connect
    from console import doctor, servers
    from devstack.temporal import SEARCH_ATTRIBUTES
    from domain.errors import ConfigurationError
    from workflows.registration import TASK_QUEUE

    findings = [doctor.python_version(sys.version_info[:3])]
    try:
        environment = settings.read_environment(environ)
    except ConfigurationError as error:
        return [*findings, doctor.Finding("bad", "environment", str(error))]
    findings.append(doctor.data_directory(environment.data_dir))
    named = str(environment.config or "none; the demo agents answer")
    try:
        loaded = configuration.read(environment.config, environ, environment.vendor_keys)
    except ConfigurationError as error:
        findings.append(doctor.Finding("bad", "configuration", str(error)))
    else:
        title = loaded.sections.title
        models = [agent.model for agent in loaded.sections.agents.values()]
        models += [title.model] if title.enabled and title.model else []
        findings.append(doctor.Finding("good", "configuration", named))
        findings += await doctor.providers(loaded.sections.providers, models)
    address, namespace = environment.temporal_address, environment.temporal_namespace
    reach = partial(connect, address, namespace, api_key=environment.temporal_api_key)
    temporal, redis, database = await asyncio.gather(
        servers.temporal(reach, address, SEARCH_ATTRIBUTES, TASK_QUEUE),
        servers.redis(command_client(environment.redis_url), doctor.without_secrets(environment.redis_url)),
        servers.database(environment.database_url, MIGRATIONS),
    )
    return [*findings, *temporal, *redis, database]


def _reconnecting() -> None:
    print("\n… the API is away; reconnecting", file=sys.stderr)


def main() -> None:
    """Entry point: what can be said in a sentence is said in a sentence."""
    try:
        app()
    except FermataError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from error


if __name__ == "__main__":
    main()
