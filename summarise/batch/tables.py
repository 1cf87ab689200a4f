"""Rows of JSONL and CSV files as documents.

Invariant: a table is streamed once to find its rows; a row keeps the place of its bytes in the file and their
CRC-32, so it is read again with one seek and is never a different row. For CSV too: a row's bytes are whole
physical lines, which Python's csv module (RFC 4180, strict quoting) parses again on their own.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import charset_normalizer

from summarise.batch.items import Maker, Skipped
from summarise.documents import MAX_BYTES, Document, from_value, read_part, unreadable
from summarise.errors import UnreadableDocumentError

Notes = tuple[tuple[str, str], ...]

_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)
_DELIMITERS = ",;\t|"
_SAMPLE = 1024 * 1024
_COLUMN = re.compile(r"[\w .:-]{1,40}")


class _Table(Protocol):
    """What the rows of a file share."""

    @property
    def path(self) -> str: ...
    @property
    def notes(self) -> Notes: ...
    def text(self, raw: bytes, row: str) -> str:
        """The text in a row's bytes; ``row`` is its name.

        Raises:
            UnreadableDocumentError: if there is none.
        """


@dataclass(frozen=True, slots=True)
class Row:
    """A row that is one document: ``bytes`` bytes of the table's file from ``offset``."""

    name: str
    position: int
    bytes: int
    table: _Table
    offset: int
    check: int

    def read(self) -> Document:
        """Read the row.

        Raises:
            UnreadableDocumentError: with the cause.
        """
        try:
            raw = read_part(self.table.path, self.offset, self.bytes)
        except OSError as error:
            raise unreadable(error, self.name) from None
        if zlib.crc32(raw) != self.check:
            raise UnreadableDocumentError(f"{self.name}: the file changed since the row was found; run again")
        return from_value(self.table.text(raw, self.name), source=self.name, notes=self.table.notes)

    def at(self, position: int) -> Row:
        """The same row at another position."""
        return replace(self, position=position)


@dataclass(frozen=True, slots=True)
class _Place:
    """What a table is called: its name, and the one spelling of its path."""

    name: str
    key: str


@dataclass(frozen=True, slots=True)
class _JsonLines:
    path: str
    encoding: str
    text_field: str
    notes: Notes = ()

    def values(self, raw: bytes, row: str) -> dict[str, Any]:
        try:
            values = json.loads(raw.decode(self.encoding))
        except UnicodeDecodeError as error:
            raise UnreadableDocumentError(
                f"{row}: the bytes are not {self.encoding} (byte {error.start} of the line); save the file as UTF-8"
            ) from None
        except (ValueError, RecursionError):
            # The decoder's own message is about columns; a line of JSONL is mended as a whole.
            raise UnreadableDocumentError(f"{row}: is no JSON; mend the line") from None
        if not isinstance(values, dict):
            raise UnreadableDocumentError(f"{row}: is no JSON object; a line is {{{self.text_field!r}: …}}")
        return values

    def text(self, raw: bytes, row: str) -> str:
        return self.text_of(self.values(raw, row), row)

    def text_of(self, values: dict[str, Any], row: str) -> str:
        value = values.get(self.text_field)
        if isinstance(value, str):
            return value
        has = "no" if self.text_field not in values else f"a {type(value).__name__}, not text, as"
        raise UnreadableDocumentError(f"{row}: has {has} {self.text_field!r}; choose the key with --text-field")


def json_rows(path: str, name: str, key: str, make: Maker) -> Iterator[Row | Skipped]:
    """The rows of the JSONL file ``path``, whose document names begin with ``name``."""
    table = _JsonLines(path, make.options.encoding or "utf-8", make.options.text_field)
    try:
        with Path(path).open("rb", buffering=_SAMPLE) as stream:
            offset = _begin(stream, table.encoding, name)
            yield from _json_rows(stream, offset, _Place(name, key), table, make)
    except UnreadableDocumentError as error:
        yield make.skipped(name, error)
    except OSError as error:
        yield make.skipped(name, unreadable(error, name))


