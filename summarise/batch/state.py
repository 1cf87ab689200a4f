"""What the parts of one run share: what was asked for, where it stands, who is told, and why it ends.

Invariant: one event loop's thread; a result of this run is known here from the moment it is committed, so that a
text is not asked about twice.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from summarise.batch.events import DocumentReused, Event, Listener, Outcome, PauseEnded, Stopping
from summarise.batch.identity import Identity
from summarise.batch.options import BatchOptions
from summarise.batch.outage import Outage
from summarise.batch.tally import Tally, budget_reached
from summarise.batch.work import Item, Pricing
from summarise.errors import EXIT_BUG, EXIT_FAILED, StorageError
from summarise.journal.writer import Writer
from summarise.settings import Settings

if TYPE_CHECKING:
    from summarise.llm.client import LanguageModel
    from summarise.llm.pacing import Pace

GRACE_SECONDS = 5.0
"""How long answers under way are waited for when the run must end: they are paid for."""
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


class RunState:
    """Where one run stands. ``waiting`` and ``again`` hold documents that need work, new ones and ones put back;
    ``tasks`` what is in flight."""

    def __init__(self, job: Job, writer: Writer, run_id: int) -> None:
        self.job = job
        self.writer = writer
        self.run_id = run_id
        self.tally = Tally()
        self.outage = Outage(job.options.give_up_seconds, answer_seconds=job.settings.timeout)
        self.model: LanguageModel | None = None
        self.pace: Pace | None = None
        self.waiting: deque[Item] = deque()
        self.again: deque[Item] = deque()
        self.tasks: dict[asyncio.Task[None], Item | None] = {}
        self.leaders: dict[str, Item] = {}
        self.started = 0
        self.ending: Ending | None = None
        self.listener_error: Exception | None = None
        self._answered = 0
        self._fresh: dict[str, int] = {}
        self._changed = asyncio.Event()
        self._room = asyncio.Event()

    @property
    def target(self) -> int:
        """Documents that are being asked about at once: a few wait for a place, so that none stays empty."""
        if self.pace is None or self.job.identity.embedded or not self.form_is_known:
            return 1
        return self.pace.limit + self.pace.limit // 8

    @property
    def asking(self) -> int:
        """Documents in work whose answers have not all come, as far as can be told."""
        return len(self.tasks) - self._answered

    @property
    def has_room(self) -> bool:
        """Whether another document may be begun.

        Those that are answered do not stand in the way: when many answers come at once, working on them takes as
        long as the endpoint takes for the next ones. But they are bounded, since what they cost is not counted yet.
        """
        return self.asking < self.target and len(self.tasks) < 2 * self.target - 1

    @property
    def form_is_known(self) -> bool:
        """Whether it is known how the endpoint is asked for structured answers."""
        return self.model is not None and self.model.capability.form is not None

    # News

    def emit(self, event: Event) -> None:
        """Tell the listener. Its errors end the run in good order and are raised when that is done."""
        if self.job.listener is None or self.listener_error is not None:
            return
        try:
            self.job.listener(event)
        except Exception as error:  # noqa: BLE001  # raised again once what is in flight is saved
            self.listener_error = error
            self.end("failed", "the listener of the run failed", EXIT_BUG)

    def end(self, outcome: Outcome, reason: str, exit_code: int, *, grace: float | None = None) -> None:
        """Begin nothing new. The first reason stands, unless what is in flight must be let go for a later one."""
        first = self.ending is None
        if not first and not (grace == 0 and outcome == "failed"):
            return
        self.ending = Ending(outcome, reason, exit_code, grace)
        self.wake()
        if first:
            self.emit(Stopping(outcome, reason, len(self.tasks), finishes_in_flight=grace != 0))

    def cannot_save(self, error: StorageError) -> None:
        """The results file takes nothing more: what is in flight would be paid for and lost."""
        self.end("failed", str(error), error.exit_code, grace=0)

    def budget_is_used_up(self) -> bool:
        """Whether no further document may be begun; ends the run if so."""
        reason = budget_reached(self.job.options, self.tally, started=self.started)
        if reason is not None:
            self.end("stopped", reason, EXIT_FAILED)
        return reason is not None

    def answered(self) -> None:
        """The endpoint answered something."""
        lasted = self.outage.answered()
        if lasted is not None:
            self.emit(PauseEnded(round(lasted, 3)))
            self.wake()

    def begun(self, task: asyncio.Task[None], item: Item | None) -> None:
        """Something is in flight."""
        self.tasks[task] = item

    def answers_came(self, item: Item) -> None:
        """What is left of the document needs no place in flight (but for a re-ask, which is rare)."""
        if not item.answered:
            item.answered = True
            self._answered += 1
            self.wake()

    def ended(self, task: asyncio.Task[None]) -> Item | None:
        """It is in flight no more; returns the document, if it was one."""
        item = self.tasks.pop(task, None)
        if item is not None and item.answered:
            item.answered = False  # it may have been put back, and will be asked about again
            self._answered -= 1
        return item

    def wake(self) -> None:
        """Something happened that those who wait should look at."""
        self._changed.set()
        self._room.set()

    async def change(self, timeout: float | None) -> None:
        """Wait until something happened, or so many seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        except TimeoutError:
            pass
        self._changed.clear()

    # Documents that wait

    async def enqueue(self, item: Item) -> None:
        """Put a document into the queue, when there is room in it."""
        while len(self.waiting) >= max(2, self.target) and self.ending is None:
            self._room.clear()
            await self._room.wait()
        self.leaders[item.work_key] = item
        self.waiting.append(item)
        self._changed.set()

    def next_waiting(self) -> Item:
        """The next new document, to be begun now."""
        self.started += 1
        self._room.set()
        return self.waiting.popleft()

    # Documents that have a result already

    def result_in_this_run(self, work_key: str) -> int | None:
        """The result that was committed since the document was looked up, if there is one."""
        return self._fresh.get(work_key)

    def committed(self, work_key: str, result_id: int) -> None:
        """A result is in the results file."""
        self._fresh[work_key] = result_id
        # With --force a result in the file says nothing, so all those of this run are remembered.
        if len(self._fresh) > _FRESH and not self.job.options.force:
            self._fresh.pop(next(iter(self._fresh)))

    async def attach(self, found: Sequence[tuple[str, str, int]]) -> None:
        """Give documents (name, SHA-256 of the text) a result that is there."""
        await asyncio.gather(*(self.writer.attach(self.run_id, *one) for one in found))

    def reused(self, name: str, position: int) -> None:
        """A document has a result it was not asked about for."""
        self.tally.reused += 1
        self.emit(DocumentReused(name, position))
