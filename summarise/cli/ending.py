"""The table a batch ends with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.console import Console
from rich.text import Text

from summarise.batch.events import BatchReport
from summarise.cli.figures import duration, money, tokens
from summarise.journal.rows import Cause


def print_ending(report: BatchReport, console: Console) -> None:
    """Print what was done, what it cost, and the commands that go on from here."""
    print_rows(_rows(report), console)
    for words, command in (
        ("to try the failed documents again", report.retry_command),
        ("to go on with the rest", report.resume_command),
    ):
        if command is not None:
            console.print(f"\n{words}:\n  {command}", soft_wrap=True)


def print_rows(rows: Iterator[tuple[str, str]], console: Console) -> None:
    """Two columns, names and figures; long figures run on, so that paths can be copied."""
    listed = list(rows)
    width = max(len(name) for name, _ in listed)
    for name, value in listed:
        console.print(Text.assemble((f"{name:{width}}  ", "dim"), value), soft_wrap=True)


def causes(failed_by_cause: Mapping[Cause, int]) -> Iterator[tuple[str, str]]:
    """A row for each cause, the commonest first."""
    for cause, documents in sorted(failed_by_cause.items(), key=lambda row: (-row[1], row[0])):
        yield f"  {cause}", f"{documents:,}"


def _rows(report: BatchReport) -> Iterator[tuple[str, str]]:
    totals = report.totals
    yield "done", f"{totals.done:,}"
    yield "  with warnings", f"{totals.done_with_warnings:,}"
    yield "failed", f"{totals.failed:,}"
    yield from causes(report.failed_by_cause)
    if totals.failed_before:
        yield "failed before", f"{totals.failed_before:,} (not tried again)"
    yield "reused", f"{totals.reused:,}"
    if totals.left:
        yield "left", f"{totals.left:,}"
    if report.unsaved:
        yield "not saved", f"{report.unsaved:,}"
    yield "tokens", tokens(totals.prompt_tokens, totals.completion_tokens, totals.cached_tokens)
    yield "cost", money(totals.cost_usd, totals.cost_unknown_documents)
    yield "wall time", duration(report.seconds)
    yield "results", report.output
