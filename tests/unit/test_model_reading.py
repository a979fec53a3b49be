"""What providers send, as it is in the wild, and what becomes of it."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from adapters.models.assembly import parse_arguments
from adapters.models.failures import Complaint, complaint_of, failure, retry_after
from adapters.models.openai_format import Reading, request_body
from adapters.models.sse import Lines
from domain.content import JsonObject, ReasoningPart, TextPart, ToolCallPart, Usage
from domain.errors import ModelFinal, ModelRetryable
from domain.ids import CallId
from domain.model import Chunk, ModelReply, ModelRequest, TextChunk
from domain.prompt import ModelSaid, Said, UserSaid

MINUTE = timedelta(minutes=1)
REQUEST = ModelRequest("local:m", "", [UserSaid(text="Hello")], [], {}, MINUTE, MINUTE)


def read(*deltas: JsonObject, finish: str = "stop", usage: JsonObject | None = None) -> tuple[list[Chunk], ModelReply]:
    reading = Reading(REQUEST, prompt_characters=400)
    chunks: list[Chunk] = []
    for delta in deltas:
        chunks += reading.take(json.dumps({"choices": [{"delta": delta}]}).encode())
    reading.take(json.dumps({"choices": [{"delta": {}, "finish_reason": finish}], "usage": usage}).encode())
    return chunks, reading.reply()


def call(index: int | None, call_id: str | None, name: str | None, arguments: str) -> JsonObject:
    return {"tool_calls": [{"index": index, "id": call_id, "function": {"name": name, "arguments": arguments}}]}


def test_halves_of_a_character_are_joined_across_deltas() -> None:
    chunks, reply = read({"content": "Ready \ud83d"}, {"content": "\ude80!"}, {"content": "\ud83d"}, {"content": "x"})
    assert reply.parts == (TextPart(text="Ready 🚀!\ufffdx"),)
    assert "".join(chunk.text for chunk in chunks if isinstance(chunk, TextChunk)) == "Ready 🚀!\ufffdx"


def test_a_half_left_over_at_the_end_is_dropped() -> None:
    assert read({"content": "Ready"}, {"content": "\ud83d"})[1].parts == (TextPart(text="Ready"),)


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_has_two_names(field: str) -> None:
    _, reply = read({field: "Hm", "content": None}, {field: ".", "content": ""}, {"content": "Yes"})
    assert reply.parts == (ReasoningPart(text="Hm."), TextPart(text="Yes"))


def test_parallel_calls_that_all_have_index_zero_stay_apart() -> None:
    _, reply = read(call(0, "a", "one", '{"n":1}'), call(0, "b", "two", '{"n":'), call(0, "b", "two", "2}"))
    assert reply.parts == (
        ToolCallPart(call_id=CallId("a"), name="one", arguments={"n": 1}),
        ToolCallPart(call_id=CallId("b"), name="two", arguments={"n": 2}),
    )
    assert reply.finish_reason == "tool_calls"  # although the server said stop


def test_calls_without_ids_and_indices_get_their_own() -> None:
    _, reply = read(call(None, None, "one", "{}"))
    (part,) = reply.parts
    assert isinstance(part, ToolCallPart)
    assert part.call_id.startswith("call_")


def test_a_provider_that_does_not_count_is_estimated() -> None:
    assert read({"content": "x" * 40})[1].usage == Usage(input_tokens=100, output_tokens=10, estimated=True)


def test_cached_tokens_have_two_names() -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 2, "prompt_cache_hit_tokens": 8}
    assert read({"content": "x"}, usage=usage)[1].usage == Usage(input_tokens=10, output_tokens=2, cached_tokens=8)


@pytest.mark.parametrize("payload", [b"{", b"[]", b'{"choices": [{"delta": {"content": 5}}]}', b'{"choices": 1}'])
def test_a_broken_chunk_is_never_skipped(payload: bytes) -> None:
    with pytest.raises(ModelRetryable, match="broken"):
        Reading(REQUEST, 0).take(payload)


def test_reasoning_is_not_sent_back_and_an_empty_reply_not_at_all() -> None:
    said: list[Said] = [UserSaid(text="Hi"), ModelSaid(parts=(ReasoningPart(text="Hm."),)), UserSaid(text="Well?")]
    request = ModelRequest("local:m", "", said, [], {"max_output_tokens": 7, "top_p": None}, MINUTE, MINUTE)
    assert json.loads(request_body(request, limit_field="max_tokens")) == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}, {"role": "user", "content": "Well?"}],
        "max_tokens": 7,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_lines_survive_any_cut() -> None:
    stream = b': keep-alive\r\n\r\ndata: {"a": 1}\r\n\r\nevent: x\ndata:{"b": 2}\n\ndata: [DONE]\n'
    for size in range(1, len(stream)):
        lines = Lines()
        found = [line for at in range(0, len(stream), size) for line in lines.feed(stream[at : at + size])]
        assert found == [b'{"a": 1}', b'{"b": 2}', b"[DONE]"]


def test_keys_never_reach_a_message() -> None:
    quoted = failure("local:m", Complaint(400, message="Bad header: Bearer sk-abcdefgh1234 for sk-proj-abc_def-123"))
    assert "abcdefgh" not in str(quoted)
    assert "abc_def" not in str(quoted)
    refused = failure("local:m", Complaint(401, message="Incorrect API key: my-plain-secret"))
    assert "my-plain-secret" not in str(refused)


@pytest.mark.parametrize(
    ("body", "status", "code", "error"),
    [
        ({"error": {"code": 429, "message": "upstream"}}, None, "rate_limited", ModelRetryable),
        ({"error": {"code": 502, "message": "upstream"}}, None, "provider_error", ModelRetryable),
        ({"error": "no such model"}, 404, "model_not_found", ModelFinal),
        ({"detail": "Not Found"}, 404, "model_not_found", ModelFinal),
        (None, 502, "provider_error", ModelRetryable),
        (None, 302, "bad_request", ModelFinal),
        ({"message": "This model's maximum context length is 9"}, 400, "context_length_exceeded", ModelFinal),
        ({"error": {"message": "Your credit balance is too low"}}, 400, "quota_exceeded", ModelFinal),
        ({"error": {"type": "overloaded_error"}}, None, "provider_overloaded", ModelRetryable),
        ({"error": {}}, None, "provider_error", ModelRetryable),
    ],
)
def test_failures_are_told_apart_whatever_form_they_have(
    body: object, status: int | None, code: str, error: type[ModelRetryable | ModelFinal]
) -> None:
    found = failure("local:m", complaint_of(body, status))
    assert (found.code, type(found)) == (code, error)
    assert str(found).startswith("local:m ")


def test_the_wait_is_read_in_every_form() -> None:
    now = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
    assert retry_after({"retry-after": "7"}, now) == timedelta(seconds=7)
    assert retry_after({"retry-after-ms": "250", "retry-after": "1"}, now) == timedelta(milliseconds=250)
    assert retry_after({"retry-after": "Tue, 24 Nov 2026 12:00:30 GMT"}, now) == timedelta(seconds=30)
    assert retry_after({"retry-after": "soon"}, now) is None
    assert retry_after({}, now) is None


def test_arguments_nested_beyond_every_parser_are_no_object() -> None:
    deep = '{"a":' * 120 + "1" + "}" * 120
    assert parse_arguments(deep) == deep
    assert isinstance(parse_arguments('{"a":' * 90 + "1" + "}" * 90), dict)
