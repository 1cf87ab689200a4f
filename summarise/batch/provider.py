"""A batch through a provider's batch endpoint: half the price, an answer within a day (docs/batch-api.md).

Every document is read until it needs an answer; what the documents ask goes out in batches; as a batch comes back
its documents are read on, to their records or to further questions, which go out in their turn. Documents are not
held in memory while they wait: they are read again, and find the answers they had in the results file.

Invariants: a document that waits belongs to exactly one batch under way or to the next one; so a run that was
detached, interrupted or killed goes on where it was when it is started again, and asks nothing twice. A document
fails for what was said about it or its requests; what is said about the account or the whole batch ends the run.
"""

from __future__ import annotations

import asyncio
import dataclasses
import shlex
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from summarise import __version__
from summarise.batch.command import command_of, going_on
from summarise.batch.events import (
    BatchReport,
    Event,
    Listener,
    ModelReady,
    Notice,
    ProgressTick,
    RunEnded,
    RunStarted,
)
from summarise.batch.identity import Identity, KeyMaker, identify
from summarise.batch.options import BatchOptions
from summarise.batch.origin import origin_of, read_some, what_to_read
from summarise.batch.sources import Skipped, Source, discover
from summarise.batch.submissions import Ended, Polling, Submissions, Surroundings
from summarise.batch.tally import Tally
from summarise.batch.waiting import WaitingDocuments, Work
from summarise.documents import Document
from summarise.errors import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    RateLimitError,
    StorageError,
    SummariseError,
    UsageError,
)
from summarise.journal.journal import Journal
from summarise.journal.rows import DocumentState, Outcome, RunEnd, RunStart
from summarise.llm.client import LanguageModel
from summarise.llm.endpoint import open_model
from summarise.llm.provider_batches import MOST_BYTES, ProviderBatches
from summarise.llm.transport import Transport
from summarise.llm.usage import Meter
from summarise.settings import Settings

