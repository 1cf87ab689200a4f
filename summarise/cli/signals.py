"""Ctrl-C and SIGTERM while a batch runs: the first asks for an orderly end, the second ends it at once.

Invariant: whatever hangs, the process is gone :data:`PATIENCE` seconds after the second signal, with its
terminal as it was. That loses no result: what the journal has committed is safe against ``kill -9``.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from summarise.errors import EXIT_INTERRUPTED

PATIENCE = 2.0
_OPENING_PATIENCE = 0.5
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """What the signals do.

    ``close`` gives the terminal back. ``opening`` is true while the event loop may stand still (a model is
    fetched or started): an orderly end cannot be waited for then, and there is nothing in flight to save.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, stop: asyncio.Event, close: Callable[[], None]) -> None:
        self.opening = True
        self._loop = loop
        self._stop = stop
        self._close = close
        self._heard = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal; in the main thread, between two instructions of whatever runs there.

        Raises:
            KeyboardInterrupt: on the second one.
        """
        del frame
        if self._heard:
            self._at_once()
        self._heard = True
        self._loop.call_soon_threadsafe(self._stop.set)
        if self.opening:
            _later(_OPENING_PATIENCE, lambda: self._again_if_nobody_heard(number))

    def _again_if_nobody_heard(self, number: int) -> None:
        if self.opening and not self._stop.is_set():
            main = threading.main_thread().ident
            if main is not None and hasattr(signal, "pthread_kill"):
                signal.pthread_kill(main, number)  # the main thread may be waiting for the system: wake it
            else:
                signal.raise_signal(number)

    def _at_once(self) -> None:
        # Unwinding may hang in somebody else's thread; the timer does not.
        _later(PATIENCE, self._gone)
        raise KeyboardInterrupt

    def _gone(self) -> None:
        try:
            self._close()
        finally:
            os._exit(EXIT_INTERRUPTED)


@contextmanager
def handled(interrupts: Interrupts) -> Iterator[None]:
    """Handle the signals, but for those the process was started to ignore (``nohup``, ``&``)."""
    before: dict[signal.Signals, Any] = {}
    for number in _SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            before[number] = signal.signal(number, interrupts)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _later(seconds: float, action: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, action)
    timer.daemon = True
    timer.start()
