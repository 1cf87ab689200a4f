"""Who is asked about when: documents into work, results into the journal, until everything is done or must end.

Invariants: every document that was taken up ends as a row (done, failed) or is left as it was for the next run;
a result is committed before its document counts as done; two documents with the same text are asked about once;
memory holds the documents in work and a group or two ahead of them.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from summarise.batch.causes import cause_of, message_of
from summarise.batch.events import (
    DocumentDone,
    DocumentFailed,
    DocumentPutBack,
    DocumentReused,
    DocumentStarted,
    Event,
    Listener,
    ModelReady,
    Notice,
    Outcome,
    PauseEnded,
    PauseStarted,
    ProgressTick,
    Snapshot,
    Stopping,
    Usage,
)
from summarise.batch.identity import Identity
from summarise.batch.intake import Decision, Intake, Loaded, Unreadable
from summarise.batch.options import BatchOptions
from summarise.batch.outage import MOST_FAILURES, Outage
from summarise.batch.tally import Tally, budget_reached
from summarise.batch.work import (
    Heard,
    Item,
    Kept,
    Pricing,
    Stopwatch,
    summarise_item,
    takes_many_questions,
    usage_of,
)
from summarise.errors import (
    EXIT_BUG,
    EXIT_ENDPOINT,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    AuthenticationError,
    ConfigurationError,
    EndpointUnavailableError,
    QuotaError,
    RateLimitError,
    StorageError,
    SummariseError,
    UnknownModelError,
)
from summarise.journal.writer import Writer
from summarise.settings import Settings

if TYPE_CHECKING:
    from summarise.llm.client import LanguageModel
    from summarise.llm.memory import RememberingTransport
    from summarise.llm.pacing import Pace
    from summarise.schemas import Record

TICK_SECONDS = 1.0
_GRACE_SECONDS = 5.0
"""How long answers under way are waited for when the run must end: they are paid for."""
_MOST_REFUSED = 3
"""Requests in a row the endpoint did not accept before it is the settings and not the documents."""
_MOST_PUT_BACK = 64
"""Documents put back wait behind new ones, until so many hold their texts in memory."""
_FRESH = 4096
"""Results of this run remembered, so that a text looked up before it was done is not done again."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done, how, and who is told."""

    settings: Settings
    options: BatchOptions
    identity: Identity
    pricing: Pricing
    listener: Listener | None


@dataclass(frozen=True, slots=True)
class Ending:
    """Why nothing new is begun. ``grace`` is how many seconds work under way gets, None for as many as it
    takes."""

    outcome: Outcome
    reason: str | None
    exit_code: int
    grace: float | None


