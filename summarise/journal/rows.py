"""What goes into a results file and comes out of it, as plain values.

Invariant: nothing here knows SQLite, pydantic or the clock. Times are UTC, ISO 8601 text given by the caller and
never compared: order is the order of ids. ``source`` is the document's name as the caller has it (undecodable bytes
of a file name as surrogates, as ``os.fsdecode`` gives them).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from summarise.schemas import Record

Cause = Literal[
    "unreadable",
    "empty",
    "too_large",
    "vanished",
    "too_long",
    "refused",
    "truncated",
    "invalid_answer",
    "endpoint",
    "rate_limited",
    "storage",
    "bug",
]
State = Literal["done", "failed"]
Outcome = Literal["finished", "stopped", "interrupted", "failed"]

MESSAGE_CHARACTERS = 300
"""Longest message kept of a failure: its first words tell the cause, the rest would be a log."""

FIT_FROM_DOCUMENTS = 8
"""Fewer documents than this say nothing about a line's base apart from its slope; their plain ratio is used."""


@dataclass(frozen=True, slots=True)
class AttemptUsage:
    """What one attempt at a document cost, re-asks and retries included; None where it is not known."""

    requests: int = 0
    reasks: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int | None = None
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at one document. ``cause`` None is a success; ``message`` the first words of what went wrong."""

    started: str
    seconds: float
    usage: AttemptUsage
    cause: Cause | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    """A finished document: what :meth:`summarise.journal.journal.Journal.commit` keeps, for many at once."""

    run_id: int
    source: str
    work_key: str
    record: Record
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a document that is not finished yet."""

    work_key: str
    request_sha256: str
    completion: str


@dataclass(frozen=True, slots=True)
class DocumentState:
    """Where a document stands: ``work_key`` and ``content_sha256`` are of its latest outcome, good or bad."""

    document_id: int
    source: str
    content_sha256: str | None
    state: State
    work_key: str | None
    cause: Cause | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run was expected to need before it began; None where nothing could be said."""

    documents: int
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: float | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class RunStart:
    """A run as it begins. The process id and the host are added by the journal."""

    command: str
    model: str
    endpoint: str
    strategy: str
    recipe_sha256: str
    settings_json: str
    summarise_version: str
    started: str
    estimate: Estimate | None = None


@dataclass(frozen=True, slots=True)
class RunEnd:
    """A run as it ends. ``seconds`` is by a clock that does not jump; ``reused`` counts documents left as they were."""

    outcome: Outcome
    reason: str | None
    finished: str
    seconds: float | None = None
    reused: int | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A run as stored, beside what its attempts really needed. ``outcome`` None: under way, or killed."""

    run_id: int
    start: RunStart
    pid: int
    host: str
    end: RunEnd | None
    done: int
    failed: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int | None
    cost_usd: float | None
    cost_unknown: int


@dataclass(frozen=True, slots=True)
class Totals:
    """Everything in the file. Tokens and cost are of all attempts, the failed ones too.

    ``cost_usd`` is the sum of what is known, None if nothing is; ``cost_unknown`` counts attempts that asked something
    and have no price.
    """

    documents: int
    done: int
    done_with_warnings: int
    failed: int
    failed_by_cause: Mapping[Cause, int]
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int | None
    cost_usd: float | None
    cost_unknown: int


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document for lists and look-ups. ``older_result``: it failed, but a good result of the same text stands."""

    document_id: int
    source: str
    content_sha256: str | None
    state: State
    cause: Cause | None
    message: str | None
    result_id: int | None
    attempts: int
    warnings: int
    title: str | None

    @property
    def older_result(self) -> bool:
        """Whether the result shown is older than the latest outcome, which was a failure."""
        return self.state == "failed" and self.result_id is not None


@dataclass(frozen=True, slots=True)
class Failure:
    """A document that failed, and how the latest attempt went."""

    document_id: int
    source: str
    cause: Cause
    message: str | None
    attempts: int
    run_id: int


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One claim or abstract that has the words, in one document.

    ``highlights`` are code points (half-open) of ``snippet``; ``start`` and ``end`` are the claim's evidence in the
    document's text (None for abstracts and ungrounded claims).
    """

    document_id: int
    source: str
    title: str | None
    item: str
    claimant: str | None
    polarity: str | None
    snippet: str
    highlights: tuple[tuple[int, int], ...]
    start: int | None
    end: int | None


@dataclass(frozen=True, slots=True)
class Line:
    """``base + slope * characters``, fitted by least squares over documents."""

    base: float
    slope: float

    def at(self, chars: float) -> float:
        """The expected value for a document of so many characters; never below 0."""
        return max(0.0, self.base + self.slope * chars)


@dataclass(frozen=True, slots=True)
class UsageHistory:
    """What documents needed so far with one model, endpoint, strategy and recipe.

    The sums are over successful attempts; the ``failed_*`` ones over the others, for the same model and endpoint.
    """

    model: str
    endpoint: str
    strategy: str
    recipe_sha256: str
    documents: int
    chars: int
    requests: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int | None
    cost_usd: float | None
    seconds: float
    prompt_line: Line
    completion_line: Line
    failed_attempts: int = 0
    failed_prompt_tokens: int = 0
    failed_completion_tokens: int = 0

    @property
    def seconds_per_document(self) -> float:
        """Mean wall time of one document, while others may have been under way."""
        return self.seconds / max(1, self.documents)


@dataclass(frozen=True, slots=True)
class ProviderBatch:
    """A batch handed to a provider's batch endpoint, so that a later process can fetch it."""

    provider_batch_id: str
    run_id: int
    state: str
    created: str
    request_count: int
    input_file_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    round: int = 1
    note: str | None = None
    batch_id: int | None = None


@dataclass(frozen=True, slots=True)
class BatchItem:
    """One request of a provider's batch: what its ``custom_id`` stands for and how it ended."""

    custom_id: str
    source: str
    work_key: str
    request_sha256: str
    state: str = "sent"


@dataclass(frozen=True, slots=True)
class Check:
    """What a full check of the file found; ``problems`` is empty for a good file."""

    problems: tuple[str, ...] = field(default=())

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems
