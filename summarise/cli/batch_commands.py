"""The options of ``summarise batch`` and of the commands that read a results file.

Invariant: as light as :mod:`summarise.cli.main`, which imports it: what a command needs is imported when it runs.
"""

# ruff: noqa: PLC0415, PLR0913, PLR0917  # lazy imports; a command line is a list of options

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from summarise.cli.options import (
    AttemptsOption,
    BaseUrlOption,
    CacheOption,
    ContextOption,
    EncodingOption,
    IncludeTextOption,
    JsonOption,
    LanguageOption,
    MaxOutputOption,
    ModelOption,
    NoColorOption,
    QuietOption,
    ReasksOption,
    ResultsArgument,
    SeedOption,
    StrategyOption,
    TemperatureOption,
    ThreadsOption,
    TimeoutOption,
    VerboseOption,
    settings_in,
)
from summarise.cli.routing import BATCH, TYPED


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the program."""
    app.command(BATCH)(batch)
    app.command("export")(export)
    app.command("show")(show)
    app.command("search")(search)
    app.command("status")(status)


def batch(
    ctx: typer.Context,
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="INPUT", help="Files, folders, globs in quotes; JSONL or CSV with a text column."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The results file (SQLite); made, or gone on with.")
    ] = None,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Folders within folders too.")] = False,
    files_from: Annotated[
        str | None,
        typer.Option("--files-from", help="Read the inputs from this file, one a line; - is standard input."),
    ] = None,
    pattern: Annotated[
        list[str] | None, typer.Option("--pattern", help="Names to take from folders, e.g. '*.txt'; may be repeated.")
    ] = None,
    text_field: Annotated[str | None, typer.Option("--text-field", help="Field or column of the text.")] = None,
    id_field: Annotated[str | None, typer.Option("--id-field", help="Field or column of the document's name.")] = None,
    encoding: EncodingOption = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Do every document again.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try again what failed before.")] = False,
    only_failed: Annotated[bool, typer.Option("--only-failed", help="Do nothing but what failed before.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Look at the first N documents only.")] = None,
    shuffle: Annotated[
        int | None, typer.Option("--shuffle", metavar="SEED", help="Take the documents in a random order.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Estimate documents, tokens, cost and time; ask nothing.")
    ] = False,
    max_cost: Annotated[float | None, typer.Option("--max-cost", help="Stop at this cost, US dollars.")] = None,
    max_tokens: Annotated[int | None, typer.Option("--max-tokens", help="Stop at so many tokens.")] = None,
    max_documents: Annotated[
        int | None, typer.Option("--max-documents", help="Stop after so many documents have been asked about.")
    ] = None,
    max_time: Annotated[str | None, typer.Option("--max-time", help="Stop after 90, 90s, 15m or 2h.")] = None,
    concurrency: Annotated[
        str | None, typer.Option("--concurrency", metavar="N|auto", help="Requests in flight; default: auto.")
    ] = None,
    rpm: Annotated[int | None, typer.Option("--rpm", min=1, help="Requests a minute at most.")] = None,
    tpm: Annotated[int | None, typer.Option("--tpm", min=1, help="Tokens a minute at most.")] = None,
    give_up: Annotated[
        str | None, typer.Option("--give-up", help="Stop when the endpoint has been gone for so long; default: 5m.")
    ] = None,
    via: Annotated[
        str | None,
        typer.Option("--via", help="How to ask: requests (default), or batch-api: the provider's batch endpoint."),
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="With batch-api: hand in, fetch what is there, and end without waiting.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what --via batch-api has handed in; needs no inputs.")
    ] = False,
    log_json: Annotated[
        bool, typer.Option("--log-json", help="One JSON event a line on standard error, and nothing else there.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON at the end.")] = False,
    include_text: IncludeTextOption = False,
    model: ModelOption = None,
    base_url: BaseUrlOption = None,
    strategy: StrategyOption = None,
    language: LanguageOption = None,
    context_tokens: ContextOption = None,
    max_output_tokens: MaxOutputOption = None,
    timeout: TimeoutOption = None,
    attempts: AttemptsOption = None,
    reasks: ReasksOption = None,
    temperature: TemperatureOption = None,
    seed: SeedOption = None,
    threads: ThreadsOption = None,
    cache_dir: CacheOption = None,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    no_color: NoColorOption = False,
) -> None:
    """Summarise many documents into one results file, or go on."""
    overrides = settings_in(locals())
    from summarise.cli.batch import BatchCommand, Showing, run_batch

    choices: dict[str, Any] = {
        "force": force, "retry_failed": retry_failed, "only_failed": only_failed, "limit": limit, "shuffle": shuffle,
        "max_cost": max_cost, "max_tokens": max_tokens, "max_documents": max_documents,
        "max_time": max_time, "concurrency": concurrency, "rpm": rpm, "tpm": tpm, "give_up": give_up,
        "via": via, "include_text": include_text, "recursive": recursive, "files_from": files_from,
        "pattern": pattern, "text_field": text_field, "id_field": id_field, "encoding": encoding,
    }  # fmt: skip
    run_batch(
        BatchCommand(
            inputs=tuple(inputs or ()),
            output=output,
            choices=choices,
            dry_run=dry_run,
            detach=detach,
            resume=resume,
            showing=Showing(as_json=as_json, log_json=log_json, quiet=quiet, verbose=verbose, no_color=no_color),
            words=("summarise", BATCH, *ctx.meta[TYPED]),
            overrides=overrides,
        )
    )


def export(
    results: ResultsArgument,
    form: Annotated[
        str, typer.Option("--format", help="jsonl, json, csv, parquet or markdown; default: by the output's name.")
    ] = "",
    table: Annotated[
        str | None, typer.Option("--table", help="One table instead of records, e.g. claims; csv and parquet need one.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file instead of standard output.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Overwrite the output file.")] = False,
) -> None:
    """Write a results file's records, or a table, as another format."""
    from summarise.cli.exporting import run_export

    run_export(results, form=form or None, table=table, output=output, force=force)


def show(
    results: ResultsArgument,
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME|ID]", help="A document's name, its end, or its id; default: list all."),
    ] = None,
    as_json: JsonOption = False,
    no_color: NoColorOption = False,
) -> None:
    """List the documents of a results file, or show one."""
    from summarise.cli.results import run_list, run_show

    if name is None:
        run_list(results, as_json=as_json)
    else:
        run_show(results, name, as_json=as_json, no_color=no_color)


def search(
    results: ResultsArgument,
    words: Annotated[str, typer.Argument(help='Words to find in claims, quotes and abstracts; "…" for a phrase.')],
    limit: Annotated[int, typer.Option("--limit", min=1, help="So many hits at most.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Find words in the claims of a results file."""
    from summarise.cli.results import run_search

    run_search(results, words, limit=limit, as_json=as_json)


def status(
    results: ResultsArgument,
    as_json: JsonOption = False,
    datasette_metadata: Annotated[
        Path | None, typer.Option("--datasette-metadata", help="Write a metadata file for Datasette there.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Overwrite the metadata file.")] = False,
) -> None:
    """Say how a results file stands, and how to retry."""
    from summarise.cli.status import run_status, write_datasette_metadata

    if datasette_metadata is not None:
        write_datasette_metadata(results, datasette_metadata, force=force)
    else:
        run_status(results, as_json=as_json)
