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
import json
import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from summarise import __version__
from summarise.batch.causes import cause_of, message_of
from summarise.batch.events import (
    BatchReport,
    DocumentDone,
    DocumentFailed,
    DocumentReused,
    DocumentStarted,
    Event,
    Listener,
    ModelReady,
    Notice,
    ProgressTick,
    RunEnded,
    RunStarted,
    Usage,
)
from summarise.batch.identity import Identity, KeyMaker, identify
from summarise.batch.options import BatchOptions
from summarise.batch.sources import Skipped, Source, SourceOptions, discover
from summarise.batch.submissions import Ended, Polling, Submissions, Surroundings, unfinished
from summarise.batch.tally import Tally
from summarise.batch.work import Stopwatch
from summarise.documents import Document
from summarise.errors import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    AuthenticationError,
    QuotaError,
    RateLimitError,
    StorageError,
    SummariseError,
    UnknownModelError,
    UnreadableDocumentError,
    UsageError,
)
from summarise.journal.journal import Journal
from summarise.journal.rows import Attempt, AttemptUsage, Cause, DocumentState, Outcome, RunEnd, RunStart
from summarise.llm.batch_prices import batch_cost_usd
from summarise.llm.client import LanguageModel, Sampling
from summarise.llm.deferred import DeferredTransport, WaitingRequest, read_until_waiting
from summarise.llm.endpoint import open_model
from summarise.llm.provider_batches import MOST_BYTES, ProviderBatches
from summarise.llm.transport import Transport
from summarise.llm.usage import Meter
from summarise.pipeline import summarise_document
from summarise.schemas import Record, UsageInfo
from summarise.settings import Settings

_MOST_TURNED_AWAY = 4
"""Times a batch of one request may find the provider's queue full before the run ends."""
_ABOUT_THE_RUN = (AuthenticationError, UnknownModelError, QuotaError, StorageError)
_FORGOTTEN: frozenset[Cause] = frozenset({"invalid_answer", "truncated", "refused"})
"""After these a retry must not be given the same answers again."""
_ONCE = frozenset({"--force", "-f", "--retry-failed", "--only-failed", "--detach"})


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


@dataclass(slots=True)
class _Held:
    """A document that waits: where to read it again, and others with the same text."""

    source: Source
    work_key: str
    followers: list[Source] = field(default_factory=list)
    watch: Stopwatch = field(default_factory=Stopwatch)


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
        names, options = _what_to_read(inputs, options, journal, identity)
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


def _what_to_read(
    inputs: Sequence[str], options: BatchOptions, journal: Journal, identity: Identity
) -> tuple[list[str], BatchOptions]:
    """The inputs as given; if none are, those of the run whose batches are under way, with its options for them."""
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


