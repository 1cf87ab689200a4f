"""How fast requests may go out: places in flight, budgets a minute, and one pause shared by everybody.

Invariant: nobody sends during a pause, never more than :attr:`Pace.limit` requests are in flight, and in no
minute are more requests sent than the budget has. The arithmetic is pure (:class:`Bucket`, :class:`Adaptive`);
only :meth:`Pace.turn` waits, first come, first served.

Sources: additive increase and multiplicative decrease, one decrease a round trip, slow start: V. Jacobson,
"Congestion Avoidance and Control", SIGCOMM 1988. Giving way to rising latency before anything is lost: L. Brakmo,
L. Peterson, "TCP Vegas", IEEE JSAC 13(8), 1995, as done for servers in Netflix's concurrency-limits (its
Gradient limit: growth by the square root of the limit, a tolerance over the floor). Retry-After: RFC 9110,
section 10.2.3. The ``x-ratelimit-*`` headers are those of OpenAI's guide to rate limits.
"""

from __future__ import annotations

import asyncio
import email.utils
import math
import random
import re
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

MOST_IN_FLIGHT = 256
"""What ``auto`` grows to at most; the connection pool has room for more."""
_OVERLOADED = frozenset({429, 503, 529})
_FIRST_LIMIT = 2.0
_FEWEST_SAMPLES = 6
"""Answers in a round at least, so that a median means something."""
_NEAR_FLOOR, _TOO_SLOW = 1.5, 2.0
"""Median latency over its floor: up to the first (the tolerance of Netflix's Gradient2) the limit grows, above the
second it shrinks. A server whose answers slow down evenly as it batches more still gains; one that queues is asked
for at most twice what it can do at once, which costs it nothing. A batch wants throughput, not latency."""
_GENTLY = 0.9
_STEPS = 4
"""Shrinking so often takes a third off. A queue's latency falls as much, and two medians of six answers each do not
hide that; after three steps they did now and then, and four requests at a time became 23 in flight (simulated)."""
_PAYS = 4 / 3
"""In slow start, how much slower answers may become with each doubling: throughput then still gains half as much."""
_SAMPLED = 0.5
"""Answers that make a round, as a share of the limit."""
_RAMP_SECONDS = 1.0
"""Over how long those who waited for a pause to end set out again."""
_PAUSE_JITTER, _MOST_JITTER = 0.1, 1.0
_BASE_PAUSE, _LONGEST_OWN_PAUSE = 0.5, 30.0
"""A 429 that does not say how long to wait."""
_REQUEST_BURST, _TOKEN_BURST = 1.0, 2.0
"""Seconds' worth of a budget that may go out at once."""
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s|d)")
_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


def duration(text: str) -> float | None:
    """Seconds of ``1s``, ``6m0s``, ``120ms``, ``1h2m3.5s`` or a bare number of seconds; None if it is neither."""
    text = text.strip()
    try:
        seconds = float(text)
    except ValueError:
        parts = _DURATION.findall(text)
        if not parts or "".join(number + unit for number, unit in parts) != text:
            return None
        return sum(float(number) * _UNITS[unit] for number, unit in parts)
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def retry_after(headers: Mapping[str, str], *, now: float | None = None) -> float | None:
    """Seconds the server asks to wait (``retry-after-ms``, Retry-After in seconds or as a date), or None.

    Args:
        headers: of the answer; looked up by lower-case name.
        now: seconds since the epoch, for Retry-After as a date; by default the clock's.
    """
    milliseconds = duration(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    seconds = duration(value)
    if seconds is not None:
        return seconds
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - (time.time() if now is None else now))


class Bucket:
    """A budget a minute as a token bucket, holding so little that no minute exceeds it.

    A bucket of capacity ``c`` refilled at ``r`` a second lets fewer than ``c + 60 r`` out in any 60 seconds; so
    ``r`` is what is left of the budget after one capacity. An amount above the capacity goes when the bucket is
    full and leaves a debt: it is late, never stuck.
    """

    def __init__(self, per_minute: int, *, burst_seconds: float, now: float) -> None:
        self._capacity = max(1.0, per_minute * burst_seconds / 60)
        self._rate = (per_minute - self._capacity + 1) / 60
        self._level, self._at = self._capacity, now

    def wait(self, amount: float, now: float) -> float:
        """Seconds until ``amount`` may be taken; 0 if at once."""
        missing = min(amount, self._capacity) - self._refilled(now)
        # Below a millionth of a unit it is the float's rounding, not a shortage.
        return missing / self._rate if missing > 1e-6 else 0.0

    def take(self, amount: float, now: float) -> None:
        """Take ``amount``."""
        self._level, self._at = self._refilled(now) - amount, max(now, self._at)

    def correct(self, more: float, now: float) -> None:
        """The amount taken turned out to be ``more`` (or, negative, less) than was thought."""
        self.take(more, now)
        self._level = min(self._level, self._capacity)

    def _refilled(self, now: float) -> float:
        return min(self._capacity, self._level + max(0.0, now - self._at) * self._rate)


