"""What can be asked of a results file.

Invariants: lists are iterators over a cursor, so memory does not grow with the file; what is sorted is sorted by
source or by id, never by time; a record comes out under its own document's source.

In what is handed to programs (records, table rows) a source is in its stored form, which is always valid Unicode
(:mod:`summarise.journal.names`); in the values of :mod:`summarise.journal.rows` it is the name as the caller gave it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from summarise.errors import JournalDamagedError
from summarise.journal.estimates import usage_history
from summarise.journal.files import translated
from summarise.journal.names import decoded, encoded
from summarise.journal.rows import (
    BatchItem,
    Check,
    DocumentRow,
    DocumentState,
    Estimate,
    Failure,
    ProviderBatch,
    Run,
    RunEnd,
    RunStart,
    SearchHit,
    State,
    Totals,
    UsageHistory,
)
from summarise.journal.search import search

TABLES: dict[str, str] = {
    "documents": "ORDER BY source",
    "actors": "ORDER BY source, position",
    "claims": "ORDER BY source, position",
    "stances": "ORDER BY source, position",
    "evidence": "ORDER BY source, kind, item_position, position",
    "warnings": "ORDER BY source, position",
    "attempts": "ORDER BY source, attempt_id",
    "failures": "ORDER BY source",
    "runs": "ORDER BY run_id",
}
"""What :meth:`Reading.rows` can list, each a view of the file, and its order."""

_STATE = "SELECT document_id, source, content_sha256, state, work_key, cause FROM documents AS d"
_DOCUMENT = """SELECT d.document_id, d.source, d.content_sha256, d.state, d.cause, d.message, d.result_id,
    (SELECT count(*) FROM attempts AS a WHERE a.document_id = d.document_id), coalesce(r.warnings, 0), r.title
    FROM documents AS d LEFT JOIN results AS r ON r.result_id = d.result_id"""
_NO_SOURCE = '"source":""'


class Reading:
    """The questions; :class:`summarise.journal.journal.Journal` adds opening and writing."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    def _select(self, query: str, values: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        with translated(self.path):
            yield from self._connection.execute(query, values)

    # For the scheduler

    def state(self, source: str) -> DocumentState | None:
        """Where a document stands; None if the file does not know it."""
        row = next(self._select(f"{_STATE} WHERE source = ?", (encoded(source),)), None)
        return None if row is None else DocumentState(row[0], source, *row[2:])

    def states(self, sources: Sequence[str]) -> dict[str, DocumentState]:
        """Where many documents stand, by source; those the file does not know are left out."""
        names = json.dumps([encoded(source) for source in sources])
        rows = self._select(f"{_STATE} WHERE source IN (SELECT value FROM json_each(?))", (names,))
        states = (DocumentState(row[0], decoded(row[1]), *row[2:]) for row in rows)
        return {state.source: state for state in states}

    def result_of(self, work_key: str) -> int | None:
        """The result committed for a work key, if there is one."""
        row = next(self._select("SELECT result_id FROM results WHERE work_key = ?", (work_key,)), None)
        return None if row is None else int(row[0])

    def results_of(self, work_keys: Sequence[str]) -> dict[str, int]:
        """The results committed for many work keys; those without one are left out."""
        return dict(
            self._select(
                "SELECT work_key, result_id FROM results WHERE work_key IN (SELECT value FROM json_each(?))",
                (json.dumps(list(work_keys)),),
            )
        )

    def recall(self, work_key: str) -> dict[str, str]:
        """The answers kept of an unfinished document: completion by the request's SHA-256."""
        return dict(self._select("SELECT request_sha256, completion FROM answers WHERE work_key = ?", (work_key,)))

    def batches(self) -> Iterator[ProviderBatch]:
        """The batches at providers, oldest first."""
        for row in self._select(
            "SELECT provider_batch_id, run_id, state, created, request_count, input_file_id, output_file_id, "
            "error_file_id, round, note, batch_id FROM batches ORDER BY batch_id"
        ):
            yield ProviderBatch(*row)

    def batch_items(self, batch_id: int) -> Iterator[BatchItem]:
        """The requests of a batch, by ``custom_id``."""
        for custom_id, source, work_key, request_sha256, state in self._select(
            "SELECT custom_id, source, work_key, request_sha256, state FROM batch_items WHERE batch_id = ? "
            "ORDER BY custom_id",
            (batch_id,),
        ):
            yield BatchItem(custom_id, decoded(source), work_key, request_sha256, state)

    # Figures

    def totals(self) -> Totals:
        """The whole file in numbers."""
        documents, done, warned, failed = next(
            self._select(
                "SELECT count(*), coalesce(sum(d.state = 'done'), 0), "
                "coalesce(sum(d.state = 'done' AND r.warnings > 0), 0), coalesce(sum(d.state = 'failed'), 0) "
                "FROM documents AS d LEFT JOIN results AS r ON r.result_id = d.result_id"
            )
        )
        tokens = next(
            self._select(
                "SELECT coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0), sum(cached_tokens), "
                "sum(cost_usd), count(*) FILTER (WHERE cost_usd IS NULL AND requests + retries > 0) FROM attempts"
            )
        )
        by_cause = "SELECT cause, count(*) FROM documents WHERE state = 'failed' GROUP BY cause ORDER BY 2 DESC, 1"
        return Totals(documents, done, warned, failed, dict(self._select(by_cause)), *tokens)

    def runs(self) -> Iterator[Run]:
        """Every run, the first first: what it was to do, what was expected, what it did."""
        for row in self._select(
            "SELECT command, model, endpoint, strategy, recipe_sha256, settings, summarise_version, started, "
            "estimated_documents, estimated_prompt_tokens, estimated_completion_tokens, estimated_cost_usd, "
            "estimated_seconds, outcome, reason, finished, seconds, reused, "
            "done, failed, prompt_tokens, completion_tokens, cached_tokens, cost_usd, cost_unknown, "
            "run_id, pid, host FROM runs_view ORDER BY run_id"
        ):
            start = (*row[:8], None if row[8] is None else Estimate(*row[8:13]))
            end = None if row[13] is None else RunEnd(*row[13:18])
            yield Run(row[25], RunStart(*start), row[26], row[27], end, *row[18:25])

    def usage_history(self, *, model: str | None = None, strategy: str | None = None) -> list[UsageHistory]:
        """What documents needed so far, the most documents first: the measure for estimates."""
        with translated(self.path):
            return usage_history(self._connection, model=model, strategy=strategy)

    # Documents

    def documents(self, state: State | None = None) -> Iterator[DocumentRow]:
        """The documents, by source; all of them, or those of one state."""
        where = "" if state is None else "WHERE d.state = ?"
        return self._documents(f"{where} ORDER BY d.source", () if state is None else (state,))

    def failures(self) -> Iterator[Failure]:
        """The documents that failed, by source."""
        for row in self._select(
            "SELECT document_id, source, cause, message, attempts, run_id FROM failures_view ORDER BY source"
        ):
            yield Failure(row[0], decoded(row[1]), *row[2:])

    def find(self, wanted: str) -> list[DocumentRow]:
        """The documents meant by a name or an id: none, one, or several to choose from.

        In this order: the exact source; sources that end with it (a file's name, or the end of a path); the first
        characters of the text's SHA-256 (six or more).
        """
        exact = encoded(wanted)
        found = list(self._documents("WHERE d.source = ?", (exact,)))
        if not found:
            # In Python terms source.endswith(wanted), at the beginning of a part of the path.
            found = list(
                self._documents(
                    "WHERE substr(d.source, -length(?1)) = ?1 AND length(d.source) > length(?1) AND "
                    "(substr(d.source, -length(?1) - 1, 1) IN ('/', '\\', '#', ':') OR substr(?1, 1, 1) = '/') "
                    "ORDER BY d.source",
                    (exact,),
                )
            )
        prefix = wanted.lower()
        if not found and len(prefix) >= 6 and set(prefix) <= set("0123456789abcdef"):
            found = list(
                self._documents(
                    "WHERE d.content_sha256 >= ? AND d.content_sha256 < ? ORDER BY d.source", (prefix, prefix + "g")
                )
            )
        return found

    def _documents(self, tail: str, values: Sequence[object]) -> Iterator[DocumentRow]:
        for row in self._select(f"{_DOCUMENT} {tail}", values):
            yield DocumentRow(row[0], decoded(row[1]), *row[2:])

    # Results

    def record(self, document_id: int) -> str | None:
        """The record of a document as JSON text; None if it has no result."""
        return next(self._records("WHERE d.document_id = ?", (document_id,)), None)

    def records(self) -> Iterator[str]:
        """Every record as one line of JSON, by source, each under its own document's source."""
        return self._records("ORDER BY d.source", ())

    def _records(self, tail: str, values: Sequence[object]) -> Iterator[str]:
        query = f"SELECT d.source, r.record FROM documents AS d JOIN results AS r ON r.result_id = d.result_id {tail}"
        for source, record in self._select(query, values):
            before, found, after = record.partition(_NO_SOURCE)
            if not found:
                raise JournalDamagedError(f"{self.path}: a record was changed by another program; restore a copy")
            # The first such member is the document's: only the schema's name and the id, a hash, stand before it.
            yield f'{before}"source":{json.dumps(source, ensure_ascii=False)}{after}'

    def columns(self, table: str) -> tuple[str, ...]:
        """The columns of :meth:`rows`, in their order."""
        with translated(self.path):
            cursor = self._connection.execute(f"SELECT * FROM {_view(table)} LIMIT 0")
        return tuple(column[0] for column in cursor.description)

    def rows(self, table: str) -> Iterator[dict[str, Any]]:
        """The rows of one of :data:`TABLES` as dictionaries, in a stable order of rows and columns."""
        columns = self.columns(table)
        for row in self._select(f"SELECT * FROM {_view(table)} {TABLES[table]}"):
            yield dict(zip(columns, row, strict=True))

    def search(self, words: str, limit: int = 20) -> list[SearchHit]:
        """Claims and abstracts that have all the words, the best first.

        Raises:
            UsageError: if there is no word to search for.
        """
        with translated(self.path):
            return list(search(self._connection, words, limit))

    def check(self) -> Check:
        """Read the whole file and say what is wrong with it; takes about a second per 300 MB."""
        with translated(self.path):
            found = [str(row[0]) for row in self._connection.execute("PRAGMA integrity_check(20)")]
            found += [f"{row[0]}: a row that points nowhere" for row in self._select("PRAGMA foreign_key_check")]
        return Check(tuple(problem for problem in found if problem != "ok"))


def _view(table: str) -> str:
    if table not in TABLES:
        raise ValueError(f"there is no table {table!r}; there are {', '.join(TABLES)}")
    return f"{table}_view"
