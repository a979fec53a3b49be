"""The models: finds who speaks for "provider:model", waits for them with patience, and knows what it costs."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace

from adapters.models import prices
from adapters.models.demo import Demo
from adapters.models.openai_chat import OpenAIChat
from adapters.models.patience import patiently
from adapters.models.provider import Kind, Provider, Speaker
from domain.content import Usage
from domain.errors import ModelFinal
from domain.model import Chunk, ModelReply, ModelRequest
from domain.pricing import Price
from domain.pricing import cost as cost_at

__all__ = ["KINDS", "Models", "Provider"]


def _anthropic(provider: Provider) -> Speaker:
    from adapters.models.library import Anthropic  # seconds to import, so only where it is needed

    return Anthropic(provider)


KINDS: Mapping[Kind, Callable[[Provider], Speaker]] = {
    "openai": OpenAIChat,
    "anthropic": _anthropic,
    "demo": lambda _: Demo(),
}


class Models:
    """Fulfils `domain.model.Model` for the configured providers. Connections open when the first call needs them."""

    def __init__(self, providers: Mapping[str, Provider], overrides: Mapping[str, Price]) -> None:
        self._providers = providers
        self._overrides = overrides  # "provider:model" → price
        self._speakers: dict[str, Speaker] = {}
        self._opening = asyncio.Lock()

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Chunk, None]:
        speaker = await self._speaker(request.model)
        async with aclosing(patiently(request, lambda heard: speaker.stream(request, heard))) as chunks:
            async for chunk in chunks:
                if isinstance(chunk, ModelReply):
                    chunk = replace(chunk, cost=self.cost(request.model, chunk.usage))
                yield chunk

    def context_tokens(self, model: str) -> int | None:
        name, _, vendor_name = model.partition(":")
        provider = self._providers.get(name)
        return None if provider is None or provider.kind == "demo" else prices.context_tokens(provider, vendor_name)

    def cost(self, model: str, usage: Usage) -> float | None:
        if (price := self._overrides.get(model)) is not None:
            return cost_at(usage, price)
        name, _, vendor_name = model.partition(":")
        provider = self._providers.get(name)
        if provider is None:
            return None
        return 0.0 if provider.kind == "demo" else prices.cost(provider, vendor_name, usage)

    def warm(self) -> None:
        """Import and load what the reachable providers need: seconds, which otherwise the first call waits for.

        Best run in a thread when a worker starts.
        """
        for name, provider in self._providers.items():
            if provider.api_key or provider.base_url:
                self._speakers.setdefault(name, _open(provider))

    async def aclose(self) -> None:
        """Close idle connections; streams that still run are not touched."""
        for speaker in self._speakers.values():
            await speaker.aclose()

    async def _speaker(self, model: str) -> Speaker:
        name = model.partition(":")[0]
        provider = self._providers.get(name)
        if provider is None:
            known = ", ".join(sorted(self._providers))
            raise ModelFinal("model_not_found", f"{model} names the provider {name!r}; there are only: {known}.")
        async with self._opening:
            if name not in self._speakers:
                self._speakers[name] = await asyncio.to_thread(_open, provider)
            return self._speakers[name]


def _open(provider: Provider) -> Speaker:
    """In a thread: what is imported and loaded here takes seconds, and other streams must not wait for it."""
    if provider.kind != "demo":
        prices.load()
    return KINDS[provider.kind](provider)