class Adaptive:
    """The number of requests in flight that an endpoint keeps up with, found out as answers come.

    Works in rounds. A round passes over as many answers as were under way when it began, so that it measures its own
    limit and not the one before. While the median latency stays near its floor the limit doubles (until the first
    setback), then grows by its square root; a median above the tolerance takes a tenth off. If four such steps leave
    the latency as it was, it was not our doing (longer documents, a slower server): that latency is the new floor.

    Doubling overshoots, and on a busy machine so does what is taken for the floor; by tenths the way back is long. So
    the first setback goes back at once to what the endpoint can work on at a time, which by Little's law is its
    throughput times the lowest latency seen (the product that BBR, ACM Queue 14(5), 2016, keeps in flight).
    """

    def __init__(self, most: int = MOST_IN_FLIGHT) -> None:
        self.limit = _FIRST_LIMIT
        self._most = float(most)
        self._starting = True
        self._floor: float | None = None
        self._lowest = math.inf
        self._before: float | None = None
        self._slow_since: tuple[float, float] | None = None
        self._cut_at = -math.inf
        self._passed_over = 0
        self._samples: list[float] = []
        self._busiest = 0

    def answered(self, seconds: float, *, in_flight: int) -> None:
        """One answer after ``seconds``; ``in_flight`` requests were under way, it included."""
        if self._passed_over > 0:
            self._passed_over -= 1
            return
        self._samples.append(seconds)
        self._busiest = max(self._busiest, in_flight)
        if len(self._samples) >= max(_SAMPLED * self.limit, _FEWEST_SAMPLES):
            self._end_round(statistics.median(self._samples))
            self._begin_round(in_flight - 1)

    def overloaded(self, seconds: float, *, now: float) -> None:
        """The endpoint had too much: half of it, once for all requests that were under way then."""
        if now - seconds < self._cut_at:
            return
        self.limit = max(1.0, self.limit / 2)
        self._starting, self._cut_at, self._slow_since = False, now, None
        self._begin_round(int(self.limit))

    def _end_round(self, median: float) -> None:
        if self._floor is None:
            self._floor = median
        elif median < self._floor:
            # Half way only: the lowest of many medians would be chance.
            self._floor = (self._floor + median) / 2
        if self._starting and self._before is not None and median <= _PAYS * self._before:
            self._floor = median
        self._before, self._lowest = median, min(self._lowest, median)
        slow = median > _NEAR_FLOOR * self._floor
        if slow and self._starting:
            self._starting, self._floor = False, self._lowest
            self.limit = max(1.0, self.limit * _NEAR_FLOOR * self._lowest / median)
        elif median > _TOO_SLOW * self._floor:
            self._shrink(median)
        elif not slow and self._busiest >= int(self.limit):
            self._slow_since = None
            self.limit = min(self._most, self.limit * 2 if self._starting else self.limit + math.sqrt(self.limit))

    def _shrink(self, median: float) -> None:
        if self._slow_since is None:
            self._slow_since = (self.limit, median)
        began, slow = self._slow_since
        if self.limit <= began * _GENTLY**_STEPS and median >= slow * _GENTLY:
            self._floor, self._slow_since = median, None
            return
        self.limit = max(1.0, self.limit * _GENTLY)

    def _begin_round(self, under_way: int) -> None:
        self._samples, self._passed_over, self._busiest = [], under_way, 0


