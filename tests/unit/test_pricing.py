"""What a call costs: by the price list, and unknown where the price is."""

import pytest

from domain.content import Usage
from domain.pricing import Price, add_costs, cost

PRICE = Price(input_per_million=3.0, output_per_million=15.0, cached_per_million=0.3)
MILLION = 1_000_000


@pytest.mark.parametrize(
    ("usage", "price", "dollars"),
    [
        (Usage(), PRICE, 0.0),
        (Usage(input_tokens=MILLION), PRICE, 3.0),
        (Usage(output_tokens=MILLION), PRICE, 15.0),
        (Usage(input_tokens=MILLION, cached_tokens=MILLION), PRICE, 0.3),
        (Usage(input_tokens=2 * MILLION, cached_tokens=MILLION, output_tokens=MILLION), PRICE, 18.3),
        (Usage(output_tokens=MILLION, reasoning_tokens=MILLION), PRICE, 15.0),  # reasoning is part of the output
        (
            Usage(input_tokens=MILLION, cached_tokens=MILLION),
            PRICE.model_copy(update={"cached_per_million": None}),
            3.0,
        ),
        (Usage(input_tokens=MILLION, cached_tokens=MILLION), PRICE.model_copy(update={"cached_per_million": 0.0}), 0.0),
    ],
)
def test_a_call_costs_what_the_list_says(usage: Usage, price: Price, dollars: float) -> None:
    assert cost(usage, price) == pytest.approx(dollars)


def test_an_unknown_price_is_unknown_and_never_zero() -> None:
    assert cost(Usage(input_tokens=1), None) is None
    assert cost(Usage(), None) is None


def test_a_sum_with_something_unknown_is_unknown() -> None:
    assert add_costs(0.5, 0.25) == 0.75
    assert add_costs(None, 0.25) is None
    assert add_costs(0.5, None) is None


def test_usage_adds_up_and_an_estimate_marks_the_sum() -> None:
    exact = Usage(input_tokens=1, output_tokens=2, cached_tokens=3, reasoning_tokens=4)
    guess = Usage(input_tokens=10, output_tokens=20, cached_tokens=30, reasoning_tokens=40, estimated=True)
    both = Usage(input_tokens=11, output_tokens=22, cached_tokens=33, reasoning_tokens=44, estimated=True)
    assert (exact + guess, guess + exact, exact + exact) == (both, both, exact + exact)
    assert not (exact + exact).estimated
