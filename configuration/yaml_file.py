"""A YAML file as plain data that remembers its lines, with the environment's variables filled in."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from pydantic import JsonValue

from configuration.problems import Key, Problem, Source
from domain.errors import ConfigurationError

YAML_HINT = "Indent with spaces; a text that begins with * or contains ': ' needs quotes."

_VARIABLE = re.compile(r"(\$?)\$\{(\w+)(?::-([^}]*))?\}")
_NO_TEXT = {f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float")}


def read(path: Path, environ: Mapping[str, str]) -> tuple[dict[str, JsonValue], Source]:
    """The data, and where it stands. Raises ConfigurationError with everything that keeps the file from being read.

    `${NAME}` in a text is a variable that must be set, `${NAME:-default}` one that need not; `$${NAME}` is left alone.
    """
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}. Name a file that can be read.") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: is not UTF-8 (byte {error.start}). Save it as UTF-8.") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        problem = Problem((), f"is not valid YAML: {error.problem}. {YAML_HINT}", line)
        raise Source(str(path)).error([problem]) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        problem = Problem((), f"has a character that YAML forbids: {chr(error.character)!r}. Remove it.", line)
        raise Source(str(path)).error([problem]) from error
    reading = _Reading(environ)
    data = {} if root is None else reading.value(root, ())
    source = Source(str(path), reading.lines)
    if not isinstance(data, dict):
        raise source.error([Problem((), "must consist of keys and values, such as `agents:`.")])
    if reading.problems:
        raise source.error(reading.problems)
    return data, source


@dataclass
class _Reading:
    """Turns nodes into data, noting lines and problems on the way."""

    environ: Mapping[str, str]
    lines: dict[Key, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    around: list[yaml.Node] = field(default_factory=list)

    def value(self, node: yaml.Node, key: Key) -> JsonValue:
        self.lines.setdefault(key, node.start_mark.line + 1)
        if node in self.around:
            self._refuse(key, "is an alias of what it stands in. Remove it.")
            return None
        self.around.append(node)
        found = self._value(node, key)
        self.around.pop()
        return found

    def _value(self, node: yaml.Node, key: Key) -> JsonValue:
        match node:
            case yaml.MappingNode():
                return self._section(node, key)
            case yaml.SequenceNode():
                return [self.value(item, (*key, place)) for place, item in enumerate(node.value)]
            case _ if node.tag in _NO_TEXT:
                found: JsonValue = yaml.constructor.SafeConstructor().construct_object(node)
                return found
            case _ if node.tag.startswith("!"):
                self._refuse(key, f"has the tag {node.tag}, which means nothing here. Remove it.")
                return None
            case _:
                return _VARIABLE.sub(lambda variable: self._filled_in(variable, key), node.value)

    def _section(self, node: yaml.MappingNode, key: Key) -> dict[str, JsonValue]:
        data: dict[str, JsonValue] = {}
        for name, item in node.value:
            line = name.start_mark.line + 1
            if not isinstance(name, yaml.ScalarNode):
                self.problems.append(Problem(key, "has a key that is no text.", line))
                continue
            child = (*key, name.value)
            if name.value in data:
                text = f"stands here again, after line {self.lines[child]}. Remove one of the two."
                self.problems.append(Problem(child, text, line))
                continue
            self.lines[child] = line
            data[name.value] = self.value(item, child)
        return data

    def _filled_in(self, variable: re.Match[str], key: Key) -> str:
        escape, name, default = variable.groups()
        if escape:
            return variable[0].removeprefix(escape)
        found = self.environ.get(name) or default  # an empty variable counts as not set
        if found is None:
            remedy = f"Set it, or write ${{{name}:-default}}, or $${{{name}}} if no variable is meant."
            self._refuse(key, f"needs the environment variable {name}. {remedy}")
        return found or ""

    def _refuse(self, key: Key, text: str) -> None:
        self.problems.append(Problem(key, text))
