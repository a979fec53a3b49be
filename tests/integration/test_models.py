"""The contract of the model port, fulfilled by every kind of provider over real HTTP, faults included."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from adapters.models import Models, Provider
from adapters.models.patience import patiently
from adapters.models.provider import Heard
from domain.agent import ToolSpec
from domain.content import ReasoningPart, TextPart, ToolCallPart, Usage
from domain.errors import ModelCallError, ModelFinal, ModelRetryable
from domain.ids import CallId
from domain.model import CallChunk, CallOpened, Chunk, ModelReply, ModelRequest, ReasoningChunk, TextChunk
from domain.pricing import Price
from domain.prompt import ModelSaid, Said, UserSaid
from tests.provider.book import Record, Stats
from tests.provider.process import ProviderProcess, provider_process
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
    Step,
    StreamError,
    Text,
    ToolCall,
)
from tests.provider.script import Usage as SaidUsage

SOON = timedelta(seconds=5)
BLINK = timedelta(milliseconds=200)
CLOCK = ToolSpec(name="clock", description="Tells the time.", parameters={"type": "object", "properties": {}})
KINDS = ("openai", "anthropic")


@pytest.fixture(scope="module")
async def process() -> AsyncIterator[ProviderProcess]:
    async with provider_process() as running:
        yield running


@pytest.fixture
async def server(process: ProviderProcess) -> ProviderProcess:
    await process.reset()
    return process


@dataclass(frozen=True)
class World:
    """The models, one provider of them, and the server behind it."""

    kind: str
    models: Models
    server: ProviderProcess

    @property
    def request(self) -> ModelRequest:
        return ModelRequest(
            model=f"{self.kind}:scripted",
            instructions="Be brief.",
            said=[UserSaid(text="Hello")],
            tools=[CLOCK],
            parameters={"temperature": 0.5, "max_output_tokens": 100},
            first_byte_timeout=SOON,
            silence_timeout=SOON,
        )

    async def hear(self, *steps: Step, shred: int | None = None, request: ModelRequest | None = None) -> list[Chunk]:
        await self.server.script(Reply(steps=steps, shred=shred))
        return [chunk async for chunk in self.models.stream(request or self.request)]

    async def fail(self, *steps: Step, request: ModelRequest | None = None) -> ModelCallError:
        with pytest.raises(ModelCallError) as caught:
            await self.hear(*steps, request=request)
        return caught.value


@pytest.fixture(scope="module")
async def models(process: ProviderProcess) -> AsyncIterator[Models]:
    models = Models(
        {
            "openai": Provider("openai", base_url=f"{process.url}/v1", api_key="sk-secret-of-the-test"),
            "anthropic": Provider("anthropic", base_url=process.url, api_key="sk-secret-of-the-test"),
            "vendor": Provider("openai", api_key="sk-secret-of-the-test"),
            "keyless": Provider("openai"),
            "nowhere": Provider("openai", base_url="http://127.0.0.1:9/v1"),
            "demo": Provider("demo"),
        },
        {"openai:scripted": Price(input_per_million=1, output_per_million=10, cached_per_million=0.5)},
    )
    yield models
    await models.aclose()


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest, models: Models, server: ProviderProcess) -> World:
    return World(request.param, models, server)


def reply_of(chunks: list[Chunk]) -> ModelReply:
    assert isinstance(chunks[-1], ModelReply)
    return chunks[-1]


def told(chunks: list[Chunk]) -> dict[int, str]:
    """What the chunks before the reply say, part by part."""
    parts: dict[int, str] = {}
    for chunk in chunks:
        match chunk:
            case TextChunk(part, text) | ReasoningChunk(part, text):
                parts[part] = parts.get(part, "") + text
            case CallChunk(part, _, arguments):
                parts[part] += arguments
            case CallOpened(part, _, name):
                assert part not in parts
                parts[part] = f"{name}:"
            case ModelReply():
                pass
    return parts


async def asked(server: ProviderProcess) -> Record:
    return (await server.requests())[-1]


async def test_reasoning_text_and_parallel_calls_arrive_as_dense_parts(world: World) -> None:
    chunks = await world.hear(
        Reasoning(text="Let me think."),
        Text(text="I will look twice."),
        ToolCall(name="clock", arguments={"zone": "Asia/Tokyo"}, id="call_a"),
        ToolCall(name="clock", arguments={"zone": "Europe/Berlin"}, id="call_b"),
        SaidUsage(input=100, output=40, cached=60, reasoning=5),
    )
    reply = reply_of(chunks)
    reasoning = reply.parts[0]
    assert isinstance(reasoning, ReasoningPart)
    assert reasoning.text == "Let me think."
    assert reply.parts[1:] == (
        TextPart(text="I will look twice."),
        ToolCallPart(call_id=CallId("call_a"), name="clock", arguments={"zone": "Asia/Tokyo"}),
        ToolCallPart(call_id=CallId("call_b"), name="clock", arguments={"zone": "Europe/Berlin"}),
    )
    assert reply.finish_reason == "tool_calls"
    assert reply.usage == Usage(input_tokens=100, output_tokens=40, cached_tokens=60, reasoning_tokens=5)
    assert told(chunks) == {
        0: "Let me think.",
        1: "I will look twice.",
        2: 'clock:{"zone":"Asia/Tokyo"}',
        3: 'clock:{"zone":"Europe/Berlin"}',
    }
    assert len(chunks) > 10  # fragments, not whole parts


@pytest.mark.parametrize("shred", [1, 7])
async def test_text_survives_any_cut_of_the_bytes(world: World, shred: int) -> None:
    text = "Grüße 👩‍🚀 aus 東京 \n\n data: [DONE] \r\n fertig"
    chunks = await world.hear(Text(text=text, chunk=1), shred=shred)
    assert told(chunks) == {0: text}
    assert reply_of(chunks).parts == (TextPart(text=text),)


@pytest.mark.parametrize(("said", "heard"), [("stop", "stop"), ("length", "length"), ("content_filter",) * 2])
async def test_the_reason_for_the_end_is_told(world: World, said: str, heard: str) -> None:
    finish = Finish.model_validate({"reason": said})
    assert reply_of(await world.hear(Text(text="So far."), finish)).finish_reason == heard


async def test_call_ids_that_are_missing_or_repeated_become_distinct(world: World) -> None:
    before = ModelSaid(parts=(ToolCallPart(call_id=CallId("call_0"), name="clock", arguments={}, output="noon"),))
    request = replace(world.request, said=[*world.request.said, before])
    calls = [ToolCall(name="clock", arguments={"n": n}, id=call_id) for n, call_id in enumerate(["call_0", "x", "x"])]
    parts = reply_of(await world.hear(*calls, request=request)).parts
    ids = [part.call_id for part in parts if isinstance(part, ToolCallPart)]
    assert [part.arguments for part in parts if isinstance(part, ToolCallPart)] == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert len({"call_0", *ids}) == 4


async def test_arguments_that_are_no_json_object_stay_text(world: World) -> None:
    (part,) = reply_of(await world.hear(ToolCall(name="clock", arguments='{"zone": "Asi'))).parts
    assert isinstance(part, ToolCallPart)
    assert part.arguments == '{"zone": "Asi'


async def test_a_call_without_arguments_has_an_empty_object(world: World) -> None:
    (part,) = reply_of(await world.hear(ToolCall(name="clock", arguments=""))).parts
    assert isinstance(part, ToolCallPart)
    assert part.arguments == {}


async def test_half_characters_of_json_escapes_become_whole_ones(world: World) -> None:
    (part,) = reply_of(
        await world.hear(ToolCall(name="clock", arguments=r'{"a": "\ud83d\ude80", "b": "\ud83d"}'))
    ).parts
    assert isinstance(part, ToolCallPart)
    assert part.arguments == {"a": "🚀", "b": "\ufffd"}


async def test_the_conversation_reaches_the_provider_in_order(world: World) -> None:
    said: list[Said] = [
        UserSaid(text="What time is it?"),
        ModelSaid(
            parts=(
                TextPart(text="I will look."),
                ToolCallPart(call_id=CallId("call_1"), name="clock", arguments={"zone": "UTC"}, output="noon"),
                ToolCallPart(
                    call_id=CallId("call_2"), name="clock", arguments="{oops", output="These do not fit.", is_error=True
                ),
            )
        ),
        ModelSaid(parts=(TextPart(text="It is noon."),)),
        UserSaid(text="Thanks"),
    ]
    chunks = await world.hear(Text(text="Welcome."), request=replace(world.request, said=said))
    assert told(chunks) == {0: "Welcome."}
    body = (await asked(world.server)).body
    assert isinstance(body, dict)
    assert body["temperature"] == 0.5
    assert body["max_tokens"] == 100
    assert EXPECTED[world.kind].items() <= body.items()


EXPECTED: dict[str, dict[str, object]] = {
    "openai": {
        "model": "scripted",
        "stream_options": {"include_usage": True},
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "clock",
                    "description": "Tells the time.",
                    "parameters": {"type": "object", "properties": {}},
                },
            }
        ],
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "What time is it?"},
            {
                "role": "assistant",
                "content": "I will look.",
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "clock", "arguments": '{"zone": "UTC"}'},
                    },
                    {"id": "call_2", "type": "function", "function": {"name": "clock", "arguments": "{oops"}},
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "noon"},
            {"role": "tool", "tool_call_id": "call_2", "content": "These do not fit."},
            {"role": "assistant", "content": "It is noon."},
            {"role": "user", "content": "Thanks"},
        ],
    },
    "anthropic": {
        "model": "scripted",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "What time is it?"}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "I will look."},
                    {"type": "tool_use", "id": "call_1", "name": "clock", "input": {"zone": "UTC"}},
                    {"type": "tool_use", "id": "call_2", "name": "clock", "input": {"not_json": "{oops"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "call_1",
                        "content": [{"type": "text", "text": "noon"}],
                        "is_error": False,
                    },
                    {
                        "type": "tool_result",
                        "tool_use_id": "call_2",
                        "content": [{"type": "text", "text": "These do not fit."}],
                        "is_error": True,
                    },
                ],
            },
            {"role": "assistant", "content": [{"type": "text", "text": "It is noon."}]},
            {"role": "user", "content": [{"type": "text", "text": "Thanks"}]},
        ],
    },
}


async def test_a_signature_goes_back_to_its_provider_unchanged(models: Models, server: ProviderProcess) -> None:
    world = World("anthropic", models, server)
    said = reply_of(await world.hear(Reasoning(text="Hm."), Text(text="Yes."))).parts
    reasoning, text = said
    assert isinstance(reasoning, ReasoningPart)
    assert isinstance(text, TextPart)
    assert reasoning.signature
    history = [*world.request.said, ModelSaid(parts=(reasoning, text)), UserSaid(text="Sure?")]
    await world.hear(Text(text="Sure."), request=replace(world.request, said=history))
    body = (await asked(server)).body
    assert isinstance(body, dict)
    assert body["messages"][1]["content"] == [  # type: ignore[index,call-overload]  # JSON
        {"type": "thinking", "thinking": "Hm.", "signature": reasoning.signature},
        {"type": "text", "text": "Yes."},
    ]


FAULTS: list[tuple[Fault, type[ModelCallError], str]] = [
    ("rate_limit", ModelRetryable, "rate_limited"),
    ("server_error", ModelRetryable, "provider_error"),
    ("overloaded", ModelRetryable, "provider_overloaded"),
    ("quota", ModelFinal, "quota_exceeded"),
    ("unauthorized", ModelFinal, "authentication_failed"),
    ("not_found", ModelFinal, "model_not_found"),
    ("context_length", ModelFinal, "context_length_exceeded"),
    ("bad_request", ModelFinal, "bad_request"),
]


@pytest.mark.parametrize(("fault", "error", "code"), FAULTS)
async def test_a_refusal_has_a_stable_code(world: World, fault: Fault, error: type[ModelCallError], code: str) -> None:
    failure = await world.fail(Refuse(fault=fault))
    assert (type(failure), failure.code) == (error, code)
    assert f"{world.kind}:scripted" in str(failure)
    assert "sk-" not in str(failure)
    assert (await world.server.stats()).calls == 1  # retries are the engine's


@pytest.mark.parametrize(("fault", "error", "code"), FAULTS)
async def test_an_error_inside_the_stream_has_the_same_code(
    world: World, fault: Fault, error: type[ModelCallError], code: str
) -> None:
    failure = await world.fail(Text(text="So far, so"), StreamError(fault=fault))
    assert (type(failure), failure.code) == (error, code)


async def test_the_wait_a_provider_asks_for_is_kept(world: World) -> None:
    failure = await world.fail(Refuse(fault="rate_limit", retry_after=timedelta(seconds=7)))
    assert failure.retry_after == timedelta(seconds=7)


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        ((Cut(),), "connection_failed"),
        ((Text(text="half an ans"), Cut()), "connection_failed"),
        ((Text(text="half an ans"), EndEarly()), "truncated"),
        ((Text(text="half an ans"), Malformed()), "provider_error"),
    ],
)
async def test_half_an_answer_is_never_an_answer(world: World, steps: tuple[Step, ...], code: str) -> None:
    failure = await world.fail(*steps)
    assert (type(failure), failure.code) == (ModelRetryable, code)


async def test_no_first_byte_in_time_is_a_timeout(world: World) -> None:
    failure = await world.fail(Silence(), request=replace(world.request, first_byte_timeout=BLINK))
    assert (type(failure), failure.code) == (ModelRetryable, "timeout")
    await world.server.until(lambda stats: stats.disconnects == 1, within=SOON)


async def test_silence_in_the_middle_is_a_timeout(world: World) -> None:
    failure = await world.fail(
        Text(text="One moment"), Silence(), request=replace(world.request, silence_timeout=BLINK)
    )
    assert (type(failure), failure.code) == (ModelRetryable, "timeout")


async def test_a_slow_answer_is_waited_for(world: World) -> None:
    request = replace(world.request, first_byte_timeout=BLINK, silence_timeout=BLINK)
    chunks = await world.hear(
        Text(text="one two three four five six", rate=1 / (BLINK.total_seconds() * 0.6)), request=request
    )
    assert told(chunks) == {0: "one two three four five six"}


async def test_any_sign_of_life_counts(world: World) -> None:
    async def humming(heard: Heard) -> AsyncGenerator[Chunk, None]:
        for _ in range(4):
            await asyncio.sleep(BLINK.total_seconds() * 0.6)
            heard()
        yield TextChunk(0, "At last.")

    request = replace(world.request, first_byte_timeout=BLINK, silence_timeout=BLINK)
    assert [chunk async for chunk in patiently(request, humming)] == [TextChunk(0, "At last.")]


async def test_a_busy_reader_is_no_silence(world: World) -> None:
    await world.server.script(Reply(steps=(Text(text="one two three"),)))
    heard = []
    async for chunk in world.models.stream(replace(world.request, silence_timeout=BLINK)):
        heard.append(chunk)
        await asyncio.sleep(BLINK.total_seconds() * 1.5 if len(heard) == 1 else 0)  # the reader's own time
    assert told(heard) == {0: "one two three"}


async def test_closing_the_iterator_closes_the_connection(world: World) -> None:
    await world.server.script(Reply(steps=(Text(text="one two three"), Silence())))
    async with aclosing(world.models.stream(world.request)) as chunks:
        async for _ in chunks:
            break
    await world.server.until(_left, within=SOON)


async def test_cancelling_the_task_closes_the_connection(world: World) -> None:
    await world.server.script(Reply(steps=(Text(text="one two three"), Silence())))
    hears = asyncio.Event()

    async def read() -> None:
        async for _ in world.models.stream(world.request):
            hears.set()

    task = asyncio.create_task(read())
    await asyncio.wait_for(hears.wait(), SOON.total_seconds())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await world.server.until(_left, within=SOON)


def _left(stats: Stats) -> bool:
    return stats.disconnects == 1 and stats.live == 0


async def test_many_streams_at_once_stay_apart(world: World) -> None:
    async def ask(n: int) -> str:
        request = replace(world.request, said=[UserSaid(text=f"echo {n} and {n}")])
        return "".join([chunk.text async for chunk in world.models.stream(request) if isinstance(chunk, TextChunk)])

    assert await asyncio.gather(*map(ask, range(40))) == [f"{n} and {n}" for n in range(40)]


async def test_an_answer_that_ended_leaves_its_connection_for_the_next(world: World) -> None:
    for _ in range(3):
        assert told(await world.hear(Text(text="Again."))) == {0: "Again."}
    stats = await world.server.stats()
    assert (stats.finished, stats.disconnects) == (3, 0)


async def test_connections_are_kept_and_dead_ones_are_not_used(models: Models, server: ProviderProcess) -> None:
    opened: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(writer)
        with suppress(asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                await reader.readexactly(int(length.split(b":")[1]))
                writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + CHUNKS)

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        local = Models({"openai": Provider("openai", base_url=url)}, {})
        world = World("openai", local, server)
        assert told(await world.hear()) == told(await world.hear()) == {0: "Hi"}
        assert len(opened) == 1
        opened[0].close()
        await opened[0].wait_closed()
        await server.stats()  # a way there and back: by then the loop has seen the close
        assert told(await world.hear()) == {0: "Hi"}
        assert len(opened) == 2
        await local.aclose()


def _chunk(payload: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(payload), payload)


CHUNKS = (
    _chunk(b'data: {"choices": [{"delta": {"content": "Hi"}}]}\n\n')
    + _chunk(b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n')
    + b"0\r\n\r\n"
)


async def test_nobody_there_is_a_failed_connection(models: Models, server: ProviderProcess) -> None:
    world = World("nowhere", models, server)
    failure = await world.fail()
    assert (type(failure), failure.code) == (ModelRetryable, "connection_failed")


async def test_an_unknown_provider_is_named(models: Models, server: ProviderProcess) -> None:
    failure = await World("unheard", models, server).fail()
    assert (type(failure), failure.code) == (ModelFinal, "model_not_found")
    assert "'unheard'" in str(failure)


async def test_a_missing_key_is_told_without_a_call(models: Models, server: ProviderProcess) -> None:
    failure = await World("keyless", models, server).fail()
    assert (type(failure), failure.code) == (ModelFinal, "authentication_failed")


async def test_the_cost_comes_from_the_price_list(models: Models, server: ProviderProcess) -> None:
    usage = Usage(input_tokens=1_000_000, output_tokens=100_000, cached_tokens=500_000)
    assert models.cost("openai:scripted", usage) == pytest.approx(0.5 + 0.25 + 1.0)  # ours
    assert models.cost("vendor:gpt-4o", usage) == pytest.approx(1.25 + 0.625 + 1.0)  # the vendor's
    assert models.cost("vendor:no-such-model", usage) is None
    assert models.cost("anthropic:scripted", usage) is None
    assert models.cost("demo:scripted", usage) == 0.0
    assert models.context_tokens("vendor:gpt-4o") == 128_000
    assert models.context_tokens("demo:scripted") is None
    chunks = await World("openai", models, server).hear(Text(text="x"), SaidUsage(input=1_000_000, output=0))
    assert reply_of(chunks).cost == pytest.approx(1.0)
