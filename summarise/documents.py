"""Reading documents: bytes in, text as read and its identity out.

Invariant: the text is what the decoder gave, untouched: no line end, quote or space is changed, so
offsets count code points of the file's own text (after a byte order mark, if there is one).
Encodings other than Unicode are guessed by charset-normalizer, and the guess is said in a warning.
"""

from __future__ import annotations

import codecs
import errno
import hashlib
import os
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
_MARK_BYTES = tuple(mark for mark, _ in _MARKS)
_FORMATS = (
    (b"%PDF-", "a PDF", "pdftotext"),
    (b"PK\x03\x04", "a ZIP, DOCX, ODT or EPUB file", "pandoc"),
    (b"\xd0\xcf\x11\xe0", "an old Office file", "libreoffice --convert-to txt"),
    (b"{\\rtf", "an RTF file", "pandoc"),
    (b"\x1f\x8b", "a gzip file", "gunzip"),
)
_MAGIC = tuple(magic for magic, _, _ in _FORMATS)
# Backspace, tab, line and page ends, Ctrl-Z (an old end of file) and escape do stand in text files.
_CONTROL = bytes(set(range(32)) - set(b"\b\t\n\v\f\r\x1a\x1b"))
_LOOKED_AT = 65536

_OPEN = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
_NONBLOCK = getattr(os, "O_NONBLOCK", 0)
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe (FIFO)",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


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
        raise UnreadableDocumentError(f"{source}: the document is empty; nothing to summarise", cause="empty")
    return Document(source, text)


def from_value(value: str, *, source: str, notes: tuple[tuple[str, str], ...] = ()) -> Document:
    """A document from a string of somebody else's (a field of a table, a caller's), held to what is asked of files.

    Raises:
        UnreadableDocumentError: if it is empty, too large, has control characters or is no valid Unicode.
    """
    try:
        size = len(value) if value.isascii() else len(value.encode())
    except UnicodeEncodeError:
        raise UnreadableDocumentError(f"{source}: the text has half a surrogate pair; repair it") from None
    if size > MAX_BYTES:
        raise _too_large(source)
    if _has_controls(_utf8(value)):
        raise UnreadableDocumentError(f"{source}: the text has control characters; take them out")
    return Document(source, from_text(value, source=source).text, notes)


def read_path(path: Path, *, encoding: str | None = None) -> Document:
    """Read the document at ``path``; a pipe is read to its end (``summarise <(pdftotext report.pdf -)``).

    Raises:
        UnreadableDocumentError: if it is missing, a folder, not permitted, empty, too large or not text, or
            changes while it is being read.
        UsageError: if ``encoding`` is not a known encoding.
    """
    return _read(path, str(path), encoding, pipes=True)


def read_file(path: str | Path, *, source: str, encoding: str | None = None) -> Document:
    """Read the regular file at ``path`` as the document ``source``; never waits for a pipe or a device.

    Raises:
        UnreadableDocumentError: as :func:`read_path`, and if it is not a regular file.
        UsageError: if ``encoding`` is not a known encoding.
    """
    return _read(path, source, encoding, pipes=False)


def read_stream(stream: BinaryIO, *, encoding: str | None = None) -> Document:
    """Read the document from a byte stream (standard input); its source is ``-``.

    Raises:
        UnreadableDocumentError: if it is empty, too large or not text.
    """
    return _decoded(stream.read(MAX_BYTES + 1), "-", encoding)


def read_part(path: str, start: int, size: int) -> bytes:
    """At most ``size`` bytes of the file at ``path``, from byte ``start``; never waits for a pipe.

    Raises:
        OSError: if it cannot be read.
    """
    descriptor = os.open(path, _OPEN | _NONBLOCK)
    try:
        os.lseek(descriptor, start, os.SEEK_SET)
        data = os.read(descriptor, size)
        while 0 < len(data) < size and (more := os.read(descriptor, size - len(data))):
            data += more
        return data
    finally:
        os.close(descriptor)


