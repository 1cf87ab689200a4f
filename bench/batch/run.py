"""How fast a batch is, what it costs in CPU and memory, and where that goes.

    python bench/batch/run.py                    # short, about five minutes
    python bench/batch/run.py --full             # what docs/performance.md quotes; about an hour
    python bench/batch/run.py --only ceiling --rounds 5

Every figure comes from whole programs in processes of their own against ``server.py``, which answers after a fixed
time. Tools that are compared run in turn, another one first in every round. The tables go to standard output and,
with every single run, to ``FOLDER/results.json`` and ``FOLDER/results.md``.
"""

from __future__ import annotations

import argparse
import json
import math
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpus import write_folder
from measuring import HERE, Run, machine_ms, run, serving, surroundings
from programs import LANGEXTRACT, SUMMARISE, Workshop, summarise_command

Rows = Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    curve: tuple[int, ...]
    waves: int
    documents: int
    rounds: int
    many: tuple[int, ...]
    skipped: int
    journal: int


SHORT = Size(curve=(1, 64), waves=10, documents=1000, rounds=1, many=(1000, 5000), skipped=5000, journal=2000)
FULL = Size(
    curve=(1, 8, 32, 64, 128, 256),
    waves=30,
    documents=2000,
    rounds=5,
    many=(1000, 10_000, 100_000),
    skipped=10_000,
    journal=5000,
)


class Report:
    """What was found, printed as it comes and written to two files at the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._text: list[str] = []
        self._data: dict[str, Any] = {}

    def table(self, title: str, headings: Sequence[str], rows: Rows) -> None:
        """A Markdown table."""
        lines = [f"### {title}", "", "| " + " | ".join(headings) + " |", "|---" + "|---:" * (len(headings) - 1) + "|"]
        self.say("\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows), ""]))

    def say(self, text: str) -> None:
        """A line, or several."""
        print(text, flush=True)
        self._text.append(text)
        (self._folder / "results.md").write_text("\n".join(self._text) + "\n", encoding="utf-8")

    def keep(self, name: str, value: Any) -> None:
        """Every run behind a table."""
        self._data[name] = value
        (self._folder / "results.json").write_text(json.dumps(self._data, indent=1) + "\n", encoding="utf-8")


def corpus(shop: Workshop, count: int) -> Path:
    """A folder of ``count`` documents, made once."""
    return write_folder(shop.folder / f"documents-{count}", count)


def curve(shop: Workshop, size: Size, report: Report) -> None:
    """Documents a second at 1 s an answer, against as many as the requests in flight allow."""
    rows, runs = [], []
    for in_flight in size.curve:
        count = size.waves * in_flight
        figures = shop.measure(SUMMARISE, corpus(shop, count), count, delay=1.0, in_flight=in_flight)
        runs.append({"in_flight": in_flight, **figures.as_dict()})
        until_answer = count / figures.answering
        rows.append(
            [
                str(in_flight),
                str(count),
                f"{figures.speed:.1f}",
                f"{figures.speed / in_flight:.1%}",
                f"{until_answer / in_flight:.1%}",
                str(figures.most_in_flight),
                f"{figures.cpu / count * 1000:.1f}",
            ]
        )
    headings = ["In flight", "Documents", "Documents/s", "Of the ideal", "…until the last answer", "Seen by the server"]
    report.table("1 s an answer, `single`, journal on", [*headings, "CPU ms/document, start included"], rows)
    report.keep("curve", runs)


@dataclass(frozen=True, slots=True)
class Round:
    """One tool in one round: the run, and one over a single document, whose CPU is that of the start."""

    run: Run
    start: Run
    machine: float

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds a document, without the start."""
        return (self.run.cpu - self.start.cpu) / (self.run.documents - self.start.documents) * 1000


