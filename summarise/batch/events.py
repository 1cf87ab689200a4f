"""What a batch tells its listener while it runs, and the report it ends with.

Invariant: an event holds names, counts and messages of errors, never text of a document, an answer or a
key; :meth:`as_dict` of each is what ``--log-json`` prints, one object a line. Listeners are called on the
event loop's thread, in the order in which things happened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal

from summarise.journal.rows import Cause

Outcome = Literal["finished", "stopped", "interrupted", "failed"]
"""finished: every document was dealt with; stopped: a budget was reached; interrupted: Ctrl-C or SIGTERM;
failed: nothing more can be done now (the key, the settings, the endpoint, the disk)."""


class _Event:
    """What all events share: a name, and a form for JSON."""

    __slots__ = ()
    name: ClassVar[str]

    def as_dict(self) -> dict[str, Any]:
        """The event as JSON-ready values; ``event`` is its name."""
        return {"event": self.name, **asdict(self)}  # type: ignore[call-overload]  # every subclass is a dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """What one document cost in this run. ``cost_usd`` is None where the price is not known."""

    requests: int = 0
    reasks: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int | None = None
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Where the run stands.

    ``found`` counts documents met so far (all there are once ``discovery_finished``); ``done``, ``failed``
    and ``reused`` are this run's; ``failed_before`` were left as an earlier run had to leave them. Tokens and
    money are this run's, of failed documents too; ``cost_usd`` leaves out ``cost_unknown_documents``, and is
    None if no document's price is known. ``seconds_left`` is None until it can be told; ``paused_seconds``
    is how long the endpoint has been failing, None while it answers; ``limited_seconds`` is how long nothing
    is sent yet because the endpoint limits the rate, None if nothing is waited for.
    """

    found: int = 0
    done: int = 0
    done_with_warnings: int = 0
    failed: int = 0
    failed_before: int = 0
    reused: int = 0
    in_flight: int = 0
    documents_per_minute: float = 0.0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int | None = None
    cost_usd: float | None = None
    cost_unknown_documents: int = 0
    seconds: float = 0.0
    seconds_left: float | None = None
    concurrency: int = 0
    paused_seconds: float | None = None
    limited_seconds: float | None = None
    discovery_finished: bool = False

    @property
    def left(self) -> int:
        """Documents met and not dealt with yet."""
        return self.found - self.done - self.failed - self.failed_before - self.reused


@dataclass(frozen=True, slots=True)
class RunStarted(_Event):
    """The results file is open and the first documents were found."""

    name = "run_started"
    run_id: int
    output: str
    model: str
    endpoint: str
    strategy: str


@dataclass(frozen=True, slots=True)
class ModelReady(_Event):
    """The model was opened: the first document that needs it is about to be asked about."""

    name = "model_ready"
    model: str
    endpoint: str


@dataclass(frozen=True, slots=True)
class Notice(_Event):
    """Something to know while a model is opened, such as that the embedded one is being fetched."""

    name = "notice"
    message: str


@dataclass(frozen=True, slots=True)
class DocumentStarted(_Event):
    """Work on a document begins; ``position`` counts from 1 in the order of discovery."""

    name = "document_started"
    source: str
    position: int


@dataclass(frozen=True, slots=True)
class DocumentDone(_Event):
    """A document's record is in the results file. ``warnings`` are the codes of its warnings."""

    name = "document_done"
    source: str
    position: int
    record_id: int
    warnings: tuple[str, ...]
    usage: Usage
    seconds: float


@dataclass(frozen=True, slots=True)
class DocumentFailed(_Event):
    """A document failed, for a cause of the fixed list; the row is in the results file."""

    name = "document_failed"
    source: str
    position: int
    cause: Cause
    message: str


@dataclass(frozen=True, slots=True)
class DocumentReused(_Event):
    """A document had its result already: it is unchanged, or another with the same text was done."""

    name = "document_reused"
    source: str
    position: int


@dataclass(frozen=True, slots=True)
class DocumentPutBack(_Event):
    """The endpoint failed while the document was in work; it waits for another try."""

    name = "document_put_back"
    source: str
    position: int
    message: str


@dataclass(frozen=True, slots=True)
class ProgressTick(_Event):
    """Where the run stands, about once a second."""

    name = "progress"
    snapshot: Snapshot

    def as_dict(self) -> dict[str, Any]:
        """The snapshot's fields beside the event's name."""
        return {"event": self.name, **asdict(self.snapshot)}


@dataclass(frozen=True, slots=True)
class PauseStarted(_Event):
    """The endpoint does not answer: nothing is sent but one probe now and then."""

    name = "pause_started"
    reason: str
    give_up_seconds: float


@dataclass(frozen=True, slots=True)
class PauseEnded(_Event):
    """The endpoint answers again."""

    name = "pause_ended"
    seconds: float


@dataclass(frozen=True, slots=True)
class Stopping(_Event):
    """Nothing new is begun from here on; what is in flight is finished if ``finishes_in_flight``."""

    name = "stopping"
    outcome: Outcome
    reason: str
    in_flight: int
    finishes_in_flight: bool


@dataclass(frozen=True, slots=True)
class BatchReport:
    """How a batch ended.

    ``totals`` are of this run; ``reason`` says why it ended early, None if it went through;
    ``exit_code`` is the command's (docs/errors.md). ``unsaved`` counts answers that were paid for and could
    not be written. ``retry_command`` does the failed documents again, None if none failed;
    ``resume_command`` goes on with the rest, None if the run went through.
    """

    outcome: Outcome
    reason: str | None
    exit_code: int
    run_id: int
    output: str
    totals: Snapshot
    failed_by_cause: Mapping[Cause, int] = field(default_factory=dict)
    seconds: float = 0.0
    unsaved: int = 0
    retry_command: str | None = None
    resume_command: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON-ready values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class RunEnded(_Event):
    """The last event of a run."""

    name = "run_ended"
    report: BatchReport

    def as_dict(self) -> dict[str, Any]:
        """The report's fields beside the event's name."""
        return {"event": self.name, **self.report.as_dict()}


Event = (
    RunStarted
    | Notice
    | ModelReady
    | DocumentStarted
    | DocumentDone
    | DocumentFailed
    | DocumentReused
    | DocumentPutBack
    | ProgressTick
    | PauseStarted
    | PauseEnded
    | Stopping
    | RunEnded
)
Listener = Callable[[Event], None]
