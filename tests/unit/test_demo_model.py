"""The demo model says what its script promises, the same each time."""

import json
from datetime import timedelta

import pytest

from adapters.models.demo import time_of, words
from adapters.models.demo_script import SLOW, script
from adapters.models.demo_steps import Break, Call, Refuse, Say, Step, Think
from adapters.schema import schema_errors
from domain.agent import ToolSpec
from domain.ask_user import ASK_USER
from domain.content import JsonObject, TextPart, ToolCallPart, ToolStatus
from domain.ids import CallId
from domain.model import ModelRequest
from domain.prompt import ModelSaid, Said, UserSaid
from domain.wording import answered
from tests.builders import WHICH, WHY

MINUTE = timedelta(minutes=1)
TOOLS = ("clock", "calculator", "write_note", "send_mail", "ask_user")


def request(
    *said: Said | str, tools: tuple[str, ...] = TOOLS, instructions: str = "Be kind.", attempt: int = 1
) -> ModelRequest:
    return ModelRequest(
        model="demo:scripted",
        instructions=instructions,
        said=[UserSaid(text=item) if isinstance(item, str) else item for item in said],
        tools=[ToolSpec(name=name, description="", parameters={}) for name in tools],
        parameters={},
        first_byte_timeout=MINUTE,
        silence_timeout=MINUTE,
        attempt=attempt,
    )


def returned(
    name: str, output: str, *, status: ToolStatus = "completed", arguments: JsonObject | None = None
) -> ModelSaid:
    call = ToolCallPart(call_id=CallId("c"), name=name, arguments=arguments or {}, output=output, status=status)
    return ModelSaid(parts=(TextPart(text="Let me see."), call))


def text(steps: tuple[Step, ...]) -> str:
    return "".join(step.text for step in steps if isinstance(step, Say))


def calls(steps: tuple[Step, ...]) -> list[Call]:
    return [step for step in steps if isinstance(step, Call)]


def test_plain_text_is_thought_about_and_answered() -> None:
    think, say = script(request("Tell me about whales"))
    assert isinstance(think, Think)
    assert isinstance(say, Say)
    assert "> Tell me about whales" in say.text


@pytest.mark.parametrize("hello", ["Hello!", "hi", "help", "What can you do?", "", "?"])
def test_a_newcomer_is_shown_what_can_be_tried(hello: str) -> None:
    said = text(script(request(hello)))
    assert "What time is it in Tokyo?" in said
    assert "`fail`" in said


def test_only_what_the_agent_can_do_is_offered() -> None:
    assert "mail" not in text(script(request("Hello", tools=("clock",))))


def test_each_use_line_is_a_call() -> None:
    steps = script(
        request('Please:\nuse clock {"timezone": "UTC"}\nuse write_note {"title": "a", "text": "b"}\nuse clock')
    )
    assert calls(steps) == [
        Call("clock", '{"timezone": "UTC"}'),
        Call("write_note", '{"title": "a", "text": "b"}'),
        Call("clock", "{}"),
    ]


def test_an_unknown_tool_is_called_all_the_same() -> None:
    assert calls(script(request("use teleport {}"))) == [Call("teleport", "{}")]


def test_the_word_use_alone_is_no_command() -> None:
    assert calls(script(request("use caution"))) == []


def test_broken_arguments_are_streamed_as_they_are() -> None:
    assert calls(script(request('use clock {"timezone": '))) == [Call("clock", '{"timezone":')]


@pytest.mark.parametrize(
    ("said", "tool", "arguments"),
    [
        ("What time is it in Tokyo?", "clock", '{"timezone": "Asia/Tokyo"}'),
        ("what's the time", "clock", '{"timezone": "UTC"}'),
        ("What is 17 * 23?", "calculator", '{"expression": "17 * 23"}'),
        ("calculate 2^10", "calculator", '{"expression": "2**10"}'),
        ("Write a note: buy milk", "write_note", '{"title": "buy milk", "text": "buy milk"}'),
        (
            "Send a mail to ada@example.org: See you at noon",
            "send_mail",
            '{"to": "ada@example.org", "subject": "See you at noon", "body": "See you at noon"}',
        ),
    ],
)
def test_some_sentences_are_understood(said: str, tool: str, arguments: str) -> None:
    assert calls(script(request(said))) == [Call(tool, arguments)]
    assert calls(script(request(said, tools=()))) == []


