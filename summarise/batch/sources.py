"""Discovery: from what a person named to the documents of a batch, one after the other.

Invariant: every document is found once, in an order that depends on names alone (or on a seed); what looks
like a document and is none comes by name with a cause; nothing is read but tables, so memory is that of the
largest folder's names plus 16 to 32 bytes a document. With a seed all items are listed first, without text:
about 300 bytes a document.
"""

from __future__ import annotations

import os
import random
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain

from summarise.batch import folders
from summarise.batch.items import (
    TABLE_SUFFIXES,
    FileSource,
    Maker,
    Skipped,
    Source,
    SourceOptions,
    check,
    no_access,
    not_a_file,
    plain,
    shown,
)
from summarise.batch.tables import Row, csv_rows, json_rows
from summarise.errors import UnreadableDocumentError, UsageError

__all__ = ["Discovery", "FileSource", "Row", "Skipped", "Source", "SourceOptions", "discover", "shown"]


def discover(inputs: Sequence[str], *, options: SourceOptions | None = None) -> Discovery:
    """The documents that ``inputs`` name: files, folders, globs, JSONL and CSV files.

    Args:
        inputs: as typed. A path that exists is that path, whatever characters it has; otherwise ``*``, ``?``,
            ``[…]`` and ``**`` make a glob.
        options: where to look and how to read.

    Returns:
        An iterator of sources, and of what was found and cannot be one.

    Raises:
        UsageError: at once, if nothing at all was found or the options cannot be meant.
    """
    return Discovery(inputs, options or SourceOptions())


class Discovery(Iterator[Source | Skipped]):
    """Documents as they are found. ``passed_over`` counts, by suffix, files of folders that were not asked for."""

    def __init__(self, inputs: Sequence[str], options: SourceOptions) -> None:
        check(options)
        if not inputs and options.files_from is None:
            raise UsageError("nothing to summarise: name a file, a folder or a glob, or pass --files-from")
        if "" in inputs:
            raise UsageError("one of the names to summarise is empty; is a variable not set?")
        self.passed_over: Counter[str] = Counter()
        self._inputs = tuple(inputs)
        self._options = options
        self._make = Maker(options)
        self._items = self._limited(self._ordered())
        # The first item now: that nothing was found must be known before a results file is made.
        self._items = chain([next(self._items)], self._items)

    def __iter__(self) -> Discovery:
        return self

    def __next__(self) -> Source | Skipped:
        return next(self._items)

    def _limited(self, items: Iterator[Source | Skipped]) -> Iterator[Source | Skipped]:
        found = 0
        for item in items:
            found += not isinstance(item, Skipped)
            yield item
            if found == self._options.limit:
                return

    def _ordered(self) -> Iterator[Source | Skipped]:
        if self._options.shuffle is None:
            yield from self._all()
            return
        items = list(self._all())
        random.Random(self._options.shuffle).shuffle(items)  # noqa: S311  # an order, not a secret
        items.reverse()
        for position in range(1, len(items) + 1):
            yield items.pop().at(position)

    def _all(self) -> Iterator[Source | Skipped]:
        missing: list[str] = []
        found = False
        for given in self._inputs:
            for item in self._input(given, missing):
                found = True
                yield item
        if self._options.files_from is not None:
            for given in folders.read_list(self._options.files_from):
                absent: list[str] = []
                for item in chain(self._path(given, absent), self._absent(absent)):
                    found = True
                    yield item
        if not found:
            raise UsageError(self._nothing(missing))
        yield from self._absent(missing)

    def _input(self, given: str, missing: list[str]) -> Iterator[Source | Skipped]:
        if not folders.is_glob(given) or os.path.lexists(given):
            yield from self._path(given, missing)
            return
        found = False
        for path, key, fault in folders.walk_glob(given):
            found = True
            yield from self._found(path, key, fault)
        if not found:
            missing.append(given)

    def _path(self, given: str, missing: list[str]) -> Iterator[Source | Skipped]:
        """What lies at one path; a path where nothing lies is added to ``missing``."""
        path = plain(given)
        name = shown(path)
        try:
            mode = os.stat(given).st_mode  # noqa: PTH116  # ``given``: a slash at the end asks for a folder
            key = self._make.key_of(path)
        except FileNotFoundError:
            missing.append(given)
        except OSError as error:
            yield self._make.skipped(name, no_access(error, name))
        except ValueError:  # a NUL in the path
            yield self._make.skipped(name, UnreadableDocumentError(f"{name}: is no path; check the list"))
        else:
            if stat.S_ISDIR(mode):
                for below, inside, fault in folders.walk_folder(path, self._options, self.passed_over):
                    yield from self._found(below, inside, fault)
            elif not stat.S_ISREG(mode):
                if self._make.new(key):
                    yield self._make.skipped(name, not_a_file(name, mode))
            elif self._make.is_results(key):
                itself = UnreadableDocumentError(f"{name}: is the results file itself; leave it out")
                yield self._make.skipped(name, itself)
            else:
                yield from self._found(path, key, None)

    def _found(self, path: str, key: str, fault: UnreadableDocumentError | None) -> Iterator[Source | Skipped]:
        if self._make.is_results(key):
            return
        if fault is not None:
            if self._make.new(key):
                yield self._make.skipped(shown(path), fault)
        elif path.lower().endswith(TABLE_SUFFIXES):
            if self._make.new(key):
                rows = json_rows if path.lower().endswith(("jsonl", "ndjson")) else csv_rows
                yield from rows(path, shown(path), key, self._make)
        else:
            item = self._make.file(path, key)
            if item is not None:
                yield item

    def _absent(self, missing: list[str]) -> Iterator[Skipped]:
        for given in missing:
            name = shown(given)
            what = "a glob that matches no file" if folders.is_glob(given) else "no such file or folder"
            yield self._make.skipped(name, UnreadableDocumentError(f"{name}: {what}; check it", cause="vanished"))

    def _nothing(self, missing: list[str]) -> str:
        """What to say if there is nothing to do."""
        words = ["nothing to summarise"]
        if self._options.files_from is not None:
            words.append(f"the list {self._options.files_from} names no file")
        if missing:
            words.append("there is no " + ", no ".join(shown(given) for given in missing[:5]))
            if len(missing) > 5:
                words[-1] += f", and {len(missing) - 5} more"
        looked_in = [given for given in self._inputs if given not in missing]
        if looked_in:
            where = ", ".join(shown(given) for given in looked_in[:5])
            words.append(f"looked in {where} for {folders.described(self._options)}")
        message = "; ".join(words)
        if self.passed_over:
            others = ", ".join(f"{count} {kind}" for kind, count in self.passed_over.most_common(5))
            message += f" (passed over: {others})"
        if self.passed_over["folders"]:
            message += "; pass --recursive to enter folders"
        if any(self.passed_over[suffix] for suffix in TABLE_SUFFIXES):
            message += "; name JSONL and CSV files themselves, or choose them with --pattern"
        elif self.passed_over.total() > self.passed_over["folders"]:
            message += "; choose other names with --pattern"
        return message
