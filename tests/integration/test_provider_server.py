"""The scripted provider is believed by the clients it was made for: both SDKs and pydantic-ai, faults included."""

import asyncio
import contextlib
import re
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import cache
from typing import Any, Literal

import httpx2
import openai
import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from pydantic_ai import exceptions
from pydantic_ai.direct import model_request_stream
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from tests.provider.process import ROOT, ProviderProcess, provider_process
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
    Usage,
)
from tests.provider.stamp import SIZE, sent_at

SOON = timedelta(seconds=2)
Dialect = Literal["openai", "anthropic"]
both = pytest.mark.parametrize("dialect", ["openai", "anthropic"])

EVERYTHING = Reply(
    steps=(
        Reasoning(text="Let me think."),
        Text(text="Schöne Grüße 👋 to both."),
        ToolCall(id="c1", name="clock", arguments={"zone": "Europe/Vienna"}),
        ToolCall(id="c2", name="mail", arguments={"to": "ö@example.org", "copies": [1, 2, 3]}),
        Usage(input=100, output=20, cached=40, reasoning=7),
    )
)


@pytest.fixture(scope="module")
async def running() -> AsyncIterator[ProviderProcess]:
    async with provider_process() as provider:
        yield provider


@pytest.fixture
async def provider(running: ProviderProcess) -> ProviderProcess:
    await running.reset()
    return running


# What it says.


async def test_the_openai_client_hears_interleaved_calls_reasoning_and_usage(provider: ProviderProcess) -> None:
    await provider.script(EVERYTHING)
    fragments: list[tuple[int, str]] = []
    thoughts, text, finish, usage = "", "", None, None
    async with AsyncOpenAI(base_url=f"{provider.url}/v1", api_key="k", max_retries=0) as client:
        stream = await client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": "hi"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        async for chunk in stream:
            usage = chunk.usage or usage
            for choice in chunk.choices:
                text += choice.delta.content or ""
                thoughts += (choice.delta.model_extra or {}).get("reasoning_content", "")
                finish = choice.finish_reason or finish
                for call in choice.delta.tool_calls or ():
                    assert call.function is not None
                    fragments.append((call.index, call.function.arguments or ""))
    order = [index for index, _ in fragments]
    arguments = ["".join(piece for index, piece in fragments if index == n) for n in (0, 1)]
    assert (thoughts, text, finish) == ("Let me think.", "Schöne Grüße 👋 to both.", "tool_calls")
    assert order[:6] == [0, 1, 0, 1, 0, 1]
    assert arguments == ['{"zone":"Europe/Vienna"}', '{"to":"ö@example.org","copies":[1,2,3]}']
    assert usage is not None
    assert usage.model_dump(exclude_none=True) == {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "total_tokens": 120,
        "prompt_tokens_details": {"cached_tokens": 40},
        "completion_tokens_details": {"reasoning_tokens": 7},
    }


async def test_the_anthropic_client_assembles_the_same_message_streamed_and_whole(provider: ProviderProcess) -> None:
    await provider.script(EVERYTHING, EVERYTHING)
    async with AsyncAnthropic(base_url=provider.url, api_key="k", max_retries=0) as client:
        async with client.messages.stream(
            model="m", max_tokens=100, messages=[{"role": "user", "content": "hi"}]
        ) as stream:
            streamed = await stream.get_final_message()
        whole = await client.messages.create(model="m", max_tokens=100, messages=[{"role": "user", "content": "hi"}])

    def told(message: Any) -> Any:
        said: dict[str, Any] = message.model_dump(
            mode="json", include={"content", "stop_reason", "usage"}, exclude_none=True
        )
        assert said["content"][0].pop("signature").startswith("signature-")
        for block in said["content"]:
            block.pop("caller", None)
        return said

    assert (
        told(whole)
        == told(streamed)
        == {
            "content": [
                {"type": "thinking", "thinking": "Let me think."},
                {"type": "text", "text": "Schöne Grüße 👋 to both."},
                {"type": "tool_use", "id": "c1", "name": "clock", "input": {"zone": "Europe/Vienna"}},
                {"type": "tool_use", "id": "c2", "name": "mail", "input": {"to": "ö@example.org", "copies": [1, 2, 3]}},
            ],
            "stop_reason": "tool_use",
            "usage": {
                "input_tokens": 60,
                "cache_read_input_tokens": 40,
                "cache_creation_input_tokens": 0,
                "output_tokens": 20,
                "output_tokens_details": {"thinking_tokens": 7},
            },
        }
    )


