"""What a reader forwards of what has rung."""

from adapters.redis_reading import Batch, Spliced, splice


def batch(first: int, last: int, *, sealed: bool = False) -> Batch:
    return Batch(first, last, sealed, f"{first}-{last}".encode())


def test_what_follows_is_forwarded_and_what_is_known_is_skipped() -> None:
    batches = [batch(1, 2), batch(3, 3), batch(2, 3), batch(4, 6, sealed=True)]
    assert splice(2, batches) == Spliced([b"3-3", b"4-6"], cursor=6, ended=True, hole=False)


def test_nothing_is_forwarded_from_beyond_a_hole() -> None:
    assert splice(2, [batch(3, 3), batch(5, 5), batch(4, 4)]) == Spliced([b"3-3"], cursor=3, ended=False, hole=True)


def test_a_batch_that_is_half_known_is_left_to_the_log() -> None:
    assert splice(2, [batch(2, 3)]) == Spliced([], cursor=2, ended=False, hole=True)