def ceiling(shop: Workshop, size: Size, report: Report) -> None:
    """CPU a document and documents a second at 200 ms an answer, beside the plain loop and langextract."""
    rounds: dict[str, list[Round]] = {tool: [] for tool in shop.tools}
    one, many = corpus(shop, 1), corpus(shop, size.documents)
    for number in range(size.rounds):
        for tool in rotated(shop.tools, number):
            machine = machine_ms()
            start = shop.measure(tool, one, 1, delay=0.2, in_flight=64)
            figures = shop.measure(tool, many, size.documents, delay=0.2, in_flight=64)
            rounds[tool].append(Round(figures, start, machine))
            print(
                f"  round {number + 1} {tool}: {rounds[tool][-1].cpu_ms:.2f} ms, {figures.speed:.1f}/s, "
                f"{figures.starved:.1f} of {figures.wall:.1f} s without a core",
                flush=True,
            )
    rows = []
    for tool in shop.tools:
        speeds = [each.run.speed for each in rounds[tool]]
        cpu = [each.cpu_ms for each in rounds[tool]]
        ratios = [peer.cpu_ms / mine.cpu_ms for mine, peer in zip(rounds[SUMMARISE], rounds[tool], strict=True)]
        faster = [mine.run.speed / peer.run.speed for mine, peer in zip(rounds[SUMMARISE], rounds[tool], strict=True)]
        rows.append(
            [
                tool,
                f"{statistics.median(cpu):.2f} ({min(cpu):.2f})",
                f"{1000 / statistics.median(cpu):.0f}",
                f"{statistics.median(speeds):.0f} ({max(speeds):.0f})",
                f"{statistics.median(ratios):.2f}",
                f"{statistics.median(faster):.2f}",
                f"{statistics.median(each.run.starved / each.run.wall for each in rounds[tool]):.0%}",
                f"{statistics.median(each.start.cpu for each in rounds[tool]):.2f}",
                f"{statistics.median(each.run.server_cpu / each.run.chats * 1000 for each in rounds[tool]):.2f}",
            ]
        )
    headings = ["Tool", "CPU ms/document, median (least)", "Documents/s of one free core", "Documents/s, median (most)"]
    headings += [
        "CPU: peer / summarise",
        "Documents/s: summarise / peer",
        "Time without a core",
        "Start, CPU s",
        "Server CPU ms/request",
    ]
    title = f"200 ms an answer, 64 in flight, {size.documents} documents, {size.rounds} rounds in turn"
    report.table(title, headings, rows)
    speeds_of_machine = [each.machine for tool in rounds.values() for each in tool]
    report.say(f"Machine: {min(speeds_of_machine):.0f}–{max(speeds_of_machine):.0f} ms for a fixed loop.\n")
    report.keep(
        "ceiling",
        {
            tool: [{"machine_ms": e.machine, "run": e.run.as_dict(), "start": e.start.as_dict()} for e in each]
            for tool, each in rounds.items()
        },
    )


def automatic(shop: Workshop, size: Size, report: Report) -> None:
    """The same with the number of requests in flight left to the program."""
    count = size.documents
    figures = shop.measure(SUMMARISE, corpus(shop, count), count, delay=0.2, in_flight=None)
    row = [str(count), f"{figures.speed:.1f}", str(figures.most_in_flight), f"{figures.cpu / count * 1000:.1f}"]
    headings = ["Documents", "Documents/s", "Most in flight", "CPU ms/document, start included"]
    report.table("200 ms an answer, `--concurrency auto`", headings, [row])
    report.keep("auto", figures.as_dict())


def memory(shop: Workshop, size: Size, report: Report) -> None:
    """Peak memory at few and at many documents."""
    rows, runs = [], []
    for count in size.many:
        figures = shop.measure(SUMMARISE, corpus(shop, count), count, delay=0.02, in_flight=64)
        runs.append(figures)
        quarters = [f"{max(part, default=math.nan):.0f}" for part in quartered(figures.resident_mb)]
        more = figures.peak_mb - runs[0].peak_mb
        cells = [f"{count:,}", f"{figures.peak_mb:.1f}", f"{more:+.1f}", " / ".join(quarters)]
        rows.append([*cells, f"{figures.cpu / count * 1000:.1f}", f"{figures.wall:.0f}"])
    headings = ["Documents", "Peak RSS, MB", "Above the first", "Most in each quarter of the run, MB"]
    report.table("Memory", [*headings, "CPU ms/document", "Wall s"], rows)
    report.keep("memory", [figures.as_dict() for figures in runs])