@both
@pytest.mark.parametrize("shred", [None, 1, 7])
async def test_pydantic_ai_hears_everything_however_the_bytes_are_cut(
    provider: ProviderProcess, dialect: Dialect, shred: int | None
) -> None:
    await provider.script(EVERYTHING.model_copy(update={"shred": shred}))
    response = await hear(provider, dialect, "hi")
    thoughts, *rest = response.parts
    assert isinstance(thoughts, ThinkingPart)
    assert thoughts.content == "Let me think."
    assert rest == [
        TextPart("Schöne Grüße 👋 to both."),
        ToolCallPart("clock", '{"zone":"Europe/Vienna"}', tool_call_id="c1"),
        ToolCallPart("mail", '{"to":"ö@example.org","copies":[1,2,3]}', tool_call_id="c2"),
    ]
    usage = response.usage
    counts = (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.output_reasoning_tokens)
    assert (counts, response.finish_reason) == ((100, 20, 40, 7), "tool_call")


async def test_a_reply_that_is_not_streamed_says_the_same(provider: ProviderProcess) -> None:
    await provider.script(EVERYTHING)
    async with AsyncOpenAI(base_url=f"{provider.url}/v1", api_key="k", max_retries=0) as client:
        completion = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    message = completion.choices[0].message
    assert message.content == "Schöne Grüße 👋 to both."
    assert [call.id for call in message.tool_calls or ()] == ["c1", "c2"]
    assert completion.choices[0].finish_reason == "tool_calls"
    assert completion.usage is not None
    assert completion.usage.total_tokens == 120


@both
async def test_models_are_listed(provider: ProviderProcess, dialect: Dialect) -> None:
    if dialect == "openai":
        async with AsyncOpenAI(base_url=f"{provider.url}/v1", api_key="k") as client:
            ids = [model.id async for model in client.models.list()]
    else:
        async with AsyncAnthropic(base_url=provider.url, api_key="k") as anthropic:
            ids = [model.id async for model in anthropic.models.list()]
    assert ids == ["scripted"]


# Where it goes wrong.

TAXONOMY: dict[Fault, type[exceptions.ModelAPIError]] = {
    "rate_limit": exceptions.ModelRateLimitError,
    "quota": exceptions.ModelQuotaExceededError,
    "server_error": exceptions.ModelServerError,
    "overloaded": exceptions.ModelOverloadedError,
    "unauthorized": exceptions.ModelAuthenticationError,
    "not_found": exceptions.ModelNotFoundError,
    "context_length": exceptions.ModelContextWindowExceededError,
    "bad_request": exceptions.ModelRequestRejectedError,
}


@both
async def test_every_refusal_is_what_the_client_takes_it_for(provider: ProviderProcess, dialect: Dialect) -> None:
    for fault, error in TAXONOMY.items():
        await provider.script(Reply(steps=(Refuse(fault=fault, retry_after=timedelta(seconds=3)),)))
        with pytest.raises(error) as caught:
            await hear(provider, dialect, "hi")
        assert getattr(caught.value, "retry_after", None) == 3.0, fault


@both
async def test_every_error_within_the_stream_is_what_the_client_takes_it_for(
    provider: ProviderProcess, dialect: Dialect
) -> None:
    for fault, error in TAXONOMY.items():
        await provider.script(Reply(steps=(Text(text="so far"), StreamError(fault=fault))))
        heard: list[str] = []
        # OpenAI's stream has no status: what its code does not tell stays a bare error.
        expected = exceptions.ModelAPIError if (dialect, fault) == ("openai", "bad_request") else error
        with pytest.raises(expected):
            await hear(provider, dialect, "hi", heard)
        assert "".join(heard) == "so far", fault


