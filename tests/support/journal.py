"""Records, attempts and runs for tests of the results file, and a judgement of a file that met a fault."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from summarise.schemas import Record

from summarise.journal.journal import Journal
from summarise.journal.rows import Attempt, AttemptUsage, Cause, RunStart

STARTED = "2026-03-01T08:00:00Z"


def content(text: str) -> str:
    """The id of a document with this text."""
    return hashlib.sha256(text.encode()).hexdigest()


def a_record(text: str = "text", *, source: str = "a.txt", claims: int = 2, **changes: Any) -> Record:
    """A record of a document with this text, in which every kind of row occurs."""

    def evidence(number: int, quote: str) -> dict[str, Any]:
        span = {"start": 10 * number, "end": 10 * number + len(quote)}
        return {**span, "quote": quote, "sentence": span, "cue": None, "grounding": "exact"}

    return Record.model_validate(
        {
            "schema": "news/1",
            "document": {
                "id": content(text),
                "source": source,
                "title": f"About {text}",
                "language": "en",
                "chars": 100 + len(text),
                "sentences": 4,
            },
            "abstract": f"The harbour council met about {text}.",
            "actors": [
                {
                    "id": "a1",
                    "name": "Mara Quill",
                    "kind": "person",
                    "role": "mayor",
                    "aliases": ["Quill"],
                    "mentions": [{"start": 0, "end": 10}, {"start": 20, "end": 25}],
                }
            ],
            "claims": [
                {
                    "id": f"c{number}",
                    "claimant": {"name": "Mara Quill", "actor": "a1"},
                    "attribution": "reported",
                    "polarity": "denies" if number % 2 else "asserts",
                    "text": f"Mara Quill says the dredging of pier {number} is paid for.",
                    "evidence": [
                        evidence(number, f"pier {number} is paid for"),
                        evidence(number + 1, f"“{text}”, she added"),
                    ],
                    "confidence": 0.75,
                }
                for number in range(1, claims + 1)
            ],
            "stances": [
                {
                    "id": "s1",
                    "holder": {"name": "Mara Quill", "actor": "a1"},
                    "target": {"name": "the dredging", "actor": None},
                    "label": "support",
                    "evidence": [evidence(3, "welcomed it")],
                    "confidence": None,
                }
            ],
            "warnings": [{"code": "evidence_fuzzy", "message": "1 quote"}],
            "run": {
                "model": "m1",
                "endpoint": "http://127.0.0.1/v1",
                "strategy": "single",
                "recipe": {"name": "single", "version": "1", "sha256": "e" * 64},
                "requests": 1,
                "reasks": 0,
                "retries": 0,
                "usage": {"prompt_tokens": 900, "completion_tokens": 300, "cached_tokens": None},
                "cost_usd": None,
                "seconds": 1.5,
                "summarise_version": "0.1.0",
            },
            **changes,
        }
    )


def a_start(**changes: Any) -> RunStart:
    """A run as it begins."""
    facts = {
        "command": "summarise batch in -o results.db",
        "model": "m1",
        "endpoint": "http://127.0.0.1/v1",
        "strategy": "single",
        "recipe_sha256": "e" * 64,
        "settings_json": "{}",
        "summarise_version": "0.1.0",
        "started": STARTED,
    }
    return RunStart(**(facts | changes))


def an_attempt(cause: Cause | None = None, message: str | None = None, **usage: Any) -> Attempt:
    """A try at a document."""
    return Attempt(STARTED, 1.5, AttemptUsage(**({"requests": 1} | usage)), cause, message)


def everything(path: Path) -> dict[str, list[Any]]:
    """All rows of all tables, but for what a full-text index keeps inside."""
    with closing(sqlite3.connect(path)) as connection:
        tables = [
            row[0]
            for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
            if "_fts" not in row[0]
        ]
        return {table: connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in tables}


def faults_of(path: Path) -> list[str]:
    """What is wrong with a results file: damage, halves of documents, an index out of step."""
    with Journal.open(path, create=False) as journal:
        faults = list(journal.check().problems)
    with closing(sqlite3.connect(path)) as connection:
        for index in ("claims_fts", "results_fts"):
            try:
                connection.execute(f"INSERT INTO {index} ({index}, rank) VALUES ('integrity-check', 1)")
            except sqlite3.DatabaseError as error:
                faults.append(f"{index}: {error}")
        connection.rollback()
        for table in ("actors", "claims", "stances", "warnings"):
            counted = f"(SELECT count(*) FROM {table} AS t WHERE t.result_id = r.result_id)"
            faults += [
                f"result {row[0]} has not all its {table}"
                for row in connection.execute(f"SELECT result_id FROM results AS r WHERE r.{table} <> {counted}")
            ]
        faults += [
            f"document {row[0]} has no attempt"
            for row in connection.execute(
                "SELECT document_id FROM documents AS d WHERE NOT EXISTS (SELECT 1 FROM attempts AS a "
                "WHERE a.document_id = d.document_id OR (d.state = 'done' AND a.result_id = d.result_id))"
            )
        ]
    return faults
