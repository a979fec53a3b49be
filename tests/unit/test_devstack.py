"""The layout of the embedded stack: ports, command lines, environments, delays."""

from datetime import timedelta
from pathlib import Path

import pytest

from devstack import temporal, valkey
from devstack.composition import compose, other_addresses
from devstack.data_dir import FREE_BYTES_NEEDED, check_room
from devstack.environment import Given, child_environment, given_servers, server_address
from devstack.errors import CannotStart
from devstack.options import Commands, StackOptions
from devstack.ports import Ports, plan_ports
from devstack.stack import has_desktop
from devstack.supervisor import restart_delay

DATA = Path("/data")
NOTHING_GIVEN = Given(temporal=None, redis=None, database=None)
ALL_GIVEN = Given(temporal="cloud:7233", redis="redis://:secret@cache:1/2", database="postgresql+asyncpg://u:p@db/app")


def test_every_port_counts_from_the_first() -> None:
    assert plan_ports(8000, workers=2, apis=3) == Ports(
        temporal=8001, temporal_ui=8002, valkey=8003, workers=(8004, 8005), apis=(8000, 8010, 8011)
    )


def test_the_largest_stack_gives_no_port_twice() -> None:
    ports = plan_ports(8000, workers=6, apis=20)
    numbers = (ports.temporal, ports.temporal_ui, ports.valkey, *ports.workers, *ports.apis)
    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize(
    ("first", "workers", "apis", "remedy"),
    [(8000, 7, 1, "--workers"), (8000, 1, 0, "--apis"), (65_532, 1, 1, "--port"), (65_520, 1, 8, "--port")],
)
def test_a_layout_without_room_is_refused_with_the_option_to_change(
    first: int, workers: int, apis: int, remedy: str
) -> None:
    with pytest.raises(CannotStart, match=remedy):
        plan_ports(first, workers=workers, apis=apis)


def test_the_dev_server_keeps_its_data_and_registers_every_search_attribute() -> None:
    argv = temporal.server_argv(
        Path("/bin/temporal"), 8001, ui_port=8002, database=DATA / "temporal.db", dynamic_config={"a.b": "true"}
    )
    assert argv == (
        *("/bin/temporal", "server", "start-dev", "--ip", "127.0.0.1", "--port", "8001", "--log-level", "warn"),
        *("--ui-port", "8002", "--ui-disable-news-fetch"),
        *("--db-filename", "/data/temporal.db", "--sqlite-pragma", "synchronous=1"),
        *("--dynamic-config-value", "a.b=true"),
        *("--search-attribute", "TenantId=Keyword"),
        *("--search-attribute", "UserId=Keyword"),
        *("--search-attribute", "ConversationId=Keyword"),
        *("--search-attribute", "GenerationId=Keyword"),
        *("--search-attribute", "GenStatus=Keyword"),
        *("--search-attribute", "Agent=Keyword"),
        *("--search-attribute", "Model=Keyword"),
        *("--search-attribute", "PendingTools=KeywordList"),
        *("--search-attribute", "ApprovalExpiresAt=Datetime"),
    )


def test_a_dev_server_for_tests_has_neither_ui_nor_memory() -> None:
    argv = temporal.server_argv(Path("/bin/temporal"), 1, ui_port=None, database=None, dynamic_config={})
    assert "--headless" in argv
    assert not {"--ui-port", "--db-filename"} & set(argv)


@pytest.mark.parametrize(
    ("line", "major"),
    [
        ("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64", 7),
        ("Valkey server v=9.1.2 sha=00000000:1 malloc=libc bits=64", 9),
        ("Redis server v=6.2.14 sha=00000000:0", 6),
        ("", None),
    ],
)
def test_the_version_of_a_server_is_read_from_its_answer(line: str, major: int | None) -> None:
    assert valkey.major_version(line) == major


