"""How a running batch is shown: a live view on terminals, a plain line now and then elsewhere, or JSON events.

Invariants: everything goes to standard error, so standard output stays what the command is asked to print;
names of documents and messages of servers are printed without control characters; a view is closed on every
way out, so a terminal gets its cursor back.
"""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from datetime import UTC, datetime
from typing import IO, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from summarise.batch.events import (
    DocumentDone,
    DocumentFailed,
    DocumentPutBack,
    Event,
    ModelReady,
    Notice,
    PauseEnded,
    PauseStarted,
    ProgressTick,
    RunEnded,
    Snapshot,
    Stopping,
)
from summarise.cli.figures import duration, money, number, tokens
from summarise.report import safe

LINE_SECONDS = 10.0
"""Between two plain lines: a log of a night stays readable, a person who watches is not left wondering."""
LAST_FAILURES = 3
SHOWN_FAILURES = 10
_REFRESH = 4
_NAME_WIDTH = 60


class View(Protocol):
    """Something a batch is shown on."""

    def __call__(self, event: Event) -> None:
        """Show what happened."""

    def say(self, message: str) -> None:
        """Show a message of ours."""

    def close(self) -> None:
        """Leave the terminal as it was; closing again does nothing."""


class PlainView:
    """A line of figures every ten seconds, the first failures as they come; for logs, pipes and --quiet."""

    def __init__(self, console: Console, *, quiet: bool = False, verbose: bool = False) -> None:
        self._console = console
        self._quiet = quiet
        self._verbose = verbose
        self._next = time.monotonic() + LINE_SECONDS
        self._failures = 0

    def __call__(self, event: Event) -> None:
        """Print what deserves a line."""
        if isinstance(event, ProgressTick):
            if time.monotonic() >= self._next:
                self._next = time.monotonic() + LINE_SECONDS
                self.say(summary_line(event.snapshot))
            return
        if isinstance(event, DocumentFailed) and not self._verbose:
            self._failures += 1
            if self._failures == SHOWN_FAILURES + 1:
                self.say("more documents failed; from here on they are only counted (--verbose names each)")
            if self._failures > SHOWN_FAILURES:
                return
        if (words := words_of(event, verbose=self._verbose)) is not None:
            self.say(words)

    def say(self, message: str) -> None:
        """A line, unless quiet was asked for."""
        if not self._quiet:
            self._console.print(f"summarise: {message}", soft_wrap=True)

    def close(self) -> None:
        """Nothing to restore."""


class LiveView:
    """A block of figures that redraws itself at the foot of a terminal; messages scroll above it."""

    def __init__(self, console: Console, *, verbose: bool = False) -> None:
        self._console = console
        self._verbose = verbose
        self._snapshot = Snapshot()
        self._seen = time.monotonic()
        self._pause: tuple[str, float] | None = None
        self._ending: str | None = None
        self._failures: deque[tuple[str, str]] = deque(maxlen=LAST_FAILURES)
        self._live: Live | None = Live(
            get_renderable=self._picture, console=console, refresh_per_second=_REFRESH, transient=True
        )
        self._live.start()

    def __call__(self, event: Event) -> None:
        """Take the event in; the picture is drawn a few times a second, whatever happens in between."""
        if isinstance(event, ProgressTick):
            self._snapshot, self._seen = event.snapshot, time.monotonic()
        elif isinstance(event, DocumentFailed):
            self._failures.append((event.source, event.cause))
        elif isinstance(event, PauseStarted):
            self._pause = (event.reason, time.monotonic())
        elif isinstance(event, PauseEnded):
            self._pause = None
        elif isinstance(event, Stopping):
            self._ending = _ending(event)
        elif isinstance(event, RunEnded):
            self._snapshot = event.report.totals
        words = words_of(event, verbose=True) if self._verbose or isinstance(event, Notice) else None
        if words is not None:
            self.say(words)

    def say(self, message: str) -> None:
        """A line above the figures."""
        self._console.print(f"summarise: {message}", soft_wrap=True)

    def close(self) -> None:
        """Take the figures away and give the cursor back."""
        if self._live is not None:
            live, self._live = self._live, None
            live.stop()

    def _picture(self) -> Group:
        now = self._snapshot
        table = Table.grid(padding=(0, 2))
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="ellipsis", no_wrap=True)
        table.add_row("documents", _documents(now))
        table.add_row("speed", _speed(now))
        table.add_row("tokens", _tokens(now))
        table.add_row("cost", money(now.cost_usd, now.cost_unknown_documents))
        table.add_row("time", self._times(now))
        if self._pause is not None:
            reason, since = self._pause
            waited = duration(time.monotonic() - since)
            table.add_row("paused", Text(f"{safe(reason)} ({waited})", style="yellow"))
        if now.limited_seconds is not None:
            left = max(0.0, now.limited_seconds - (time.monotonic() - self._seen))
            table.add_row("waiting", Text(f"the endpoint limits the rate; {duration(left)} to go", style="yellow"))
        if self._ending is not None:
            table.add_row("stopping", Text(safe(self._ending), style="yellow"))
        for source, cause in self._failures:
            table.add_row("failed", Text.assemble((f"{cause}: ", "red"), _short(source)))
        return Group(table)

    def _times(self, now: Snapshot) -> str:
        since_tick = time.monotonic() - self._seen
        left = "time left not known yet"
        if now.seconds_left is not None:
            left = f"about {duration(max(0.0, now.seconds_left - since_tick))} left"
            if not now.discovery_finished:
                left += " for those found so far"
        return f"{duration(now.seconds + since_tick)}, {left}"


