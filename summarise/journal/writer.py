"""The journal for many callers of one event loop: one thread, one commit for all who wait.

Invariants:

- a caller goes on only when what it wrote is committed: whatever has come while the last group was being committed
  is the next group, done in one transaction (group commit), so that 64 documents cost about one flush of the disk;
- a call that fails fails alone; if the disk refuses the group, everybody in it is told and nothing of it is kept;
- what was handed over is done, also if its caller was cancelled meanwhile, and leaving the context waits for it.

Calls that wait at the same time belong to different documents and have no order among each other: finished documents
are stored together, table by table, after everything else of their group. That is what makes the thread worth it: the
interpreter's lock changes hands a few times for a group, not for each of a document's 80 rows. With a busy event loop
each change can take a millisecond.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from summarise.errors import SummariseError
from summarise.journal.flatten import Flat, flatten
from summarise.journal.journal import Journal
from summarise.journal.rows import (
    Answer,
    Attempt,
    BatchItem,
    Commit,
    DocumentState,
    ProviderBatch,
    RunEnd,
    RunStart,
    Totals,
)

if TYPE_CHECKING:
    from summarise.schemas import Record

T = TypeVar("T")
Call = Callable[[], Any] | Commit | Answer

MOST_IN_A_GROUP = 256
"""Longer groups save nothing more and make the first in them wait."""


class Writer:
    """An asynchronous context manager around an open :class:`Journal`, which stays its owner's to close.

    Between entering and leaving, the journal belongs to the writer's thread: use it through the writer only.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        self._waiting: list[tuple[Call, asyncio.Future[Any]]] = []
        self._drain: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            while self._drain is not None and not self._drain.done():
                await asyncio.shield(self._drain)
        finally:
            self._thread.shutdown()

    # The calls of Journal

    async def begin_run(self, start: RunStart) -> int:
        """:meth:`Journal.begin_run`."""
        return await self._do(lambda: self._journal.begin_run(start))

    async def end_run(self, run_id: int, end: RunEnd) -> None:
        """:meth:`Journal.end_run`."""
        await self._do(lambda: self._journal.end_run(run_id, end))

    async def state(self, source: str) -> DocumentState | None:
        """:meth:`Journal.state`."""
        return await self._do(lambda: self._journal.state(source))

    async def states(self, sources: Sequence[str]) -> dict[str, DocumentState]:
        """:meth:`Journal.states`."""
        return await self._do(lambda: self._journal.states(sources))

    async def result_of(self, work_key: str) -> int | None:
        """:meth:`Journal.result_of`."""
        return await self._do(lambda: self._journal.result_of(work_key))

    async def results_of(self, work_keys: Sequence[str]) -> dict[str, int]:
        """:meth:`Journal.results_of`."""
        return await self._do(lambda: self._journal.results_of(work_keys))

    async def attach(self, run_id: int, source: str, content_sha256: str, result_id: int) -> None:
        """:meth:`Journal.attach`."""
        await self._do(lambda: self._journal.attach(run_id, source, content_sha256, result_id))

    async def commit(self, run_id: int, source: str, *, work_key: str, record: Record, attempt: Attempt) -> int:
        """:meth:`Journal.commit`."""
        return await self._do(Commit(run_id, source, work_key, record, attempt))

    async def fail(
        self, run_id: int, source: str, *, content_sha256: str | None, work_key: str | None, attempt: Attempt
    ) -> None:
        """:meth:`Journal.fail`."""
        await self._do(
            lambda: self._journal.fail(
                run_id, source, content_sha256=content_sha256, work_key=work_key, attempt=attempt
            )
        )

    async def recall(self, work_key: str) -> dict[str, str]:
        """:meth:`Journal.recall`."""
        return await self._do(lambda: self._journal.recall(work_key))

    async def remember(self, work_key: str, request_sha256: str, completion: str) -> None:
        """:meth:`Journal.remember`."""
        await self._do(Answer(work_key, request_sha256, completion))

    async def forget(self, work_key: str) -> None:
        """:meth:`Journal.forget`."""
        await self._do(lambda: self._journal.forget(work_key))

    async def save_batch(self, batch: ProviderBatch, items: tuple[BatchItem, ...] = ()) -> int:
        """:meth:`Journal.save_batch`."""
        return await self._do(lambda: self._journal.save_batch(batch, items))

    async def totals(self) -> Totals:
        """:meth:`Journal.totals`."""
        return await self._do(self._journal.totals)

    async def read(self, reading: Callable[[Journal], T]) -> T:
        """Whatever ``reading`` takes from the journal, in the writer's thread (no cursor may outlive it)."""
        return await self._do(lambda: reading(self._journal))

    # Groups

    async def _do(self, call: Callable[[], T] | Commit | Answer) -> T:
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((call, done))
        if self._drain is None or self._drain.done():
            self._drain = asyncio.create_task(self._work())
        return await done

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            group, self._waiting = self._waiting[:MOST_IN_A_GROUP], self._waiting[MOST_IN_A_GROUP:]
            outcomes = await loop.run_in_executor(self._thread, self._run, [call for call, _ in group])
            for (_, done), outcome in zip(group, outcomes, strict=True):
                if done.cancelled():
                    continue
                if isinstance(outcome, BaseException):
                    done.set_exception(outcome)
                else:
                    done.set_result(outcome)

    def _run(self, calls: Sequence[Call]) -> list[Any]:
        """In the thread: the calls' values, or what each raised."""
        try:
            with self._journal.transaction():
                return self._run_all(calls)
        except Exception as error:  # noqa: BLE001  # nothing is lost: it is raised in every caller of the group
            return [error] * len(calls)

    def _run_all(self, calls: Sequence[Call]) -> list[Any]:
        outcomes: list[Any] = [None] * len(calls)
        answers = [call for call in calls if isinstance(call, Answer)]
        if answers:
            self._journal.remember_all(answers)
        finished: dict[int, Flat] = {}
        for place, call in enumerate(calls):
            try:
                if isinstance(call, Commit):
                    finished[place] = flatten(call)
                elif not isinstance(call, Answer):
                    outcomes[place] = call()
            except (SummariseError, ValueError) as error:
                outcomes[place] = error
        if finished:
            ids = self._journal.commit_flat(list(finished.values()))
            for place, result_id in zip(finished, ids, strict=True):
                outcomes[place] = result_id
        return outcomes
