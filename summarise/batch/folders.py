"""Finding files: folders, globs and lists of paths.

Invariant: the order is the same on every machine (files of a folder by name, then its folders by name);
no file is opened here but a list; a folder is entered at most once on its own way down, so links that
lead back end. Memory is that of the largest folder's names.
"""

from __future__ import annotations

import fnmatch
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import BinaryIO

from summarise.batch.items import SourceOptions, no_access, not_a_file, plain, shown
from summarise.errors import UnreadableDocumentError, UsageError

_TEXT = frozenset({"", ".txt", ".text", ".md", ".markdown", ".rst", ".adoc", ".org", ".asc"})
# Documents that must be converted: taken, so that they are reported and not lost in silence.
_OTHER = frozenset({".pdf", ".doc", ".docx", ".odt", ".rtf", ".epub", ".zip", ".gz"})
_LONGEST_PATH = 64 * 1024

Parts = tuple[str, ...]
Found = tuple[str, str, UnreadableDocumentError | None]
"""The plain path that opens a file, the one spelling of it, and why it is no document if it is none."""


def described(options: SourceOptions) -> str:
    """Which names are taken in folders, in words."""
    return ", ".join(options.pattern or (*(f"*{suffix}" for suffix in sorted(_TEXT) if suffix), "names without a dot"))


def walk_folder(folder: str, options: SourceOptions, passed_over: Counter[str]) -> Iterator[Found]:
    """The files of ``folder`` whose names are wanted; what is not goes into ``passed_over`` by suffix."""
    chosen = [re.compile(fnmatch.translate(pattern)) for pattern in options.pattern]

    def wanted(parts: Parts) -> bool:
        name = parts[-1]
        suffix = _suffix(name)
        taken = any(one.match(name) for one in chosen) if chosen else suffix in _TEXT or suffix in _OTHER
        if not taken:
            passed_over[suffix or "without suffix"] += 1
        return taken

    def enter(_: Parts) -> bool:
        if not options.recursive:
            passed_over["folders"] += 1
        return options.recursive

    return _Walk(plain(folder), wanted=wanted, enter=enter, once=True).files()


def walk_glob(pattern: str) -> Iterator[Found]:
    """The files that ``pattern`` names; ``**`` is any number of folders. Folders it names are not entered."""
    parts = PurePath(pattern).parts
    fixed = next(place for place, part in enumerate(parts) if is_glob(part))
    tests = [None if part == "**" else _Segment.of(part) for part in parts[fixed:]]

    def enter(folders: Parts) -> bool:
        for place, name in enumerate(folders):
            test = tests[place]
            if test is None:
                return True
            if place == len(tests) - 1 or not test.fits(name):
                return False
        return True

    hidden = any(test is not None and test.hidden for test in tests)
    folder = str(Path(*parts[:fixed])) if fixed else "."
    return _Walk(folder, wanted=lambda names: _fits(names, tests), enter=enter, hidden=hidden).files()


def is_glob(text: str) -> bool:
    """Whether ``text`` has a character that means something in a glob."""
    return any(character in text for character in "*?[")


def read_list(path: Path) -> Iterator[str]:
    """The paths in a list, one a line or with NUL between; blank ones are left out.

    Raises:
        UsageError: if the list cannot be read, or is no list.
    """
    opened: AbstractContextManager[BinaryIO]
    try:
        opened = nullcontext(sys.stdin.buffer) if str(path) == "-" else path.open("rb")
        with opened as stream:
            for entry in _entries(stream, str(path)):
                if entry.strip():
                    yield os.fsdecode(entry)
    except OSError as error:
        raise UsageError(f"{path}: the list of files cannot be read ({error.strerror}); check --files-from") from error


def _entries(stream: BinaryIO, name: str) -> Iterator[bytes]:
    block = stream.read(_LONGEST_PATH).removeprefix(b"\xef\xbb\xbf")
    end = b"\0" if b"\0" in block else b"\n"
    rest = b""
    while block:
        *whole, rest = (rest + block).split(end)
        yield from whole if end == b"\0" else (entry.removesuffix(b"\r") for entry in whole)
        if len(rest) > _LONGEST_PATH:
            raise UsageError(f"{name}: is no list of files: a line is longer than any path; check --files-from")
        block = stream.read(_LONGEST_PATH)
    yield rest if end == b"\0" else rest.removesuffix(b"\r")


