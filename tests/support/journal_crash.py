"""A process that kills writers of a results file with SIGKILL and judges what they leave behind.

``python -m support.journal_crash moments COUNT FOLDER`` kills a writer that commits without pause at COUNT random
moments, each on the file the last one left. ``python -m support.journal_crash statements FOLDER`` repeats each kind
of change on a copy of one file and kills it at its first, second, … statement until it comes to its end.

Prints one JSON object. Children are forked, not started, so a kill costs milliseconds.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from summarise.journal.journal import Journal
from summarise.journal.rows import Estimate, RunEnd
from summarise.journal.writer import Writer
from support.journal import a_record, a_start, an_attempt, content, everything, faults_of

CALLERS = 12


def moments(count: int, folder: Path) -> dict[str, object]:
    """Kill at random moments."""
    path = folder / "results.db"
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    committed: set[str] = set()
    faults: list[str] = []
    for round_number in range(count):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            _commit_for_ever(path, round_number, writer)
        os.close(writer)
        told = b""
        if chance.random() < 0.8:
            told = os.read(reader, 65536)  # the first documents are committed; else it may be killed while it opens
        time.sleep(chance.uniform(0.0, 0.04))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        while more := os.read(reader, 65536):
            told += more
        os.close(reader)
        committed |= {line.decode() for line in told.splitlines(keepends=True) if line.endswith(b"\n")}
        if path.exists():
            faults += faults_of(path)
    with Journal.open(path) as journal:
        found = [row.source for row in journal.documents("done")]
    faults += [f"{name} was committed and is lost" for name in {line.strip() for line in committed} - set(found)]
    return {"seed": seed, "committed": len(committed), "found": len(found), "faults": faults}


def _commit_for_ever(path: Path, round_number: int, told: int) -> None:
    async def caller(writer: Writer, run_id: int, number: int) -> None:
        turn = 0
        while True:
            turn += 1
            name = f"{round_number}-{number}-{turn}"
            await writer.remember(name, "question", "{}")
            await writer.commit(run_id, name, work_key=name, record=a_record(name), attempt=an_attempt())
            os.write(told, f"{name}\n".encode())

    async def run() -> None:
        with Journal.open(path) as journal:
            async with Writer(journal) as writer:
                run_id = await writer.begin_run(a_start())
                await asyncio.gather(*(caller(writer, run_id, number) for number in range(CALLERS)))

    try:
        asyncio.run(run())
    finally:
        os._exit(1)


def _redo(journal: Journal, run_id: int) -> None:
    journal.commit(run_id, "old.txt", work_key="key-old", record=a_record("old", claims=5), attempt=an_attempt())


def _new(journal: Journal, run_id: int) -> None:
    journal.commit(run_id, "new.txt", work_key="key-half", record=a_record("half"), attempt=an_attempt())


def _group(journal: Journal, run_id: int) -> None:
    with journal.transaction():
        _new(journal, run_id)
        _redo(journal, run_id)
        _fail(journal, run_id)


def _fail(journal: Journal, run_id: int) -> None:
    attempt = an_attempt("refused", "declined")
    journal.fail(run_id, "second.txt", content_sha256=content("changed"), work_key="key-x", attempt=attempt)


CHANGES: dict[str, Callable[[Journal, int], object]] = {
    "begin_run": lambda journal, _: journal.begin_run(a_start(estimate=Estimate(3, 100, 10))),
    "end_run": lambda journal, run_id: journal.end_run(run_id, RunEnd("finished", None, "2026-03-01T09:00:00Z")),
    "commit": _new,
    "commit again": _redo,
    "group": _group,
    "fail": _fail,
    "attach": lambda journal, run_id: journal.attach(run_id, "twin.txt", content("old"), 1),
    "remember": lambda journal, _: journal.remember("key-new", "question", "{}"),
}

STEPS = {"group": 5}
"""A group is the commits and the failure that are gone through one by one, so here every fifth statement will do."""


def statements(folder: Path) -> dict[str, object]:
    """Kill at each statement of each kind of change."""
    base = folder / "base.db"
    with Journal.open(base) as journal:
        run_id = journal.begin_run(a_start())
        for name in ("old", "second"):
            record = a_record(name)
            journal.commit(run_id, f"{name}.txt", work_key=f"key-{name}", record=record, attempt=an_attempt())
        journal.remember("key-half", "question", "{}")
    report: dict[str, object] = {}
    faults: list[str] = []
    before = everything(base)
    for name, change in CHANGES.items():
        left: list[dict[str, object]] = []
        number = 0
        kills = 0
        while True:
            number += STEPS.get(name, 1)
            path = folder / f"{number}.db"
            shutil.copy(base, path)
            killed = _killed_at(path, number, run_id, change)
            faults += [f"{name}, statement {number}: {fault}" for fault in faults_of(path)]
            left.append(_without_process(everything(path)))
            path.unlink()
            if not killed:
                break
            kills += 1
        first, after = _without_process(before), left[-1]
        if after == first:
            faults.append(f"{name}: changes nothing")
        faults += [
            f"{name}, kill {at}: neither the state before nor the one after"
            for at, state in enumerate(left, start=1)
            if state not in (first, after)
        ]
        report[name] = kills
    return {"kills": report, "faults": faults}


def _without_process(rows: dict[str, list[object]]) -> dict[str, object]:
    """The rows without the process ids of the children."""
    return {**rows, "runs": [[*row[:8], *row[9:]] for row in rows["runs"]]}  # type: ignore[index]


def _killed_at(path: Path, number: int, run_id: int, change: Callable[[Journal, int], object]) -> bool:
    child = os.fork()
    if child == 0:
        journal = Journal.open(path)
        begun = 0

        def count(_: str) -> None:
            nonlocal begun
            begun += 1
            if begun == number:
                os.kill(os.getpid(), signal.SIGKILL)

        journal._connection.set_trace_callback(count)
        try:
            change(journal, run_id)
        finally:
            journal._connection.set_trace_callback(None)
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


if __name__ == "__main__":
    mode, *rest = sys.argv[1:]
    answer = moments(int(rest[0]), Path(rest[1])) if mode == "moments" else statements(Path(rest[0]))
    print(json.dumps(answer))
