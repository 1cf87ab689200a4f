"""``summarise batch``: many documents into one results file, shown while it happens, told when it is over."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import typer

from summarise.batch.events import BatchReport, DocumentStarted, Event, ModelReady
from summarise.batch.options import BatchOptions, Via
from summarise.batch.run import asummarise_batch
from summarise.batch.sources import SourceOptions
from summarise.cli.console import console
from summarise.cli.ending import print_ending
from summarise.cli.figures import seconds_of
from summarise.cli.live import JsonView, View, open_view
from summarise.cli.signals import Interrupts, handled
from summarise.errors import EXIT_DONE, EXIT_INTERRUPTED, SummariseError, UsageError
from summarise.settings import Settings, load

_NEW_OBJECTS = 5000
_SOURCE_CHOICES = ("recursive", "text_field", "id_field", "encoding")
_RUN_CHOICES = (
    "force", "retry_failed", "only_failed", "limit", "shuffle", "max_cost", "max_tokens", "max_documents",
    "rpm", "tpm", "via", "include_text",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Showing:
    """Where what is shown."""

    as_json: bool
    log_json: bool
    quiet: bool
    verbose: bool
    no_color: bool


@dataclass(frozen=True, slots=True)
class BatchCommand:
    """The command line of ``summarise batch``, parsed; ``choices`` are its own options as typed."""

    inputs: tuple[str, ...]
    output: Path | None
    choices: Mapping[str, Any]
    dry_run: bool
    detach: bool
    resume: bool
    showing: Showing
    words: tuple[str, ...]
    overrides: Mapping[str, Any]


class StoppedError(SummariseError):
    """The second Ctrl-C: whatever was in flight is given up."""

    exit_code = EXIT_INTERRUPTED


def run_batch(command: BatchCommand) -> None:
    """Run the batch, print how it ended, and end with its exit code.

    Raises:
        SummariseError: if it could not begin; with --log-json that is an event, and the exit code the same.
    """
    try:
        _run(command)
    except SummariseError as error:
        if not command.showing.log_json:
            raise
        JsonView(sys.stderr).error(str(error), error.exit_code)
        raise typer.Exit(error.exit_code) from error


def _run(command: BatchCommand) -> None:
    options = batch_options(command)
    settings = load(command.overrides).settings
    showing = command.showing
    if command.dry_run:
        # Loaded here: a run has no use for it.
        from summarise.cli.dry_run import run_dry  # noqa: PLC0415

        run_dry(command.inputs, settings, options, as_json=showing.as_json)
        return
    view = open_view(
        console(sys.stderr, no_color=showing.no_color),
        log_json=showing.log_json, quiet=showing.quiet, verbose=showing.verbose,
    )  # fmt: skip
    with closing(view), _seldom_collected():
        try:
            report = asyncio.run(_summarise(command, options, settings, view))
        except KeyboardInterrupt:
            view.close()
            raise StoppedError(
                f"stopped at once; every result so far is in {options.output}, the same command goes on from there"
            ) from None
    _tell(report, showing)
    if report.exit_code != EXIT_DONE:
        raise typer.Exit(report.exit_code)


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Look for cycles after so many new objects only: by default (700, Python 3.11) it takes a sixth of the time a
    document needs (docs/performance.md), and hardly anything here is in a cycle."""
    usual = gc.get_threshold()
    gc.set_threshold(_NEW_OBJECTS, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


async def _summarise(command: BatchCommand, options: BatchOptions, settings: Settings, view: View) -> BatchReport:
    stop = asyncio.Event()
    interrupts = Interrupts(asyncio.get_running_loop(), stop, view.close)

    def listen(event: Event) -> None:
        if isinstance(event, ModelReady | DocumentStarted):
            interrupts.opening = False
        view(event)

    with handled(interrupts):
        if options.via == "requests":
            return await asummarise_batch(
                command.inputs, settings=settings, options=options, listener=listen, stop=stop
            )
        # Loaded here: few runs go this way.
        from summarise.batch.provider import ProviderOptions, run_via_batch_api  # noqa: PLC0415

        provider = ProviderOptions(detach=command.detach)
        return await run_via_batch_api(
            command.inputs, settings=settings, options=options, provider=provider, listener=listen, stop=stop
        )


def batch_options(command: BatchCommand) -> BatchOptions:
    """The options of the run.

    Raises:
        UsageError: if there is no results file, nothing to read, or a value that cannot be meant.
    """
    choices = dict(command.choices)
    if command.resume and choices["via"] is None:
        choices["via"] = "batch-api"
    if command.detach and choices["via"] != "batch-api":
        raise UsageError("--detach goes with --via batch-api; requests that are not waited for are lost")
    if command.output is None:
        raise UsageError(_where_to(command.inputs))
    if not command.inputs and not choices["files_from"] and not command.resume:
        raise UsageError("nothing to read: name files, folders or globs, or pass --files-from LIST")
    if choices["via"] not in (None, *get_args(Via)):
        raise UsageError(f"--via: there is no {choices['via']!r}; there are {' and '.join(get_args(Via))}")
    chosen = {name: choices[name] for name in _RUN_CHOICES if choices[name] is not None}
    if choices["max_time"] is not None:
        chosen["max_seconds"] = seconds_of(choices["max_time"], "--max-time")
    if choices["give_up"] is not None:
        chosen["give_up_seconds"] = seconds_of(choices["give_up"], "--give-up")
    return BatchOptions(
        output=command.output,
        concurrency=_concurrency(choices["concurrency"]),
        sources=_sources(choices),
        command=command.words,
        **chosen,
    )


def _sources(choices: Mapping[str, Any]) -> SourceOptions:
    chosen = {name: choices[name] for name in _SOURCE_CHOICES if choices[name] is not None}
    if choices["pattern"]:
        chosen["pattern"] = tuple(choices["pattern"])
    if choices["files_from"] is not None:
        chosen["files_from"] = Path(choices["files_from"])
    return SourceOptions(**chosen)


def _concurrency(words: str | None) -> int | None:
    if words is None or words == "auto":
        return None
    if not words.isascii() or not words.isdigit() or int(words) < 1:
        raise UsageError(f"--concurrency: {words!r} is neither auto nor a number from 1 up")
    return int(words)


def _where_to(inputs: tuple[str, ...]) -> str:
    if len(inputs) == 1:
        kind = "is a folder" if Path(inputs[0]).is_dir() else "goes to batch mode"
        return f"{inputs[0]} {kind}, and many summaries need a results file: add -o results.db"
    return "many summaries need a results file: add -o results.db"


def _tell(report: BatchReport, showing: Showing) -> None:
    if showing.as_json:
        typer.echo(json.dumps(report.as_dict(), indent=1))
    elif not showing.quiet and not showing.log_json:
        print_ending(report, console(sys.stdout, no_color=showing.no_color))
    if report.reason is not None and not showing.log_json:
        said = report.reason if report.reason.startswith(report.outcome) else f"{report.outcome}: {report.reason}"
        typer.echo(f"summarise: {said}", err=True)
