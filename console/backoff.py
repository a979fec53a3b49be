"""How long to wait before the next try. Pure but for the jitter, without which many clients would return at once."""

import random

FIRST_SECONDS, LONGEST_SECONDS = 0.5, 5.0


def delay(failures: int, first_seconds: float = FIRST_SECONDS) -> float:
    """Seconds: doubles with each failure up to a bound; between half of it and all of it."""
    return min(first_seconds * 2.0 ** min(failures, 10), LONGEST_SECONDS) * (0.5 + random.random() / 2)
