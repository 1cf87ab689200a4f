"""What becomes of a document that was asked about: a result, a failure, another try, or nothing yet.

Invariant: a result or a failure is a row before it is counted or told; a document the run must leave, because of
the key, the quota, the endpoint or the disk, gets no row, so the next run takes it up. What it cost is counted in
every case.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from summarise.batch.causes import cause_of, message_of
from summarise.batch.events import DocumentDone, DocumentFailed, DocumentPutBack, PauseStarted, Usage
from summarise.batch.outage import MOST_FAILURES
from summarise.batch.state import GRACE_SECONDS, RunState
from summarise.batch.work import Item, Stopwatch, usage_of
from summarise.errors import (
    AuthenticationError,
    ConfigurationError,
    EndpointUnavailableError,
    QuotaError,
    RateLimitError,
    StorageError,
    UnknownModelError,
)

if TYPE_CHECKING:
    from summarise.schemas import Record

_MOST_REFUSED = 3
"""Requests in a row the endpoint did not accept before it is the settings and not the documents."""


class Outcomes:
    """Writes down how documents ended."""

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._refused_in_a_row = 0

    async def save(self, item: Item, record: Record, watch: Stopwatch) -> None:
        """Commit a record; those who wait for the same text get it too."""
        state = self._state
        item.saving = True
        state.answers_came(item)
        self._refused_in_a_row = 0
        usage = usage_of(item.meter, state.job.pricing)
        state.tally.spend(usage)
        try:
            result_id = await state.writer.commit(
                state.run_id, item.name, work_key=item.work_key, record=record, attempt=watch.attempt(usage)
            )
        except StorageError as error:
            state.tally.unsaved += 1
            state.cannot_save(error)
            return
        state.committed(item.work_key, result_id)
        state.leaders.pop(item.work_key, None)
        state.tally.succeed(with_warnings=bool(record.warnings))
        codes = tuple(warning.code for warning in record.warnings)
        state.emit(DocumentDone(item.name, item.position, result_id, codes, usage, watch.seconds))
        try:
            await state.attach([(name, item.document.id, result_id) for name, _ in item.followers])
        except StorageError as error:
            state.cannot_save(error)
            return
        for name, position in item.followers:
            state.reused(name, position)

    async def not_done(self, item: Item, error: Exception, watch: Stopwatch) -> None:
        """Fail the document, put it back, or end the run, as the error asks for."""
        state = self._state
        if isinstance(error, StorageError):
            state.tally.unsaved += 1
            state.cannot_save(error)
        elif isinstance(error, QuotaError):
            state.end("failed", str(error), error.exit_code, grace=GRACE_SECONDS)
        elif isinstance(error, EndpointUnavailableError):
            if self._put_back(item, error, watch):
                return
            if state.ending is None:
                await self._fail(item, error, watch)
                return
        elif isinstance(error, ConfigurationError) and self._is_about_the_run(error):
            state.end("failed", str(error), error.exit_code, grace=GRACE_SECONDS)
        else:
            if not isinstance(error, ConfigurationError):
                state.answered()
            await self._fail(item, error, watch)
            return
        self.leave(item)

    def leave(self, item: Item) -> None:
        """Leave the document as it is in the results file; the next run takes it up."""
        self._state.tally.spend(usage_of(item.meter, self._state.job.pricing))
        self._state.leaders.pop(item.work_key, None)

    def _is_about_the_run(self, error: ConfigurationError) -> bool:
        """A refused key or an unknown model is; one request that was not accepted among others may not be."""
        self._refused_in_a_row += 1
        if isinstance(error, AuthenticationError | UnknownModelError) or type(error) is not ConfigurationError:
            return True
        return not self._state.tally.done or self._refused_in_a_row >= _MOST_REFUSED

    def _put_back(self, item: Item, error: EndpointUnavailableError, watch: Stopwatch) -> bool:
        """Note a failure of the endpoint; False if the document is not to be tried again."""
        state, outage = self._state, self._state.outage
        if outage.failed(watch.began, str(error)):
            state.emit(PauseStarted(str(error), state.job.options.give_up_seconds))
        elif item.probing:
            outage.probe_failed(str(error), limited=isinstance(error, RateLimitError))
        if outage.answers != item.answers_at_failure:
            item.failures += 1
            item.answers_at_failure = outage.answers
        if state.ending is not None or item.failures >= MOST_FAILURES:
            return False
        item.not_before = time.monotonic() + outage.retry_in(item.failures)
        state.again.append(item)
        state.emit(DocumentPutBack(item.name, item.position, message_of(error, item.name)))
        return True

    async def _fail(self, item: Item, error: Exception, watch: Stopwatch) -> None:
        state = self._state
        item.saving = True
        state.answers_came(item)
        # From here on a document with the same text is asked about for itself: it would not be in these rows.
        state.leaders.pop(item.work_key, None)
        usage = usage_of(item.meter, state.job.pricing)
        state.tally.spend(usage)
        cause, message = cause_of(error), message_of(error, item.name)
        rows = [(item.name, item.position, watch.attempt(usage, cause, message))]
        rows += [(name, position, watch.attempt(Usage(), cause, message)) for name, position in item.followers]
        content, key = item.document.id, item.work_key
        try:
            if cause in ("invalid_answer", "truncated"):
                await state.writer.forget(key)  # or a retry would be given the same answers again
            await asyncio.gather(
                *(
                    state.writer.fail(state.run_id, name, content_sha256=content, work_key=key, attempt=attempt)
                    for name, _, attempt in rows
                )
            )
        except StorageError as broken:
            state.cannot_save(broken)
            return
        for name, position, _ in rows:
            state.tally.fail(cause, worked=True)
            state.emit(DocumentFailed(name, position, cause, message))
