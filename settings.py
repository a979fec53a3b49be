"""What a process is told from outside: the environment, and the configuration file that it names.

Read once, by a composition root, which passes single values on.
"""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

import configuration
from configuration import Configuration
from configuration.problems import Source, explain
from domain.errors import ConfigurationError

SECRET_CHARS = 32


def _begins_with(*schemes: str) -> AfterValidator:
    def check(given: str) -> str:
        if not given.startswith(schemes):
            raise ValueError(f"must begin with {' or '.join(schemes)}.")  # not quoted: it may hold a password
        return given

    return AfterValidator(check)


DatabaseUrl = Annotated[str, _begins_with("sqlite+aiosqlite://", "postgresql+asyncpg://")]
RedisUrl = Annotated[str, _begins_with("redis://", "rediss://", "unix://")]
WebUrl = Annotated[str, _begins_with("http://", "https://")]


class Environment(BaseModel):
    """The variables; `.env.example` says what each is for."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    mode: Literal["development", "production"] = Field("production", alias="FERMATA_ENV")
    config: Annotated[Path, AfterValidator(Path.absolute)] | None = Field(None, alias="FERMATA_CONFIG")
    data_dir: Path = Field(alias="FERMATA_DATA_DIR")
    given_secret: str | None = Field(alias="FERMATA_SECRET", repr=False)
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", alias="FERMATA_LOG_LEVEL")
    log_format: Literal["console", "json"] = Field("console", alias="FERMATA_LOG_FORMAT")
    database_url: DatabaseUrl = Field(alias="DATABASE_URL", repr=False)
    redis_url: RedisUrl = Field("redis://127.0.0.1:6379", alias="REDIS_URL", repr=False)
    temporal_address: str = Field("127.0.0.1:7233", alias="TEMPORAL_ADDRESS")
    temporal_namespace: str = Field("default", alias="TEMPORAL_NAMESPACE")
    temporal_api_key: str | None = Field(None, alias="TEMPORAL_API_KEY", repr=False)
    temporal_ui: WebUrl | None = Field(None, alias="FERMATA_TEMPORAL_UI")
    openai_api_key: str | None = Field(None, alias="OPENAI_API_KEY", repr=False)
    anthropic_api_key: str | None = Field(None, alias="ANTHROPIC_API_KEY", repr=False)

    @field_validator("given_secret")
    @classmethod
    def _is_a_secret(cls, given: str | None, info: ValidationInfo) -> str | None:
        if given is None and info.data.get("mode") != "production":
            return None
        if given is None or len(given) < SECRET_CHARS:
            raise ValueError(
                f"must be at least {SECRET_CHARS} random characters, the same for every process of this installation."
                " Make them with `openssl rand -base64 48`."
            )
        return given

    @property
    def development(self) -> bool:
        return self.mode == "development"

    @property
    def vendor_keys(self) -> dict[configuration.Kind, str | None]:
        """The API keys of vendors, by kind of provider."""
        return {"openai": self.openai_api_key, "anthropic": self.anthropic_api_key}


@dataclass(frozen=True)
class Settings:
    environment: Environment
    configuration: Configuration


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this process. Raises ConfigurationError with all that is wrong, and then nothing should start."""
    environment = read_environment(environ)
    return Settings(environment, configuration.read(environment.config, environ, environment.vendor_keys))


def read_environment(environ: Mapping[str, str]) -> Environment:
    """The variables, where an empty one counts as not set. Raises ConfigurationError."""
    given = {name: value for name, value in environ.items() if value}
    data_dir = Path(given.get("FERMATA_DATA_DIR", ".data")).absolute()
    defaults = {"FERMATA_SECRET": None, "DATABASE_URL": f"sqlite+aiosqlite:///{data_dir / 'fermata.db'}"}
    try:
        return Environment.model_validate({**defaults, **given, "FERMATA_DATA_DIR": data_dir})
    except ValidationError as error:
        problems = map(explain, error.errors(include_url=False))
        raise Source("environment").error(problems) from None  # pydantic's own message would show secrets


def secret(environment: Environment) -> str:
    """What signs tokens: FERMATA_SECRET, or in development one kept in the data directory, made when it is missing.

    Any number of processes may ask at once; all get the same.
    """
    if environment.given_secret is not None:
        return environment.given_secret
    kept = environment.data_dir / "secret"
    try:
        if not kept.exists():
            _keep(kept, secrets.token_urlsafe(SECRET_CHARS))
        return kept.read_text()
    except OSError as error:
        raise ConfigurationError(f"{kept}: {error.strerror}. Make it accessible, or set FERMATA_SECRET.") from error


def _keep(path: Path, text: str) -> None:
    """Write the file whole or not at all, for our user alone; the first of several writers wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", dir=path.parent, prefix=".secret-") as file:  # made with mode 600
        file.write(text)
        file.flush()
        try:
            os.link(file.name, path)
        except FileExistsError:
            return