class PauseTooLongError(Exception):
    """The endpoint asks everybody to wait longer than the caller is ready to."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"a pause of {seconds:.0f} s")
        self.seconds = seconds


@dataclass(slots=True)
class _Remainder:
    """What the endpoint says is left of one of its budgets, less what was sent since; void from ``until`` on."""

    left: float
    until: float


@dataclass(slots=True)
class Turn:
    """One request's place in flight: the tokens estimated for it, how many requests and tokens of the run had been
    sent with it, the seconds it was waited for, and whether the run was stopped before an answer came."""

    tokens: int
    sent: int = 0
    tokens_sent: int = 0
    waited: float = 0.0
    given_up: bool = False


@dataclass(slots=True)
class _Sent:
    requests: int = 0
    tokens: int = 0
    left: dict[str, _Remainder] = field(default_factory=dict)


class Pace:
    """The pace of one run, shared by all its documents; one event loop at a time.

    Args:
        concurrency: requests in flight at most; None finds it out (:class:`Adaptive`).
        rpm: requests a minute at most.
        tpm: tokens a minute at most, as estimated before sending and corrected by the answer's usage.
        clock: monotonic seconds.
        sleep: waits so many seconds.
        uniform: a random number between two, for spreading.
    """

    def __init__(
        self,
        *,
        concurrency: int | None = None,
        rpm: int | None = None,
        tpm: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.in_flight = 0
        self._fixed = concurrency
        self._adaptive = Adaptive()
        self._clock, self._sleep, self._uniform = clock, sleep, uniform
        now = clock()
        self._requests = Bucket(rpm, burst_seconds=_REQUEST_BURST, now=now) if rpm else None
        self._tokens = Bucket(tpm, burst_seconds=_TOKEN_BURST, now=now) if tpm else None
        self._said = _Sent()
        self._paused_until = self._next_start = -math.inf
        self._own_pauses = 0
        self._gate = asyncio.Lock()
        self._room = asyncio.Event()
        self._reading = asyncio.Lock()

    @property
    def limit(self) -> int:
        """Requests that may be in flight now."""
        return self._fixed if self._fixed is not None else max(1, int(self._adaptive.limit))

    @property
    def paused_until(self) -> float | None:
        """When the shared pause ends, in the clock's seconds; None if there is none."""
        return self._paused_until if self._paused_until > self._clock() else None

    @property
    def paused_seconds(self) -> float:
        """How long the shared pause still lasts; 0 if there is none."""
        return max(0.0, self._paused_until - self._clock())

    @property
    def limited_seconds(self) -> float:
        """How long the endpoint lets nobody send: the shared pause, or a budget of its own that is used up."""
        used_up = [remainder.until for remainder in self._said.left.values() if remainder.left < 1]
        return max(0.0, max([self._paused_until, *used_up]) - self._clock())

    @asynccontextmanager
    async def turn(self, tokens: int, *, patience: float = math.inf) -> AsyncIterator[Turn]:
        """A place in flight for one try of one request of about ``tokens`` tokens, waited for.

        Raises:
            PauseTooLongError: if the shared pause lasts longer than ``patience`` seconds.
        """
        turn = await self._admit(tokens, patience)
        try:
            yield turn
        finally:
            self.in_flight -= 1
            self._room.set()

    async def give_way(self) -> None:
        """Let those who wait for a place send before an answer is worked on, and one answer follow another.

        Answers often come many at once. Were all of them worked on first, their places would stay empty meanwhile.
        """
        async with self._reading:
            await asyncio.sleep(0)

    def heard(
        self,
        *,
        status: int | None,
        headers: Mapping[str, str],
        seconds: float,
        tokens: int | None,
        turn: Turn | None = None,
    ) -> None:
        """Learn from one answer or failure.

        Args:
            status: of the answer; None if none came (refused, dropped, timed out).
            headers: of the answer; looked up by lower-case name.
            seconds: from sending to the answer.
            tokens: billed for it, if known.
            turn: the place it was sent from, for correcting the estimate.
        """
        now = self._clock()
        if turn is not None and tokens is not None and self._tokens is not None:
            self._tokens.correct(tokens - turn.tokens, now)
        if status is None or status in _OVERLOADED:
            self._adaptive.overloaded(seconds, now=now)
        elif status < 400:
            self._own_pauses = 0
            self._adaptive.answered(seconds, in_flight=self.in_flight)
        self._hear_remainders(headers, turn, now)
        asked = retry_after(headers) if status is not None and status >= 400 else None
        if asked is None and status == 429 and now - seconds >= self._paused_until:
            asked = self._exhausted_for(headers)
            if asked is None:
                asked = min(_LONGEST_OWN_PAUSE, _BASE_PAUSE * 2**self._own_pauses)
                self._own_pauses += 1
        if asked:
            self._pause(asked, now)
        self._room.set()

    def _pause(self, seconds: float, now: float) -> None:
        jitter = self._uniform(0.0, min(_MOST_JITTER, _PAUSE_JITTER * seconds))
        self._paused_until = max(self._paused_until, now + seconds + jitter)

    async def _admit(self, tokens: int, patience: float) -> Turn:
        began = self._clock()
        async with self._gate:
            while True:
                if self.in_flight >= self.limit:
                    self._room.clear()
                    await self._room.wait()
                    continue
                now = self._clock()
                if self._paused_until - now > patience:
                    raise PauseTooLongError(self._paused_until - now)
                seconds = self._wait(tokens, now)
                if seconds <= 0:
                    break
                await self._sleep(seconds)
            self._leave(tokens, now)
        return Turn(tokens, self._said.requests, self._said.tokens, now - began)

    def _wait(self, tokens: int, now: float) -> float:
        seconds = max(self._paused_until, self._next_start) - now
        if self._requests is not None:
            seconds = max(seconds, self._requests.wait(1, now))
        if self._tokens is not None:
            seconds = max(seconds, self._tokens.wait(tokens, now))
        for kind, remainder in self._said.left.items():
            if remainder.until > now and remainder.left < (1 if kind == "requests" else tokens):
                seconds = max(seconds, remainder.until - now)
        return seconds

    def _leave(self, tokens: int, now: float) -> None:
        self.in_flight += 1
        self._said.requests += 1
        self._said.tokens += tokens
        if self._requests is not None:
            self._requests.take(1, now)
        if self._tokens is not None:
            self._tokens.take(tokens, now)
        for kind, remainder in self._said.left.items():
            remainder.left -= 1 if kind == "requests" else tokens
        if now < self._paused_until + _RAMP_SECONDS:
            gap = _RAMP_SECONDS / self.limit
            self._next_start = now + self._uniform(0.5 * gap, 1.5 * gap)

    def _hear_remainders(self, headers: Mapping[str, str], turn: Turn | None, now: float) -> None:
        for kind in ("requests", "tokens"):
            left = _number(headers.get(f"x-ratelimit-remaining-{kind}"))
            reset = duration(headers.get(f"x-ratelimit-reset-{kind}", ""))
            if left is None or reset is None:
                continue
            if turn is not None:
                # Counted when the request came in, so what set out after it is not in it.
                since = self._said.requests - turn.sent if kind == "requests" else self._said.tokens - turn.tokens_sent
                left -= since
            until = now + self._share(headers, kind, left, reset)
            self._said.left[kind] = _Remainder(left, until)

    def _share(self, headers: Mapping[str, str], kind: str, left: float, reset: float) -> float:
        """The reset is the time until the budget is whole; where its size is known, a tenth of it is enough."""
        whole = _number(headers.get(f"x-ratelimit-limit-{kind}"))
        if whole is None or whole <= max(left, 0.0):
            return reset
        return reset * min(1.0, 0.1 * whole / (whole - max(left, 0.0)))

    @staticmethod
    def _exhausted_for(headers: Mapping[str, str]) -> float | None:
        """How long a refused request's headers say that nothing is left."""
        waits = [
            duration(headers.get(f"x-ratelimit-reset-{kind}", ""))
            for kind in ("requests", "tokens")
            if _number(headers.get(f"x-ratelimit-remaining-{kind}")) == 0
        ]
        return max((wait for wait in waits if wait is not None), default=None)


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None


class _NoPace(Pace):
    """Never waits, learns nothing: one document on its own."""

    @asynccontextmanager
    async def turn(self, tokens: int, *, patience: float = math.inf) -> AsyncIterator[Turn]:  # noqa: ARG002
        """At once."""
        yield Turn(tokens)

    async def give_way(self) -> None:
        """There is nobody else."""

    def heard(
        self,
        *,
        status: int | None,
        headers: Mapping[str, str],
        seconds: float,
        tokens: int | None,
        turn: Turn | None = None,
    ) -> None:
        """Nothing is learnt."""


NO_PACE: Pace = _NoPace(concurrency=1)
