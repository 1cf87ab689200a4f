"""When an endpoint stops answering: wait, try now and then, give up after a bounded time.

A circuit breaker. It opens when a document fails at the endpoint and nothing was answered since that document
began; from then on one probe at a time goes out, at growing intervals; one answer closes it.

Invariant: pure but for the clock handed in. An open breaker ends: with an answer, or after
``give_up_seconds`` and the time one answer may take. A document is blamed for the endpoint's failure only
after three failures with answers to others in between, so a dead endpoint fails no documents.

Source of the method: M. Nygard, "Release It!", 2007, the circuit breaker with a half-open state.
"""

from __future__ import annotations

import time
from collections.abc import Callable

MOST_FAILURES = 3
"""Failures of one document, with answers to others in between, before it is the document's own."""
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 30.0
_PROBES_AT_LEAST = 8
"""Even a short patience is spent on several probes."""


class Outage:
    """Whether the endpoint answers, and when to try again if not.

    Args:
        give_up_seconds: how long it may stay without any answer.
        answer_seconds: how long one answer may take; a probe under way is waited for so much longer.
        clock: monotonic seconds.
    """

    def __init__(
        self, give_up_seconds: float, *, answer_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.give_up_seconds = give_up_seconds
        self.answers = 0
        self.reason = ""
        self._answer_seconds = answer_seconds
        self._clock = clock
        self._since: float | None = None
        self._answered_at: float | None = None
        self._longest = min(_LONGEST_WAIT, give_up_seconds / _PROBES_AT_LEAST)
        self._wait = min(_FIRST_WAIT, self._longest)
        self._probe_at = 0.0

    @property
    def open(self) -> bool:
        """Whether the endpoint is taken for dead."""
        return self._since is not None

    @property
    def seconds(self) -> float | None:
        """How long it has been failing; None while it answers."""
        return None if self._since is None else self._clock() - self._since

    @property
    def probe_in(self) -> float:
        """Seconds until the next probe may go out."""
        return max(0.0, self._probe_at - self._clock())

    def answered(self) -> float | None:
        """Something was answered.

        Returns:
            The seconds the outage lasted if this ends one, else None.
        """
        self.answers += 1
        self._answered_at = self._clock()
        lasted = self.seconds
        self._since = None
        self._wait = min(_FIRST_WAIT, self._longest)
        return lasted

    def failed(self, began: float, reason: str) -> bool:
        """Work that began at ``began`` (the clock's seconds) failed at the endpoint.

        Returns:
            Whether this opens the breaker.
        """
        self.reason = reason
        now = self._clock()
        if self._since is not None:
            return False
        if self._answered_at is not None and self._answered_at >= began:
            return False
        self._since = now
        self._schedule(now)
        return True

    def probe_failed(self, reason: str, *, limited: bool = False) -> None:
        """The probe found the endpoint failing; the next one waits longer.

        Not if it was the rate that was ``limited``: how long to wait then is known to the pace, by which every
        request goes out.
        """
        self.reason = reason
        if not limited:
            self._wait = min(self._longest, self._wait * 2)
        self._schedule(self._clock())

    def exhausted(self, *, probing: bool) -> bool:
        """Whether the patience is used up; with a probe under way it gets the time of one answer more."""
        seconds = self.seconds
        if seconds is None:
            return False
        return seconds >= self.give_up_seconds + (self._answer_seconds if probing else 0.0)

    def next_look(self, *, probing: bool) -> float:
        """Seconds until the next probe is due or the patience is used up, whichever is first."""
        patience = self.give_up_seconds + (self._answer_seconds if probing else 0.0) - (self.seconds or 0.0)
        return max(0.0, patience if probing else min(patience, self.probe_in))

    def retry_in(self, failures: int) -> float:
        """Seconds a document waits after so many failures of its own before it is tried again."""
        return min(self._longest, _FIRST_WAIT * float(2**failures))

    def _schedule(self, now: float) -> None:
        self._probe_at = now + self._wait
