"""What tokens cost in a provider's batch.

Invariant: an unknown price is None. Where the price data has no batch price for a model it silently answers with the
live one, so a price that does not differ from the live one counts as unknown.
"""

from __future__ import annotations

from datetime import datetime

from summarise.llm.prices import Tokens


def batch_cost_usd(base_url: str, model: str, usage: Tokens, *, when: datetime | None = None) -> float | None:
    """US dollars for ``usage`` in a batch at the provider of ``base_url``; None if that price is not known.

    Args:
        base_url: the endpoint's address.
        model: its name there.
        usage: tokens billed.
        when: with time zone; by default now.
    """
    if not (usage.prompt_tokens or usage.completion_tokens):
        return None
    # Loaded here, as in prices: its data takes a quarter of a second.
    import genai_prices  # noqa: PLC0415

    billed = genai_prices.Usage(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        cache_read_tokens=min(usage.cached_tokens or 0, usage.prompt_tokens),
    )
    try:
        live, batch = (
            genai_prices.calc_price(
                billed, model, provider_api_url=base_url, genai_request_timestamp=when, price_context=context
            )
            for context in (None, {"processing": "batch"})
        )
    except (LookupError, ValueError):
        return None
    if batch.model_price == live.model_price or batch.total_price == live.total_price:
        return None
    return float(batch.total_price)