def skipping(shop: Workshop, size: Size, report: Report) -> None:
    """A run over documents that are all done."""
    count = size.skipped
    documents, output = corpus(shop, count), shop.folder / f"finished-{count}.db"
    command = summarise_command(shop, documents, output, in_flight=64)
    log = shop.folder / "skipping.log"
    if not output.exists():
        run(command, count, shop.server, delay=0.02, log=log)
    runs = [run(command, count, shop.server, delay=0.02, log=log) for _ in range(max(3, size.rounds))]
    asked = sum(figures.chats for figures in runs)
    walls, cpu = [figures.wall for figures in runs], [figures.cpu for figures in runs]
    row = [f"{count:,}", f"{statistics.median(walls):.2f} ({min(walls):.2f})"]
    row += [f"{statistics.median(cpu):.2f} ({min(cpu):.2f})", str(asked), f"{max(each.peak_mb for each in runs):.0f}"]
    headings = ["Documents", "Wall s, median (least)", "CPU s, median (least)", "Requests", "Peak RSS, MB"]
    report.table("Documents that are done and unchanged, whole program", headings, [row])
    report.keep("skipping", [figures.as_dict() for figures in runs])


def journal(shop: Workshop, size: Size, report: Report) -> None:
    """What committing one document costs."""
    few = corpus(shop, 200)
    source = shop.folder / "for_journal.db"
    shop.forget(source)
    command = summarise_command(shop, few, source, in_flight=64)
    run(command, 200, shop.server, delay=0.02, log=shop.folder / "journal.log")
    # In a process of its own, as everything else: this one stays small, since a child inherits its peak memory.
    cost = [sys.executable, str(HERE / "journal_cost.py"), str(source), str(shop.folder), str(size.journal)]
    costs: list[dict[str, dict[str, float]]] = []
    for _ in range(max(3, size.rounds)):
        done = subprocess.run(cost, check=True, capture_output=True, env=surroundings())
        costs.append(json.loads(done.stdout))
    rows = []
    for way in costs[0]:
        figures = ([each[way][name] for each in costs] for name in ("cpu_ms", "wall_ms"))
        cells = [f"{statistics.median(found):.2f} ({min(found):.2f})" for found in figures]
        rows.append([way, *cells, f"{costs[0][way]['kilobytes']:.1f}"])
    headings = ["Way", "CPU ms/document, median (least)", "Wall ms/document, median (least)", "kB/document"]
    report.table(f"Journal, {size.journal} documents", headings, rows)
    report.keep("journal", costs)


def quartered(samples: Sequence[float]) -> Iterable[Sequence[float]]:
    """The samples of each quarter of the run."""
    step = len(samples) / 4
    return [samples[round(part * step) : round((part + 1) * step)] for part in range(4)]


def rotated(names: Sequence[str], by: int) -> Sequence[str]:
    """Another one first each time."""
    turn = by % len(names)
    return [*names[turn:], *names[:turn]]


SECTIONS: dict[str, Callable[[Workshop, Size, Report], None]] = {
    "curve": curve,
    "ceiling": ceiling,
    "auto": automatic,
    "journal": journal,
    "skipping": skipping,
    "memory": memory,
}


def size_of(arguments: argparse.Namespace) -> Size:
    """The size asked for, with what was changed on the command line."""
    size = FULL if arguments.full else SHORT
    changes = {"rounds": arguments.rounds, "documents": arguments.documents}
    values = {name: getattr(size, name) for name in Size.__slots__}
    return Size(**values | {name: value for name, value in changes.items() if value is not None})


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--full", action="store_true", help="everything, at full size")
    parser.add_argument("--only", action="append", choices=list(SECTIONS), help="this part alone; may be repeated")
    parser.add_argument("--rounds", type=int, help="rounds of the comparison")
    parser.add_argument("--documents", type=int, help="documents of the comparison")
    parser.add_argument("--peers", type=Path, default=Path(".venv-bench/bin/python"), help="interpreter of the peers")
    parser.add_argument("--folder", type=Path, help="where everything is written; kept, with its corpus")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.gettempdir()) / "summarise-bench"
    folder.mkdir(parents=True, exist_ok=True)
    peers = arguments.peers if arguments.peers.exists() else None
    if peers is None:
        print(f"{arguments.peers} is not there: {LANGEXTRACT} is left out (`make bench` makes it)", file=sys.stderr)
    # So that being ended also ends the server and the program under way.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    report, size = Report(folder), size_of(arguments)
    with serving() as server:
        shop = Workshop(server, folder, peers)
        # One document first, so that no measured run asks what the endpoint can do.
        shop.measure(SUMMARISE, corpus(shop, 1), 1, delay=0.0, in_flight=1)
        for name in arguments.only or SECTIONS:
            SECTIONS[name](shop, size, report)
    report.say(f"Everything measured is in {folder / 'results.json'}.")


if __name__ == "__main__":
    main()
