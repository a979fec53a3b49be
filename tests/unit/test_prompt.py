"""What the model reads of a conversation: everything in order, each call with its result, cut where it must be."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import wording
from domain.content import (
    ErrorPart,
    Message,
    Part,
    ReasoningPart,
    SteerPart,
    TextPart,
    ToolCallPart,
    ToolStatus,
)
from domain.ids import CallId, MessageId
from domain.prompt import CHARS_PER_TOKEN, NO_RESULT, ModelSaid, Said, UserSaid, prompt

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def user(*texts: str) -> Message:
    parts = tuple(TextPart(text=text) for text in texts)
    return Message(id=MessageId("u"), parent_id=None, role="user", parts=parts, created_at=NOW)


def assistant(*parts: Part) -> Message:
    return Message(id=MessageId("a"), parent_id=None, role="assistant", parts=parts, created_at=NOW)


def text(said: str) -> TextPart:
    return TextPart(text=said)


def a_call(call_id: str = "a", output: str | None = "Booked.", status: ToolStatus = "completed") -> ToolCallPart:
    return ToolCallPart(call_id=CallId(call_id), name="book", arguments={}, status=status, output=output)


def said(*parts: TextPart | ReasoningPart | ToolCallPart) -> ModelSaid:
    return ModelSaid(parts=parts)


def test_a_conversation_is_read_in_order() -> None:
    history = [user("Hello."), assistant(text("Good day.")), user("Oslo?")]
    assert prompt(history) == [UserSaid(text="Hello."), said(text("Good day.")), UserSaid(text="Oslo?")]


def test_the_texts_of_one_message_are_one_message() -> None:
    assert prompt([user("One.", "Two.")]) == [UserSaid(text="One.\n\nTwo.")]


def test_what_follows_a_call_is_the_next_reply() -> None:
    parts = (text("I book."), a_call("a"), a_call("b"), ReasoningPart(text="Done?"), text("Done."))
    assert prompt([user("Oslo?"), assistant(*parts)]) == [
        UserSaid(text="Oslo?"),
        said(text("I book."), a_call("a"), a_call("b")),
        said(ReasoningPart(text="Done?"), text("Done.")),
    ]


@pytest.mark.parametrize(
    ("status", "output"),
    [("rejected", "Ann refused this call."), ("expired", wording.EXPIRED), ("denied", "No."), ("unknown", "Perhaps.")],
)
def test_calls_that_never_ran_are_read_with_what_became_of_them(status: ToolStatus, output: str) -> None:
    call = a_call(output=output, status=status)
    assert prompt([user("Oslo?"), assistant(call)])[1:] == [said(call)]


def test_a_call_without_a_result_is_given_one_that_says_so() -> None:
    assert prompt([user("Oslo?"), assistant(a_call(output=None))])[1:] == [said(a_call(output=NO_RESULT))]


def test_a_steer_is_heard_where_it_was_said() -> None:
    assert prompt([user("Oslo?")], [a_call(), SteerPart(text="Shorter."), text("Done.")]) == [
        UserSaid(text="Oslo?"),
        said(a_call()),
        UserSaid(text="Shorter."),
        said(text("Done.")),
    ]


def test_empty_parts_and_errors_are_not_read() -> None:
    nothing = (text(""), ReasoningPart(text=""), ErrorPart(message="Overloaded."))
    assert prompt([user("Oslo?"), assistant(*nothing)]) == [UserSaid(text="Oslo?")]


def test_a_redacted_thought_goes_back_with_its_signature() -> None:
    thought = ReasoningPart(text="", signature="s")
    assert prompt([user("Oslo?")], [thought, a_call()])[1:] == [said(thought, a_call())]


# Cut to the context.
def tokens(*items: Said) -> int:
    """The smallest context that holds these items, by the estimate."""
    characters = sum(len(item.text) if isinstance(item, UserSaid) else _length(item) for item in items)
    return -(-characters * 4 // (CHARS_PER_TOKEN * 3))


def _length(reply: ModelSaid) -> int:
    return sum(
        len(part.name) + len(str(part.arguments)) + len(part.output or "")
        if isinstance(part, ToolCallPart)
        else len(part.text)
        for part in reply.parts
    )


LONG = [
    user("First. " * 20),
    assistant(text("I book."), a_call(output="x" * 200), text("Done.")),
    user("Second. " * 20),
    assistant(text("Again. " * 20)),
    user("Third."),
]


def test_a_conversation_that_fits_is_read_whole() -> None:
    whole = prompt(LONG)
    assert prompt(LONG, context_tokens=tokens(*whole)) == whole


def test_one_token_less_leaves_out_the_oldest_exchange_with_all_its_calls() -> None:
    whole = prompt(LONG)
    assert prompt(LONG, context_tokens=tokens(*whole) - 1) == whole[3:]


def test_the_last_question_and_what_was_said_since_always_stay() -> None:
    own: list[Part] = [a_call(output="x" * 1_000), text("Then.")]
    assert prompt(LONG, own, context_tokens=1) == [
        UserSaid(text="Third."),
        said(a_call(output="x" * 1_000)),
        said(text("Then.")),
    ]


def test_what_this_answer_has_said_itself_counts_against_the_room() -> None:
    whole = prompt(LONG)
    assert prompt(LONG, [text("Now I")], context_tokens=tokens(*whole)) == [*whole[3:], said(text("Now I"))]


model_parts = st.one_of(
    st.builds(text, st.text("ab", max_size=20)),
    st.builds(a_call, st.sampled_from("ab"), st.none() | st.text("ab", max_size=30)),
    st.builds(SteerPart, text=st.text("s", min_size=1, max_size=3)),
)
exchanges = st.tuples(
    st.builds(user, st.text("uv", min_size=1, max_size=20)), st.lists(model_parts, max_size=5).map(tuple)
)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.lists(exchanges, max_size=6), st.lists(model_parts, max_size=4), st.integers(0, 120))
def test_a_cut_prompt_is_the_end_of_the_whole_one_and_begins_with_the_user(
    earlier: list[tuple[Message, tuple[Part, ...]]], own: list[Part], context: int
) -> None:
    history = [message for question, parts in earlier for message in (question, assistant(*parts))] + [user("Last?")]
    whole, cut = prompt(history, own), prompt(history, own, context_tokens=context)
    assert whole[len(whole) - len(cut) :] == cut
    assert isinstance(cut[0], UserSaid)
    assert UserSaid(text="Last?") in cut
    calls = [part for item in whole if isinstance(item, ModelSaid) for part in item.parts]
    assert all(part.output is not None for part in calls if isinstance(part, ToolCallPart))


def test_a_very_long_conversation_is_cut_in_no_time() -> None:
    history = [message for _ in range(2_000) for message in (user("Why?"), assistant(text("Because.")))] + [user("So?")]
    began = time.process_time()
    assert len(prompt(history, context_tokens=1_000_000)) == len(history)
    assert time.process_time() - began < 1