class JsonView:
    """One JSON object a line for every event."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def __call__(self, event: Event) -> None:
        """Print the event."""
        self._write(event.as_dict())

    def say(self, message: str) -> None:
        """A message of ours is an event too: nothing but JSON goes here."""
        self._write({"event": "message", "message": message})

    def error(self, message: str, exit_code: int) -> None:
        """The event of a command that could not go on."""
        self._write({"event": "error", "message": message, "exit_code": exit_code})

    def close(self) -> None:
        """Nothing to restore."""

    def _write(self, row: dict[str, object]) -> None:
        # ASCII only, so that names with undecodable bytes (lone surrogates) can be written too.
        when = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._stream.write(json.dumps({"time": when, **row}) + "\n")
        self._stream.flush()


def open_view(console: Console, *, log_json: bool, quiet: bool, verbose: bool) -> View:
    """The view that fits: JSON if asked for, live on a terminal, plain otherwise."""
    if log_json:
        return JsonView(sys.stderr)
    if console.is_terminal and not quiet and not console.is_dumb_terminal:
        return LiveView(console, verbose=verbose)
    return PlainView(console, quiet=quiet, verbose=verbose)


def words_of(event: Event, *, verbose: bool) -> str | None:
    """The line an event is worth, if it is worth one."""
    words = None
    match event:
        case DocumentFailed():
            words = f"{_short(event.source)} failed ({event.cause}): {safe(event.message)}"
        case PauseStarted():
            words = f"pause: {safe(event.reason)}; gives up after {duration(event.give_up_seconds)} of it"
        case PauseEnded():
            words = f"the endpoint answers again after {duration(event.seconds)}"
        case Stopping():
            words = _ending(event)
        case Notice():
            words = event.message
        case ModelReady() if verbose:
            words = f"asking {event.model} at {event.endpoint}"
        case DocumentPutBack() if verbose:
            words = f"{_short(event.source)} waits for another try: {safe(event.message)}"
        case DocumentDone() if verbose:
            notes = f", warnings: {', '.join(sorted(set(event.warnings)))}" if event.warnings else ""
            words = f"{_short(event.source)} done in {duration(event.seconds)}{notes}"
    return words


def summary_line(now: Snapshot) -> str:
    """The figures on one line."""
    parts = [_documents(now), _speed(now), _tokens(now), f"cost {money(now.cost_usd, now.cost_unknown_documents)}"]
    if now.seconds_left is not None and now.discovery_finished:
        parts.append(f"about {duration(now.seconds_left)} left")
    if now.paused_seconds is not None:
        parts.append(f"paused for {duration(now.paused_seconds)}")
    if now.limited_seconds is not None:
        parts.append(f"the endpoint limits the rate, {duration(now.limited_seconds)} to go")
    return "; ".join(parts)


def _documents(now: Snapshot) -> str:
    warned = f" ({now.done_with_warnings:,} with warnings)" if now.done_with_warnings else ""
    before = f" ({now.failed_before:,} of an earlier run)" if now.failed_before else ""
    failed = now.failed + now.failed_before
    left = f"{now.left:,} left" if now.discovery_finished else f"{now.found:,} found so far"
    return f"{now.done:,} done{warned}, {failed:,} failed{before}, {now.reused:,} reused, {left}"


def _speed(now: Snapshot) -> str:
    return f"{now.documents_per_minute:,.1f} documents a minute, {now.in_flight} in flight of {now.concurrency}"


def _tokens(now: Snapshot) -> str:
    return tokens(now.prompt_tokens, now.completion_tokens, now.cached_tokens)


def _ending(event: Stopping) -> str:
    words = safe(event.reason)
    if event.finishes_in_flight and event.in_flight:
        words += f"; finishing {number(event.in_flight, 'document')} in flight"
        if event.outcome == "interrupted":
            words += "; press again to stop at once"
    return words


def _short(source: str) -> str:
    """A name on one line; of a long one its end, which tells it from its neighbours."""
    name = safe(source)
    return name if len(name) <= _NAME_WIDTH else "…" + name[-_NAME_WIDTH:]
