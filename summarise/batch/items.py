"""What discovery hands on: documents to read later, and things found that are no documents.

Invariant: an item holds names and places, never text, so a million of them may be listed; a name is one
printable line, unique in the batch, and two different paths never share one. Names are compared by 64-bit
hashes kept in one array (16 to 32 bytes a name): at a million names the odds of a mistaken match are below
one in ten million.
"""

from __future__ import annotations

import os
import re
import stat
from array import array
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Protocol, Self

from summarise.documents import Document, kind_of, read_file, unreadable
from summarise.errors import UnreadableCause, UnreadableDocumentError, UsageError

_BESIDE_RESULTS = frozenset({"", "-wal", "-shm", "-journal", ".lock", "-lock"})
"""What SQLite and the writer's lock put beside a results file."""

# Control characters, line separators, bidirectional controls, bytes that were no UTF-8, and on POSIX the
# backslash itself: escaping it too is what keeps two names apart.
_UNSHOWN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff" + ("\\\\" if os.sep == "/" else "") + "]"
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions:
    """Where documents are looked for and how files are read.

    Attributes:
        recursive: whether folders inside folders are entered.
        pattern: names to take in folders (``*.txt``); empty takes text files, names without a suffix, and
            formats such as PDF, which then are reported as not readable. Files that are named are always taken.
        files_from: a list of paths, one a line or with NUL between; ``-`` is standard input.
        text_field: the column or key that holds the text of a row.
        id_field: the column or key that names a row; None, or a row without it, takes the line number.
        encoding: of all files; None is UTF-8, and otherwise guessed.
        shuffle: seed of a random order. All items are listed first then, without their text.
        limit: no more documents than this, in the final order.
        output: the results file; it and what SQLite puts beside it are not documents.
    """

    recursive: bool = False
    pattern: tuple[str, ...] = ()
    files_from: Path | None = None
    text_field: str = "text"
    id_field: str | None = "id"
    encoding: str | None = None
    shuffle: int | None = None
    limit: int | None = None
    output: Path | None = None


class Source(Protocol):
    """A document that was found and not read yet."""

    @property
    def name(self) -> str:
        """Unique in the batch; the ``source`` of its record."""

    @property
    def position(self) -> int:
        """The place in the order of discovery, from 1."""

    @property
    def bytes(self) -> int | None:
        """The size on disk, None if not known."""

    def read(self) -> Document:
        """Read it now.

        Raises:
            UnreadableDocumentError: with the cause.
        """

    def at(self, position: int) -> Self:
        """The same source at another position."""


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file that is one document. ``path`` opens it: undecodable bytes of it are surrogate escapes."""

    name: str
    position: int
    bytes: int | None
    path: str
    encoding: str | None

    def read(self) -> Document:
        """Read the file.

        Raises:
            UnreadableDocumentError: with the cause.
        """
        return read_file(self.path, source=self.name, encoding=self.encoding)

    def at(self, position: int) -> FileSource:
        """The same source at another position."""
        return replace(self, position=position)


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that was found and is no document: it counts as failed, by name."""

    name: str
    position: int
    cause: UnreadableCause
    message: str

    def at(self, position: int) -> Skipped:
        """The same at another position."""
        return replace(self, position=position)


def shown(name: str) -> str:
    r"""``name`` as one printable line; reversible, so different names stay different.

    Bytes that are no UTF-8 become ``\xff``, controls ``\n`` or ``\u001b``, and a backslash is doubled.
    """
    return _UNSHOWN.sub(_escape, name)


def plain(path: str) -> str:
    """``path`` as given, without ``./`` and doubled slashes; ``..`` stays, since links may stand before it."""
    return str(PurePath(path))


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return _SHORT.get(character) or f"\\u{code:04x}"


