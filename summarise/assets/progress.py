"""How far a pull has come, told to whoever asked for it.

Invariant: nothing in this package prints; ``done_bytes`` never goes down within one source.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PullProgress:
    """One report: ``done_bytes`` of ``total_bytes`` of the file are here; ``note`` says what goes on.

    ``source`` is the label of the source in use, empty before one is chosen.
    """

    source: str
    done_bytes: int
    total_bytes: int
    note: str


ProgressCallback = Callable[[PullProgress], None]


class Reporter:
    """Tells ``callback`` about one source, leaving out reports that say nothing new."""

    def __init__(self, callback: ProgressCallback | None, source: str, total_bytes: int) -> None:
        self._callback = callback
        self._source = source
        self._total = total_bytes
        self._done = 0
        self._last: PullProgress | None = None

    def __call__(self, done_bytes: int, note: str) -> None:
        """Report ``done_bytes`` (never fewer than before, never more than the total) and ``note``."""
        self._done = min(self._total, max(self._done, done_bytes))
        report = PullProgress(self._source, self._done, self._total, note)
        if self._callback is not None and report != self._last:
            self._callback(report)
        self._last = report
