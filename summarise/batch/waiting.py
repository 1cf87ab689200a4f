"""Documents that wait for answers: read until they ask, put aside, read on when the answers have come.

Invariants: a document that waits is held by name and work key, without its text; what it asks is under way in one
batch, or ready for the next; whatever becomes of it is in the results file before it is told.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from summarise.batch.causes import cause_of, message_of
from summarise.batch.events import DocumentDone, DocumentFailed, DocumentReused, DocumentStarted, Event, Usage
from summarise.batch.identity import Identity, KeyMaker
from summarise.batch.options import BatchOptions
from summarise.batch.sources import Skipped, Source
from summarise.batch.submissions import Submissions
from summarise.batch.tally import Tally
from summarise.batch.work import Stopwatch
from summarise.documents import Document
from summarise.errors import AuthenticationError, QuotaError, StorageError, UnknownModelError, UnreadableDocumentError
from summarise.journal.journal import Journal
from summarise.journal.rows import Attempt, AttemptUsage, Cause
from summarise.llm.batch_prices import batch_cost_usd
from summarise.llm.capability import Capability
from summarise.llm.client import LanguageModel, Sampling
from summarise.llm.deferred import DeferredTransport, WaitingRequest, read_until_waiting
from summarise.llm.transport import Transport
from summarise.pipeline import summarise_document
from summarise.schemas import Record, UsageInfo
from summarise.settings import Settings

_ABOUT_THE_RUN = (AuthenticationError, UnknownModelError, QuotaError, StorageError)
_FORGOTTEN: frozenset[Cause] = frozenset({"invalid_answer", "truncated", "refused"})
"""After these a retry must not be given the same answers again."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a run works with: its results file, its settings, its count, and who is told."""

    journal: Journal
    run_id: int
    identity: Identity
    settings: Settings
    options: BatchOptions
    tally: Tally
    emit: Callable[[Event], None]


@dataclass(slots=True)
class _Held:
    """A document that waits: where to read it again, and others with the same text."""

    source: Source
    work_key: str
    followers: list[Source] = field(default_factory=list)
    watch: Stopwatch = field(default_factory=Stopwatch)


class _Recalled:
    """The answers of a document that waits, from the results file. None come in while it is read."""

    keeps = True

    def __init__(self, journal: Journal, work_key: str) -> None:
        self._known = journal.recall(work_key)

    async def recall(self, request_sha256: str) -> str | None:
        return self._known.get(request_sha256)

    async def remember(self, request_sha256: str, completion: str) -> None:
        raise AssertionError(f"an answer to {request_sha256} outside a batch, {len(completion)} characters")