class Maker:
    """Makes items: gives positions, keeps names unique, leaves out the results file."""

    def __init__(self, options: SourceOptions) -> None:
        self.options = options
        self._names = _Names()
        self._position = 0
        self._folders: dict[str, str] = {}
        self._results = None if options.output is None else self.key_of(os.fspath(options.output))

    def key_of(self, path: str) -> str:
        """One spelling for all spellings of a path; symbolic links to folders are followed, to files not."""
        folder, name = os.path.split(path)
        if name in ("", ".", ".."):
            return os.path.realpath(path)
        if folder not in self._folders:
            if len(self._folders) >= 1024:
                self._folders.clear()
            self._folders[folder] = os.path.realpath(folder)
        return os.path.join(self._folders[folder], name)  # noqa: PTH118  # a pathlib object a file is slow

    def is_results(self, key: str) -> bool:
        """Whether ``key`` is the results file, or lies beside it because of it."""
        results = self._results
        return results is not None and key.startswith(results) and key[len(results) :] in _BESIDE_RESULTS

    def file(self, path: str, key: str) -> FileSource | Skipped | None:
        """The file at the plain ``path``; None if it was met before under another spelling."""
        name = shown(path)
        if not self._names.add(key):
            head, _, _ = path.rpartition("#")
            if head.lower().endswith(TABLE_SUFFIXES):
                error = UnreadableDocumentError(f"{name}: a row of a table has this name too; rename the file")
                return self.skipped(f"{name} (the file)", error)
            return None
        try:
            about = os.stat(path)  # noqa: PTH116  # as above
        except OSError:
            size = None  # reading it will say why
        else:
            if not stat.S_ISREG(about.st_mode):
                return self.skipped(name, not_a_file(name, about.st_mode))
            size = about.st_size
        return FileSource(name, self._next(), size, path, self.options.encoding)

    def row_name(self, table: str, key: str, row: str, line: int) -> tuple[str, int] | Skipped:
        """Name and position of a row called ``row``; what to report if the name is taken."""
        name = f"{table}#{shown(row)}"
        if self._names.add(f"{key}#{row}"):
            return name, self._next()
        error = UnreadableDocumentError(
            f"{name}: line {line} has the id of another row; make ids unique or choose another --id-field"
        )
        return self.skipped(f"{name} (line {line})", error)

    def row_label(self, table: str, line: int, *, has_ids: bool) -> str:
        """What to call a row that cannot be parsed: as it would be named, or where it stands if ids do that."""
        return f"{table} (line {line})" if has_ids else f"{table}#{line}"

    def new(self, key: str) -> bool:
        """Whether ``key`` is met for the first time."""
        return self._names.add(key)

    def skipped(self, name: str, error: UnreadableDocumentError) -> Skipped:
        """Report ``error`` under ``name``."""
        return Skipped(name, self._next(), error.cause, str(error))

    def _next(self) -> int:
        self._position += 1
        return self._position


TABLE_SUFFIXES = (".jsonl", ".ndjson", ".csv", ".tsv")


def not_a_file(name: str, mode: int) -> UnreadableDocumentError:
    """What to say of a pipe, a socket or a device."""
    return UnreadableDocumentError(f"{name}: is {kind_of(mode)}, not a file; leave it out")


def no_access(error: OSError, name: str) -> UnreadableDocumentError:
    """What to say of something that cannot even be looked at."""
    return unreadable(error, name)


def check(options: SourceOptions) -> None:
    """Refuse options that cannot be meant.

    Raises:
        UsageError: on an unknown encoding, an empty field name or a limit below 1.
    """
    if options.encoding is not None:
        try:
            "".encode(options.encoding)
        except LookupError:
            raise UsageError(f"unknown encoding {options.encoding!r}; use a name such as utf-8 or cp1252") from None
    if not options.text_field:
        raise UsageError("--text-field is empty; name the column that holds the text")
    if options.limit is not None and options.limit < 1:
        raise UsageError(f"--limit must be 1 or more, not {options.limit}")


class _Names:
    """A set of strings that keeps only 64-bit hashes: open addressing in one array, at most half full."""

    __slots__ = ("_count", "_mask", "_slots")

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 * 1024))
        self._mask = 1023
        self._count = 0

    def add(self, key: str) -> bool:
        """Add ``key``; whether it was new."""
        value = (hash(key) & 0xFFFFFFFFFFFFFFFF) or 1
        slots, mask = self._slots, self._mask
        place = value & mask
        while there := slots[place]:
            if there == value:
                return False
            place = (place + 1) & mask
        slots[place] = value
        self._count += 1
        if 2 * self._count > mask:
            self._grow()
        return True

    def _grow(self) -> None:
        old, self._mask = self._slots, 2 * self._mask + 1
        slots, mask = array("Q", bytes(8 * (self._mask + 1))), self._mask
        for value in old:
            if value:
                place = value & mask
                while slots[place]:
                    place = (place + 1) & mask
                slots[place] = value
        self._slots = slots
