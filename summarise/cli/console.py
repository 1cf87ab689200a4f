"""What the commands show while they work, on standard error only."""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

if TYPE_CHECKING:  # only their names are needed here, and what they bring along takes a second to load
    from summarise.assets import PullProgress
    from summarise.extract.asking import Progress as Reading


def console(stream: IO[str], *, no_color: bool = False) -> Console:
    """A console on ``stream`` that colours only terminals, and never with --no-color or NO_COLOR."""
    plain = no_color or bool(os.environ.get("NO_COLOR"))
    return Console(file=stream, no_color=plain, highlight=False, markup=False, emoji=False)


class Messages:
    """Messages and progress of one command; a line that redraws itself on terminals, plain lines elsewhere."""

    def __init__(self, *, quiet: bool = False, verbose: bool = False, no_color: bool = False) -> None:
        self._quiet = quiet
        self._verbose = verbose
        self._console = console(sys.stderr, no_color=no_color)
        self._live: Progress | None = None
        self._step = ""
        self._percent = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def say(self, message: str) -> None:
        """A message for everyone who did not ask for quiet."""
        if not self._quiet:
            self._stop()
            self._console.print(f"summarise: {message}", soft_wrap=True)

    def detail(self, message: str) -> None:
        """A message for --verbose."""
        if self._verbose:
            self.say(message)

    def pulling(self, report: PullProgress) -> None:
        """How far the fetching of a model has got."""
        if self._quiet:
            return
        words = ": ".join(part for part in (report.source, report.note) if part)
        if self._console.is_terminal:
            live = self._started(DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
            live.update(live.tasks[0].id, description=words, completed=report.done_bytes, total=report.total_bytes)
            return
        percent = 100 * report.done_bytes // max(1, report.total_bytes)
        if percent >= self._percent + 10:
            self._percent = percent
            self._console.print(f"summarise: {words} ({percent} %)", soft_wrap=True)
        elif not report.done_bytes and words != self._step:
            self._console.print(f"summarise: {words}", soft_wrap=True)
        self._step = words

    def reading(self, report: Reading) -> None:
        """How far the reading of a document has got."""
        if self._quiet:
            return
        tokens = report.prompt_tokens + report.completion_tokens
        left = "" if report.seconds_left is None else f", about {_duration(report.seconds_left)} left"
        if self._console.is_terminal:
            live = self._started(TextColumn("{task.fields[note]}"))
            live.update(
                live.tasks[0].id,
                description=report.step,
                completed=report.done,
                total=report.total,
                note=f"{report.done}/{report.total}, {tokens} tokens, {_duration(report.seconds)}{left}",
            )
        elif report.step != self._step:
            self._step = report.step
            self._console.print(f"summarise: {report.step} ({report.total} questions)", soft_wrap=True)

    def _started(self, *columns: TextColumn | DownloadColumn | TransferSpeedColumn | TimeRemainingColumn) -> Progress:
        if self._live is None:
            self._live = Progress(
                TextColumn("{task.description}"), BarColumn(), *columns, console=self._console, transient=True
            )
            self._live.add_task("", total=1, note="")
            self._live.start()
        return self._live

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