@dataclass(frozen=True, slots=True)
class _Segment:
    """One part of a glob between two slashes."""

    test: re.Pattern[str]
    hidden: bool

    @classmethod
    def of(cls, part: str) -> _Segment:
        return cls(re.compile(fnmatch.translate(part)), part.startswith("."))

    def fits(self, name: str) -> bool:
        return (self.hidden or not name.startswith(".")) and self.test.match(name) is not None


def _fits(names: Parts, tests: list[_Segment | None]) -> bool:
    if not tests:
        return not names
    test, rest = tests[0], tests[1:]
    if test is None:
        return (not rest and bool(names)) or any(_fits(names[place:], rest) for place in range(len(names)))
    return bool(names) and test.fits(names[0]) and _fits(names[1:], rest)


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122  # a pathlib object a file is slow


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder still to be listed: how to open it, its one spelling, and the folders above it."""

    path: str
    real: str
    parts: Parts
    above: frozenset[tuple[int, int]]

    @property
    def key(self) -> str:
        """Of the way to the folder: two links to one folder are two things to report."""
        return f"{self.real}\0{self.path}"


@dataclass(slots=True)
class _Listing:
    """What one folder holds: names of files, names of folders, and what is wrong with some."""

    files: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    faults: dict[str, UnreadableDocumentError] = field(default_factory=dict)
    links: set[str] = field(default_factory=set)


class _Walk:
    """A walk down from one folder.

    With ``once`` a folder that several links lead to is listed once; a glob must see it under each path, since
    the path is what it asks about.
    """

    def __init__(
        self,
        folder: str,
        *,
        wanted: Callable[[Parts], bool],
        enter: Callable[[Parts], bool],
        hidden: bool = False,
        once: bool = False,
    ) -> None:
        self._start = folder
        self._wanted = wanted
        self._enter = enter
        self._hidden = hidden
        self._seen: set[tuple[int, int]] | None = set() if once else None

    def files(self) -> Iterator[Found]:
        """Every file, folder by folder."""
        pending = [_Folder(self._start, os.path.realpath(self._start), (), frozenset())]
        while pending:
            folder = pending.pop()
            try:
                about = os.stat(folder.path)  # noqa: PTH116
                here = (about.st_dev, about.st_ino)
                if here in folder.above:
                    words = "a link that leads back to a folder above it; remove the link"
                    yield folder.path, folder.key, UnreadableDocumentError(f"{shown(folder.path)}: is {words}")
                    continue
                if self._seen is not None:
                    if here in self._seen:
                        continue
                    self._seen.add(here)
                listing = self._list(folder)
            except OSError as error:
                if folder.parts or not isinstance(error, FileNotFoundError):
                    yield folder.path, folder.key, no_access(error, shown(folder.path))
                continue
            for name in _drained(listing.files):
                yield _join(folder.path, name), _join(folder.real, name), listing.faults.get(name)
            above = folder.above | {here}
            for name in sorted(listing.folders, reverse=True):
                path = _join(folder.path, name)
                real = os.path.realpath(path) if name in listing.links else _join(folder.real, name)
                pending.append(_Folder(path, real, (*folder.parts, name), above))

    def _list(self, folder: _Folder) -> _Listing:
        listing = _Listing()
        with os.scandir(folder.path) as entries:
            for entry in entries:
                if self._hidden or not entry.name.startswith("."):
                    self._sort_in(entry, folder, listing)
        return listing

    def _sort_in(self, entry: os.DirEntry[str], folder: _Folder, listing: _Listing) -> None:
        parts = (*folder.parts, entry.name)
        fault = None
        try:
            if entry.is_dir():
                if self._enter(parts):
                    listing.folders.append(entry.name)
                    if entry.is_symlink():
                        listing.links.add(entry.name)
                return
            if not entry.is_file():
                fault = not_a_file(shown(_join(folder.path, entry.name)), entry.stat().st_mode)
        except FileNotFoundError:
            words = "a symbolic link to nothing; remove it or mend it"
            fault = UnreadableDocumentError(f"{shown(_join(folder.path, entry.name))}: is {words}", cause="vanished")
        except OSError as error:
            fault = no_access(error, shown(_join(folder.path, entry.name)))
        if self._wanted(parts):
            listing.files.append(entry.name)
            if fault is not None:
                listing.faults[entry.name] = fault


def _drained(names: list[str]) -> Iterator[str]:
    """The names in order, each let go when it was handed on."""
    names.sort(reverse=True)
    while names:
        yield names.pop()


def _join(folder: str, name: str) -> str:
    return name if folder == "." else os.path.join(folder, name)  # noqa: PTH118
