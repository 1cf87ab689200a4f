"""What a caller may ask of a batch, beside the settings that decide how documents are read.

Invariant: nothing here changes what a record says, so nothing here is part of a document's work key.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from summarise.batch.sources import SourceOptions
from summarise.errors import UsageError

Via = Literal["requests", "batch-api"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOptions:
    """How a batch is run.

    Attributes:
        output: the results file (SQLite); made if it is not there.
        force: do every document again, also those that are done and unchanged.
        retry_failed: do documents that failed again too; otherwise unchanged ones stay failed.
        only_failed: do nothing but documents that failed.
        limit: look at only so many documents, in the order of discovery.
        shuffle: seed of a random order of documents; None keeps the order of names.
        max_cost: stop when so many US dollars were spent in this run.
        max_tokens: stop when so many tokens, in and out, were used in this run.
        max_documents: ask about at most so many documents (reused ones do not count).
        max_seconds: stop after so many seconds.
        concurrency: requests under way at once; None finds the best number while running.
        rpm: requests a minute at most.
        tpm: tokens a minute at most.
        include_text: records carry the document's text.
        give_up_seconds: how long an endpoint may stay dead before the run stops.
        via: one request at a time, or the provider's batch endpoint.
        sources: where documents are looked for and how files are read.
        command: the command line as typed, for the journal and for the commands the report names; it must
            hold no key.
    """

    output: Path
    force: bool = False
    retry_failed: bool = False
    only_failed: bool = False
    limit: int | None = None
    shuffle: int | None = None
    max_cost: float | None = None
    max_tokens: int | None = None
    max_documents: int | None = None
    max_seconds: float | None = None
    concurrency: int | None = None
    rpm: int | None = None
    tpm: int | None = None
    include_text: bool = False
    give_up_seconds: float = 300.0
    via: Via = "requests"
    sources: SourceOptions = field(default_factory=SourceOptions)
    command: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            UsageError: on a bound that is not positive, or options that exclude each other.
        """
        if self.force and self.only_failed:
            raise UsageError("--force does everything again, --only-failed only what failed; give one of them")
        for name in ("limit", "max_tokens", "max_documents", "max_seconds", "concurrency", "rpm", "tpm"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise UsageError(f"--{name.replace('_', '-')} must be more than 0, not {value}")
        if self.max_cost is not None and self.max_cost < 0:
            raise UsageError(f"--max-cost must not be negative, and is {self.max_cost}")
        if self.give_up_seconds < 0:
            raise UsageError(f"give_up_seconds must not be negative, and is {self.give_up_seconds}")
