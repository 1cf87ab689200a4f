"""Batches handed in to a provider: sent once, waited for, fetched, and every request of them accounted for.

Invariants:

- before anything is sent, the batch and what its ids stand for are in the results file; so whenever the process
  ends, the next one finds the batch (by its mark, :mod:`summarise.llm.provider_batches`) and sends nothing twice;
- an answer is in the results file as soon as it was downloaded, before anything is made of it;
- of a batch that ended, each request was answered, declined, is to be asked again, or is missing: one of the four.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from openai.types import Batch

from summarise.errors import ConfigurationError, EndpointUnavailableError, QuotaError, RateLimitError
from summarise.journal.journal import Journal
from summarise.journal.rows import BatchItem, ProviderBatch
from summarise.llm.deferred import Answered, AskAgain, Declined, LineOutcome, WaitingRequest, read_line
from summarise.llm.provider_batches import TERMINAL, ProviderBatches

MOST_TRIES = 3
"""Batches one request goes into before its document fails: each may take a day."""
MOST_TRIES_MISSING = 2
"""A request that a batch says nothing about is asked once more; twice is no accident."""
_QUEUE_FULL = ("token_limit_exceeded", "enqueued token limit")
_UNFINISHED = frozenset({"prepared", "uploaded", "sent", "fetched"})
_QUOTA = ("billing_hard_limit_reached", "insufficient_quota")


@dataclass(frozen=True, slots=True)
class Polling:
    """How often a batch is looked at: seconds before the first look, growing by ``factor`` up to ``longest``."""

    first: float = 5.0
    factor: float = 1.5
    longest: float = 300.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What submissions need of the run: ``notify`` is told in words what was handed in, found and fetched;
    ``is_held`` says whether this run works on the document with this work key."""

    polling: Polling
    notify: Callable[[str], None]
    is_held: Callable[[str], bool]


