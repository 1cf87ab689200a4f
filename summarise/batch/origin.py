"""What a run through a provider reads: the inputs it was given, or those of the run it goes on with.

Invariant: what is kept with a batch (:func:`origin_of`) is enough to go on with it from the same folder, and holds
names and options, never text or keys.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from summarise.batch.causes import cause_of, message_of
from summarise.batch.identity import Identity
from summarise.batch.options import BatchOptions
from summarise.batch.sources import Skipped, Source, SourceOptions
from summarise.batch.submissions import unfinished
from summarise.documents import Document
from summarise.errors import UnreadableDocumentError, UsageError
from summarise.journal.journal import Journal
from summarise.journal.rows import Cause

_GROUP_DOCUMENTS, _GROUP_CHARACTERS = 64, 4_000_000
"""Read at a time, away from the event loop."""


def what_to_read(
    inputs: Sequence[str], options: BatchOptions, journal: Journal, identity: Identity
) -> tuple[list[str], BatchOptions]:
    """The inputs as given; if none are, those of the run whose batches are under way, with its options for them.

    Raises:
        UsageError: there is no such run, or its inputs cannot be had again from here.
    """
    if inputs or options.sources.files_from is not None:
        return list(inputs), options
    rows = unfinished(journal, identity.endpoint)
    if not rows:
        raise UsageError(f"{options.output} has no batch under way at {identity.endpoint}; name what to summarise")
    origin = json.loads(rows[-1].note or "{}")
    if origin["folder"] != str(Path.cwd()):
        raise UsageError(f"the batches were handed in from {origin['folder']}; run --resume there, or name the inputs")
    if origin["sources"]["files_from"] == "-":
        raise UsageError("the list of inputs came from standard input; hand it in again with --files-from -")
    sources = origin["sources"]
    for name in ("files_from", "output"):
        sources[name] = None if sources[name] is None else Path(sources[name])
    sources["pattern"] = tuple(sources["pattern"])
    return list(origin["inputs"]), dataclasses.replace(options, sources=SourceOptions(**sources))


def origin_of(names: Sequence[str], options: BatchOptions, base_url: str) -> dict[str, Any]:
    """What a later run needs to go on with a batch without being told the inputs again."""
    sources = {
        name: str(value) if isinstance(value, os.PathLike) else value
        for name, value in dataclasses.asdict(options.sources).items()
    }
    return {
        "base_url": base_url,
        "folder": str(Path.cwd()),
        "inputs": list(names),
        "sources": sources,
        "again": options.force or options.retry_failed or options.only_failed,
    }


def read_some(found: Iterator[Source | Skipped]) -> list[tuple[Source | Skipped, Document | tuple[Cause, str]]]:
    """The next documents, read, or why they cannot be; empty when there are no more."""
    group: list[tuple[Source | Skipped, Document | tuple[Cause, str]]] = []
    size = 0
    for item in found:
        read: Document | tuple[Cause, str]
        if isinstance(item, Skipped):
            read = item.cause, item.message
        else:
            try:
                read = item.read()
                size += len(read.text)
            except UnreadableDocumentError as error:
                read = cause_of(error), message_of(error, item.name)
        group.append((item, read))
        if len(group) >= _GROUP_DOCUMENTS or size >= _GROUP_CHARACTERS:
            break
    return group