async def test_a_gateway_may_answer_529_in_openai_dialect(provider: ProviderProcess) -> None:
    await provider.script(Reply(steps=(Refuse(fault="overloaded", status=529),)))
    async with AsyncOpenAI(base_url=f"{provider.url}/v1", api_key="k", max_retries=0) as client:
        with pytest.raises(openai.InternalServerError) as caught:
            await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    assert caught.value.status_code == 529


@both
@pytest.mark.parametrize(
    ("steps", "error", "heard_before"),
    [
        ((Cut(),), exceptions.ModelConnectionError, ""),
        ((Text(text="so far"), Cut()), exceptions.ModelConnectionError, "so far"),
        ((Text(text="so far"), Malformed(), Text(text="!")), exceptions.ModelAPIError, "so far"),
        ((Silence(),), exceptions.ModelTimeoutError, ""),
        ((Text(text="so far"), Silence(), Text(text="!")), exceptions.ModelTimeoutError, "so far"),
    ],
    ids=["cut at once", "cut in the middle", "malformed", "silent at once", "silent in the middle"],
)
async def test_what_was_said_before_a_broken_stream_still_arrives(
    provider: ProviderProcess,
    dialect: Dialect,
    steps: tuple[Step, ...],
    error: type[Exception],
    heard_before: str,
) -> None:
    await provider.script(Reply(steps=steps))
    heard: list[str] = []
    with pytest.raises(error):
        await hear(provider, dialect, "hi", heard, patience=timedelta(milliseconds=150))
    assert "".join(heard) == heard_before


@both
async def test_a_cut_is_a_reset_and_an_early_end_is_clean(provider: ProviderProcess, dialect: Dialect) -> None:
    await provider.script(
        Reply(steps=(Text(text="half an"), Cut())),
        Reply(steps=(Text(text="half an"), EndEarly())),
        Reply(steps=(Text(text="all"), Finish(reason="length"))),
    )
    async with httpx2.AsyncClient(trust_env=False) as http:
        with pytest.raises(httpx2.ReadError):
            await http.post(**raw(provider, dialect, "hi"))
        early = await http.post(**raw(provider, dialect, "hi"))
        complete = await http.post(**raw(provider, dialect, "hi"))
    ending = '"finish_reason":"length"' if dialect == "openai" else '"stop_reason":"max_tokens"'
    marker = "[DONE]" if dialect == "openai" else "message_stop"
    assert "half" in early.text
    assert ending not in early.text
    assert marker not in early.text
    assert ending in complete.text
    assert marker in complete.text
    assert (await provider.stats()).finished == 3


@both
async def test_a_silence_ends_and_the_stream_goes_on(provider: ProviderProcess, dialect: Dialect) -> None:
    pause = Silence(lasts=timedelta(milliseconds=50))
    await provider.script(Reply(steps=(pause, Text(text="one"), pause, Text(text=" two"))))
    before = time.monotonic()
    response = await hear(provider, dialect, "hi")
    assert response.text == "one two"
    assert time.monotonic() - before >= 0.1


@both
async def test_a_history_with_an_unanswered_call_is_refused(provider: ProviderProcess, dialect: Dialect) -> None:
    history: list[ModelMessage] = [
        ModelRequest.user_text_prompt("use clock"),
        ModelResponse(parts=[ToolCallPart("clock", "{}", tool_call_id="c1")]),
        ModelRequest.user_text_prompt("never mind"),
    ]
    with pytest.raises(exceptions.ModelRequestRejectedError, match="tool calls without a result"):
        await hear(provider, dialect, history)


# What it makes up.


@both
async def test_plain_words_are_thought_about_and_answered(provider: ProviderProcess, dialect: Dialect) -> None:
    response = await hear(provider, dialect, "good morning")
    assert response.text == "You said: good morning"
    assert response.thinking == "The message has 2 words."


