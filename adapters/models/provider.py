"""How a provider is reached, and what every kind of provider can do."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from domain.model import Chunk, ModelRequest

Kind = Literal["openai", "anthropic", "demo"]

Heard = Callable[[], None]
"""Called for every sign of life of the provider, also for those that say nothing: keep-alives, pings."""


@dataclass(frozen=True, slots=True)
class Provider:
    """One configured provider. Without a base URL it is the vendor's own service, and that one wants a key."""

    kind: Kind
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)


class Speaker(Protocol):
    """Speaks one provider's format. Holds its connections."""

    def stream(self, request: ModelRequest, heard: Heard) -> AsyncGenerator[Chunk, None]:
        """As `domain.model.Model.stream`, without its two timeouts and without the cost."""
        ...

    async def aclose(self) -> None:
        """Close idle connections."""
        ...