class Scheduler:
    """One run over the documents of an intake."""

    def __init__(self, job: Job, intake: Intake, writer: Writer, run_id: int) -> None:
        self.tally = Tally()
        self.listener_error: Exception | None = None
        self._job = job
        self._intake = intake
        self._writer = writer
        self._run_id = run_id
        self._outage = Outage(job.options.give_up_seconds, answer_seconds=job.settings.timeout)
        self._waiting: deque[Item] = deque()
        self._again: deque[Item] = deque()
        self._helpers: list[asyncio.Task[None]] = []
        self._tasks: dict[asyncio.Task[None], Item | None] = {}
        self._leaders: dict[str, Item] = {}
        self._fresh: dict[str, int] = {}
        self._probe: asyncio.Task[None] | None = None
        self._model: LanguageModel | None = None
        self._pace: Pace | None = None
        self._taken_in = False
        self._started = 0
        self._refused_in_a_row = 0
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._ending: Ending | None = None
        self._bug: BaseException | None = None

    # The run as a whole

    async def run(self, stop: asyncio.Event | None) -> Ending:
        """Work until everything is done or the run must end; what is in flight then is finished or let go."""
        async with AsyncExitStack() as stack:
            self._helpers = [self._helper(self._take_in()), self._helper(self._tick())]
            if stop is not None:
                self._helpers.append(self._helper(self._watch(stop)))
            if self._job.options.max_seconds is not None:
                self._helpers.append(self._helper(self._time_out(self._job.options.max_seconds)))
            try:
                await self._dispatch(stack)
                await self._drain()
            finally:
                self._intake.close()
                for helper in self._helpers:
                    helper.cancel()
                await self._let_go()
                await asyncio.gather(*self._helpers, return_exceptions=True)
        if self._bug is not None:
            raise self._bug
        return self._ending or Ending("finished", None, 0, None)

    def snapshot(self) -> Snapshot:
        """Where the run stands."""
        self.tally.found = self._intake.found
        self.tally.discovery_finished = self._taken_in or self._intake.counted
        return self.tally.snapshot(
            in_flight=len(self._tasks),
            concurrency=self._target() if self._model is not None else 0,
            paused_seconds=self._outage.seconds,
        )

    def emit(self, event: Event) -> None:
        """Tell the listener. Its errors end the run in good order and are raised when that is done."""
        if self._job.listener is None or self.listener_error is not None:
            return
        try:
            self._job.listener(event)
        except Exception as error:  # noqa: BLE001  # raised again once what is in flight is saved
            self.listener_error = error
            self._end("failed", "the listener of the run failed", EXIT_BUG)

    def _end(self, outcome: Outcome, reason: str, exit_code: int, *, grace: float | None = None) -> None:
        """Begin nothing new. The first reason stands, unless what is in flight must be let go for a later one."""
        first = self._ending is None
        if not first and not (grace == 0 and outcome == "failed"):
            return
        self._ending = Ending(outcome, reason, exit_code, grace)
        self._wake()
        if first:
            self.emit(Stopping(outcome, reason, len(self._tasks), finishes_in_flight=grace != 0))

    def _wake(self) -> None:
        self._changed.set()
        self._room.set()

    def _helper(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        task.add_done_callback(self._helper_ended)
        return task

    def _helper_ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, SummariseError):
            self._end("failed", str(error), error.exit_code, grace=_GRACE_SECONDS)
        elif error is not None:
            self._bug = self._bug or error
            self._end("failed", f"a bug of ours ({type(error).__name__})", EXIT_BUG)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.emit(ProgressTick(self.snapshot()))

    async def _watch(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._end("interrupted", "interrupted; run the command again to go on", EXIT_INTERRUPTED)

    async def _time_out(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds - self.tally.seconds))
        if not self._taken_in or self._waiting or self._again:
            self._end("stopped", f"--max-time was reached ({seconds:g} s)", EXIT_FAILED)

    async def _change(self, timeout: float | None) -> None:
        """Wait until something happened, or so many seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        except TimeoutError:
            pass
        self._changed.clear()

    # What comes in

    async def _take_in(self) -> None:
        counting = False
        async for unreadable, decisions in self._intake.groups(self._writer):
            await self._note_unreadable(unreadable)
            attached = [one for one in decisions if one.verdict == "attach"]
            await self._attach([(one.loaded.name, one.loaded.document.id, one.result_id or 0) for one in attached])
            worked = False
            for decision in decisions:
                worked = await self._take(decision) or worked
            self._intake.suit(most=None if not worked else 2 * self._target())
            if worked and not counting:
                counting = True
                self._helpers.append(self._helper(self._intake.count()))
            if self._ending is not None:
                return
        self._taken_in = True
        self._wake()

    async def _take(self, decision: Decision) -> bool:
        """Deal with one document; True if it needs work."""
        loaded = decision.loaded
        if decision.verdict in ("reuse", "attach"):
            self._reused(loaded.name, loaded.position)
        elif decision.verdict == "left_failed":
            self.tally.failed_before += 1
        elif decision.verdict == "work":
            return await self._take_up(loaded)
        return False

    async def _take_up(self, loaded: Loaded) -> bool:
        result_id = self._fresh.get(loaded.work_key)
        if result_id is not None:
            await self._attach([(loaded.name, loaded.document.id, result_id)])
            self._reused(loaded.name, loaded.position)
            return False
        leader = self._leaders.get(loaded.work_key)
        if leader is not None:
            leader.followers.append((loaded.name, loaded.position))
            return True
        while len(self._waiting) >= max(2, self._target() // 2) and self._ending is None:
            self._room.clear()
            await self._room.wait()
        item = Item(loaded.name, loaded.position, loaded.document, loaded.work_key)
        self._leaders[item.work_key] = item
        self._waiting.append(item)
        self._changed.set()
        return True

    async def _note_unreadable(self, found: Sequence[Unreadable]) -> None:
        watch = Stopwatch()
        rows = [
            self._writer.fail(
                self._run_id,
                one.name,
                content_sha256=None,
                work_key=None,
                attempt=watch.attempt(Usage(), one.cause, one.message),
            )
            for one in found
        ]
        await asyncio.gather(*rows)
        for one in found:
            self.tally.fail(one.cause, worked=False)
            self.emit(DocumentFailed(one.name, one.position, one.cause, one.message))

    async def _attach(self, found: Sequence[tuple[str, str, int]]) -> None:
        await asyncio.gather(*(self._writer.attach(self._run_id, *one) for one in found))

    def _reused(self, name: str, position: int) -> None:
        self.tally.reused += 1
        self.emit(DocumentReused(name, position))

    # Dispatching

    async def _dispatch(self, stack: AsyncExitStack) -> None:
        while self._ending is None:
            if self._taken_in and not (self._waiting or self._again or self._tasks):
                return
            if self._model is None:
                if self._waiting and not self._budget_is_used_up():
                    await self._open_model(stack)
                    continue
                timeout = None
            elif self._outage.open:
                timeout = self._during_outage()
            else:
                timeout = self._fill()
            if self._ending is None:
                await self._change(timeout)

    def _fill(self) -> float | None:
        """Start what there is room for; returns how long to wait for news, None for as long as it takes."""
        while len(self._tasks) < self._target():
            retry_in = self._again[0].not_before - time.monotonic() if self._again else None
            many = len(self._again) > _MOST_PUT_BACK + 2 * self._target()
            if self._waiting and not many:
                if self._budget_is_used_up():
                    return None
                self._start(self._waiting.popleft(), new=True)
            elif retry_in is None or retry_in > 0:
                return retry_in
            else:
                self._start(self._again.popleft(), new=False)
        # Until the form of answers is known one document goes ahead; nobody tells when it has found out.
        return None if self._form_is_known() else 0.05

    def _during_outage(self) -> float:
        """Let one probe through now and then, or give up; returns how long to wait for news."""
        probing = self._probe is not None
        if self._outage.exhausted(probing=probing):
            seconds = self._job.options.give_up_seconds
            reason = f"the endpoint has not answered for {seconds:g} s ({self._outage.reason}); run again to go on"
            self._end("failed", reason, EXIT_ENDPOINT, grace=0)
            return 0.0
        if not probing and self._outage.probe_in <= 0 and (self._waiting or self._again):
            if self._waiting and not self._budget_is_used_up():
                self._probe = self._start(self._waiting.popleft(), new=True)
            elif self._again:
                # All that is left has failed before: a small question tells whose fault it is.
                self._probe = self._spawn(self._ask_for_life(), None)
        return self._outage.next_look(probing=self._probe is not None)

    def _start(self, item: Item, *, new: bool) -> asyncio.Task[None]:
        if new:
            self._started += 1
            self._room.set()
        self.emit(DocumentStarted(item.name, item.position))
        return self._spawn(self._work(item), item)

    def _spawn(self, work: Coroutine[Any, Any, None], item: Item | None) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks[task] = item
        task.add_done_callback(self._task_ended)
        return task

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        if task is self._probe:
            self._probe = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self._bug = self._bug or error
            self._end("failed", f"a bug of ours ({type(error).__name__})", EXIT_BUG)
        self._wake()

    def _target(self) -> int:
        """Documents in work at once: enough to keep the pace's limit full while others are being saved."""
        if self._pace is None or self._job.identity.embedded or not self._form_is_known():
            return 1
        return self._pace.limit + self._pace.limit // 8

    def _form_is_known(self) -> bool:
        return self._model is not None and self._model.capability.form is not None

    def _budget_is_used_up(self) -> bool:
        reason = budget_reached(self._job.options, self.tally, started=self._started)
        if reason is not None:
            self._end("stopped", reason, EXIT_FAILED)
        return reason is not None

    async def _open_model(self, stack: AsyncExitStack) -> None:
        # Loaded here: a run that only reuses results needs neither the model nor what talks to it.
        from summarise.llm.endpoint import open_model  # noqa: PLC0415
        from summarise.llm.pacing import Pace  # noqa: PLC0415

        options = self._job.options
        concurrency = 1 if self._job.identity.embedded else options.concurrency
        pace = Pace(concurrency=concurrency, rpm=options.rpm, tpm=options.tpm)
        try:
            self._model = await stack.enter_async_context(
                open_model(self._job.settings, notify=lambda words: self.emit(Notice(words)), pace=pace)
            )
        except SummariseError as error:
            self._end("failed", str(error), error.exit_code)
            return
        self._pace = pace
        self.tally.asking_since = time.monotonic()
        self.emit(ModelReady(self._model.endpoint.model, self._job.identity.endpoint))

    # One document

    async def _work(self, item: Item) -> None:
        if self._model is None:
            raise AssertionError("documents are started with an open model")
        watch = Stopwatch()
        view = self._model.remembering(self._answers(item))
        try:
            record = await summarise_item(item, view, self._job.settings, include_text=self._job.options.include_text)
        except Exception as error:  # noqa: BLE001  # also a bug is the failure of its document, and named so
            item.spent(_spent(view))
            await self._not_done(item, error, watch)
        else:
            item.spent(_spent(view))
            await self._save(item, record, watch)

    def _answers(self, item: Item) -> Heard | Kept:
        many = takes_many_questions(
            len(item.document.text), strategy=self._job.identity.strategy, settings=self._job.settings
        )
        if many:
            return Kept(self._writer, item.work_key, self._answered)
        return Heard(self._answered)

    async def _save(self, item: Item, record: Record, watch: Stopwatch) -> None:
        item.saving = True
        self._refused_in_a_row = 0
        usage = usage_of(item.meter, self._job.pricing)
        attempt = watch.attempt(usage)
        try:
            result_id = await self._writer.commit(
                self._run_id, item.name, work_key=item.work_key, record=record, attempt=attempt
            )
            self._remember_fresh(item.work_key, result_id)
            await self._attach([(name, item.document.id, result_id) for name, _ in item.followers])
        except StorageError as error:
            self.tally.unsaved += 1
            self._cannot_save(error)
            return
        finally:
            self.tally.spend(usage)
            self._leaders.pop(item.work_key, None)
        self.tally.succeed(with_warnings=bool(record.warnings))
        codes = tuple(warning.code for warning in record.warnings)
        self.emit(DocumentDone(item.name, item.position, result_id, codes, usage, watch.seconds))
        for name, position in item.followers:
            self._reused(name, position)

    async def _not_done(self, item: Item, error: Exception, watch: Stopwatch) -> None:
        """Fail the document, put it back, or end the run, as the error asks for."""
        if isinstance(error, StorageError):
            self._cannot_save(error)
        elif isinstance(error, QuotaError):
            self._end("failed", str(error), error.exit_code, grace=_GRACE_SECONDS)
        elif isinstance(error, EndpointUnavailableError):
            if self._put_back(item, error, watch):
                return
            if self._ending is None:
                await self._fail(item, error, watch)
                return
        elif isinstance(error, ConfigurationError) and self._is_about_the_run(error):
            self._end("failed", str(error), error.exit_code, grace=_GRACE_SECONDS)
        else:
            if not isinstance(error, ConfigurationError):
                self._answered()
            await self._fail(item, error, watch)
            return
        self._leave(item)

    def _is_about_the_run(self, error: ConfigurationError) -> bool:
        """A refused key or an unknown model is; one request that was not accepted among others may not be."""
        self._refused_in_a_row += 1
        if isinstance(error, AuthenticationError | UnknownModelError) or type(error) is not ConfigurationError:
            return True
        return not self.tally.done or self._refused_in_a_row >= _MOST_REFUSED

    def _put_back(self, item: Item, error: EndpointUnavailableError, watch: Stopwatch) -> bool:
        """Note a failure of the endpoint; False if the document is not to be tried again."""
        if self._outage.failed(watch.began, str(error)):
            self.emit(PauseStarted(str(error), self._job.options.give_up_seconds))
        elif asyncio.current_task() is self._probe:
            self._outage.probe_failed(str(error), limited=isinstance(error, RateLimitError))
        if self._outage.answers != item.answers_at_failure:
            item.failures += 1
            item.answers_at_failure = self._outage.answers
        if self._ending is not None or item.failures >= MOST_FAILURES:
            return False
        item.not_before = time.monotonic() + self._outage.retry_in(item.failures)
        self._again.append(item)
        self.emit(DocumentPutBack(item.name, item.position, message_of(error, item.name)))
        return True

    async def _fail(self, item: Item, error: Exception, watch: Stopwatch) -> None:
        item.saving = True
        usage = usage_of(item.meter, self._job.pricing)
        cause, message = cause_of(error), message_of(error, item.name)
        rows = [(item.name, item.position, watch.attempt(usage, cause, message))]
        rows += [(name, position, watch.attempt(Usage(), cause, message)) for name, position in item.followers]
        facts = {"content_sha256": item.document.id, "work_key": item.work_key}
        try:
            if cause in ("invalid_answer", "truncated", "refused"):
                await self._writer.forget(item.work_key)  # or a retry would be given the same answers again
            await asyncio.gather(
                *(self._writer.fail(self._run_id, name, **facts, attempt=attempt) for name, _, attempt in rows)
            )
        except StorageError as broken:
            self._cannot_save(broken)
            return
        finally:
            self.tally.spend(usage)
            self._leaders.pop(item.work_key, None)
        for name, position, _ in rows:
            self.tally.fail(cause, worked=True)
            self.emit(DocumentFailed(name, position, cause, message))

    def _leave(self, item: Item) -> None:
        """Leave the document as it is in the results file; the next run takes it up."""
        self.tally.spend(usage_of(item.meter, self._job.pricing))
        self._leaders.pop(item.work_key, None)

    def _cannot_save(self, error: StorageError) -> None:
        self._end("failed", str(error), error.exit_code, grace=0)

    def _remember_fresh(self, work_key: str, result_id: int) -> None:
        self._fresh[work_key] = result_id
        if len(self._fresh) > _FRESH and not self._job.options.force:
            self._fresh.pop(next(iter(self._fresh)))

    def _answered(self) -> None:
        """The endpoint answered something."""
        lasted = self._outage.answered()
        if lasted is not None:
            self.emit(PauseEnded(round(lasted, 3)))
            self._wake()

    async def _ask_for_life(self) -> None:
        """The smallest question there is, to tell a dead endpoint from documents it cannot take."""
        if self._model is None:
            raise AssertionError("probes are sent with an open model")
        from summarise.llm.usage import Meter  # noqa: PLC0415  # loaded with the model

        request = {
            "model": self._model.endpoint.model,
            "messages": [{"role": "user", "content": "Say yes."}],
            "max_tokens": 16,
        }
        meter = Meter()
        try:
            await self._model.transport.chat(request, self._model.capability, meter)
        except EndpointUnavailableError as error:
            self._outage.probe_failed(str(error), limited=isinstance(error, RateLimitError))
        except ConfigurationError as error:
            self._end("failed", str(error), error.exit_code, grace=_GRACE_SECONDS)
        except SummariseError:
            self._answered()
        else:
            self._answered()
        self.tally.spend(usage_of(meter, self._job.pricing))

    # The end

    async def _drain(self) -> None:
        """Wait for what is in flight, as long as the ending allows."""
        began = time.monotonic()
        while self._tasks:
            grace = self._ending.grace if self._ending is not None else None
            timeout = None if grace is None else grace - (time.monotonic() - began)
            if timeout is not None and timeout <= 0:
                return
            await self._change(timeout)

    async def _let_go(self) -> None:
        """Cancel what is in flight; what is being written is let finish."""
        for task, item in list(self._tasks.items()):
            if item is None or not item.saving:
                task.cancel()
        await asyncio.gather(*list(self._tasks), return_exceptions=True)


def _spent(view: LanguageModel) -> Any:
    """The meter of what was really sent for a document."""
    transport: RememberingTransport = view.transport  # type: ignore[assignment]  # the kind remembering() makes
    return transport.spent