@both
async def test_tools_are_used_in_parallel_and_their_results_are_quoted(
    provider: ProviderProcess, dialect: Dialect
) -> None:
    ask = ModelRequest.user_text_prompt('Please:\nuse clock {"zone": "UTC"}\nuse dice')
    calls = await hear(provider, dialect, [ask])
    assert [(call.tool_name, call.args_as_dict()) for call in calls.tool_calls] == [
        ("clock", {"zone": "UTC"}),
        ("dice", {}),
    ]
    results = [
        ToolReturnPart(call.tool_name, f"{call.tool_name} says hi", tool_call_id=call.tool_call_id)
        for call in calls.tool_calls
    ]
    comment = await hear(provider, dialect, [ask, calls, ModelRequest(parts=results)])
    assert comment.text == "This is what came back:\n\n> clock: clock says hi\n> dice: dice says hi"


async def test_ask_puts_a_question(provider: ProviderProcess) -> None:
    (call,) = (await hear(provider, "openai", "ask Tea or coffee?")).tool_calls
    question = {"questions": [{"id": "q1", "text": "Tea or coffee?"}]}
    assert (call.tool_name, call.args_as_dict()) == ("ask_user", question)


@both
async def test_fail_breaks_once_and_then_succeeds(provider: ProviderProcess, dialect: Dialect) -> None:
    heard: list[str] = []
    with pytest.raises(exceptions.ModelConnectionError):
        await hear(provider, dialect, f"fail {dialect}", heard)
    assert "".join(heard) == "You said: this answer breaks"
    assert (await hear(provider, dialect, f"fail {dialect}")).text == f"You said: fail {dialect}"


@both
async def test_error_is_final(provider: ProviderProcess, dialect: Dialect) -> None:
    with pytest.raises(exceptions.ModelRequestRejectedError):
        await hear(provider, dialect, "error")


@both
async def test_echo_is_exact(provider: ProviderProcess, dialect: Dialect) -> None:
    text = ' two  spaces,\n\ttabs, "quotes" \\ and 👩‍👩‍👧 \n'
    heard: list[str] = []
    await hear(provider, dialect, f"echo {text}", heard)
    assert "".join(heard) == text
    assert max(map(len, heard)) <= 3


async def test_slow_words_come_at_the_pace_asked_for(provider: ProviderProcess) -> None:
    before = time.monotonic()
    response = await hear(provider, "openai", "slow 11 at 100")
    assert response.text == " ".join(f"word{n}" for n in range(1, 12))
    assert 0.1 <= time.monotonic() - before < 1


async def test_a_title_is_short_and_takes_no_reply_meant_for_the_answer(provider: ProviderProcess) -> None:
    await provider.script(Reply(steps=(Text(text="the answer"),)))
    wish = ModelRequest(
        parts=[SystemPromptPart("Give this a title."), UserPromptPart("how do tides work, exactly, now")]
    )
    title = await hear(provider, "openai", [wish], tools=())
    assert (title.text, title.thinking) == ("How do tides work exactly", None)
    assert (await hear(provider, "openai", "how do tides work")).text == "the answer"
    assert [record.purpose for record in await provider.requests()] == ["title", "answer"]


async def test_a_reply_waits_for_the_request_it_matches(provider: ProviderProcess) -> None:
    await provider.script(
        Reply(match="tea", steps=(Text(text="Earl Grey"),)),
        Reply(steps=(Text(text="first"),)),
        Reply(purpose="title", steps=(Refuse(fault="server_error"),)),
    )
    assert [(await hear(provider, "openai", text)).text for text in ("water", "tea, please", "echo x")] == [
        "first",
        "Earl Grey",
        "x",
    ]


async def test_a_script_that_cannot_be_performed_is_refused(provider: ProviderProcess) -> None:
    async with httpx2.AsyncClient(trust_env=False) as http:
        late = [{"steps": [{"type": "text", "text": "a"}, {"type": "refuse", "fault": "quota"}]}]
        answer = await http.post(f"{provider.url}/script", json=late)
    assert answer.status_code == 422
    assert "only silence may come before it" in answer.text


