"""Counting a run: documents, tokens, money, speed; and the budgets that end it.

Invariant: an unknown price is counted as unknown, never as zero; tokens and money of documents that failed
count too, since they were paid for.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from summarise.batch.events import Snapshot, Usage
from summarise.batch.options import BatchOptions
from summarise.journal.rows import Cause


@dataclass(slots=True)
class Tally:
    """Running totals of one run. ``worked`` counts documents that were asked about and finished."""

    clock: Callable[[], float] = time.monotonic
    found: int = 0
    discovery_finished: bool = False
    done: int = 0
    done_with_warnings: int = 0
    failed: int = 0
    failed_before: int = 0
    reused: int = 0
    worked: int = 0
    unsaved: int = 0
    by_cause: Counter[Cause] = field(default_factory=Counter)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int | None = None
    cost_usd: float | None = None
    cost_unknown: int = 0
    began: float = 0.0
    asking_since: float | None = None

    def __post_init__(self) -> None:
        self.began = self.clock()

    @property
    def tokens(self) -> int:
        """Tokens in and out."""
        return self.prompt_tokens + self.completion_tokens

    @property
    def seconds(self) -> float:
        """Wall time of the run so far."""
        return self.clock() - self.began

    def spend(self, usage: Usage) -> None:
        """Count what a document cost, whatever became of it."""
        self.prompt_tokens += usage.prompt_tokens
        self.completion_tokens += usage.completion_tokens
        if usage.cached_tokens is not None:
            self.cached_tokens = (self.cached_tokens or 0) + usage.cached_tokens
        if usage.cost_usd is not None:
            self.cost_usd = (self.cost_usd or 0.0) + usage.cost_usd
        elif usage.requests:
            self.cost_unknown += 1

    def succeed(self, *, with_warnings: bool) -> None:
        """Count a document that was done."""
        self.worked += 1
        self.done += 1
        self.done_with_warnings += with_warnings

    def fail(self, cause: Cause, *, worked: bool) -> None:
        """Count a document that failed; ``worked`` if the model was asked about it."""
        self.worked += worked
        self.failed += 1
        self.by_cause[cause] += 1

    def snapshot(
        self,
        *,
        in_flight: int = 0,
        concurrency: int = 0,
        paused_seconds: float | None = None,
        limited_seconds: float | None = None,
    ) -> Snapshot:
        """Where the run stands now."""
        asking = self.clock() - self.asking_since if self.asking_since is not None else 0.0
        pace = self.worked / asking if asking > 0 else 0.0
        dealt = self.done + self.failed + self.failed_before + self.reused
        left = self.found - dealt
        known = self.discovery_finished and pace > 0
        return Snapshot(
            found=self.found,
            done=self.done,
            done_with_warnings=self.done_with_warnings,
            failed=self.failed,
            failed_before=self.failed_before,
            reused=self.reused,
            in_flight=in_flight,
            documents_per_minute=round(60 * pace, 2),
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            cached_tokens=self.cached_tokens,
            cost_usd=self.cost_usd,
            cost_unknown_documents=self.cost_unknown,
            seconds=round(self.seconds, 3),
            seconds_left=left / pace if known else (0.0 if self.discovery_finished and not left else None),
            concurrency=concurrency,
            paused_seconds=paused_seconds,
            limited_seconds=limited_seconds,
            discovery_finished=self.discovery_finished,
        )


def budget_reached(options: BatchOptions, tally: Tally, *, started: int) -> str | None:
    """The words for the first budget that is used up, None if there is none.

    Args:
        options: the bounds.
        tally: what was used so far.
        started: documents the model was or is being asked about.
    """
    if options.max_documents is not None and started >= options.max_documents:
        return f"--max-documents {options.max_documents} was reached"
    if options.max_tokens is not None and tally.tokens >= options.max_tokens:
        return f"--max-tokens {options.max_tokens} was reached ({tally.tokens} tokens)"
    spent = tally.cost_usd or 0.0
    if options.max_cost is not None and spent >= options.max_cost:
        return f"--max-cost {options.max_cost:g} was reached (${spent:.4f})"
    if options.max_seconds is not None and tally.seconds >= options.max_seconds:
        return f"--max-time was reached ({options.max_seconds:g} s)"
    return None