class WaitingDocuments:
    """The documents of one run that wait. ``asked`` counts those that were taken up."""

    def __init__(self, work: Work, live: Transport, capability: Capability, submissions: Submissions) -> None:
        self.asked = 0
        self._work = work
        self._live = live
        self._capability = capability
        self._submissions = submissions
        self._keys = KeyMaker(work.identity)
        self._held: dict[str, _Held] = {}
        self._fresh: set[str] = set()
        self._ready: dict[str, tuple[WaitingRequest, str]] = {}
        self._ready_bytes = 0

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, work_key: object) -> bool:
        return work_key in self._held

    def ready(self, most_requests: int, most_bytes: int) -> bool | None:
        """Whether the requests that are ready fill a batch of that size; None if there are none."""
        if not self._ready:
            return None
        return len(self._ready) >= most_requests or self._ready_bytes >= most_bytes

    def requests(self, most_requests: int, most_bytes: int) -> list[tuple[WaitingRequest, str]]:
        """The first requests that are ready, each with its document's name, as many as fit into a batch."""
        chosen: list[tuple[WaitingRequest, str]] = []
        size = 0
        for request, source in self._ready.values():
            size += len(request.line())
            if chosen and (len(chosen) == most_requests or size > most_bytes):
                break
            chosen.append((request, source))
        return chosen

    def sent(self, requests: list[tuple[WaitingRequest, str]]) -> None:
        """These requests are ready no more."""
        for request, _ in requests:
            del self._ready[request.custom_id]
            self._ready_bytes -= len(request.line())

    async def take_up(self, source: Source, document: Document, key: str) -> None:
        """Work on a document from its beginning; one with the same text as another waits for that one's result."""
        if key in self._held:
            self._held[key].followers.append(source)
            return
        told_again = self._submissions.waits(key) or self._work.options.force
        if key in self._fresh or not told_again:
            result_id = self._work.journal.result_of(key)
            if result_id is not None:  # of a document with the same text
                self._work.journal.attach(self._work.run_id, source.name, document.id, result_id)
                self.reused(source)
                return
        if self._work.options.force and not self._submissions.waits(key):
            self._work.journal.forget(key)
        self.asked += 1
        self._work.tally.asking_since = self._work.tally.asking_since or self._work.tally.clock()
        held = self._held[key] = _Held(source, key)
        self._work.emit(DocumentStarted(source.name, source.position))
        await self._read_on(held, document)

    async def _read_on(self, held: _Held, document: Document) -> None:
        """Read the document until its record, its failure or its next questions."""
        transport = DeferredTransport(self._live, held.work_key, self._submissions.errors)
        sampling = Sampling(self._work.settings.temperature, self._work.settings.seed, self._work.settings.reasks)
        model = LanguageModel(transport, sampling, self._capability).remembering(
            _Recalled(self._work.journal, held.work_key)
        )
        work = summarise_document(document, model, self._work.settings, include_text=self._work.options.include_text)
        try:
            record = await read_until_waiting(work, transport)
        except _ABOUT_THE_RUN:
            raise
        except Exception as error:  # noqa: BLE001  # also a bug is the failure of its document, and named so
            self._fail(held, document, error)
            return
        if record is not None:
            self._save(held, document, record)
            return
        for request in transport.waiting.values():
            if not self._submissions.under_way(request.custom_id) and request.custom_id not in self._ready:
                self._ready[request.custom_id] = (request, held.source.name)
                self._ready_bytes += len(request.line())

    async def read_on(self, work_key: str) -> None:
        """Some of what the document asked has been answered, or will not be: read it on.

        A document this run does not work on is left alone.
        """
        held = self._held.get(work_key)
        if held is None:
            return
        try:
            document = await asyncio.to_thread(held.source.read)
        except UnreadableDocumentError as error:
            self._fail(held, None, error)
            return
        key = self._keys.key(document.id)
        if key == held.work_key:
            await self._read_on(held, document)
            return
        # It changed while it waited: what was asked about is no more, what it says now is asked about.
        self._let_go(held)
        await self.take_up(held.source, document, key)
        for follower in held.followers:
            try:
                document = await asyncio.to_thread(follower.read)
            except UnreadableDocumentError as error:
                self.fail_unread(follower, cause_of(error), message_of(error, follower.name))
            else:
                await self.take_up(follower, document, self._keys.key(document.id))

    def _let_go(self, held: _Held) -> None:
        """The document waits no more, and what it was about to ask is not asked."""
        del self._held[held.work_key]
        unasked = [pair for pair in self._ready.values() if pair[0].work_key == held.work_key]
        self.sent(unasked)

    # What became of a document

    def _save(self, held: _Held, document: Document, record: Record) -> None:
        usage = self._usage(record.run.requests, record.run.reasks, record.run.usage)
        record = record.model_copy(update={"run": record.run.model_copy(update={"cost_usd": usage.cost_usd})})
        with self._work.journal.transaction():
            result_id = self._work.journal.commit(
                self._work.run_id,
                held.source.name,
                work_key=held.work_key,
                record=record,
                attempt=_attempt(held.watch, usage, None, None),
            )
            for follower in held.followers:
                self._work.journal.attach(self._work.run_id, follower.name, document.id, result_id)
        self._let_go(held)
        self._fresh.add(held.work_key)
        self._work.tally.spend(usage)
        self._work.tally.succeed(with_warnings=bool(record.warnings))
        codes = tuple(warning.code for warning in record.warnings)
        source = held.source
        self._work.emit(DocumentDone(source.name, source.position, result_id, codes, usage, held.watch.seconds))
        for follower in held.followers:
            self.reused(follower)

    def _fail(self, held: _Held, document: Document | None, error: Exception) -> None:
        cause, message = cause_of(error), message_of(error, held.source.name)
        usage = self._paid(held.work_key)
        with self._work.journal.transaction():
            if cause in _FORGOTTEN:
                self._work.journal.forget(held.work_key)
            for source in (held.source, *held.followers):
                first = source is held.source
                self._work.journal.fail(
                    self._work.run_id,
                    source.name,
                    content_sha256=document.id if document else None,
                    work_key=held.work_key if document else None,
                    attempt=_attempt(held.watch, usage if first else Usage(), cause, message),
                )
        self._let_go(held)
        self._work.tally.spend(usage)
        for source in (held.source, *held.followers):
            self._work.tally.fail(cause, worked=True)
            self._work.emit(DocumentFailed(source.name, source.position, cause, message))

    def fail_unread(self, item: Source | Skipped, cause: Cause, message: str) -> None:
        """Something that was found cannot be read."""
        attempt = _attempt(Stopwatch(), Usage(), cause, message)
        self._work.journal.fail(self._work.run_id, item.name, content_sha256=None, work_key=None, attempt=attempt)
        self._work.tally.fail(cause, worked=False)
        self._work.emit(DocumentFailed(item.name, item.position, cause, message))

    def _paid(self, work_key: str) -> Usage:
        """What the answers of a document that failed cost."""
        prompt = completion = requests = 0
        for text in self._work.journal.recall(work_key).values():
            used = json.loads(text).get("usage") or {}
            requests += 1
            prompt += used.get("prompt_tokens", 0)
            completion += used.get("completion_tokens", 0)
        used_up = UsageInfo(prompt_tokens=prompt, completion_tokens=completion, cached_tokens=None)
        return self._usage(requests, max(0, requests - 1), used_up)

    def _usage(self, requests: int, reasks: int, used: UsageInfo) -> Usage:
        return Usage(
            requests=requests,
            reasks=reasks,
            prompt_tokens=used.prompt_tokens,
            completion_tokens=used.completion_tokens,
            cached_tokens=used.cached_tokens,
            cost_usd=batch_cost_usd(self._work.identity.endpoint, self._work.identity.model, used),
        )

    def reused(self, source: Source) -> None:
        """The document has its result without being asked about."""
        self._work.tally.reused += 1
        self._work.emit(DocumentReused(source.name, source.position))


def _attempt(watch: Stopwatch, usage: Usage, cause: Cause | None, message: str | None) -> Attempt:
    spent = AttemptUsage(**dataclasses.asdict(usage))
    started = datetime.fromtimestamp(datetime.now(UTC).timestamp() - watch.seconds, UTC)
    return Attempt(started.isoformat(timespec="milliseconds"), watch.seconds, spent, cause, message)
