"""``summarise FILE``: read, ask, print or write."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from summarise.cli.console import Messages, console
from summarise.cli.output import check_output, write_output
from summarise.documents import Document, read_path, read_stream
from summarise.errors import StorageError, UsageError
from summarise.llm.endpoint import open_model
from summarise.pipeline import summarise_document
from summarise.report import print_report
from summarise.schemas import Record
from summarise.settings import Settings, load


@dataclass(frozen=True, slots=True)
class DocumentCommand:
    """The command line of ``summarise FILE``, parsed."""

    file: str
    as_json: bool
    output: Path | None
    force: bool
    include_text: bool
    encoding: str | None
    quiet: bool
    verbose: bool
    no_color: bool
    overrides: Mapping[str, Any]


def run_document(command: DocumentCommand) -> None:
    """Summarise the document and put the result where the command says.

    Raises:
        SummariseError: whatever went wrong; nothing has been written then.
    """
    settings = load(command.overrides).settings
    check_output(command.output, force=command.force)
    document = _read(command)
    with Messages(quiet=command.quiet, verbose=command.verbose, no_color=command.no_color) as messages:
        record = asyncio.run(_summarise(document, settings, command, messages))
        for warning in record.warnings:
            messages.detail(f"warning {warning.code}: {warning.message}")
    _deliver(record, document, command)


async def _summarise(document: Document, settings: Settings, command: DocumentCommand, messages: Messages) -> Record:
    messages.detail(f"{document.source}: {len(document.text)} characters")
    async with open_model(settings, notify=messages.say, on_pull=messages.pulling) as model:
        messages.detail(f"asking {model.endpoint.model} at {model.endpoint.base_url}")
        return await summarise_document(
            document, model, settings, include_text=command.include_text, listener=messages.reading
        )


def _read(command: DocumentCommand) -> Document:
    if command.file == "-":
        return read_stream(sys.stdin.buffer, encoding=command.encoding)
    path = Path(command.file)
    if path.is_dir():
        raise UsageError(
            f"{path} is a folder; for all its documents: summarise batch {shlex.quote(command.file)} -o results.db"
        )
    return read_path(path, encoding=command.encoding)


def _deliver(record: Record, document: Document, command: DocumentCommand) -> None:
    if command.output is None:
        _print(record, document, command)
        return
    try:
        write_output(command.output, lambda stream: _write(record, document, command, stream))
    except StorageError:
        # The model has been paid for: show the result rather than lose it.
        print(record.as_json())
        raise


def _print(record: Record, document: Document, command: DocumentCommand) -> None:
    try:
        _write(record, document, command, sys.stdout)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise StorageError(
            f"standard output could not be written ({error.strerror}); free space and run again"
        ) from error


def _write(record: Record, document: Document, command: DocumentCommand, stream: IO[str]) -> None:
    if command.as_json:
        stream.write(record.as_json(indent=1) + "\n")
    else:
        print_report(record, document.text, console(stream, no_color=command.no_color))
