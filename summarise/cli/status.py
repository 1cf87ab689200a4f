"""``summarise status``: how a results file stands, and the command that goes on from there."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer

from summarise.batch.command import going_on
from summarise.cli.console import console
from summarise.cli.ending import causes, print_rows
from summarise.cli.figures import duration, money, tokens
from summarise.cli.output import check_output, write_output
from summarise.cli.results import reading
from summarise.errors import StorageError
from summarise.journal.files import take, writers_lock
from summarise.journal.rows import Run, Totals
from summarise.report import safe

_SHOWN_RUNS = 5


def run_status(results: Path, *, as_json: bool) -> None:
    """Print how the results file stands."""
    with reading(results) as journal:
        totals, runs = journal.totals(), list(journal.runs())
    writing = _writer(results, runs)
    retry = retry_command(runs) if totals.failed else None
    if as_json:
        shown = {
            "file": str(results),
            "bytes": results.stat().st_size,
            **asdict(totals),
            "writing": writing,
            "retry_command": retry,
            "runs": [asdict(run) for run in runs],
        }
        typer.echo(json.dumps(shown, indent=1))
        return
    out = console(sys.stdout)
    print_rows(_rows(results, totals, writing), out)
    for run in runs[-_SHOWN_RUNS:]:
        out.print(f"\nrun {run.run_id}: {safe(_run_line(run, writing))}", soft_wrap=True)
        if (held := _estimate_line(run)) is not None:
            out.print(f"  {held}", soft_wrap=True)
    if retry is not None:
        out.print(f"\nto try the failed documents again:\n  {retry}", soft_wrap=True)


def write_datasette_metadata(results: Path, output: Path, *, force: bool) -> None:
    """Write titles and descriptions of the file's tables and views, as Datasette wants them.

    Raises:
        OutputExistsError: if the output is there and ``force`` is not set.
    """
    from summarise.journal.datasette import datasette_metadata  # noqa: PLC0415  # wanted by few

    check_output(output, force=force)
    with reading(results):
        metadata = datasette_metadata(results)
    text = json.dumps(metadata, indent=1, ensure_ascii=False) + "\n"
    write_output(output, lambda stream: stream.writelines([text]))


def retry_command(runs: list[Run]) -> str | None:
    """The latest run's command with --retry-failed, if it was typed on a command line."""
    words = shlex.split(runs[-1].start.command) if runs else []
    if words[:2] != ["summarise", "batch"]:
        return None
    return going_on(words, "--retry-failed")


def _writer(results: Path, runs: list[Run]) -> dict[str, Any] | None:
    """The latest run, if it has not ended, and whether it still holds the writer's lock (None: not to be told)."""
    last = runs[-1] if runs else None
    if last is None or last.end is not None:
        return None
    # Only tried where a run may hold it, so that looking at the file stands in no other run's way.
    lock = writers_lock(results)
    alive: bool | None
    try:
        alive = not take(lock, results)
    except StorageError:
        alive = None
    if alive is False:
        lock.release()
    return {"run_id": last.run_id, "pid": last.pid, "host": last.host, "since": last.start.started, "alive": alive}


def _rows(results: Path, totals: Totals, writing: dict[str, Any] | None) -> Iterator[tuple[str, str]]:
    yield "results", f"{results} ({results.stat().st_size / 1e6:,.1f} MB)"
    yield "documents", f"{totals.documents:,}"
    yield "done", f"{totals.done:,}"
    yield "  with warnings", f"{totals.done_with_warnings:,}"
    yield "failed", f"{totals.failed:,}"
    yield from causes(totals.failed_by_cause)
    yield "tokens", tokens(totals.prompt_tokens, totals.completion_tokens, totals.cached_tokens)
    yield "cost", money(totals.cost_usd, totals.cost_unknown, "attempt")
    if writing is not None and writing["alive"] is not False:
        unsure = "" if writing["alive"] else " (not to be told from here whether it still runs)"
        yield "writing now", f"process {writing['pid']} on {safe(writing['host'])}, since {writing['since']}{unsure}"


def _run_line(run: Run, writing: dict[str, Any] | None) -> str:
    start, end = run.start, run.end
    parts = [f"{start.started}, {start.model} ({start.endpoint}), {start.strategy}"]
    did = f"{run.done:,} done, {run.failed:,} failed"
    if end is not None and end.reused is not None:
        did += f", {end.reused:,} reused"
    parts.append(did)
    if run.done or run.failed:
        parts.append(tokens(run.prompt_tokens, run.completion_tokens, run.cached_tokens) + " tokens")
        parts.append(f"cost {money(run.cost_usd, run.cost_unknown, 'attempt')}")
    if end is not None:
        took = "" if end.seconds is None else f" after {duration(end.seconds)}"
        parts.append(f"{end.outcome}{took}" + (f" ({end.reason})" if end.reason else ""))
    else:
        parts.append("killed" if writing is None or writing["alive"] is False else "under way")
    return "; ".join(parts)


def _estimate_line(run: Run) -> str | None:
    """What had been expected, beside what came; None if nothing had been or the run is not over."""
    expected = run.start.estimate
    if expected is None or run.end is None:
        return None
    pairs = [
        ("documents", expected.documents, run.done + run.failed, "{:,.0f}"),
        ("tokens in", expected.prompt_tokens, run.prompt_tokens, "{:,.0f}"),
        ("tokens out", expected.completion_tokens, run.completion_tokens, "{:,.0f}"),
        ("dollars", expected.cost_usd, run.cost_usd, "{:,.4f}"),
        ("seconds", expected.seconds, run.end.seconds, "{:,.0f}"),
    ]
    told = [
        f"{name} {form.format(actual)} of {form.format(thought)} expected"
        for name, thought, actual, form in pairs
        if thought is not None and actual is not None
    ]
    return "estimate: " + "; ".join(told) if told else None