class _Recalled:
    """The answers of a document that waits, from the results file. None come in while it is read."""

    def __init__(self, journal: Journal, work_key: str) -> None:
        self._known = journal.recall(work_key)

    async def recall(self, request_sha256: str) -> str | None:
        return self._known.get(request_sha256)

    async def remember(self, request_sha256: str, completion: str) -> None:
        raise AssertionError(f"an answer to {request_sha256} outside a batch, {len(completion)} characters")


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
        self._held: dict[str, _Held] = {}
        self._ready: dict[str, tuple[WaitingRequest, str]] = {}
        self._ready_bytes = 0
        self._most_requests = provider.most_requests
        self._one_at_a_time = False
        self._turned_away = 0
        self._asked = 0
        self._cancelled: str | None = None
        self._halt = asyncio.Event()
        self._halted: _End | None = None
        self._fresh: set[str] = set()

    async def through(
        self, found: Iterator[Source | Skipped], names: Sequence[str], stop: asyncio.Event
    ) -> BatchReport:
        """The whole run."""
        identity, options = self._identity, self._options
        command = options.command or ("summarise", "batch", *names, "-o", str(options.output), "--via", "batch-api")
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
            self._journal.end_run(
                self._run_id,
                RunEnd(
                    end.outcome, end.reason, _now(), seconds=round(self._tally.seconds, 3), reused=self._tally.reused
                ),
            )
        report = self._report(end, [word for word in command if word not in _ONCE])
        self._emit(RunEnded(report))
        return report

    async def _work_through(self, found: Iterator[Source | Skipped], names: Sequence[str]) -> _End:
        async with AsyncExitStack() as stack:
            opened = await stack.enter_async_context(
                open_model(self._settings, notify=lambda words: self._emit(Notice(words)))
            )
            if not isinstance(opened.transport, Transport):
                raise TypeError("an opened model has a live transport")
            self._live, self._capability = opened.transport, opened.capability
            endpoint = opened.endpoint
            provider = await stack.enter_async_context(ProviderBatches(endpoint, self._live.limits))
            self._submissions = Submissions(
                provider,
                self._journal,
                run_id=self._run_id,
                origin=self._origin(names, endpoint.base_url),
                surroundings=Surroundings(
                    self._provider.polling, lambda words: self._emit(Notice(words)), self._held.__contains__
                ),
            )
            await self._submissions.recover()
            await self._take_in(found, opened)
            await self._hand_in(everything=True)
            return await self._fetch()

    def _origin(self, names: Sequence[str], base_url: str) -> dict[str, Any]:
        """What a later run needs to go on with a batch without being told the inputs again."""
        sources = {
            name: str(value) if isinstance(value, os.PathLike) else value
            for name, value in dataclasses.asdict(self._options.sources).items()
        }
        options = self._options
        return {
            "base_url": base_url,
            "folder": str(Path.cwd()),
            "inputs": list(names),
            "sources": sources,
            "again": options.force or options.retry_failed or options.only_failed,
        }

    # Documents into questions

    async def _take_in(self, found: Iterator[Source | Skipped], opened: LanguageModel) -> None:
        """Look at every document once; those that need answers end up held, their questions ready or sent."""
        for item in found:
            if self._halt.is_set() or self._budget_is_used_up():
                return
            self._tally.found += 1
            if isinstance(item, Skipped):
                self._fail_unread(item, item.cause, item.message.removeprefix(f"{item.name}: "))
                continue
            try:
                document = await asyncio.to_thread(item.read)
            except UnreadableDocumentError as error:
                self._fail_unread(item, cause_of(error), message_of(error, item.name))
                continue
            key = self._keys.key(document.id)
            if not self._settled(item, document, key):
                if self._capability.form is None:
                    await self._probe(opened)
                await self._take_up(item, document, key)
                await self._hand_in(everything=False)
        self._tally.discovery_finished = True
        self._tick()

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
            self._reused(source)
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

    async def _take_up(self, source: Source, document: Document, key: str) -> None:
        if key in self._held:
            self._held[key].followers.append(source)
            return
        if key in self._fresh:
            result_id = self._journal.result_of(key)
            if result_id is not None:  # done a moment ago, under another name
                self._journal.attach(self._run_id, source.name, document.id, result_id)
                self._reused(source)
                return
        if self._options.force and not self._submissions.waits(key):
            self._journal.forget(key)
        self._asked += 1
        self._tally.asking_since = self._tally.asking_since or self._tally.clock()
        held = self._held[key] = _Held(source, key)
        self._emit(DocumentStarted(source.name, source.position))
        await self._read_on(held, document)

    async def _read_on(self, held: _Held, document: Document) -> None:
        """Read the document until its record, its failure or its next questions."""
        transport = DeferredTransport(self._live, held.work_key, self._submissions.errors)
        sampling = Sampling(self._settings.temperature, self._settings.seed, self._settings.reasks)
        model = LanguageModel(transport, sampling, self._capability).remembering(
            _Recalled(self._journal, held.work_key)
        )
        work = summarise_document(document, model, self._settings, include_text=self._options.include_text)
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

    # Questions into batches

    async def _hand_in(self, *, everything: bool) -> None:
        """Send full batches; with ``everything`` also the last one, which may be small."""
        while self._ready and self._cancelled is None and not self._halt.is_set():
            full = len(self._ready) >= self._most_requests or self._ready_bytes >= self._provider.most_bytes
            if not (full or everything) or (self._one_at_a_time and self._submissions.open):
                return
            requests: list[tuple[WaitingRequest, str]] = []
            size = 0
            for request, source in self._ready.values():
                size += len(request.line())
                if requests and (len(requests) == self._most_requests or size > self._provider.most_bytes):
                    break
                requests.append((request, source))
            await self._submissions.hand_in(requests)
            for request, _ in requests:
                del self._ready[request.custom_id]
                self._ready_bytes -= len(request.line())

    # Batches into answers

    async def _fetch(self) -> _End:
        """Wait for batches and read their documents on, until none is under way or the run must end."""
        detach = self._provider.detach
        while (self._submissions.open or self._ready) and self._cancelled is None and not self._halt.is_set():
            if not self._submissions.open:  # the provider's queue was full a moment ago
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
            held = self._held.get(key)
            if held is not None:
                await self._read_again(held)
        if ended.queue_full:
            return
        self._turned_away = 0
        self._submissions.dealt_with(ended)
        if ended.status == "cancelled" and len(ended.result.answers) < len(ended.submission.items):
            self._cancelled = ended.submission.provider_id

    async def _read_again(self, held: _Held) -> None:
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
        del self._held[held.work_key]
        await self._take_up(held.source, document, key)
        for follower in held.followers:
            await self._take_up(follower, await asyncio.to_thread(follower.read), key)

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
                f"{self._live.endpoint.base_url} has no room for even one request in its batch queue; "
                "wait until other batches are done, then run again"
            )

    # What became of a document

    def _save(self, held: _Held, document: Document, record: Record) -> None:
        usage = self._usage(record.run.requests, record.run.reasks, record.run.usage)
        record = record.model_copy(update={"run": record.run.model_copy(update={"cost_usd": usage.cost_usd})})
        with self._journal.transaction():
            result_id = self._journal.commit(
                self._run_id,
                held.source.name,
                work_key=held.work_key,
                record=record,
                attempt=_attempt(held.watch, usage, None, None),
            )
            for follower in held.followers:
                self._journal.attach(self._run_id, follower.name, document.id, result_id)
        del self._held[held.work_key]
        self._fresh.add(held.work_key)
        self._tally.spend(usage)
        self._tally.succeed(with_warnings=bool(record.warnings))
        codes = tuple(warning.code for warning in record.warnings)
        source = held.source
        self._emit(DocumentDone(source.name, source.position, result_id, codes, usage, held.watch.seconds))
        for follower in held.followers:
            self._reused(follower)

    def _fail(self, held: _Held, document: Document | None, error: Exception) -> None:
        cause, message = cause_of(error), message_of(error, held.source.name)
        usage = self._paid(held.work_key)
        with self._journal.transaction():
            if cause in _FORGOTTEN:
                self._journal.forget(held.work_key)
            for source in (held.source, *held.followers):
                first = source is held.source
                self._journal.fail(
                    self._run_id,
                    source.name,
                    content_sha256=document.id if document else None,
                    work_key=held.work_key if document else None,
                    attempt=_attempt(held.watch, usage if first else Usage(), cause, message),
                )
        del self._held[held.work_key]
        self._tally.spend(usage)
        for source in (held.source, *held.followers):
            self._tally.fail(cause, worked=True)
            self._emit(DocumentFailed(source.name, source.position, cause, message))

    def _fail_unread(self, item: Source | Skipped, cause: Cause, message: str) -> None:
        attempt = _attempt(Stopwatch(), Usage(), cause, message)
        self._journal.fail(self._run_id, item.name, content_sha256=None, work_key=None, attempt=attempt)
        self._tally.fail(cause, worked=False)
        self._emit(DocumentFailed(item.name, item.position, cause, message))

    def _paid(self, work_key: str) -> Usage:
        """What the answers of a document that failed cost."""
        prompt = completion = requests = 0
        for text in self._journal.recall(work_key).values():
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
            cost_usd=batch_cost_usd(self._identity.endpoint, self._identity.model, used),
        )

    def _reused(self, source: Source) -> None:
        self._tally.reused += 1
        self._emit(DocumentReused(source.name, source.position))

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
        if most is None or self._asked < most:
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
            totals=tally.snapshot(in_flight=len(self._held)),
            failed_by_cause=dict(tally.by_cause),
            seconds=round(tally.seconds, 3),
            retry_command=shlex.join([*command, "--retry-failed"]) if failed else None,
            resume_command=shlex.join(command) if end.outcome != "finished" else None,
        )

    def _tick(self) -> None:
        self._emit(ProgressTick(self._tally.snapshot(in_flight=len(self._held))))

    def _emit(self, event: Event) -> None:
        if self.listener is not None:
            self.listener(event)


def _has(state: DocumentState | None, wanted: str, key: str) -> bool:
    return state is not None and state.state == wanted and state.work_key == key


def _attempt(watch: Stopwatch, usage: Usage, cause: Cause | None, message: str | None) -> Attempt:
    spent = AttemptUsage(**dataclasses.asdict(usage))
    started = datetime.fromtimestamp(datetime.now(UTC).timestamp() - watch.seconds, UTC)
    return Attempt(started.isoformat(timespec="milliseconds"), watch.seconds, spent, cause, message)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