def _json_rows(stream: BinaryIO, offset: int, place: _Place, table: _JsonLines, make: Maker) -> Iterator[Row | Skipped]:
    number, found, has_ids = 0, False, False
    while line := stream.readline(MAX_BYTES + 1):
        number += 1
        start, offset = offset, offset + len(line)
        label = make.row_label(place.name, number, has_ids=has_ids)
        try:
            if len(line) > MAX_BYTES and not line.endswith(b"\n"):
                offset += _skip_line(stream)
                raise _row_too_large(label)
            if not line.strip():
                continue
            found = True
            values = table.values(line, label)
        except UnreadableDocumentError as error:
            found = True
            if not has_ids:
                make.new(f"{place.key}#{number}")  # no row with that id may take the name
            yield make.skipped(label, error)
            continue
        called = _id_of(values, make.options.id_field)
        has_ids = has_ids or called is not None
        named = make.row_name(place.name, place.key, called or str(number), number)
        if isinstance(named, Skipped):
            yield named
            continue
        try:
            table.text_of(values, named[0])
        except UnreadableDocumentError as error:
            yield Skipped(*named, error.cause, str(error))
        else:
            yield Row(*named, len(line), table, start, zlib.crc32(line))
    if not found:
        raise UnreadableDocumentError(f"{place.name}: the file has no rows", cause="empty")


@dataclass(frozen=True, slots=True)
class _Csv:
    path: str
    encoding: str
    delimiter: str
    columns: int
    text_column: int
    id_column: int | None
    notes: Notes = ()

    def text(self, raw: bytes, row: str) -> str:
        # Lines end where they ended when the row was found: at line feeds only.
        lines = (line.decode(self.encoding) for line in io.BytesIO(raw))
        try:
            fields = next(csv.reader(lines, delimiter=self.delimiter, strict=True))
        except (csv.Error, StopIteration):  # the bytes are the same, so this row was parsed before
            raise UnreadableDocumentError(f"{row}: the row cannot be parsed again; run again") from None
        return fields[self.text_column]


class _Lines:
    """The decoded lines of a stream, which knows what bytes the current row has taken."""

    def __init__(self, stream: BinaryIO, encoding: str, offset: int) -> None:
        self._stream = stream
        self._encoding = encoding
        self.end = offset
        self.number = 0
        self.begin_row()

    def begin_row(self) -> None:
        self.start = self.end
        self.check = 0
        self.undecodable = False

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._stream.readline(MAX_BYTES + 1)
        if not line:
            raise StopIteration
        self.end += len(line)
        self.number += 1
        self.check = zlib.crc32(line, self.check)
        if self.end - self.start > MAX_BYTES:
            raise _TooLargeError
        try:
            return line.decode(self._encoding)
        except UnicodeDecodeError:
            self.undecodable = True
            return line.decode(self._encoding, "replace")


class _TooLargeError(Exception):
    """A row goes on and on, most likely because a quotation mark is not closed."""


def csv_rows(path: str, name: str, key: str, make: Maker) -> Iterator[Row | Skipped]:
    """The rows of the CSV or TSV file ``path``; the first row names the columns."""
    csv.field_size_limit(MAX_BYTES)  # the csv module has one limit for all; its own is 128 KiB
    try:
        encoding, notes = _encoding_of(path, make.options.encoding)
        with Path(path).open("rb", buffering=_SAMPLE) as stream:
            lines = _Lines(stream, encoding, _begin(stream, encoding, name))
            table = _csv_table(path, lines, encoding, name, make)
            yield from _csv_rows(lines, _Place(name, key), replace(table, notes=notes), make)
    except _TooLargeError:
        words = f"a row is larger than {MAX_BYTES // 1024**2} MiB; is a quotation mark not closed?"
        error = UnreadableDocumentError(f"{name}: {words} What follows was not read", cause="too_large")
        yield make.skipped(name, error)
    except UnreadableDocumentError as error:
        yield make.skipped(name, error)
    except OSError as error:
        yield make.skipped(name, unreadable(error, name))


def _csv_table(path: str, lines: _Lines, encoding: str, name: str, make: Maker) -> _Csv:
    """What the header says.

    Raises:
        UnreadableDocumentError: if there is none, or it names no column of texts.
    """
    options = make.options
    header = next((line for line in lines if line.strip()), None)
    if header is None:
        raise UnreadableDocumentError(f"{name}: the file has no rows", cause="empty")
    delimiter, columns = _columns(header, options.text_field, name)
    text_column = _column(columns, options.text_field)
    if text_column is None:
        raise UnreadableDocumentError(_no_column(name, options.text_field, columns))
    id_column = None if options.id_field is None else _column(columns, options.id_field)
    return _Csv(path, encoding, delimiter, len(columns), text_column, id_column)


