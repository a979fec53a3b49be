"""Identifiers: they sort by time, come out the same on replay, and never meet."""

import string
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.ids import CROCKFORD, ConversationId, mint, workflow_id

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_minted_id_is_the_same_on_replay() -> None:
    assert mint("apr", NOW, b"turn 1") == mint("apr", NOW, b"turn 1") == "apr_01kjmma2g01nqrymsd1rgm8ktp"


def test_a_minted_id_is_its_prefix_and_26_characters_that_are_hard_to_confuse() -> None:
    prefix, _, rest = mint("gen", NOW, b"").partition("_")
    assert (prefix, len(rest)) == ("gen", 26)
    assert set(rest) <= set(CROCKFORD) == set(string.digits + string.ascii_lowercase) - set("ilou")


def test_other_entropy_is_another_id_of_the_same_moment() -> None:
    one, other = mint("apr", NOW, b"1"), mint("apr", NOW, b"2")
    assert one != other
    assert one[:14] == other[:14]


@settings(max_examples=50, derandomize=True, deadline=None)
@given(st.integers(0, 10**12), st.integers(1, 10**9), st.binary(), st.binary())
def test_later_ids_sort_later(start: int, later: int, one: bytes, other: bytes) -> None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    first, second = (epoch + timedelta(milliseconds=ms) for ms in (start, start + later))
    # Times are floats on their way into the id: neighbours may fall into one millisecond, but never change places.
    assert mint("gen", first, one)[:14] <= mint("gen", second, other)[:14]


def test_a_conversation_has_one_workflow_per_owner_and_tenant() -> None:
    mine = workflow_id("default", "ann", ConversationId("c-1"))
    assert mine == "conversation/default/ann/c-1"
    assert (
        len(
            {mine, workflow_id("default", "bob", ConversationId("c-1")), workflow_id("x", "ann", ConversationId("c-1"))}
        )
        == 3
    )
