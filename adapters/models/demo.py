"""The demo model performs its script: word by word, as a real one would, without a key and without a network."""

import asyncio
import re
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import assert_never

from adapters.models.assembly import Assembly
from adapters.models.demo_script import script
from adapters.models.demo_steps import Break, Call, Refuse, Say, Think
from adapters.models.failures import failed
from adapters.models.provider import Heard
from domain.content import TextPart, ToolCallPart, Usage
from domain.errors import ModelFinal
from domain.model import Chunk, ModelRequest
from domain.prompt import ModelSaid, UserSaid

SHORTEST, LONGEST = timedelta(milliseconds=20), timedelta(milliseconds=40)  # of a word
PER_LETTER = timedelta(milliseconds=4)
FRAGMENT = 8  # characters of a call's arguments at a time


class Demo:
    """Fulfils the speaker's protocol. Nothing to hold, nothing to close."""

    async def stream(self, request: ModelRequest, heard: Heard) -> AsyncGenerator[Chunk, None]:
        assembly, pace = Assembly(request.said), _Pace()
        thought, said = 0, 0
        for number, step in enumerate(script(request)):
            match step:
                case Think(text=text):
                    for word in words(text):
                        await pace.wait(SHORTEST)
                        thought += 1
                        if (reasoning := assembly.reasoning(word)) is not None:
                            yield reasoning
                case Say(text=text, pace=per_word):
                    for word in words(text):
                        await pace.wait(time_of(word) if per_word is None else per_word)
                        said += 1
                        if (chunk := assembly.text(word)) is not None:
                            yield chunk
                case Call(name=name, arguments=arguments):
                    yield assembly.open_call(number, "", name)
                    said += 1 + len(arguments.split())
                    for start in range(0, len(arguments), FRAGMENT):
                        await pace.wait(SHORTEST)
                        if (fragment := assembly.arguments(number, arguments[start : start + FRAGMENT])) is not None:
                            yield fragment
                case Break():
                    raise failed(request.model, "connection_failed")
                case Refuse():
                    raise ModelFinal("bad_request", f"{request.model} failed for good, because it was asked to.")
                case _:
                    assert_never(step)
        usage = Usage(input_tokens=_length(request), output_tokens=thought + said, reasoning_tokens=thought)
        yield assembly.reply("stop", usage)

    async def aclose(self) -> None:
        pass


class _Pace:
    """Waits for absolute moments, so that what the reader of the words takes in between makes no answer longer."""

    def __init__(self) -> None:
        self._next = asyncio.get_running_loop().time()

    async def wait(self, step: timedelta) -> None:
        self._next += step.total_seconds()
        await asyncio.sleep(max(0.0, self._next - asyncio.get_running_loop().time()))


def words(text: str) -> list[str]:
    """The text cut before its spaces; joined, the pieces are the text."""
    return re.findall(r"\s*\S+|\s+\Z", text)


def time_of(word: str) -> timedelta:
    return min(max(SHORTEST, len(word) * PER_LETTER), LONGEST)


def _length(request: ModelRequest) -> int:
    """Words of the prompt: what the demo model takes for tokens."""
    count = len(request.instructions.split())
    for item in request.said:
        match item:
            case UserSaid(text=text):
                count += len(text.split())
            case ModelSaid(parts=parts):
                for part in parts:
                    match part:
                        case TextPart(text=text):
                            count += len(text.split())
                        case ToolCallPart(output=output):
                            count += len((output or "").split())
                        case _:
                            pass
            case _:
                assert_never(item)
    return count
