"""What models cost and hold, from the bundled genai-prices table. Importing and loading that takes most of a second."""

from typing import TYPE_CHECKING

from adapters.models.provider import Provider
from domain.content import Usage

if TYPE_CHECKING:
    from genai_prices.types import PriceCalculation


def cost(provider: Provider, model: str, usage: Usage) -> float | None:
    """US dollars for that usage; None for a model or a provider nobody has a price for."""
    found = _calculate(provider, model, usage)
    return None if found is None else float(found.total_price)


def context_tokens(provider: Provider, model: str) -> int | None:
    """Size of the context window, if known."""
    found = _calculate(provider, model, Usage())
    return None if found is None else found.model.context_window


def load() -> None:
    """Load the table now, so that nobody waits for it later."""
    from genai_prices.data_snapshot import get_snapshot

    get_snapshot()


def _calculate(provider: Provider, model: str, usage: Usage) -> "PriceCalculation | None":
    import genai_prices

    counted = genai_prices.Usage(
        input_tokens=max(usage.input_tokens, usage.cached_tokens),
        cache_read_tokens=usage.cached_tokens,
        output_tokens=usage.output_tokens,
    )
    try:
        if provider.base_url is None:
            return genai_prices.calc_price(counted, model, provider_id=provider.kind)
        return genai_prices.calc_price(counted, model, provider_api_url=provider.base_url)
    except LookupError:
        return None
