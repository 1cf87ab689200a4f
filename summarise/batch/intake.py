"""From sources to decisions: read, hash, look up, and keep only what needs work.

Documents are read and looked up some hundred at a time, away from the event loop, since a finished folder is
nothing but that.

Invariant: memory holds one group being handed out and the next, each bounded in documents and in bytes; the
text of a document that needs no work is let go with its group. Groups are small while documents need work, so
that a text is not read hours before it is asked about, and large where nothing does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from summarise.batch.causes import cause_of, message_of
from summarise.batch.identity import KeyMaker
from summarise.batch.items import Skipped, Source
from summarise.batch.options import BatchOptions
from summarise.batch.sources import discover
from summarise.documents import Document
from summarise.errors import SummariseError, UnreadableDocumentError
from summarise.journal.rows import Cause, DocumentState
from summarise.journal.writer import Writer

_FIRST_GROUP = 32
_GROUP_DOCUMENTS = 256
_GROUP_BYTES = 4 * 1024 * 1024
_UNKNOWN_BYTES = 16 * 1024

Verdict = Literal["work", "reuse", "attach", "left_failed", "passed_over"]
"""work: ask about it; reuse: its result is current; attach: another document has the result; left_failed: it
failed before and is to stay so; passed_over: it is not asked for in this run."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A document that was read."""

    name: str
    position: int
    document: Document
    work_key: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A document that could not be read, or something that is none."""

    name: str
    position: int
    cause: Cause
    message: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done about a document; ``result_id`` is the result there is, for ``attach``."""

    loaded: Loaded
    verdict: Verdict
    result_id: int | None = None


class Intake:
    """The documents of a run, in groups of what was read and what is to be done about it.

    Raises:
        UsageError: at once, if nothing at all was found.
    """

    def __init__(self, inputs: Sequence[str], keys: KeyMaker, options: BatchOptions) -> None:
        self.found = 0
        self.counted = False
        self._inputs = tuple(inputs)
        self._keys = keys
        self._options = options
        self._sources = replace(
            options.sources,
            limit=options.limit or options.sources.limit,
            shuffle=options.shuffle if options.shuffle is not None else options.sources.shuffle,
            output=options.output,
        )
        self._items = discover(self._inputs, options=self._sources)
        self._size = _FIRST_GROUP
        self._read = 0
        self._closed = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="intake")

    def close(self) -> None:
        """Read no more."""
        self._closed = True
        self._thread.shutdown(wait=False, cancel_futures=True)

    def suit(self, most: int | None) -> None:
        """Read in groups of at most ``most`` documents from here on; None for as many as is quick."""
        self._size = _GROUP_DOCUMENTS if most is None else max(8, min(_GROUP_DOCUMENTS, most))

    async def groups(self, writer: Writer) -> AsyncIterator[tuple[list[Unreadable], list[Decision]]]:
        """Groups, in the order of discovery; the next is read while one is dealt with.

        Raises:
            UsageError: from discovery.
            StorageError: if the results file cannot be read.
        """
        loop = asyncio.get_running_loop()
        coming = loop.run_in_executor(self._thread, self.read_group)
        while group := await coming:
            coming = loop.run_in_executor(self._thread, self.read_group)
            loaded = [one for one in group if isinstance(one, Loaded)]
            unreadable = [one for one in group if isinstance(one, Unreadable)]
            states = await writer.states([one.name for one in group])
            wanted = [] if self._options.force else [one.work_key for one in loaded]
            results = await writer.results_of(wanted) if wanted else {}
            if self._options.only_failed:
                unreadable = [one for one in unreadable if has_failed(states.get(one.name))]
            decisions = [
                decision(one, states.get(one.name), results.get(one.work_key), self._options) for one in loaded
            ]
            passed_over = len(group) - len(unreadable) - len(loaded)
            passed_over += sum(one.verdict == "passed_over" for one in decisions)
            self._read += len(group) - passed_over
            self.found = max(self.found, self._read)
            yield unreadable, decisions
        self.found = self._read

    def listing(self) -> Iterator[Source | Skipped] | None:
        """All items once more, unread; None where they cannot be listed twice, or not cheaply."""
        named_once = "-" in self._inputs or self._sources.files_from == Path("-")
        if named_once or self._sources.shuffle is not None:
            return None
        return discover(self._inputs, options=self._sources)

    def counted_to(self, count: int) -> None:
        """All documents were counted ahead of the reading, for the time left."""
        self.found, self.counted = count, True

    async def count(self) -> None:
        """Count ahead of the reading, if nobody has."""
        if not self.counted and not self._options.only_failed:
            await asyncio.get_running_loop().run_in_executor(None, self._count)

    def _count(self) -> None:
        items = self.listing()
        if items is None:
            return
        count = 0
        for count, _ in enumerate(items, start=1):
            if self._closed:
                return
            if count % 1024 == 0:
                self.found = max(self.found, count)
        self.counted_to(count)

    def read_group(self) -> list[Loaded | Unreadable]:
        """Read the next group; empty when there are no more."""
        group: list[Loaded | Unreadable] = []
        size = 0
        for item in self._items:
            if isinstance(item, Skipped):
                group.append(Unreadable(item.name, item.position, item.cause, _bare(item.message, item.name)))
            else:
                group.append(_read(item, self._keys))
                size += _UNKNOWN_BYTES if item.bytes is None else item.bytes
            if self._closed or len(group) >= self._size or size >= _GROUP_BYTES:
                break
        return group


def decision(loaded: Loaded, state: DocumentState | None, result_id: int | None, options: BatchOptions) -> Decision:
    """What to do about a document, from where it stands and the result there may be for its text."""
    failed = has_failed(state)
    if options.only_failed and not failed:
        return Decision(loaded, "passed_over")
    if options.force:
        return Decision(loaded, "work")
    if is_current(state, loaded.work_key):
        return Decision(loaded, "reuse")
    if result_id is not None:
        return Decision(loaded, "attach", result_id)
    unchanged = state is not None and state.work_key == loaded.work_key
    if failed and unchanged and not (options.retry_failed or options.only_failed):
        return Decision(loaded, "left_failed")
    return Decision(loaded, "work")


def has_failed(state: DocumentState | None) -> bool:
    """Whether the document's latest outcome is a failure."""
    return state is not None and state.state == "failed"


def is_current(state: DocumentState | None, work_key: str) -> bool:
    """Whether the document has the result of just this work."""
    return state is not None and state.state == "done" and state.work_key == work_key


def _read(source: Source, keys: KeyMaker) -> Loaded | Unreadable:
    try:
        document = source.read()
        return Loaded(source.name, source.position, document, keys.key(document.id))
    except UnreadableDocumentError as error:
        return Unreadable(source.name, source.position, cause_of(error), message_of(error, source.name))
    except SummariseError as error:
        return Unreadable(source.name, source.position, "unreadable", message_of(error, source.name))


def _bare(message: str, name: str) -> str:
    return message.removeprefix(f"{name}: ")