def test_children_are_told_where_everything_is() -> None:
    ports = plan_ports(8000, workers=1, apis=1)
    environ = {"PATH": "/bin", "TEMPORAL_API_KEY": "for another server", "TEMPORAL_ADDRESS": "", "REDIS_URL": ""}
    assert child_environment(environ, given_servers(environ), ports, DATA, Path("/etc/fermata.yaml")) == {
        "PATH": "/bin",
        "FERMATA_CONFIG": "/etc/fermata.yaml",
        "FERMATA_ENV": "development",
        "FERMATA_DATA_DIR": "/data",
        "FERMATA_TEMPORAL_UI": "http://127.0.0.1:8002",
        "DATABASE_URL": "sqlite+aiosqlite:////data/fermata.db",
        "REDIS_URL": "redis://127.0.0.1:8003/0",
        "TEMPORAL_ADDRESS": "127.0.0.1:8001",
        "TEMPORAL_NAMESPACE": "default",
        "TEMPORAL_CONFIG_FILE": "/dev/null",
        "PYTHONUNBUFFERED": "1",
    }


def test_servers_that_were_given_are_passed_on_untouched() -> None:
    environ = {
        "TEMPORAL_ADDRESS": "cloud:7233",
        "TEMPORAL_NAMESPACE": "ours",
        "TEMPORAL_API_KEY": "key",
        "REDIS_URL": "redis://:secret@cache:1/2",
        "DATABASE_URL": "postgresql+asyncpg://u:p@db/app",
        "FERMATA_ENV": "production",
    }
    assert given_servers(environ) == ALL_GIVEN
    environment = child_environment(environ, ALL_GIVEN, plan_ports(8000, workers=1, apis=1), DATA, None)
    assert environment == {**environ, "FERMATA_DATA_DIR": "/data", "PYTHONUNBUFFERED": "1"}


def test_servers_that_were_given_are_not_started_and_their_secrets_not_shown() -> None:
    ports = plan_ports(8000, workers=2, apis=2)
    stack = compose(StackOptions(), ports, ALL_GIVEN, DATA, {})
    assert [(service.name, service.url) for service in stack.services] == [
        ("worker 1", "http://127.0.0.1:8004/metrics"),
        ("worker 2", "http://127.0.0.1:8005/metrics"),
        ("api 1", "http://127.0.0.1:8000"),
        ("api 2", "http://127.0.0.1:8010"),
    ]
    assert other_addresses(ALL_GIVEN, ports) == ["temporal cloud:7233", "valkey cache:1", "database db:5432"]


def test_worker_and_api_are_told_where_to_listen() -> None:
    options = StackOptions(commands=Commands(migrate=("m",), worker=("w",), api=("a", "b")))
    stack = compose(options, plan_ports(8000, workers=1, apis=1), ALL_GIVEN, DATA, {})
    assert stack.workers[0].argv == ("w", "--host", "127.0.0.1", "--port", "8004")
    assert stack.apis[0].argv == ("a", "b", "--host", "127.0.0.1", "--port", "8000")


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://127.0.0.1:8003/0", ("127.0.0.1", 8003)),
        ("rediss://u:p@cache", ("cache", 6379)),
        ("postgresql+asyncpg://u:p@db/app", ("db", 5432)),
        ("temporal://[::1]:7233", ("::1", 7233)),
        ("unix:///run/redis.sock", None),
        ("sqlite+aiosqlite:////data/fermata.db", None),
        ("postgresql+asyncpg://postgres@/app?host=/run/postgresql", None),
    ],
)
def test_only_servers_with_a_port_are_knocked_at(url: str, address: tuple[str, int] | None) -> None:
    assert server_address(url) == address


def test_the_first_restart_is_at_once_and_a_crash_loop_slows_down() -> None:
    delays = [restart_delay(deaths).total_seconds() for deaths in (1, 2, 3, 6, 7, 1000)]
    assert delays == [0.1, 0.2, 0.4, 3.2, 5.0, 5.0]
    assert restart_delay(1) < timedelta(seconds=1)


def test_a_nearly_full_disk_is_refused() -> None:
    check_room(FREE_BYTES_NEEDED, DATA)
    with pytest.raises(CannotStart, match="only 199 MB are free"):
        check_room(FREE_BYTES_NEEDED - 1, DATA)


def test_a_browser_is_opened_only_where_a_window_can_appear() -> None:
    assert has_desktop({"DISPLAY": ":0"}, "linux")
    assert has_desktop({"WAYLAND_DISPLAY": "wayland-0"}, "linux")
    assert has_desktop({}, "darwin")
    assert not has_desktop({"DISPLAY": ""}, "linux")
