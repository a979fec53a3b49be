"""What an operator names in the configuration as `module:attribute`: their own tools and hooks."""

import importlib
import sys
from pathlib import Path

from domain.errors import ConfigurationError


def import_from(directory: Path | None) -> None:
    """Import from this directory as well, after PYTHONPATH."""
    if directory is not None and str(directory) not in sys.path:
        sys.path.append(str(directory))


def named(kind: str, name: str) -> object:
    """What stands there, None if the module has nothing of that name. Raises ConfigurationError without a module."""
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute, None)
    except (ImportError, ValueError) as error:
        raise ConfigurationError(
            f"{kind} {name!r}: {error}. It must be on PYTHONPATH or beside the configuration file."
        ) from error


def no_function(kind: str, name: str) -> ConfigurationError:
    """For what is not what was looked for there."""
    return ConfigurationError(f"{kind} {name!r}: the module has no function {name.partition(':')[2]!r}")
