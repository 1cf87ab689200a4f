"""``summarise show`` and ``search``: looking into a results file.

Invariants: nothing here writes to a results file, so all of it may run while a batch is writing; names and
messages are printed without control characters, and as they are in JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from summarise.cli.console import console
from summarise.cli.figures import number
from summarise.documents import read_file
from summarise.errors import UnreadableDocumentError, UsageError
from summarise.journal.journal import Journal
from summarise.journal.rows import DocumentRow, SearchHit
from summarise.report import print_report, safe
from summarise.schemas import Record

_STYLES = {"done": "green", "failed": "red"}


@contextmanager
def reading(results: Path) -> Iterator[Journal]:
    """The results file, open for reading.

    Raises:
        SummariseError: if it is not there, damaged, of a newer version, or no results file.
    """
    with Journal.open(results, create=False, write=False) as journal:
        yield journal


def run_list(results: Path, *, as_json: bool) -> None:
    """Print the documents, one a line."""
    with reading(results) as journal:
        if as_json:
            _print_array(asdict(row) for row in journal.documents())
            return
        out = console(sys.stdout)
        for row in journal.documents():
            out.print(_document_line(row), soft_wrap=True)


def run_show(results: Path, name: str, *, as_json: bool, no_color: bool) -> None:
    """Print the summary of one document.

    Raises:
        UsageError: if no document, or more than one, goes by this name.
    """
    with reading(results) as journal:
        row = _found(journal, results, name)
        stored = journal.record(row.document_id)
    if stored is None:
        raise UsageError(
            f"{safe(row.source)} failed ({row.cause}: {safe(row.message or 'no message')}), so there is no summary; "
            f"`summarise status {results}` says how to try it again"
        )
    if as_json:
        typer.echo(stored)
        return
    record = Record.model_validate_json(stored)
    if row.older_result:
        typer.echo(
            f"summarise: the latest try of {safe(row.source)} failed ({row.cause}); this is the result before it",
            err=True,
        )
    print_report(record, _text_of(record), console(sys.stdout, no_color=no_color))


def run_search(results: Path, words: str, *, limit: int, as_json: bool) -> None:
    """Print the claims and abstracts that have the words."""
    with reading(results) as journal:
        hits = journal.search(words, limit=limit)
    if as_json:
        _print_array(asdict(hit) for hit in hits)
        return
    out = console(sys.stdout)
    for hit in hits:
        _print_hit(hit, out)
    if not hits:
        typer.echo(f"summarise: nothing in {results} has these words", err=True)


def _found(journal: Journal, results: Path, name: str) -> DocumentRow:
    rows = journal.find(name)
    if not rows:
        raise UsageError(f"no document {safe(name)!r} in {results}; `summarise show {results}` lists them")
    if len(rows) > 1:
        names = ", ".join(safe(row.source) for row in rows[:3])
        raise UsageError(f"{safe(name)!r} may be {number(len(rows), 'document')} ({names}, …); give more of the name")
    return rows[0]


def _text_of(record: Record) -> str | None:
    """The text the record is about: stored with it, or the file if that is still the same."""
    if record.document.text is not None:
        return record.document.text
    source = record.document.source
    try:
        document = read_file(source, source=source)
    except (UnreadableDocumentError, ValueError):  # ValueError: a name no file can have
        return None
    return document.text if document.id == record.document.id else None


def _document_line(row: DocumentRow) -> Text:
    line = Text.assemble(f"{row.document_id:>6}  ", (f"{row.state:6}", _STYLES[row.state]), f"  {safe(row.source)}")
    if row.state == "failed":
        line.append(f"  {row.cause}: {safe(row.message or 'no message')}", style="dim")
        return line
    if row.title:
        line.append(f"  {safe(row.title)}", style="dim")
    if row.warnings:
        line.append(f"  ({number(row.warnings, 'warning')})", style="yellow")
    return line


def _print_hit(hit: SearchHit, out: Console) -> None:
    where = "" if hit.start is None else f", characters {hit.start}–{hit.end}"
    out.print(Text.assemble((safe(hit.source), "bold"), (f"  {hit.item}{where}", "dim")), soft_wrap=True)
    words = Text("  " if hit.claimant is None else f"  {safe(hit.claimant)} {hit.polarity}: ")
    for start, end, style in _stretches(hit):
        words.append(_inline(hit.snippet[start:end]), style=style)
    out.print(words, soft_wrap=True)


def _stretches(hit: SearchHit) -> Iterator[tuple[int, int, str]]:
    """The snippet cut where the highlights begin and end."""
    place = 0
    for start, end in hit.highlights:
        yield place, start, ""
        yield start, end, "bold yellow"
        place = end
    yield place, len(hit.snippet), ""


def _inline(text: str) -> str:
    """:func:`safe` for a part of a line: white space at its ends stays."""
    before = " " if text[:1].isspace() else ""
    after = " " if text[-1:].isspace() and text.strip() else ""
    return f"{before}{safe(text)}{after}"


def _print_array(rows: Iterator[Any]) -> None:
    """A JSON array, a row a line, without holding it in memory."""
    separator = "["
    for row in rows:
        sys.stdout.write(f"{separator}\n{json.dumps(row)}")
        separator = ","
    sys.stdout.write("[]\n" if separator == "[" else "\n]\n")
