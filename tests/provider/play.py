"""How a reply is performed: steps become acts, in whichever dialect, at the pace the script asks for."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, assert_never

from tests.provider.acts import Act, Answer, Hang, Reset, Until
from tests.provider.prompt import Prompt
from tests.provider.script import (
    Cut,
    EndEarly,
    Fault,
    Finish,
    Malformed,
    Reasoning,
    Refuse,
    Reply,
    Silence,
    Stamps,
    Step,
    StreamError,
    Text,
    ToolCall,
    Usage,
    Whole,
    chunks,
    whole,
)
from tests.provider.stamp import stamp

Clock = Callable[[], float]


class Voice(Protocol):
    """One response in one dialect: every method returns the bytes of the frames that say it."""

    def open(self, usage: Usage) -> bytes: ...
    def text(self, chunk: str) -> bytes: ...
    def reasoning(self, chunk: str) -> bytes: ...
    def calls(self, calls: Sequence[ToolCall]) -> Iterator[bytes]: ...
    def malformed(self) -> bytes: ...
    def error(self, fault: Fault) -> bytes: ...
    def close(self, said: Whole) -> bytes: ...
    def whole(self, said: Whole) -> bytes: ...


class Dialect(Protocol):
    """A provider's way of asking and answering; a module of this package."""

    def read(self, body: bytes) -> Prompt:
        """Understand a request; raises `BadPrompt`."""
        ...

    def speak(self, prompt: Prompt, response_id: str) -> Voice: ...
    def refusal(self, fault: Fault, message: str | None = None) -> tuple[int, bytes]: ...


def perform(reply: Reply, prompt: Prompt, dialect: Dialect, response_id: str, clock: Clock) -> Iterator[Act]:
    """Everything this reply does on the wire. Lazy: what carries the time is made when it is sent."""
    voice = dialect.speak(prompt, response_id)
    if not prompt.stream:
        yield from _tell_whole(reply, prompt, dialect, voice, clock)
        return
    said = whole(reply, prompt_words=prompt.words)
    acts = _opened(_stream(reply.steps, said, dialect, voice, clock), voice.open(said.usage))
    yield from acts if reply.shred is None else _shredded(acts, reply.shred)


def refuse(dialect: Dialect, refusal: Refuse, message: str | None = None) -> Answer:
    """An HTTP error; `message` says more than the fault's own."""
    status, body = dialect.refusal(refusal.fault, message)
    wait = refusal.retry_after
    headers = () if wait is None else (("retry-after", f"{wait.total_seconds():g}"),)
    return Answer(refusal.status or status, body, headers)


def _opened(acts: Iterator[Act], opening: bytes) -> Iterator[Act]:
    """The opening goes out with the first bytes and not before, so that a silence or a refusal can come first."""
    for act in acts:
        if isinstance(act, bytes):
            yield opening + act
            break
        yield act
    yield from acts


def _stream(steps: Sequence[Step], said: Whole, dialect: Dialect, voice: Voice, clock: Clock) -> Iterator[Act]:
    for at, step in enumerate(steps):
        match step:
            case Text():
                texts = chunks(step)
                yield from _paced(map(voice.text, texts), len(texts), step.rate, clock)
            case Reasoning():
                thoughts = chunks(step)
                yield from _paced(map(voice.reasoning, thoughts), len(thoughts), step.rate, clock)
            case Stamps():
                stamps = (voice.text(stamp()) for _ in range(step.count))
                yield from _paced(stamps, step.count, step.rate, clock)
            case ToolCall():
                if at == 0 or not isinstance(steps[at - 1], ToolCall):
                    yield from voice.calls(_neighbours(steps[at:]))
            case Malformed():
                yield voice.malformed()
            case Silence():
                yield _wait(step, clock)
            case Refuse():
                yield refuse(dialect, step)
                return
            case StreamError():
                yield voice.error(step.fault)
                return
            case Cut():
                yield Reset()
                return
            case EndEarly():
                yield b""
                return
            case Usage() | Finish():
                pass  # said at the end, where both dialects say them
            case _:
                assert_never(step)
    yield voice.close(said)


def _tell_whole(reply: Reply, prompt: Prompt, dialect: Dialect, voice: Voice, clock: Clock) -> Iterator[Act]:
    """The same reply to a request that did not ask for a stream: it takes as long, and fails where it can."""
    for step in reply.steps:
        match step:
            case Text() | Reasoning():
                yield Until(clock() + (len(chunks(step)) / step.rate if step.rate else 0))
            case Stamps():
                yield Until(clock() + step.count / step.rate)
            case Silence():
                yield _wait(step, clock)
            case Refuse():
                yield refuse(dialect, step)
                return
            case StreamError():
                yield refuse(dialect, Refuse(fault=step.fault))
                return
            case Cut():
                yield Reset()
                return
            case Malformed() | EndEarly():
                yield Answer(200, b'{"id": ')
                return
            case ToolCall() | Usage() | Finish():
                pass
            case _:
                assert_never(step)
    yield Answer(200, voice.whole(whole(reply, prompt_words=prompt.words, stamp=stamp())))


def _paced(frames: Iterator[bytes], count: int, rate: float | None, clock: Clock) -> Iterator[Act]:
    start = clock()
    for sent in range(count):
        if rate is not None and sent:
            yield Until(start + sent / rate)
        yield next(frames)  # made only now: a stamp must not wait


def _wait(silence: Silence, clock: Clock) -> Act:
    return Hang() if silence.lasts is None else Until(clock() + silence.lasts.total_seconds())


def _neighbours(steps: Sequence[Step]) -> list[ToolCall]:
    calls: list[ToolCall] = []
    for step in steps:
        if not isinstance(step, ToolCall):
            break
        calls.append(step)
    return calls


def _shredded(acts: Iterator[Act], size: int) -> Iterator[Act]:
    for act in acts:
        if isinstance(act, bytes):
            yield from (act[at : at + size] for at in range(0, len(act), size))
        else:
            yield act
