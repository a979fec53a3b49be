"""Policy hooks: the operator's own functions, asked about each call. One that fails makes nothing looser."""

import asyncio
import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from functools import cache
from threading import Thread

from pydantic import ValidationError

from adapters.named import named, no_function
from domain.verdict import CallFacts, Opinion

PATIENCE = timedelta(seconds=5)
ANSWERS = frozenset({"verdict", "arguments", "allowed_decisions", "reason"})


class PythonHooks:
    """Fulfils `domain.ports.Hooks`.

    A hook is a function `(call) -> None | {verdict?, arguments?, allowed_decisions?, reason?}`, plain or async. Plain
    ones run in a thread each: one that hangs is given up, and holds up nothing but its thread.
    """

    def __init__(self, patience: timedelta = PATIENCE) -> None:
        self._patience = patience

    async def ask(self, hook: str, call: CallFacts) -> Opinion:
        try:
            async with asyncio.timeout(self._patience.total_seconds()):
                said = await _run(load(hook), call.model_copy(deep=True))
            return _opinion(hook, said)
        except TimeoutError:
            return Opinion(hook=hook, failure=f"no answer within {self._patience.total_seconds():g} s")
        except Exception as error:  # foreign code: whatever it raises, somebody is asked instead
            return Opinion(hook=hook, failure=type(error).__name__)


@cache
def load(name: str) -> Callable[[CallFacts], object]:
    """The function named `module:function`. Raises ConfigurationError."""
    found = named("hook", name)
    if not inspect.isroutine(found):
        raise no_function("hook", name)
    return found


async def _run(function: Callable[[CallFacts], object], call: CallFacts) -> object:
    if inspect.iscoroutinefunction(function):
        return await function(call)
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[object] = loop.create_future()

    def settle(result: object, error: BaseException | None) -> None:
        if not answer.done():  # else nobody waits for it any more
            answer.set_exception(error) if error else answer.set_result(result)

    def ask() -> None:
        result, error = None, None
        try:
            result = function(call)
        except Exception as raised:  # for whoever awaits it, as with any other call
            error = raised
        with suppress(RuntimeError):  # the loop is closed: the process ends
            loop.call_soon_threadsafe(settle, result, error)

    Thread(target=ask, daemon=True).start()
    return await answer


def _opinion(hook: str, said: object) -> Opinion:
    if said is None:
        return Opinion(hook=hook)
    if not isinstance(said, Mapping):
        return Opinion(hook=hook, failure=f"it returned a {type(said).__name__}")
    if unknown := said.keys() - ANSWERS:  # a misspelled "no" must not pass for none
        return Opinion(hook=hook, failure=f"it returned {', '.join(map(repr, sorted(map(str, unknown))))}")
    try:
        return Opinion.model_validate({**said, "hook": hook})
    except ValidationError as error:
        wrong = ", ".join(".".join(map(str, each["loc"])) for each in error.errors(include_url=False))
        return Opinion(hook=hook, failure=f"it returned something else: {wrong}")