def unreadable(error: OSError, source: str) -> UnreadableDocumentError:
    """The word for an error of the file system, whatever was being done to the file."""
    if isinstance(error, FileNotFoundError):
        return UnreadableDocumentError(f"{source}: no such file; check the path", cause="vanished")
    if isinstance(error, PermissionError):
        return UnreadableDocumentError(f"{source}: not permitted to read; check the file's permissions")
    if isinstance(error, IsADirectoryError):
        return UnreadableDocumentError(f"{source}: is a folder; name a file in it")
    if error.errno == errno.ELOOP:
        return UnreadableDocumentError(f"{source}: symbolic links that lead back to themselves; remove the link")
    if error.errno == errno.ENXIO:
        return UnreadableDocumentError(f"{source}: is a socket or a device, not a file; name a file")
    return UnreadableDocumentError(f"{source}: cannot be read ({error.strerror}); check the path")


def kind_of(mode: int) -> str | None:
    """What a file is that holds no document, from its mode; None for a regular file."""
    return _KINDS.get(stat.S_IFMT(mode), None if stat.S_ISREG(mode) else "not a file")


def _read(path: str | Path, source: str, encoding: str | None, *, pipes: bool) -> Document:
    try:
        # Without O_NONBLOCK opening a FIFO nobody writes to would wait for ever; read_path does want to wait.
        descriptor = os.open(path, _OPEN if pipes else _OPEN | _NONBLOCK)
        try:
            before = os.fstat(descriptor)
            kind = kind_of(before.st_mode)
            if kind == "a folder":
                raise UnreadableDocumentError(f"{source}: is a folder; name a file in it")
            if kind and not pipes:
                raise UnreadableDocumentError(f"{source}: is {kind}, not a file; name a file")
            if before.st_size > MAX_BYTES:
                raise _too_large(source)
            data = _all_bytes(descriptor, before.st_size)
            after = os.fstat(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise unreadable(error, source) from None
    if kind is None and (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise UnreadableDocumentError(f"{source}: changed while it was being read; run again when it is complete")
    return _decoded(data, source, encoding)


def _all_bytes(descriptor: int, size: int) -> bytes:
    """Everything there is, or one byte more than the limit; one system call and a look for small files."""
    pieces = [os.read(descriptor, size + 1)]
    left = MAX_BYTES + 1 - len(pieces[0])
    # A read that stops at the known size, one byte before what was asked for, has met the end; anything else
    # (a pipe, /proc, a file that grows or shrinks) is at its end when a read comes back empty.
    while left > 0 and pieces[-1] and not (size and len(pieces) == 1 and len(pieces[0]) == size):
        pieces.append(os.read(descriptor, min(left, 1024 * 1024)))
        left -= len(pieces[-1])
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _too_large(source: str) -> UnreadableDocumentError:
    return UnreadableDocumentError(
        f"{source}: larger than {MAX_BYTES // 1024**2} MiB; split it into documents first", cause="too_large"
    )


def _decoded(data: bytes, source: str, encoding: str | None) -> Document:
    if len(data) > MAX_BYTES:
        raise _too_large(source)
    if not data or data.isspace():
        raise UnreadableDocumentError(f"{source}: the file is empty; nothing to summarise", cause="empty")
    if data.startswith(_MAGIC):
        kind, tool = next((kind, tool) for magic, kind, tool in _FORMATS if data.startswith(magic))
        raise UnreadableDocumentError(f"{source}: is {kind}, not text; convert it first, e.g. with {tool}")
    marked = data.startswith(_MARK_BYTES)
    text, used = _decode(data, source, encoding, marked=marked)
    plain = used is None and encoding is None and not marked  # the bytes are the text's UTF-8
    if _has_controls(data if plain else _utf8(text)):
        raise UnreadableDocumentError(f"{source}: the bytes are not text (control characters); convert it first")
    document = from_text(text, source=source)
    if used is None:
        return document
    note = ("encoding_guessed", f"not UTF-8; read as {used}; pass --encoding to decide")
    return Document(source, text, (note,))


def _decode(data: bytes, source: str, encoding: str | None, *, marked: bool) -> tuple[str, str | None]:
    """The text, and the name of the encoding if it had to be guessed."""
    named = encoding or "utf-8"
    if marked and not encoding:
        named = next(name for mark, name in _MARKS if data.startswith(mark))
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


def _utf8(text: str) -> bytes:
    return text[:_LOOKED_AT].encode("utf-8", "surrogatepass")


def _has_controls(utf8: bytes) -> bool:
    # bytes.translate is five times as fast as a regular expression over the text.
    start = utf8[:_LOOKED_AT]
    return len(start.translate(None, _CONTROL)) != len(start)
