"""Conditions of policy rules, in CEL (the Common Expression Language): no side effects, no backtracking."""

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from domain.errors import ConfigurationError
from domain.verdict import CallFacts

if TYPE_CHECKING:
    import cel

NAMES = frozenset(CallFacts.model_fields)
BOUND = re.compile(r"\.\w+\(\s*([A-Za-z_]\w*)\s*,")  # `x` in `arguments.to.all(x, x != "")`


class CelConditions:
    """Fulfils `domain.ports.Conditions`."""

    def holds(self, condition: str, call: CallFacts) -> bool | None:
        try:
            answer = compiled(condition).execute(call.model_dump(mode="json"))
        except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError, ConfigurationError):
            return None  # how the library says that a field is missing, or of another type
        return answer if isinstance(answer, bool) else None


@lru_cache(maxsize=1024)
def compiled(condition: str) -> "cel.Program":
    """Raises ConfigurationError if it is no condition on a call."""
    import cel  # brings a terminal toolkit along: only those pay for it who have conditions

    try:
        program = cel.compile(condition)
    except ValueError as error:
        found = re.search(r"ERROR: <input>:\d+:(\d+): (?:Syntax error: )?([^\n]*)", str(error))
        what = f"at character {found[1]}: {found[2]}" if found else str(error)
        raise ConfigurationError(f"{condition!r} is not CEL, {what}") from error
    if unknown := sorted(set(program.variables()) - NAMES - set(BOUND.findall(condition))):
        raise ConfigurationError(f"{condition!r} speaks of {unknown[0]!r}; known are: {', '.join(sorted(NAMES))}")
    return program