def _csv_rows(lines: _Lines, place: _Place, table: _Csv, make: Maker) -> Iterator[Row | Skipped]:
    reader = csv.reader(lines, delimiter=table.delimiter, strict=True)
    found = False
    while True:
        lines.begin_row()
        number = lines.number + 1
        label = make.row_label(place.name, number, has_ids=table.id_column is not None)
        try:
            fields = next(reader, None)
            if fields is None:
                break
            if not fields:
                continue
            found = True
            _check_fields(fields, table, lines, label)
        except csv.Error as error:
            found = True
            words = f"{label}: is no CSV row ({error}); are quotation marks doubled and closed?"
            yield make.skipped(label, UnreadableDocumentError(words))
        except UnreadableDocumentError as error:
            yield make.skipped(label, error)
        else:
            column = table.id_column
            called = fields[column].strip() if column is not None and column < len(fields) else ""
            named = make.row_name(place.name, place.key, called or str(number), number)
            if isinstance(named, Skipped):
                yield named
            else:
                yield Row(*named, lines.end - lines.start, table, lines.start, lines.check)
    if not found:
        raise UnreadableDocumentError(f"{place.name}: the file has a header and no rows", cause="empty")


def _check_fields(fields: list[str], table: _Csv, lines: _Lines, label: str) -> None:
    if lines.undecodable:
        raise UnreadableDocumentError(f"{label}: the bytes are not {table.encoding}; pass another --encoding")
    if len(fields) <= table.text_column or any(fields[table.columns :]):
        # More fields than columns mostly means an unquoted comma, and so a text cut in two.
        raise UnreadableDocumentError(
            f"{label}: has {len(fields)} fields and the header {table.columns}; quote the fields of this row"
        )


def _columns(header: str, text_field: str, name: str) -> tuple[str, list[str]]:
    """The delimiter and the columns: the delimiter is the one that makes the text a column of its own."""
    best = (",", [header.strip()])
    for delimiter in _DELIMITERS:
        try:
            columns = [column.strip() for column in next(csv.reader([header], delimiter=delimiter, strict=True))]
        except csv.Error:
            raise UnreadableDocumentError(
                f"{name}: the first line is no CSV header; mend its quotation marks"
            ) from None
        if _column(columns, text_field) is not None:
            return delimiter, columns
        if len(columns) > len(best[1]):
            best = (delimiter, columns)
    return best


def _column(columns: list[str], wanted: str) -> int | None:
    if wanted in columns:
        return columns.index(wanted)
    folded = [column.casefold() for column in columns]
    return folded.index(wanted.casefold()) if folded.count(wanted.casefold()) == 1 else None


def _no_column(name: str, wanted: str, columns: list[str]) -> str:
    # Without a header the first line is a document, and documents do not belong in messages.
    plain = len(columns) <= 30 and all(_COLUMN.fullmatch(column) for column in columns)
    which = f" ({', '.join(columns)})" if plain else ""
    return f"{name}: has no column {wanted!r} among its {len(columns)}{which}; choose one with --text-field"


def _encoding_of(path: str, named: str | None) -> tuple[str, Notes]:
    """The encoding of a CSV file, guessed from its first megabyte if that is no UTF-8."""
    if named:
        return named, ()
    with Path(path).open("rb") as stream:
        sample = stream.read(_SAMPLE)
    whole = sample if len(sample) < _SAMPLE else sample[: sample.rfind(b"\n") + 1]
    try:
        whole.decode("utf-8")
    except UnicodeDecodeError:
        best = charset_normalizer.from_bytes(whole).best()
        if best is None or "\n".encode(best.encoding) != b"\n":
            return "utf-8", ()
        note = ("encoding_guessed", f"not UTF-8; read as {best.encoding}; pass --encoding to decide")
        return best.encoding, (note,)
    return "utf-8", ()


def _begin(stream: BinaryIO, encoding: str, name: str) -> int:
    """Go past a byte order mark; where the first row begins.

    Raises:
        UnreadableDocumentError: if lines of this encoding cannot be told by their bytes.
    """
    first = stream.read(3)
    # A code unit of two bytes may hold a line feed by chance.
    if first.startswith(_WIDE) or "\n".encode(encoding) != b"\n":
        raise UnreadableDocumentError(f"{name}: a table must be UTF-8, or have one byte for a line end; convert it")
    start = 3 if first == codecs.BOM_UTF8 else 0
    stream.seek(start)
    return start


def _skip_line(stream: BinaryIO) -> int:
    skipped = 0
    while piece := stream.readline(_SAMPLE):
        skipped += len(piece)
        if piece.endswith(b"\n"):
            break
    return skipped


def _id_of(values: dict[str, Any], field: str | None) -> str | None:
    value = None if field is None else values.get(field)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return str(value).strip() or None


def _row_too_large(label: str) -> UnreadableDocumentError:
    words = f"{label}: the row is larger than {MAX_BYTES // 1024**2} MiB; split it into documents first"
    return UnreadableDocumentError(words, cause="too_large")
