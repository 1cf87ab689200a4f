"""Measuring other processes: their CPU seconds, their memory, and how fast they were at the server.

Invariants:

- CPU is the child's own user and system time as the kernel counted it, so other work on the machine changes it little
  (by the processor's cache and clock) and waiting not at all;
- speed is taken from the moment the server got the first request to the moment the process was gone: loading the
  libraries is not in it, whatever a tool does after the last answer is. ``time.monotonic`` is the same clock in every
  process of a Linux machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
_SAMPLE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Run:
    """One process, measured."""

    documents: int
    wall: float
    user: float
    system: float
    peak_mb: float
    chats: int
    connections: int
    most_in_flight: int
    server_cpu: float
    working: float
    """Seconds from the first request to the end of the process."""
    answering: float
    """Seconds from the first request to the last answer."""
    starved: float
    """Seconds its main thread was ready to run and had no core, because of other work on the machine."""
    resident_mb: tuple[float, ...] = field(default=())

    @property
    def cpu(self) -> float:
        """User and system seconds."""
        return self.user + self.system

    @property
    def speed(self) -> float:
        """Documents a second, from the first request to the end of the process."""
        return self.documents / self.working if self.working else 0.0

    def as_dict(self) -> dict[str, Any]:
        """For the JSON file."""
        return asdict(self) | {"cpu": self.cpu, "speed": self.speed}


class Server:
    """The fixed-answer server in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self._process = process
        self._address = f"http://127.0.0.1:{port}"

    @property
    def base_url(self) -> str:
        """Where clients ask."""
        return f"{self._address}/v1"

    def restart(self, delay: float) -> None:
        """Answer after ``delay`` seconds from now on, and count anew."""
        request = urllib.request.Request(f"{self._address}/bench/restart?delay={delay}", method="POST")
        with urllib.request.urlopen(request, timeout=30) as answer:
            answer.read()

    def counts(self) -> dict[str, Any]:
        """What was asked since."""
        with urllib.request.urlopen(f"{self._address}/bench/counts", timeout=30) as answer:
            counts: dict[str, Any] = json.load(answer)
        return counts


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """Start the server, and end it afterwards."""
    command = [sys.executable, str(HERE / "server.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Server(process, int(process.stdout.readline()))
        finally:
            process.terminate()


class FailedError(Exception):
    """A measured program ended otherwise than it should, so that its figures mean nothing."""


def run(command: Sequence[str], documents: int, server: Server, *, delay: float, log: Path) -> Run:
    """Run one program to its end, all its output to ``log``, and measure it.

    Raises:
        FailedError: if it ends with anything but 0.
    """
    server.restart(delay)
    resident: list[float] = []
    starved = 0.0
    began = time.monotonic()
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=surroundings())
        next_sample = began
        try:
            while True:
                pid, status, usage = os.wait4(process.pid, os.WNOHANG)
                if pid:
                    break
                if time.monotonic() >= next_sample:
                    next_sample += _SAMPLE_SECONDS
                    resident.append(_resident_mb(process.pid))
                    starved = max(starved, _starved_seconds(process.pid))
                time.sleep(0.005)
        except BaseException:
            process.kill()
            raise
    ended = time.monotonic()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise FailedError(f"{' '.join(command[:4])} … ended with {process.returncode}; see {log}")
    counts = server.counts()
    first = counts["first"]
    return Run(
        documents=documents,
        wall=ended - began,
        user=usage.ru_utime,
        system=usage.ru_stime,
        peak_mb=usage.ru_maxrss / 1024,
        chats=counts["chats"],
        connections=counts["connections"],
        most_in_flight=counts["most_in_flight"],
        server_cpu=counts["cpu_seconds"],
        working=ended - first if first is not None else 0.0,
        answering=counts["last"] - first if first is not None else 0.0,
        starved=starved,
        resident_mb=tuple(resident),
    )


def surroundings() -> Mapping[str, str]:
    """The environment of a measured program: nothing of the user's settings, keys or proxies."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return kept | {"SUMMARISE_CONFIG": os.devnull, "PYTHONDONTWRITEBYTECODE": ""}


def machine_ms() -> float:
    """CPU milliseconds of a fixed piece of Python: how fast the machine is just now."""
    began = time.process_time()
    total = 0
    for number in range(400_000):
        total += number * number % 7
    return (time.process_time() - began) * 1000


def _starved_seconds(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


def _resident_mb(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except (OSError, IndexError):
        return 0.0
