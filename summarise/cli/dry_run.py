"""``summarise batch --dry-run``: what a run would need, printed; nothing is asked and nothing written."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence

import typer

from summarise.batch.estimate import Earlier, Forecast, estimate_batch
from summarise.batch.options import BatchOptions
from summarise.cli.console import console
from summarise.cli.ending import print_rows
from summarise.cli.figures import dollars, duration, tokens
from summarise.settings import Settings


def run_dry(inputs: Sequence[str], settings: Settings, options: BatchOptions, *, as_json: bool) -> None:
    """Estimate the run and print it.

    Raises:
        SummariseError: as the run itself would, before it has asked anything.
    """
    forecast = estimate_batch(inputs, settings=settings, options=options)
    if as_json:
        typer.echo(json.dumps(forecast.as_dict(), indent=1))
        return
    print_rows(_rows(forecast), console(sys.stdout))
    for earlier in forecast.earlier:
        typer.echo(f"run {earlier.run_id}: {_held(earlier)}")


def _rows(forecast: Forecast) -> Iterator[tuple[str, str]]:
    found = forecast.count
    yield "documents", f"{found.found:,}"
    yield "  to be asked about", f"{found.to_do:,} ({found.chars:,} characters)"
    for name, documents in (
        ("  reused", found.reusable),
        ("  same text as another", found.same_text),
        ("  failed before", found.left_failed),
        ("  not readable", found.unreadable),
    ):
        if documents:
            yield name, f"{documents:,}"
    yield "model", f"{forecast.model} ({forecast.endpoint}), {forecast.strategy}"
    yield "tokens", f"about {tokens(forecast.prompt_tokens, forecast.completion_tokens, None)}"
    yield "cost", "unknown (no price is known)" if forecast.cost_usd is None else f"about {dollars(forecast.cost_usd)}"
    yield "time", "unknown" if forecast.seconds is None else f"about {duration(forecast.seconds)}"
    yield "estimated from", forecast.basis


def _held(earlier: Earlier) -> str:
    """How an earlier estimate compares with what came."""
    parts = [f"{earlier.documents[1]:,} of {earlier.documents[0]:,} documents expected"]
    if earlier.tokens_ratio is not None:
        parts.append(f"{earlier.tokens_ratio:.0%} of the tokens expected")
    expected, spent = earlier.cost_usd
    if expected and spent is not None:
        parts.append(f"{spent / expected:.0%} of the cost expected")
    thought, took = earlier.seconds
    if thought and took is not None:
        parts.append(f"{took / thought:.0%} of the time expected")
    return ", ".join(parts)
