"""Reading documents: bytes in, text as read and its identity out.

Invariant: the text is what the decoder gave, untouched: no line end, quote or space is changed, so
offsets count code points of the file's own text (after a byte order mark, if there is one).
Encodings other than Unicode are guessed by charset-normalizer, and the guess is said in a warning.
"""

from __future__ import annotations

import codecs
import hashlib
import stat
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import charset_normalizer

from summarise.errors import UnreadableDocumentError, UsageError

MAX_BYTES = 64 * 1024 * 1024
"""Larger files are refused: no model reads them, and a record would not be checkable."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_FORMATS = (
    (b"%PDF-", "a PDF", "pdftotext"),
    (b"PK\x03\x04", "a ZIP, DOCX, ODT or EPUB file", "pandoc"),
    (b"\xd0\xcf\x11\xe0", "an old Office file", "libreoffice --convert-to txt"),
    (b"{\\rtf", "an RTF file", "pandoc"),
    (b"\x1f\x8b", "a gzip file", "gunzip"),
)
_CONTROL = frozenset(chr(c) for c in range(32)) - set("\t\n\r\f\v\x1a\x1b\x08")


@dataclass(frozen=True)
class Document:
    """One document: ``text`` is the text as read; ``source`` the path as given, a URL, or ``-``."""

    source: str
    text: str
    notes: tuple[tuple[str, str], ...] = field(default=())

    @cached_property
    def id(self) -> str:
        """SHA-256 of the text (UTF-8), hex: the same text has the same id wherever it lies."""
        return hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()

    @cached_property
    def title(self) -> str | None:
        """The first line, if it looks like a headline: short, no full stop, more text below it."""
        first, _, rest = self.text.lstrip().partition("\n")
        first = first.strip()
        is_headline = 0 < len(first) <= 180 and not first.endswith((".", "!", ":", ";", ",", "”", '"'))
        return first if is_headline and rest.strip() else None


def from_text(text: str, *, source: str = "-") -> Document:
    """A document from a text already in memory.

    Raises:
        UnreadableDocumentError: if there is nothing but white space.
    """
    if not text.strip():
        raise UnreadableDocumentError(f"{source}: the document is empty; nothing to summarise")
    return Document(source, text)


def read_path(path: Path, *, encoding: str | None = None) -> Document:
    """Read the document at ``path``.

    Raises:
        UnreadableDocumentError: if it is missing, a folder, not permitted, empty, too large or not text.
        UsageError: if ``encoding`` is not a known encoding.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise UnreadableDocumentError(f"{path}: is a folder; name a file in it")
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise UnreadableDocumentError(f"{path}: no such file; check the path") from None
    except PermissionError:
        raise UnreadableDocumentError(f"{path}: not permitted to read; check the file's permissions") from None
    except OSError as error:
        raise UnreadableDocumentError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    return _decoded(data, str(path), encoding)


def read_stream(stream: BinaryIO, *, encoding: str | None = None) -> Document:
    """Read the document from a byte stream (standard input); its source is ``-``.

    Raises:
        UnreadableDocumentError: if it is empty, too large or not text.
    """
    return _decoded(stream.read(MAX_BYTES + 1), "-", encoding)


def _decoded(data: bytes, source: str, encoding: str | None) -> Document:
    if len(data) > MAX_BYTES:
        raise UnreadableDocumentError(
            f"{source}: larger than {MAX_BYTES // 1024**2} MiB; split it into documents first"
        )
    if not data.strip():
        raise UnreadableDocumentError(f"{source}: the file is empty; nothing to summarise")
    for magic, kind, tool in _FORMATS:
        if data.startswith(magic):
            raise UnreadableDocumentError(f"{source}: is {kind}, not text; convert it first, e.g. with {tool}")
    text, used = _decode(data, source, encoding)
    if _control_share(text) > 0:
        raise UnreadableDocumentError(f"{source}: the bytes are not text (control characters); convert it first")
    document = from_text(text, source=source)
    if used is None:
        return document
    note = ("encoding_guessed", f"not UTF-8; read as {used}; pass --encoding to decide")
    return Document(source, text, (note,))


def _decode(data: bytes, source: str, encoding: str | None) -> tuple[str, str | None]:
    """The text, and the name of the encoding if it had to be guessed."""
    named = encoding or next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        return data.decode(named), None
    except LookupError:
        raise UsageError(f"unknown encoding {named!r}; use a name such as utf-8 or cp1252") from None
    except UnicodeDecodeError as error:
        if encoding or named != "utf-8":
            raise UnreadableDocumentError(
                f"{source}: the bytes are not {named} (byte {error.start}); pass another --encoding"
            ) from None
    if b"\0" in data[:4096]:
        raise UnreadableDocumentError(f"{source}: the bytes are not text; convert it first")
    best = charset_normalizer.from_bytes(data[: 1024 * 1024]).best()
    if best is None:
        raise UnreadableDocumentError(
            f"{source}: the bytes are not text in any known encoding; convert it or pass --encoding"
        )
    try:
        return data.decode(best.encoding), best.encoding
    except UnicodeDecodeError:
        raise UnreadableDocumentError(f"{source}: the bytes are not text throughout; pass --encoding") from None


def _control_share(text: str) -> float:
    return sum(character in _CONTROL for character in text[:65536]) / max(1, len(text[:65536]))
