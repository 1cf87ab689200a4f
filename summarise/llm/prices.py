"""What tokens cost at a provider whose prices are known.

Invariant: an unknown price is None, never 0, and no price is fetched: genai-prices carries them as data, so what a
run says it cost depends only on the release installed. A provider is known by its address alone; a server of one's
own that calls its model "gpt-4o" has no price.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Tokens(Protocol):
    """Tokens billed. ``cached_tokens`` of the ``prompt_tokens`` came from the provider's cache; None if it does not
    say."""

    @property
    def prompt_tokens(self) -> int:
        """Tokens read."""

    @property
    def completion_tokens(self) -> int:
        """Tokens written."""

    @property
    def cached_tokens(self) -> int | None:
        """Tokens read from the cache."""


def cost_usd(base_url: str, model: str, usage: Tokens, *, when: datetime | None = None) -> float | None:
    """US dollars for ``usage`` at the provider of ``base_url``; None if the provider, the model, one of its two
    prices or the usage is unknown.

    Args:
        base_url: the endpoint's address.
        model: its name there.
        usage: tokens billed; cached ones are priced as such where the provider has a price for them.
        when: with time zone; some prices change over the day or at a date. By default now.
    """
    if not (usage.prompt_tokens or usage.completion_tokens):
        return None
    # Loaded here: its data takes a quarter of a second, which the embedded model and --help need not pay for.
    import genai_prices  # noqa: PLC0415

    billed = genai_prices.Usage(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        cache_read_tokens=min(usage.cached_tokens or 0, usage.prompt_tokens),
    )
    try:
        price = genai_prices.calc_price(billed, model, provider_api_url=base_url, genai_request_timestamp=when)
    except (LookupError, ValueError):
        return None
    if price.model_price.input_mtok is None or price.model_price.output_mtok is None:
        return None
    return float(price.total_price)
