"""A results file in other formats: all records, or one table.

Invariants: records come ordered by source, rows in the table's own order, columns always the same; everything is
streamed, so memory does not grow with the file; what is read is one moment of the results file, also while a run
writes; a file is whole or not there.

Decisions about CSV (RFC 4180 with its CRLF, UTF-8 without a byte order mark):

- spreadsheets run cells that begin with ``=``, ``+``, ``-`` or ``@`` (also full-width, or after a tab or a line end)
  as formulas, and quotes come from documents anybody may have written. Text cells of that kind get an apostrophe in
  front (OWASP, "CSV Injection"). Numbers are left alone. To the letter, text is in JSONL, JSON and Parquet;
- lists (aliases, mentions) are JSON in one cell; truth values are ``true`` and ``false``; nothing is an empty cell.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args

from summarise import export_markdown as markdown
from summarise.errors import UsageError
from summarise.export_columns import typed_rows
from summarise.export_parquet import write_parquet
from summarise.journal.reading import TABLES, Reading
from summarise.outfile import Text, Utf8, not_written, whole_file
from summarise.schemas import Record

Format = Literal["jsonl", "json", "csv", "parquet", "markdown"]
FORMATS: tuple[Format, ...] = get_args(Format)
SUFFIXES: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".parquet": "parquet",
    ".md": "markdown",
    ".markdown": "markdown",
}
"""The format a file's name asks for."""

_FORMULA = frozenset("=+-@\t\r\n＝＋－＠")


def export(
    journal: Reading,
    *,
    format: Format,  # noqa: A002  # what the option is called
    table: str | None = None,
    stream: Text | None = None,
    path: Path | None = None,
) -> int:
    """Write the records of a results file, or the rows of ``table``.

    Args:
        journal: open for reading.
        format: ``csv`` and ``parquet`` need a table; ``jsonl`` is one record or row a line, ``json`` an array,
            ``markdown`` a document for people or, of a table, a table.
        table: one of :data:`summarise.journal.reading.TABLES`.
        stream: where text goes.
        path: the file to write, replaced when the new one is whole. Without ``stream`` and ``path``: standard output.

    Returns:
        How many records or rows were written.

    Raises:
        UsageError: no such format or table, or one that does not go with the rest; nothing is written then.
        ConfigurationError: pyarrow is missing, or the results file is damaged.
        StorageError: no space, no permission.
    """
    _check(journal, format, table, stream=stream, path=path)
    if format == "parquet" and table is not None and path is not None:
        with whole_file(path) as out:
            return write_parquet(out, journal.columns(table), typed_rows(journal, table))
    if stream is not None:
        return _write(journal, format, table, stream)
    if path is None:
        return _print(journal, format, table)
    with whole_file(path) as out:
        return _write(journal, format, table, Utf8(out))


def _check(journal: Reading, form: Format, table: str | None, *, stream: Text | None, path: Path | None) -> None:
    if form not in FORMATS:
        raise UsageError(f"there is no format {form!r}; there are {', '.join(FORMATS)}")
    if table is not None and table not in TABLES:
        raise UsageError(f"there is no table {table!r}; there are {', '.join(TABLES)}")
    if form in ("csv", "parquet") and table is None:
        raise UsageError(f"{form} holds one table: pass --table with one of {', '.join(TABLES)}")
    if form == "parquet" and path is None:
        raise UsageError("Parquet is no text: name a file with --output")
    if stream is not None and path is not None:
        raise UsageError("give a stream or a path, not both")
    if path is not None and path.exists() and path.samefile(journal.path):
        raise UsageError(f"{path} is the results file itself; choose another name for --output")


def _write(journal: Reading, form: Format, table: str | None, out: Text) -> int:
    if form == "csv" and table is not None:
        return _csv(journal, table, out)
    if form == "markdown":
        return _markdown_records(journal, out) if table is None else _markdown_table(journal, table, out)
    lines = journal.records() if table is None else _json_rows(journal, table)
    return _json_lines(lines, out) if form == "jsonl" else _json_array(lines, out)


def _json_rows(journal: Reading, table: str) -> Iterator[str]:
    return (json.dumps(row, ensure_ascii=False) for row in typed_rows(journal, table))


def _json_lines(lines: Iterator[str], out: Text) -> int:
    count = 0
    for line in lines:
        out.write(line)
        out.write("\n")
        count += 1
    return count


def _json_array(lines: Iterator[str], out: Text) -> int:
    count = 0
    out.write("[")
    for line in lines:
        out.write(",\n" if count else "\n")
        out.write(line)
        count += 1
    out.write("\n]\n" if count else "]\n")
    return count


def _csv(journal: Reading, table: str, out: Text) -> int:
    columns = journal.columns(table)
    # With another line end than CRLF the csv module leaves a carriage return in a text unquoted: a new row.
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    count = 0
    for row in typed_rows(journal, table):
        writer.writerow([_cell(row[column]) for column in columns])
        count += 1
    return count


def _cell(value: Any) -> Any:
    """``value`` as a cell that no spreadsheet runs."""
    if isinstance(value, str) and value[:1] in _FORMULA:
        return f"'{value}"
    return _plain(value)


def _plain(value: Any) -> Any:
    """Lists and truth values as JSON, everything else as it is."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, bool | list) else value


def _markdown_records(journal: Reading, out: Text) -> int:
    count = 0
    for line in journal.records():
        if count:
            out.write("\n---\n\n")
        out.write(markdown.document(Record.model_validate_json(line)))
        count += 1
    return count


def _markdown_table(journal: Reading, table: str, out: Text) -> int:
    columns = journal.columns(table)
    out.write(markdown.table_head(columns))
    count = 0
    for row in typed_rows(journal, table):
        out.write(markdown.table_row([_plain(row[column]) for column in columns]))
        count += 1
    return count


def _print(journal: Reading, form: Format, table: str | None) -> int:
    try:
        sys.stdout.flush()
        count = _write(journal, form, table, Utf8(sys.stdout.buffer))
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise  # the reader has had enough (`| head`); the edge of the program knows
    except OSError as error:
        raise not_written("standard output", error) from error
    return count
