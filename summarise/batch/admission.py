"""Documents coming in: what has its result, what failed and stays so, what joins another with the same text,
what waits for its turn.

Invariant: a document that needs work waits here until there is room, so the intake reads no further ahead than the
work goes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from summarise.batch.events import DocumentFailed, Usage
from summarise.batch.intake import Decision, Intake, Loaded, Unreadable
from summarise.batch.state import RunState
from summarise.batch.work import Item, Stopwatch


class Admission:
    """Takes in the documents of an intake; ``finished`` when there are no more."""

    def __init__(self, state: RunState, intake: Intake) -> None:
        self.finished = False
        self.work_found = asyncio.Event()
        self._state = state
        self._intake = intake

    async def run(self) -> None:
        """Take in everything there is.

        Raises:
            SummariseError: from discovery or from the results file.
        """
        async for unreadable, decisions in self._intake.groups(self._state.writer):
            await self._note_unreadable(unreadable)
            attached = [one for one in decisions if one.verdict == "attach"]
            await self._state.attach(
                [(one.loaded.name, one.loaded.document.id, one.result_id or 0) for one in attached]
            )
            worked = False
            for decision in decisions:
                worked = await self._take(decision) or worked
            self._intake.suit(most=None if not worked else 2 * self._state.target)
            if worked:
                self.work_found.set()
            if self._state.ending is not None:
                return
        self.finished = True
        self._state.wake()

    async def _take(self, decision: Decision) -> bool:
        """Deal with one document; True if it needs work."""
        loaded = decision.loaded
        if decision.verdict in ("reuse", "attach"):
            self._state.reused(loaded.name, loaded.position)
        elif decision.verdict == "left_failed":
            self._state.tally.failed_before += 1
        elif decision.verdict == "work":
            return await self._take_up(loaded)
        return False

    async def _take_up(self, loaded: Loaded) -> bool:
        result_id = self._state.result_in_this_run(loaded.work_key)
        if result_id is not None:
            await self._state.attach([(loaded.name, loaded.document.id, result_id)])
            self._state.reused(loaded.name, loaded.position)
            return False
        leader = self._state.leaders.get(loaded.work_key)
        if leader is not None:
            leader.followers.append((loaded.name, loaded.position))
            return True
        await self._state.enqueue(Item(loaded.name, loaded.position, loaded.document, loaded.work_key))
        return True

    async def _note_unreadable(self, found: Sequence[Unreadable]) -> None:
        watch = Stopwatch()
        rows = [
            self._state.writer.fail(
                self._state.run_id,
                one.name,
                content_sha256=None,
                work_key=None,
                attempt=watch.attempt(Usage(), one.cause, one.message),
            )
            for one in found
        ]
        await asyncio.gather(*rows)
        for one in found:
            self._state.tally.fail(one.cause, worked=False)
            self._state.emit(DocumentFailed(one.name, one.position, one.cause, one.message))
