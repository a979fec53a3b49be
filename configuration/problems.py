"""What is wrong with a setting, in words for people: which file and line, which key, what would be right."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from pydantic_core import ErrorDetails

from domain.errors import ConfigurationError

Key = tuple[int | str, ...]
"""The way to a value: names of keys, and places in lists."""

EXPECTED = {
    "string_type": "a text (in quotes if it looks like something else)",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list, such as [one, two]",
    "dict_type": "a section of keys and values",
    "model_type": "a section of keys and values",
}


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong. The text never quotes what may be a secret."""

    key: Key
    text: str
    line: int | None = None  # None: the line of the key, or of the closest one above it that the file has


@dataclass(frozen=True)
class Source:
    """Where values came from: the name of the file, and the line of each of its keys."""

    name: str
    lines: Mapping[Key, int] = field(default_factory=dict)

    def error(self, problems: Iterable[Problem]) -> ConfigurationError:
        """One error for all of them, in the order of the file."""
        placed = sorted(((problem.line or self._line(problem.key), problem) for problem in problems), key=_line_first)
        return ConfigurationError("\n".join(self._sentence(line, problem) for line, problem in placed))

    def _line(self, key: Key) -> int:
        return next((self.lines[key[:end]] for end in range(len(key), -1, -1) if key[:end] in self.lines), 0)

    def _sentence(self, line: int, problem: Problem) -> str:
        place = [self.name, f"line {line}" if line else "", spelled(problem.key)]
        return f"{', '.join(filter(None, place))}: {problem.text}"


def spelled(key: Key) -> str:
    """The key as people write it: `agents.mail.tools[0]`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in key).removeprefix(".")


def suggestion(wrong: str, right: Sequence[str]) -> str:
    """The one of the right words that was probably meant, or all of them."""
    close = get_close_matches(wrong, right, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"There are: {', '.join(right)}."


def explain(error: ErrorDetails) -> Problem:
    """A validation error in our words."""
    context, given = error.get("ctx", {}), error["input"]
    match error["type"]:
        case "missing":
            text = "is missing."
        case "literal_error":
            text = f"must be {context['expected']}, not {repr(given) if isinstance(given, str) else _kind(given)}."
        case "value_error":
            text = str(context["error"])
        case "string_pattern_mismatch":
            text = "is no possible name. Use letters, digits, - and _, and begin with a letter or digit."
        case "too_short":
            text = "must not be empty."
        case "greater_than_equal":
            text = f"must be at least {context['ge']}."
        case kind if kind in EXPECTED:
            text = f"must be {EXPECTED[kind]}, not {_kind(given)}."
        case _:
            text = f"{error['msg']}."
    return Problem(tuple(step for step in error["loc"] if step != "[key]"), text)


def _kind(given: object) -> str:
    match given:
        case None:
            return "empty"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case _:
            return "a section"


def _line_first(placed: tuple[int, Problem]) -> int:
    return placed[0]