@dataclass(slots=True)
class Submission:
    """A batch at the provider. ``row`` is what the results file has of it; ``items`` are its requests by custom id."""

    row: ProviderBatch
    items: Mapping[str, BatchItem]
    provider_id: str | None = None


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What the lines of a batch's files say about its requests, each of which stands in exactly one of the first
    four. ``repeated``, ``strangers`` and ``unreadable`` count lines that said nothing new or nothing of use."""

    answers: Mapping[str, str]
    declined: Mapping[str, Exception]
    again: Mapping[str, AskAgain]
    missing: frozenset[str]
    repeated: int = 0
    strangers: int = 0
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """A batch that ended and was fetched. ``status`` is the provider's last word on it, ``lost`` if the provider does
    not know it any more; ``queue_full`` if it was turned away because too much was waiting already."""

    submission: Submission
    status: str
    result: Reconciled
    queue_full: bool = False

    @property
    def work_keys(self) -> list[str]:
        """The documents (by work key) that asked something in it, in order."""
        return list(dict.fromkeys(item.work_key for item in self.submission.items.values()))


def reconcile(
    custom_ids: Iterable[str], lines: Iterable[bytes], read: Callable[[bytes], tuple[str, LineOutcome] | None]
) -> Reconciled:
    """Match lines, in any order, with requests. Of several lines about one request an answer counts most, then an
    error, and among equals the first."""
    wanted = set(custom_ids)
    best: dict[str, LineOutcome] = {}
    repeated = strangers = unreadable = 0
    for raw in lines:
        if not raw.strip():
            continue
        known = read(raw)
        if known is None:
            unreadable += 1
            continue
        custom_id, outcome = known
        if custom_id not in wanted:
            strangers += 1
            continue
        if custom_id in best:
            repeated += 1
        if custom_id not in best or _weight(outcome) > _weight(best[custom_id]):
            best[custom_id] = outcome
    return Reconciled(
        answers={one: outcome.completion for one, outcome in best.items() if isinstance(outcome, Answered)},
        declined={one: outcome.error for one, outcome in best.items() if isinstance(outcome, Declined)},
        again={one: outcome for one, outcome in best.items() if isinstance(outcome, AskAgain)},
        missing=frozenset(wanted - best.keys()),
        repeated=repeated,
        strangers=strangers,
        unreadable=unreadable,
    )


def _weight(outcome: LineOutcome) -> int:
    return 2 if isinstance(outcome, Answered) else 1 if isinstance(outcome, Declined) else 0


class Submissions:
    """The batches of one results file at one endpoint.

    ``open`` are those not fetched yet; ``errors`` is what requests got that will get no answer, by custom id.

    Args:
        provider: the endpoint.
        journal: the results file, with a run begun.
        run_id: that run.
        origin: facts about the run that are kept with a batch; ``base_url`` must be among them, since batches of
            another endpoint are left alone.
        surroundings: how often to look, who is told, and which documents this run works on.
    """

    def __init__(
        self,
        provider: ProviderBatches,
        journal: Journal,
        *,
        run_id: int,
        origin: Mapping[str, Any],
        surroundings: Surroundings,
    ) -> None:
        self.open: list[Submission] = []
        self.errors: dict[str, Exception] = {}
        self._provider = provider
        self._journal = journal
        self._run_id = run_id
        self._origin = dict(origin)
        self._polling = surroundings.polling
        self._notify = surroundings.notify
        self._is_held = surroundings.is_held
        self._under_way: set[str] = set()
        self._tries: Counter[str] = Counter()
        self._told_again: set[str] = set()

    def under_way(self, custom_id: str) -> bool:
        """Whether the request stands in a batch that is not fetched yet."""
        return custom_id in self._under_way

    def waits(self, work_key: str) -> bool:
        """Whether the document with this work key stands in a batch that an earlier run was told to do again."""
        return work_key in self._told_again

    async def recover(self) -> None:
        """Find again what earlier runs handed in; what they only prepared is handed in now if it was uploaded.

        Raises:
            SummariseError: if the provider cannot be asked.
        """
        for row in unfinished(self._journal, str(self._origin["base_url"])):
            facts = _facts(row)
            items = {item.custom_id: item for item in self._journal.batch_items(row.batch_id or 0)}
            submission = Submission(row, items, provider_id=facts.get("provider_batch"))
            if submission.provider_id is None and not await self._find_again(submission):
                self._save(submission, "lost")
                continue
            self.open.append(submission)
            self._under_way.update(items)
            if facts.get("again"):
                self._told_again.update(item.work_key for item in items.values())
            self._notify(f"going on with batch {submission.provider_id}: {len(items)} requests")

    async def hand_in(self, requests: Sequence[tuple[WaitingRequest, str]]) -> None:
        """Send the requests, each with the name of its document, as one batch.

        Raises:
            SummariseError: if the provider does not take it; the next run then goes on from where this one got to.
        """
        mark = uuid.uuid4().hex
        items = {
            request.custom_id: BatchItem(request.custom_id, source, request.work_key, request.request_sha256)
            for request, source in requests
        }
        row = ProviderBatch(
            provider_batch_id=f"summarise-{mark}",
            run_id=self._run_id,
            state="prepared",
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            request_count=len(items),
            round=1 + max((self._tries[custom_id] for custom_id in items), default=0),
            note=json.dumps({**self._origin, "mark": mark, "since": time.time()}),
        )
        self._journal.save_batch(row, tuple(items.values()))
        submission = Submission(row, items)
        self.open.append(submission)
        self._under_way.update(items)
        file_id = await self._provider.upload(mark, b"".join(request.line() for request, _ in requests))
        await self._create(submission, file_id)
        self._notify(f"batch {submission.provider_id} handed in: {len(items)} requests")

    async def next_ended(self, stop: asyncio.Event, *, patience: float, wait: bool = True) -> Ended | None:
        """Wait until a batch has ended, and fetch what it says.

        Args:
            stop: set, it ends the waiting.
            patience: seconds for which the provider may fail to answer.
            wait: if not, look once.

        Returns:
            None if ``stop`` was set first, or no batch has ended and ``wait`` is off; they are left as they are then.

        Raises:
            SummariseError: the provider did not answer for so long, or turned the batch away.
        """
        delay, heard = self._polling.first, time.monotonic()
        while not stop.is_set():
            try:
                for submission in list(self.open):
                    ended = await self._look(submission)
                    heard = time.monotonic()
                    if ended is not None:
                        return ended
            except EndpointUnavailableError as error:
                if isinstance(error, QuotaError) or not wait or time.monotonic() - heard >= patience:
                    raise
            if not wait:
                return None
            await self._pause(stop, delay)
            delay = min(self._polling.longest, delay * self._polling.factor)
        return None

    def dealt_with(self, ended: Ended) -> None:
        """Everything that hung on the batch is in the results file: it need not be looked at again."""
        self._save(ended.submission, ended.status)

    async def pause(self, stop: asyncio.Event) -> None:
        """Wait as long as between two looks at a batch that takes its time, or until ``stop`` is set."""
        await self._pause(stop, self._polling.first * self._polling.factor**3)

    # Handing in

    async def _find_again(self, submission: Submission) -> bool:
        """Find the batch of a run that ended before it knew the batch's id."""
        facts = _facts(submission.row)
        batch = await self._provider.find(facts["mark"], since=facts["since"])
        if batch is not None:
            self._created(submission, batch)
            return True
        file_id = await self._provider.find_upload(facts["mark"])
        if file_id is None:
            return False
        await self._create(submission, file_id)
        return True

    async def _create(self, submission: Submission, file_id: str) -> None:
        facts = _facts(submission.row)
        submission.row = dataclasses.replace(submission.row, input_file_id=file_id)
        self._save(submission, "uploaded")
        self._created(submission, await self._provider.create(facts["mark"], file_id, since=facts["since"]))

    def _created(self, submission: Submission, batch: Batch) -> None:
        submission.provider_id = batch.id
        note = json.dumps({**_facts(submission.row), "provider_batch": batch.id})
        submission.row = dataclasses.replace(submission.row, input_file_id=batch.input_file_id, note=note)
        self._save(submission, "sent")

    # Fetching

    async def _look(self, submission: Submission) -> Ended | None:
        batch = await self._provider.look(submission.provider_id or "")
        if batch is None:
            self._notify(f"batch {submission.provider_id} is not known to the provider any more; its requests go again")
            return self._keep(submission, "lost", [])
        if batch.status not in TERMINAL:
            return None
        if batch.status == "failed":
            return self._turned_away(submission, batch)
        lines: list[bytes] = []
        for file_id in (batch.output_file_id, batch.error_file_id):
            lines += (await self._provider.lines(file_id) or []) if file_id else []
        submission.row = dataclasses.replace(
            submission.row, output_file_id=batch.output_file_id, error_file_id=batch.error_file_id
        )
        return self._keep(submission, batch.status, lines)

    def _keep(self, submission: Submission, status: str, lines: Sequence[bytes]) -> Ended:
        """Put the answers into the results file; count the tries of requests that must go again."""
        endpoint = self._provider.endpoint
        result = reconcile(
            submission.items, lines, lambda raw: read_line(raw, base_url=endpoint.base_url, model=endpoint.model)
        )
        items = submission.items
        states = self._journal.states(sorted({item.source for item in items.values()}))
        with self._journal.transaction():
            for custom_id, completion in result.answers.items():
                item = items[custom_id]
                state = states.get(item.source)
                # A document that has its outcome already was dealt with before the last run ended.
                if self._is_held(item.work_key) or state is None or state.work_key != item.work_key:
                    self._journal.remember(item.work_key, item.request_sha256, completion)
            self._save(submission, "fetched", _with_states(items, result))
        self.errors.update(result.declined)
        for custom_id, why in result.again.items():
            self._in_vain(custom_id, why.reason, counts=not why.cancelled)
        for custom_id in result.missing:
            self._in_vain(custom_id, "missing", counts=status != "lost")
        self._close(submission)
        self._notify(_account(submission, status, result))
        return Ended(submission, status, result)

    def _in_vain(self, custom_id: str, reason: str, *, counts: bool) -> None:
        self._tries[custom_id] += counts
        tries, most = self._tries[custom_id], MOST_TRIES_MISSING if reason == "missing" else MOST_TRIES
        if tries >= most:
            kind = RateLimitError if reason == "HTTP 429" else EndpointUnavailableError
            self.errors[custom_id] = kind(
                f"{self._provider.endpoint.base_url}: no answer in {tries} batches ({reason}); "
                "--retry-failed asks again"
            )

    def _turned_away(self, submission: Submission, batch: Batch) -> Ended:
        """A batch that failed its validation: nothing of it was carried out or charged."""
        errors = batch.errors.data if batch.errors and batch.errors.data else []
        words = json.dumps([[error.code, error.message] for error in errors]).lower()
        self._close(submission)
        self._save(submission, "failed")
        if any(mark in words for mark in _QUEUE_FULL):
            self._notify(f"batch {batch.id} was turned away: too much waits at the provider already")
            return Ended(submission, "failed", reconcile((), (), lambda _: None), queue_full=True)
        first = errors[0] if errors else None
        place = f" at line {first.line}" if first and first.line else ""
        more = f" and {len(errors) - 1} more" if len(errors) > 1 else ""
        code = (first.code if first else None) or "no reason given"
        if any(mark in words for mark in _QUOTA):
            raise QuotaError(f"batch {batch.id} was turned away: {code}; check the account, then run again")
        raise ConfigurationError(
            f"batch {batch.id} was turned away by the provider: {code}{place}{more}; nothing was charged; "
            "check --model and that the provider takes it in batches"
        )

    def _close(self, submission: Submission) -> None:
        self.open.remove(submission)
        self._under_way.difference_update(submission.items)

    def _save(self, submission: Submission, state: str, items: tuple[BatchItem, ...] = ()) -> None:
        submission.row = dataclasses.replace(submission.row, state=state)
        self._journal.save_batch(submission.row, items)

    async def _pause(self, stop: asyncio.Event, seconds: float) -> None:
        nap = asyncio.ensure_future(self._polling.sleep(seconds))
        halt = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({nap, halt}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in (nap, halt):
                one.cancel()
            await asyncio.gather(nap, halt, return_exceptions=True)


def unfinished(journal: Journal, base_url: str | None = None) -> list[ProviderBatch]:
    """The batches that were prepared or handed in and not dealt with, of one endpoint or of all."""
    rows = [row for row in journal.batches() if row.state in _UNFINISHED]
    return [row for row in rows if base_url in (None, _facts(row).get("base_url"))]


def _facts(row: ProviderBatch) -> dict[str, Any]:
    facts = json.loads(row.note or "{}")
    return facts if isinstance(facts, dict) else {}


def _with_states(items: Mapping[str, BatchItem], result: Reconciled) -> tuple[BatchItem, ...]:
    """The requests with how each ended."""

    def state(custom_id: str) -> str:
        if custom_id in result.answers:
            return "answered"
        if custom_id in result.declined:
            return "declined"
        return result.again[custom_id].reason if custom_id in result.again else "missing"

    return tuple(dataclasses.replace(item, state=state(custom_id)) for custom_id, item in items.items())


def _account(submission: Submission, status: str, result: Reconciled) -> str:
    """The words for a fetched batch; every request is in one of the numbers."""
    counts = {
        "answered": len(result.answers),
        "declined": len(result.declined),
        "not carried out": len(result.again),
        "missing": len(result.missing),
    }
    words = ", ".join(f"{count} {what}" for what, count in counts.items() if count or what == "answered")
    odd = {"repeated": result.repeated, "about nobody": result.strangers, "unreadable": result.unreadable}
    lines = ", ".join(f"{count} lines {what}" for what, count in odd.items() if count)
    return f"batch {submission.provider_id} {status}: {words}" + (f" ({lines} passed over)" if lines else "")
