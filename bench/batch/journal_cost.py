"""What the journal costs a document: records of a real results file, committed again into new ones.

Two ways, each for ``COUNT`` documents of different names and work keys: one call after the other (a transaction each),
and as a batch does it, 64 callers of one writer who share its transactions. CPU is of the whole process, both threads;
wall time is until everything is committed. Prints one JSON object.

    python bench/batch/journal_cost.py RESULTS.db FOLDER COUNT
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from summarise.schemas import Record

from summarise.journal.journal import Journal
from summarise.journal.rows import Attempt, AttemptUsage, RunStart
from summarise.journal.writer import Writer

CALLERS = 64
_START = RunStart(
    command="bench",
    model="bench-model",
    endpoint="http://127.0.0.1/v1",
    strategy="single",
    recipe_sha256="0" * 64,
    settings_json="{}",
    summarise_version="0",
    started="2026-01-01T00:00:00.000+00:00",
)
_ATTEMPT = Attempt(
    started="2026-01-01T00:00:00.000+00:00",
    seconds=1.0,
    usage=AttemptUsage(requests=1, prompt_tokens=1100, completion_tokens=300),
)


def variants(source: Path, count: int) -> list[tuple[str, str, Record]]:
    """``count`` names, work keys and records, made of those in the file."""
    with Journal.open(source, create=False, write=False) as journal:
        texts = list(journal.records())
    found = []
    for number in range(count):
        record = Record.model_validate_json(texts[number % len(texts)])
        key = hashlib.sha256(str(number).encode()).hexdigest()
        about = record.document.model_copy(update={"id": key, "source": f"{number:06}.txt"})
        found.append((about.source, key, record.model_copy(update={"document": about})))
    return found


def one_by_one(path: Path, records: list[tuple[str, str, Record]]) -> None:
    """A transaction for each."""
    with Journal.open(path) as journal:
        run_id = journal.begin_run(_START)
        for name, key, record in records:
            journal.commit(run_id, name, work_key=key, record=record, attempt=_ATTEMPT)


def together(path: Path, records: list[tuple[str, str, Record]]) -> None:
    """Many callers of one writer."""

    async def work() -> None:
        waiting = iter(records)

        async def caller() -> None:
            for name, key, record in waiting:
                await writer.commit(run_id, name, work_key=key, record=record, attempt=_ATTEMPT)

        with Journal.open(path) as journal:
            async with Writer(journal) as writer:
                run_id = await writer.begin_run(_START)
                await asyncio.gather(*(caller() for _ in range(CALLERS)))

    asyncio.run(work())


WAYS: dict[str, Callable[[Path, list[tuple[str, str, Record]]], None]] = {
    "one transaction each": one_by_one,
    f"{CALLERS} callers of the writer": together,
}


def main() -> None:
    """The command line."""
    source, folder, count = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    records = variants(source, count)
    costs: dict[str, Any] = {}
    for way, write in WAYS.items():
        path = folder / "journal-cost.db"
        for old in folder.glob(path.name + "*"):
            old.unlink()
        wall, cpu = time.perf_counter(), time.process_time()
        write(path, records)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        costs[way] = {
            "cpu_ms": cpu / count * 1000,
            "wall_ms": wall / count * 1000,
            "kilobytes": path.stat().st_size / count / 1000,
        }
    print(json.dumps(costs))


if __name__ == "__main__":
    main()