def test_ask_asks_with_the_tool_or_in_words() -> None:
    asked = calls(script(request("ask Which colour?")))
    assert asked == [Call("ask_user", '{"questions": [{"id": "q1", "text": "Which colour?"}]}')]
    assert "Which colour?" in text(script(request("ask Which colour?", tools=())))


def test_ask_offers_options_and_lets_one_or_several_be_chosen_and_several_lines_are_several_questions() -> None:
    (asked,) = calls(script(request("ask Which one? red | dark green\nask Which days? Mon & Tue\nask Why? Just so.")))
    assert json.loads(asked.arguments)["questions"] == [
        {"id": "q1", "text": "Which one?", "options": [options("red"), options("dark green")]},
        {"id": "q2", "text": "Which days?", "options": [options("Mon"), options("Tue")], "multi_select": True},
        {"id": "q3", "text": "Why? Just so."},
    ]
    assert schema_errors(ASK_USER.parameters, json.loads(asked.arguments)) == []


def test_answers_are_repeated_as_they_were_given() -> None:
    output = answered((WHICH, WHY), {WHICH.id: ("red",), WHY.id: "It is warm."})
    said = text(script(request("ask Which one?", returned("ask_user", output))))
    assert "> - Which one? red\n> - Why? It is warm." in said


def options(label: str) -> dict[str, str]:
    return {"label": label, "value": label}


def test_slow_says_exactly_so_many_words_at_twenty_a_second() -> None:
    (say,) = script(request("slow 30"))
    assert isinstance(say, Say)
    assert len(words(say.text)) == 30
    assert say.pace == SLOW == timedelta(seconds=1) / 20


def test_fail_breaks_once_and_then_succeeds() -> None:
    assert isinstance(script(request("fail"))[-1], Break)
    assert isinstance(script(request("fail", attempt=2))[-1], Say)


def test_error_fails_for_good() -> None:
    assert [script(request("error", attempt=attempt)) for attempt in (1, 2, 3)] == [(Refuse(),)] * 3


def test_results_are_quoted() -> None:
    steps = script(request("use clock {}", returned("clock", "It is noon.")))
    assert "> It is noon." in text(steps)
    assert calls(steps) == []


@pytest.mark.parametrize(
    ("status", "honestly"),
    [
        ("rejected", "did not run, because it was refused"),
        ("expired", "did not run: nobody decided in time"),
        ("denied", "did not run, because the policy does not allow it"),
        ("unknown", "I do not know whether `send_mail` took effect"),
        ("failed", "failed"),
    ],
)
def test_what_did_not_happen_is_not_claimed(status: ToolStatus, honestly: str) -> None:
    steps = script(request("use send_mail {}", returned("send_mail", "The reason.", status=status)))
    assert honestly in text(steps)
    assert "> The reason." in text(steps)


def test_changed_arguments_are_noticed() -> None:
    wrote = returned("write_note", "Written.", arguments={"title": "mine"})
    assert '{"title": "mine"}' in text(script(request('use write_note {"title": "yours"}', wrote)))


def test_a_new_word_of_the_user_comes_before_old_results() -> None:
    steps = script(request("use clock {}", returned("clock", "noon"), "slow 2"))
    assert text(steps) == "word1 word2"


def test_a_title_is_a_few_words_of_the_user() -> None:
    asked = request(
        'use write_note {"title": "a"}', tools=(), instructions="Write a short title for this conversation."
    )
    assert script(asked) == (Say("Use write_note", pace=timedelta()),)


def test_the_same_request_gets_the_same_reply() -> None:
    assert script(request("Hello")) == script(request("Hello"))


def test_words_together_are_the_text_and_none_is_hurried() -> None:
    said = "  One,\n\n- two `three`  "
    assert "".join(words(said)) == said
    assert {time_of(word) for word in ("a", "immeasurably long")} == {
        timedelta(milliseconds=20),
        timedelta(milliseconds=40),
    }
