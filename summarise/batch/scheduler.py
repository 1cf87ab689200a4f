"""Who is asked about when: documents into work until everything is done or the run must end.

Invariants: every document that was taken up ends as a row (done, failed) or is left as it was for the next run;
two documents with the same text are asked about once; memory holds the documents in work and a group or two ahead
of them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from summarise.batch.admission import Admission
from summarise.batch.events import DocumentStarted, ModelReady, Notice, ProgressTick, Snapshot
from summarise.batch.intake import Intake
from summarise.batch.outcomes import Outcomes
from summarise.batch.state import GRACE_SECONDS, Ending, RunState
from summarise.batch.work import Heard, Item, Kept, Stopwatch, summarise_item, takes_many_questions, usage_of
from summarise.errors import (
    EXIT_BUG,
    EXIT_DONE,
    EXIT_ENDPOINT,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    ConfigurationError,
    EndpointUnavailableError,
    RateLimitError,
    SummariseError,
)

if TYPE_CHECKING:
    from summarise.llm.client import LanguageModel
    from summarise.llm.memory import RememberingTransport

TICK_SECONDS = 1.0
_MOST_PUT_BACK = 64
"""Documents put back wait behind new ones, until so many hold their texts in memory."""


class Scheduler:
    """One run over the documents of an intake."""

    def __init__(self, state: RunState, intake: Intake) -> None:
        self._state = state
        self._intake = intake
        self._admission = Admission(state, intake)
        self._outcomes = Outcomes(state)
        self._helpers: list[asyncio.Task[None]] = []
        self._probe: asyncio.Task[None] | None = None
        self._bug: BaseException | None = None

    async def run(self, stop: asyncio.Event | None) -> Ending:
        """Work until everything is done or the run must end; what is in flight then is finished or let go."""
        async with AsyncExitStack() as stack:
            helpers = [self._admission.run(), self._tick(), self._count()]
            if stop is not None:
                helpers.append(self._watch(stop))
            if self._state.job.options.max_seconds is not None:
                helpers.append(self._time_out(self._state.job.options.max_seconds))
            self._helpers = [self._helper(work) for work in helpers]
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
        return self._state.ending or Ending("finished", None, EXIT_DONE, None)

    def snapshot(self) -> Snapshot:
        """Where the run stands."""
        state = self._state
        state.tally.found = self._intake.found
        state.tally.discovery_finished = self._admission.finished or self._intake.counted
        return state.tally.snapshot(
            in_flight=state.asking,
            concurrency=state.target if state.model is not None else 0,
            paused_seconds=state.outage.seconds,
            limited_seconds=(state.pace.limited_seconds or None) if state.pace is not None else None,
        )

    # Beside the work

    def _helper(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        task.add_done_callback(self._helper_ended)
        return task

    def _helper_ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, SummariseError):
            self._state.end("failed", str(error), error.exit_code, grace=GRACE_SECONDS)
        elif error is not None:
            self._note_bug(error)

    def _note_bug(self, error: BaseException) -> None:
        self._bug = self._bug or error
        self._state.end("failed", f"a bug of ours ({type(error).__name__})", EXIT_BUG)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self._state.emit(ProgressTick(self.snapshot()))

    async def _count(self) -> None:
        """Count ahead once there is work, so that the time left can be told."""
        await self._admission.work_found.wait()
        await self._intake.count()

    async def _watch(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._state.end("interrupted", "interrupted; run the command again to go on", EXIT_INTERRUPTED)

    async def _time_out(self, seconds: float) -> None:
        state = self._state
        await asyncio.sleep(max(0.0, seconds - state.tally.seconds))
        if not self._admission.finished or state.waiting or state.again:
            state.end("stopped", f"--max-time was reached ({seconds:g} s)", EXIT_FAILED)

    # Dispatching

    async def _dispatch(self, stack: AsyncExitStack) -> None:
        state = self._state
        while state.ending is None:
            if self._admission.finished and not (state.waiting or state.again or state.tasks):
                return
            timeout: float | None = None
            if state.model is None:
                if state.waiting and not state.budget_is_used_up():
                    await self._open_model(stack)
                    continue
            elif state.outage.open:
                timeout = self._during_outage()
            else:
                timeout = self._fill()
            if state.ending is None:
                await state.change(timeout)

    def _fill(self) -> float | None:
        """Start what there is room for; returns how long to wait for news, None for as long as it takes."""
        state = self._state
        while state.has_room:
            retry_in = state.again[0].not_before - time.monotonic() if state.again else None
            many = len(state.again) > _MOST_PUT_BACK + 2 * state.target
            if state.waiting and not many:
                if state.budget_is_used_up():
                    return None
                self._start(state.next_waiting())
            elif retry_in is None or retry_in > 0:
                return retry_in
            else:
                self._start(state.again.popleft())
        # Until the form of answers is known one document goes ahead; nobody tells when it has found out.
        return None if state.form_is_known else 0.05

    def _during_outage(self) -> float:
        """Let one probe through now and then, or give up; returns how long to wait for news."""
        state, outage = self._state, self._state.outage
        probing = self._probe is not None
        if outage.exhausted(probing=probing):
            seconds = state.job.options.give_up_seconds
            reason = f"the endpoint has not answered for {seconds:g} s ({outage.reason}); run again to go on"
            state.end("failed", reason, EXIT_ENDPOINT, grace=0)
            return 0.0
        if not probing and outage.probe_in <= 0:
            if state.waiting and not state.budget_is_used_up():
                item = state.next_waiting()
                item.probing = True
                self._probe = self._start(item)
            elif state.again:
                # All that is left has failed before: a small question tells whose fault it is.
                self._probe = self._spawn(self._ask_for_life(), None)
        return outage.next_look(probing=self._probe is not None)

    def _start(self, item: Item) -> asyncio.Task[None]:
        self._state.emit(DocumentStarted(item.name, item.position))
        return self._spawn(self._work(item), item)

    def _spawn(self, work: Coroutine[Any, Any, None], item: Item | None) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._state.begun(task, item)
        task.add_done_callback(self._task_ended)
        return task

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        item = self._state.ended(task)
        if item is not None:
            item.probing = False
        if task is self._probe:
            self._probe = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self._note_bug(error)
        self._state.wake()

    async def _open_model(self, stack: AsyncExitStack) -> None:
        # Loaded here: a run that only reuses results needs neither the model nor what talks to it.
        from summarise.llm.endpoint import open_model  # noqa: PLC0415
        from summarise.llm.pacing import Pace  # noqa: PLC0415

        state, options = self._state, self._state.job.options
        concurrency = 1 if state.job.identity.embedded else options.concurrency
        pace = Pace(concurrency=concurrency, rpm=options.rpm, tpm=options.tpm)
        try:
            state.model = await stack.enter_async_context(
                open_model(state.job.settings, notify=lambda words: state.emit(Notice(words)), pace=pace)
            )
        except SummariseError as error:
            state.end("failed", str(error), error.exit_code)
            return
        state.pace = pace
        state.tally.asking_since = time.monotonic()
        state.emit(ModelReady(state.model.endpoint.model, state.job.identity.endpoint))

    # What is in flight

    async def _work(self, item: Item) -> None:
        state = self._state
        watch = Stopwatch()
        view = self._open().remembering(self._answers(item))
        try:
            record = await summarise_item(item, view, state.job.settings, include_text=state.job.options.include_text)
        except asyncio.CancelledError:
            item.spent(_spent(view))
            self._outcomes.leave(item)
            raise
        except Exception as error:  # noqa: BLE001  # also a bug is the failure of its document, and named so
            item.spent(_spent(view))
            await self._outcomes.not_done(item, error, watch)
        else:
            item.spent(_spent(view))
            await self._outcomes.save(item, record, watch)

    def _answers(self, item: Item) -> Heard | Kept:
        state = self._state
        characters, strategy = len(item.document.text), state.job.identity.strategy
        if takes_many_questions(characters, strategy=strategy, settings=state.job.settings):
            return Kept(state.writer, item.work_key, state.answered)

        def came() -> None:
            state.answered()
            state.answers_came(item)

        return Heard(came)

    async def _ask_for_life(self) -> None:
        """The smallest question there is, to tell a dead endpoint from documents it cannot take."""
        from summarise.llm.usage import Meter  # noqa: PLC0415  # loaded with the model

        state, model, meter = self._state, self._open(), Meter()
        request = {
            "model": model.endpoint.model,
            "messages": [{"role": "user", "content": "Say yes."}],
            "max_tokens": 16,
        }
        try:
            await model.transport.chat(request, model.capability, meter)
        except EndpointUnavailableError as error:
            state.outage.probe_failed(str(error), limited=isinstance(error, RateLimitError))
        except ConfigurationError as error:
            state.end("failed", str(error), error.exit_code, grace=GRACE_SECONDS)
        except SummariseError:
            state.answered()  # it declines, so it is there
        else:
            state.answered()
        state.tally.spend(usage_of(meter, state.job.pricing))

    def _open(self) -> LanguageModel:
        if self._state.model is None:
            raise AssertionError("nothing is asked before the model is open")
        return self._state.model

    # The end

    async def _drain(self) -> None:
        """Wait for what is in flight, as long as the ending allows."""
        state, began = self._state, time.monotonic()
        while state.tasks:
            grace = state.ending.grace if state.ending is not None else None
            timeout = None if grace is None else grace - (time.monotonic() - began)
            if timeout is not None and timeout <= 0:
                return
            await state.change(timeout)

    async def _let_go(self) -> None:
        """Cancel what is in flight; what is being written is let finish."""
        for task, item in list(self._state.tasks.items()):
            if item is None or not item.saving:
                task.cancel()
        await asyncio.gather(*list(self._state.tasks), return_exceptions=True)
        while self._state.again:
            self._outcomes.leave(self._state.again.popleft())


def _spent(view: LanguageModel) -> Any:
    """The meter of what was really sent for a document."""
    transport: RememberingTransport = view.transport  # type: ignore[assignment]  # the kind remembering() makes
    return transport.spent
