"""Costs: known providers only, cached tokens apart, unknown is None; no price is fetched (the network is blocked)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from summarise.llm.prices import cost_usd

OPENAI = "https://api.openai.com/v1"


@dataclass(frozen=True)
class Used:
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int | None = None


def test_a_known_model_at_its_provider_has_a_price() -> None:
    assert cost_usd(OPENAI, "gpt-4o", Used(1_000_000, 1_000_000)) == pytest.approx(12.5)
    assert cost_usd(OPENAI, "gpt-4o-mini", Used(1_000_000, 0)) == pytest.approx(0.15)


def test_cached_tokens_are_priced_as_such() -> None:
    assert cost_usd(OPENAI, "gpt-4o", Used(1_000_000, 0, 1_000_000)) == pytest.approx(1.25)
    assert cost_usd(OPENAI, "gpt-4o", Used(1_000_000, 0, 2_000_000)) == pytest.approx(1.25)


@pytest.mark.parametrize(
    ("base_url", "model"),
    [
        ("http://127.0.0.1:8080/v1", "gpt-4o"),
        ("http://localhost:11434/v1", "gpt-4o"),
        ("https://llm.example.org/v1", "gpt-4o"),
        ("https://llm.example.org/api.openai.com/v1", "gpt-4o"),
        (OPENAI, "no-such-model-anywhere"),
    ],
)
def test_unknown_is_none_and_never_nothing(base_url: str, model: str) -> None:
    assert cost_usd(base_url, model, Used(1000, 100)) is None


def test_an_endpoint_that_reports_no_usage_has_no_known_cost() -> None:
    assert cost_usd(OPENAI, "gpt-4o", Used(0, 0)) is None


def test_prices_are_those_of_the_day() -> None:
    then = datetime(2025, 1, 15, tzinfo=UTC)
    cost = cost_usd("https://api.deepseek.com/v1", "deepseek-chat", Used(1_000_000, 1_000_000), when=then)
    assert cost is not None
    assert cost > 0
