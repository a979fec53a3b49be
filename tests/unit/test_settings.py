"""What a process takes from its environment."""

import re
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from domain.errors import ConfigurationError
from settings import Environment, load, read_environment, secret

EXAMPLE = Path(__file__).parents[2] / ".env.example"
SECRET = "s" * 32
DEVELOPMENT = {"FERMATA_ENV": "development"}


def test_the_example_lists_every_variable_and_no_other() -> None:
    named = re.findall(r"^#?([A-Z_]+)=", EXAMPLE.read_text(), re.MULTILINE)
    assert sorted(named) == sorted(str(field.alias) for field in Environment.model_fields.values())


def test_the_example_shows_the_defaults() -> None:
    shown = dict(re.findall(r"^#([A-Z_]+)=(.+)$", EXAMPLE.read_text(), re.MULTILINE))
    assert read_environment({**shown, "FERMATA_SECRET": SECRET}) == read_environment({"FERMATA_SECRET": SECRET})


def test_a_development_process_needs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    environment = load(DEVELOPMENT).environment
    assert environment.development
    assert environment.data_dir == tmp_path / ".data"
    assert environment.database_url == f"sqlite+aiosqlite:///{tmp_path}/.data/fermata.db"
    assert environment.redis_url == "redis://127.0.0.1:6379"
    assert environment.temporal_address == "127.0.0.1:7233"
    assert environment.temporal_namespace == "default"
    assert list(tmp_path.iterdir()) == []


def test_production_is_the_default_and_wants_a_secret() -> None:
    with pytest.raises(ConfigurationError, match=r"^environment, FERMATA_SECRET: must be at least 32 random"):
        load({})
    assert not load({"FERMATA_SECRET": SECRET}).environment.development


@pytest.mark.parametrize("mode", ["development", "production"])
def test_a_short_secret_is_refused(mode: str) -> None:
    with pytest.raises(ConfigurationError, match="FERMATA_SECRET"):
        load({"FERMATA_ENV": mode, "FERMATA_SECRET": "changeme"})


def test_an_empty_variable_counts_as_not_set() -> None:
    assert load({**DEVELOPMENT, "REDIS_URL": "", "FERMATA_CONFIG": ""}) == load(DEVELOPMENT)


def test_everything_wrong_is_named_at_once_and_no_password_is_shown() -> None:
    with pytest.raises(ConfigurationError) as refused:
        load({"FERMATA_ENV": "dev", "DATABASE_URL": "postgres://me:hunter2@db/fermata", "REDIS_URL": "localhost"})
    assert str(refused.value).splitlines() == [
        "environment, FERMATA_ENV: must be 'development' or 'production', not 'dev'.",
        "environment, DATABASE_URL: must begin with sqlite+aiosqlite:// or postgresql+asyncpg://.",
        "environment, REDIS_URL: must begin with redis:// or rediss:// or unix://.",
    ]


def test_a_bad_file_stops_the_start(tmp_path: Path) -> None:
    path = tmp_path / "fermata.yaml"
    path.write_text("agent: {}")
    with pytest.raises(ConfigurationError, match=r"line 1, agent: is unknown\. Did you mean 'agents'\?"):
        load({**DEVELOPMENT, "FERMATA_CONFIG": str(path)})


def test_the_file_sees_the_variables_and_the_vendors_keys(tmp_path: Path) -> None:
    path = tmp_path / "fermata.yaml"
    path.write_text("agents: {a: {model: 'openai:${MODEL}'}}")
    environ = {**DEVELOPMENT, "FERMATA_CONFIG": str(path), "MODEL": "small", "OPENAI_API_KEY": "key"}
    configuration = load(environ).configuration
    assert configuration.agents(lambda _: ())["a"].spec.model == "openai:small"
    assert configuration.providers()["openai"].api_key == "key"


def test_a_given_secret_is_the_secret() -> None:
    assert secret(read_environment({"FERMATA_SECRET": SECRET})) == SECRET


def test_processes_that_start_together_get_one_secret_that_only_their_user_can_read(tmp_path: Path) -> None:
    environment = read_environment({**DEVELOPMENT, "FERMATA_DATA_DIR": str(tmp_path / "data")})
    with ThreadPoolExecutor(16) as processes:
        (made,) = set(processes.map(lambda _: secret(environment), range(64)))
    assert secret(environment) == made
    assert len(made) >= 32
    assert stat.S_IMODE((tmp_path / "data" / "secret").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["secret"]


def test_a_data_directory_that_cannot_hold_the_secret_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(ConfigurationError, match=r"data/secret: .*FERMATA_SECRET"):
        secret(read_environment({**DEVELOPMENT, "FERMATA_DATA_DIR": str(tmp_path / "data")}))


def test_secrets_are_in_no_representation() -> None:
    names = ("FERMATA_SECRET", "TEMPORAL_API_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY")
    urls = {"REDIS_URL": "redis://:hidden@cache", "DATABASE_URL": "postgresql+asyncpg://me:hidden@db/fermata"}
    assert "hidden" not in repr(load({**dict.fromkeys(names, "hidden" * 8), **urls}))