async def test_a_hundred_paced_streams_are_exact(provider: ProviderProcess) -> None:
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(trust_env=False, timeout=10, limits=limits) as http:
        answers = await asyncio.gather(*(http.post(**raw(provider, "openai", "bench 10 at 50")) for _ in range(100)))
    for answer in answers:
        text = "".join(re.findall(r'"content":"(\{t:\d+\})"', answer.text))
        moments = list(sent_at(text))
        assert len(text) == 10 * SIZE
        assert moments == sorted(moments)
        assert moments[-1] - moments[0] >= 9 / 50 * 1e9 * 0.99
    assert (await provider.stats()).finished == 100


# What it remembers.


@both
async def test_a_client_that_leaves_is_noticed_at_once(provider: ProviderProcess, dialect: Dialect) -> None:
    async with httpx2.AsyncClient(trust_env=False) as http:
        async with http.stream("POST", **raw(provider, dialect, "slow 1000")) as response:
            await anext(response.aiter_bytes())
            assert (await provider.stats()).live == 1
        left = time.monotonic()
    stats = await provider.until(lambda stats: stats.live == 0, within=timedelta(milliseconds=500))
    assert time.monotonic() - left < 0.5
    (record,) = await provider.requests()
    assert (stats.disconnects, record.disconnected, record.finished) == (1, True, False)


async def test_requests_are_remembered_without_their_secrets(provider: ProviderProcess) -> None:
    async with AsyncOpenAI(base_url=f"{provider.url}/v1", api_key="sk-secret") as client:
        await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    (record,) = await provider.requests()
    assert record.finished
    assert not record.disconnected
    assert record.purpose == "answer"
    assert record.path == "/v1/chat/completions"
    assert "sk-secret" not in record.model_dump_json()
    assert record.body == {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    await provider.reset()
    assert (await provider.requests(), (await provider.stats()).calls) == ([], 0)


async def test_it_dies_with_its_parent() -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    port = int((await parent.stdout.readline()).decode().rsplit(":")[-1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    parent.send_signal(signal.SIGKILL)
    await parent.wait()
    async with asyncio.timeout(SOON.total_seconds()):
        assert await reader.read() == b""
    writer.close()
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        pytest.fail("the provider outlived its parent")


PARENT = """
import asyncio
from tests.provider.process import provider_process
async def main():
    async with provider_process() as provider:
        print(provider.url, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


# How it is asked.


async def hear(
    provider: ProviderProcess,
    dialect: Dialect,
    asked: str | list[ModelMessage],
    heard: list[str] | None = None,
    *,
    tools: tuple[str, ...] = ("clock", "mail", "dice"),
    patience: timedelta = SOON,
) -> ModelResponse:
    """Ask through pydantic-ai; fragments of text are put into `heard` as they come, in case the end never does."""
    messages = [ModelRequest.user_text_prompt(asked)] if isinstance(asked, str) else asked
    parameters = ModelRequestParameters(function_tools=[ToolDefinition(name=name) for name in tools])
    settings = ModelSettings(max_retries=0, timeout=patience.total_seconds())
    async with model_request_stream(
        model(provider.url, dialect), messages, model_request_parameters=parameters, model_settings=settings
    ) as stream:
        async for event in stream:
            match event.event_kind:
                case "part_start" if isinstance(event.part, TextPart):
                    fragment = event.part.content
                case "part_delta" if event.delta.part_delta_kind == "text":
                    fragment = event.delta.content_delta
                case _:
                    fragment = ""
            if heard is not None and fragment:
                heard.append(fragment)
        return stream.get()


@cache  # a client costs more than all it asks here
def model(url: str, dialect: Dialect) -> Model[Any]:
    if dialect == "openai":
        return OpenAIChatModel("m", provider=OpenAIProvider(base_url=f"{url}/v1", api_key="k"))
    return AnthropicModel("m", provider=AnthropicProvider(base_url=url, api_key="k"))


def raw(provider: ProviderProcess, dialect: Dialect, text: str) -> dict[str, Any]:
    path = "/v1/chat/completions" if dialect == "openai" else "/v1/messages"
    body = {"model": "m", "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": text}]}
    return {"url": f"{provider.url}{path}", "json": body}