_MOST_TURNED_AWAY = 4
"""Times a batch of one request may find the provider's queue full before the run ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderOptions:
    """How the provider's batches are used.

    Attributes:
        detach: hand in and fetch what is there, and end without waiting.
        polling: how often a batch is looked at.
        most_requests: requests in one batch; the provider takes 50,000, fewer keep memory small.
        most_bytes: bytes of one input file.
    """

    detach: bool = False
    polling: Polling = field(default_factory=Polling)
    most_requests: int = 2000
    most_bytes: int = MOST_BYTES


@dataclass(frozen=True, slots=True)
class _End:
    outcome: Outcome
    reason: str | None
    exit_code: int
    waiting: int = 0


async def run_via_batch_api(
    inputs: Sequence[str],
    *,
    settings: Settings,
    options: BatchOptions,
    provider: ProviderOptions | None = None,
    listener: Listener | None = None,
    stop: asyncio.Event | None = None,
) -> BatchReport:
    """Summarise many documents through the provider's batch endpoint; goes on with what was handed in before.

    Args:
        inputs: files, folders, globs, JSONL or CSV files; none: those of the run whose batches are under way.
        settings: the model must be one at an endpoint, not the embedded one.
        options: where the results go, and what is done again. Bounds on speed mean nothing here.
        provider: how the provider's batches are used.
        listener: told of everything that happens.
        stop: set it to end the waiting; the batches go on at the provider, the next run fetches them.

    Raises:
        UsageError: bounds that cannot be kept, the embedded model, nothing found, another run has the file.
        ConfigurationError: the settings or the results file.
        StorageError: the results file cannot be written at all.
    """
    identity = identify(settings)
    _check(identity, options)
    with Journal.open(options.output, create=bool(inputs or options.sources.files_from)) as journal:
        names, options = what_to_read(inputs, options, journal, identity)
        sources = dataclasses.replace(
            options.sources,
            limit=options.limit or options.sources.limit,
            shuffle=options.shuffle if options.shuffle is not None else options.sources.shuffle,
            output=options.output,
        )
        found = discover(names, options=sources)
        run = _Run(identity, settings, options, provider or ProviderOptions(), journal)
        run.listener = listener
        return await run.through(found, names, stop or asyncio.Event())


def _check(identity: Identity, options: BatchOptions) -> None:
    if identity.embedded:
        raise UsageError("--via batch-api needs a provider; the embedded model has no batch endpoint: pass --model")
    for name in ("max_cost", "max_tokens"):
        if getattr(options, name) is not None:
            raise UsageError(
                f"--{name.replace('_', '-')} cannot be kept with --via batch-api, where a whole batch is answered at "
                "once; use --limit or --max-documents"
            )


class _Run:
    """One run, from the first document to the report."""

    listener: Listener | None = None

    def __init__(
        self, identity: Identity, settings: Settings, options: BatchOptions, provider: ProviderOptions, journal: Journal
    ) -> None:
        self._identity = identity
        self._settings = settings
        self._options = options
        self._provider = provider
        self._journal = journal
        self._keys = KeyMaker(identity)
        self._tally = Tally()
        self._most_requests = provider.most_requests
        self._one_at_a_time = False
        self._turned_away = 0
        self._cancelled: str | None = None
        self._halt = asyncio.Event()
        self._halted: _End | None = None

    async def through(
        self, found: Iterator[Source | Skipped], names: Sequence[str], stop: asyncio.Event
    ) -> BatchReport:
        """The whole run."""
        identity, options = self._identity, self._options
        command = command_of(names, self._settings, dataclasses.replace(options, via="batch-api"))
        self._run_id = self._journal.begin_run(
            RunStart(
                command=shlex.join(command),
                model=identity.model,
                endpoint=identity.endpoint,
                strategy=identity.strategy,
                recipe_sha256=identity.recipe_sha256,
                settings_json=identity.settings_json,
                summarise_version=__version__,
                started=_now(),
            )
        )
        self._emit(RunStarted(self._run_id, str(options.output), identity.model, identity.endpoint, identity.strategy))
        watchers = [asyncio.create_task(self._watch(stop)), asyncio.create_task(self._time_out())]
        end = _End("interrupted", "stopped at once", EXIT_INTERRUPTED)
        try:
            end = await self._work_through(found, names)
        except SummariseError as error:
            end = _End("failed", str(error), error.exit_code)
        finally:
            for watcher in watchers:
                watcher.cancel()
            await asyncio.gather(*watchers, return_exceptions=True)
            seconds = round(self._tally.seconds, 3)
            # A disk that ended the run cannot take this note either; the next run marks this one as interrupted.
            with suppress(StorageError):
                self._journal.end_run(
                    self._run_id, RunEnd(end.outcome, end.reason, _now(), seconds=seconds, reused=self._tally.reused)
                )
        report = self._report(end, command)
        self._emit(RunEnded(report))
        return report

    async def _work_through(self, found: Iterator[Source | Skipped], names: Sequence[str]) -> _End:
        async with AsyncExitStack() as stack:
            opened = await stack.enter_async_context(
                open_model(self._settings, notify=lambda words: self._emit(Notice(words)))
            )
            if not isinstance(opened.transport, Transport):
                raise TypeError("an opened model has a live transport")
            limits = dataclasses.replace(opened.transport.limits, sleep=self._provider.polling.sleep)
            provider = await stack.enter_async_context(ProviderBatches(opened.endpoint, limits))
            self._submissions = Submissions(
                provider,
                self._journal,
                run_id=self._run_id,
                origin=origin_of(names, self._options, opened.endpoint.base_url),
                surroundings=Surroundings(
                    self._provider.polling,
                    notify=lambda words: self._emit(Notice(words)),
                    is_held=lambda work_key: work_key in self._documents,
                ),
            )
            work = Work(
                self._journal, self._run_id, self._identity, self._settings, self._options, self._tally, self._emit
            )
            self._documents = WaitingDocuments(work, opened.transport, opened.capability, self._submissions)
            await self._submissions.recover()
            await self._take_in(found, opened)
            await self._hand_in(everything=True)
            return dataclasses.replace(await self._fetch(), waiting=len(self._documents))

    # Documents into questions

    async def _take_in(self, found: Iterator[Source | Skipped], opened: LanguageModel) -> None:
        """Look at every document once; those that need answers end up waiting, their questions ready or sent."""
        while group := await asyncio.to_thread(read_some, found):
            for item, read in group:
                if self._halt.is_set() or self._budget_is_used_up():
                    return
                self._tally.found += 1
                if not isinstance(read, Document):
                    cause, message = read
                    self._documents.fail_unread(item, cause, message.removeprefix(f"{item.name}: "))
                elif not isinstance(item, Skipped) and not self._settled(item, read, key := self._keys.key(read.id)):
                    if opened.capability.form is None:
                        await self._probe(opened)
                    await self._documents.take_up(item, read, key)
                    await self._hand_in(everything=False)
            self._tick()
        self._tally.discovery_finished = True

    def _settled(self, source: Source, document: Document, key: str) -> bool:
        """Whether nothing is to be asked about the document: the rules of every batch, but that what an earlier run
        handed in to be done again is not done yet."""
        options, state = self._options, self._journal.state(source.name)
        failed = state is not None and state.state == "failed"
        if options.only_failed and not failed:
            self._tally.found -= 1
            return True
        if options.force or self._submissions.waits(key):
            return False
        result_id = self._journal.result_of(key)
        if _has(state, "done", key) or result_id is not None:
            if result_id is not None:
                self._journal.attach(self._run_id, source.name, document.id, result_id)
            self._documents.reused(source)
            return True
        if _has(state, "failed", key) and not (options.retry_failed or options.only_failed):
            self._tally.failed_before += 1
            return True
        return False

    async def _probe(self, opened: LanguageModel) -> None:
        """Find out live, by one tiny question, in which form the endpoint answers."""
        meter = Meter()
        await opened.probe(meter)
        self._emit(ModelReady(opened.endpoint.model, self._identity.endpoint))

    # Questions into batches

    async def _hand_in(self, *, everything: bool) -> None:
        """Send full batches; with ``everything`` also the last one, which may be small."""
        while self._cancelled is None and not self._halt.is_set():
            size = self._most_requests, self._provider.most_bytes
            full = self._documents.ready(*size)
            if full is None or not (full or everything) or (self._one_at_a_time and self._submissions.open):
                return
            requests = self._documents.requests(*size)
            await self._submissions.hand_in(requests)
            self._documents.sent(requests)

    # Batches into answers

    async def _fetch(self) -> _End:
        """Wait for batches and read their documents on, until none is under way or the run must end."""
        detach = self._provider.detach
        while self._cancelled is None and not self._halt.is_set():
            if not self._submissions.open:
                if self._documents.ready(1, 1) is None:
                    break
                # The provider's queue was full a moment ago.
                await self._submissions.pause(self._halt)
                await self._hand_in(everything=True)
                continue
            ended = await self._submissions.next_ended(
                self._halt, patience=self._options.give_up_seconds, wait=not detach
            )
            if ended is None:
                break
            await self._deal_with(ended)
            await self._hand_in(everything=True)
            self._tick()
        return self._ending()

    async def _deal_with(self, ended: Ended) -> None:
        if ended.queue_full:
            self._slow_down(ended)
        for key in ended.work_keys:
            await self._documents.read_on(key)
        if ended.queue_full:
            return
        self._turned_away = 0
        self._submissions.dealt_with(ended)
        if ended.status == "cancelled" and len(ended.result.answers) < len(ended.submission.items):
            self._cancelled = ended.submission.provider_id

    def _slow_down(self, ended: Ended) -> None:
        """The provider takes no more at once: smaller batches, one after the other."""
        self._one_at_a_time = True
        if self._submissions.open:
            return
        size = len(ended.submission.items)
        self._most_requests = max(1, size // 2)
        self._turned_away += size == 1
        if self._turned_away >= _MOST_TURNED_AWAY:
            raise RateLimitError(
                f"{self._identity.endpoint} has no room for even one request in its batch queue; "
                "wait until other batches are done, then run again"
            )

    # The end

    async def _watch(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._stop(_End("interrupted", None, EXIT_INTERRUPTED))

    async def _time_out(self) -> None:
        if self._options.max_seconds is not None:
            await asyncio.sleep(self._options.max_seconds)
            self._stop(_End("stopped", f"--max-time was reached ({self._options.max_seconds:g} s)", EXIT_FAILED))

    def _stop(self, end: _End) -> None:
        self._halted = self._halted or end
        self._halt.set()

    def _budget_is_used_up(self) -> bool:
        most = self._options.max_documents
        if most is None or self._documents.asked < most:
            return False
        self._halted = self._halted or _End("stopped", f"--max-documents {most} was reached", EXIT_FAILED)
        return True

    def _ending(self) -> _End:
        left = self._left()
        if self._cancelled is not None:
            reason = f"batch {self._cancelled} was cancelled at the provider; run the command again to ask the rest"
            return _End("stopped", reason, EXIT_FAILED)
        if self._halted is not None:
            reason = "; ".join(words for words in (self._halted.reason or "interrupted", left) if words)
            return _End(self._halted.outcome, reason, self._halted.exit_code)
        return _End("stopped", left, EXIT_DONE) if left else _End("finished", None, EXIT_DONE)

    def _left(self) -> str | None:
        """The words for what is under way at the provider."""
        count = len(self._submissions.open)
        if not count:
            return None
        requests = sum(len(submission.items) for submission in self._submissions.open)
        what = "1 batch is" if count == 1 else f"{count} batches are"
        return f"{what} under way at the provider ({requests} requests); run the command again to fetch the answers"

    def _report(self, end: _End, command: Sequence[str]) -> BatchReport:
        tally = self._tally
        failed = bool(tally.failed or tally.failed_before)
        return BatchReport(
            outcome=end.outcome,
            reason=end.reason,
            exit_code=EXIT_FAILED if failed and end.exit_code == EXIT_DONE else end.exit_code,
            run_id=self._run_id,
            output=str(self._options.output),
            totals=tally.snapshot(in_flight=end.waiting),
            failed_by_cause=dict(tally.by_cause),
            seconds=round(tally.seconds, 3),
            retry_command=going_on(command, "--retry-failed") if failed else None,
            resume_command=going_on(command) if end.outcome != "finished" else None,
        )

    def _tick(self) -> None:
        self._emit(ProgressTick(self._tally.snapshot(in_flight=len(self._documents))))

    def _emit(self, event: Event) -> None:
        if self.listener is not None:
            self.listener(event)


def _has(state: DocumentState | None, wanted: str, key: str) -> bool:
    return state is not None and state.state == wanted and state.work_key == key


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
