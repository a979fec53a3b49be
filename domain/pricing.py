"""What a model call costs. An unknown price stays unknown: None, never zero."""

from domain.content import Usage, Value

MILLION = 1_000_000


class Price(Value):
    """US dollars per million tokens. Cached input falls back to the input price."""

    input_per_million: float
    output_per_million: float
    cached_per_million: float | None = None


def cost(usage: Usage, price: Price | None) -> float | None:
    """US dollars of one call."""
    if price is None:
        return None
    cached = price.input_per_million if price.cached_per_million is None else price.cached_per_million
    fresh = usage.input_tokens - usage.cached_tokens
    total = fresh * price.input_per_million + usage.cached_tokens * cached
    return (total + usage.output_tokens * price.output_per_million) / MILLION


def add_costs(one: float | None, other: float | None) -> float | None:
    """The sum; unknown as soon as one of the two is."""
    return None if one is None or other is None else one + other
