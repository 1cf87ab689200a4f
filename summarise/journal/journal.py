"""The results file as a batch run writes it: what happened to which document, all or nothing.

Invariants:

- one call is one transaction: a result, the rows and full-text entries derived from it, the document that points to
  it, the attempt and the removal of the answers it was made of are there together or not at all;
- one work key has one result, and a document points to the result that counts for it: a good one stays until the
  next is committed. If a document fails, an older result stays its result only if it is of the same text;
- one run writes at a time, held by a lock of the operating system;
- nothing is ordered or decided by the clock.

An object is used by one thread at a time. Reading while another process writes is fine (SQLite's write-ahead log).
"""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from summarise.errors import JournalBusyError, StorageError
from summarise.journal.files import connect, take, translated, writers_lock
from summarise.journal.flatten import Flat, flatten
from summarise.journal.names import encoded, storable
from summarise.journal.reading import Reading
from summarise.journal.rows import Answer, Attempt, BatchItem, Commit, ProviderBatch, RunEnd, RunStart
from summarise.journal.storing import add_attempts, insert, short, store

if TYPE_CHECKING:
    from summarise.schemas import Record


class Journal(Reading):
    """One results file, open; close it or use it as a context manager."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        super().__init__(path, connection)
        self._lock = writers_lock(path)
        self._grouped = False
        self._begun = False

    @classmethod
    def open(cls, path: Path, *, create: bool = True, write: bool = True) -> Journal:
        """Open the results file at ``path``, made if it is not there (with ``create`` and ``write``).

        Raises:
            SummariseError: as :func:`summarise.journal.files.connect` says; the file is unchanged then.
        """
        return cls(path, connect(path, create=create, write=write))

    def close(self) -> None:
        """Close the file and give the lock back. A run that was not ended counts as interrupted."""
        try:
            with translated(self.path):
                self._connection.close()
        finally:
            if self._lock.is_locked:
                self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Runs

    def begin_run(self, start: RunStart) -> int:
        """Take the writer's lock, which is held until :meth:`close`, and note the run; returns its id.

        Raises:
            JournalBusyError: if another live run has the file; it says which.
        """
        if not self._lock.is_locked and not take(self._lock, self.path):
            raise JournalBusyError(
                f"{self.path}: another run is writing{self._owner()}; wait for its end or name another results file"
            )
        expected = start.estimate
        with self._change():
            self._connection.execute(
                "UPDATE runs SET outcome = 'interrupted', reason = 'the process ended without a word' "
                "WHERE outcome IS NULL"
            )
            cursor = self._connection.execute(
                "INSERT INTO runs (command, model, endpoint, strategy, recipe_sha256, settings, summarise_version, "
                "pid, host, started, estimated_documents, estimated_prompt_tokens, estimated_completion_tokens, "
                "estimated_cost_usd, estimated_seconds) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    storable(start.command),
                    start.model,
                    start.endpoint,
                    start.strategy,
                    start.recipe_sha256,
                    start.settings_json,
                    start.summarise_version,
                    os.getpid(),
                    platform.node(),
                    start.started,
                    *(
                        (None,) * 5
                        if expected is None
                        else (
                            expected.documents,
                            expected.prompt_tokens,
                            expected.completion_tokens,
                            expected.cost_usd,
                            expected.seconds,
                        )
                    ),
                ),
            )
        return _row_id(cursor)

    def end_run(self, run_id: int, end: RunEnd) -> None:
        """Note how the run ended."""
        with self._change():
            self._connection.execute(
                "UPDATE runs SET outcome = ?, reason = ?, finished = ?, seconds = ?, reused = ? WHERE run_id = ?",
                (end.outcome, short(end.reason), end.finished, end.seconds, end.reused, run_id),
            )

    def _owner(self) -> str:
        with translated(self.path):
            row = self._connection.execute(
                "SELECT pid, host, started FROM runs WHERE outcome IS NULL ORDER BY run_id DESC LIMIT 1"
            ).fetchone()
        return f" it (process {row[0]} on {row[1]}, since {row[2]})" if row else " it"

    # Documents

    def attach(self, run_id: int, source: str, content_sha256: str, result_id: int) -> None:
        """This document now has that result, which is there already; nothing is written if it had it before."""
        name = encoded(source)
        with translated(self.path):
            now = self._connection.execute(
                "SELECT state, content_sha256, result_id FROM documents WHERE source = ?", (name,)
            ).fetchone()
        if now == ("done", content_sha256, result_id):
            return
        with self._change():
            self._connection.execute(
                "INSERT INTO documents (source, content_sha256, state, work_key, result_id, run_id) "
                "SELECT ?, ?, 'done', work_key, result_id, ? FROM results WHERE result_id = ? "
                "ON CONFLICT (source) DO UPDATE SET content_sha256 = excluded.content_sha256, state = 'done', "
                "cause = NULL, message = NULL, work_key = excluded.work_key, result_id = excluded.result_id, "
                "run_id = excluded.run_id",
                (name, content_sha256, run_id, result_id),
            )

    def commit(self, run_id: int, source: str, *, work_key: str, record: Record, attempt: Attempt) -> int:
        """Keep a result: the record, everything derived from it, the document, the attempt; returns the result's id.

        A result of the same work key is replaced (its id stays), for every document that has it.
        """
        return self.commit_all([Commit(run_id, source, work_key, record, attempt)])[0]

    def commit_all(self, commits: Sequence[Commit]) -> list[int]:
        """:meth:`commit` for many, all or none; returns the results' ids."""
        return self.commit_flat([flatten(commit) for commit in commits])

    def commit_flat(self, finished: Sequence[Flat]) -> list[int]:
        """:meth:`commit_all` for what is flattened already."""
        ids: dict[int, int] = {}
        with self._change():
            # A work key twice in one call (two documents of one text): the later takes the earlier's place.
            for part in _without_repeats(finished):
                ids |= zip((id(flat) for flat in part), store(self._connection, part), strict=True)
        return [ids[id(flat)] for flat in finished]

    def fail(
        self, run_id: int, source: str, *, content_sha256: str | None, work_key: str | None, attempt: Attempt
    ) -> None:
        """Note a failure. An older result of the same text stays the document's result; another one does not.

        Answers that were remembered for the work key stay: they are paid for, and a retry goes on from them.
        """
        if attempt.cause is None:
            raise ValueError("a failure has a cause")
        name = encoded(source)
        with self._change():
            self._connection.execute(
                "INSERT INTO documents (source, content_sha256, state, cause, message, work_key, run_id) "
                "VALUES (?, ?, 'failed', ?, ?, ?, ?) "
                "ON CONFLICT (source) DO UPDATE SET content_sha256 = excluded.content_sha256, state = 'failed', "
                "cause = excluded.cause, message = excluded.message, work_key = excluded.work_key, "
                "run_id = excluded.run_id, result_id = (SELECT r.result_id FROM results AS r "
                "WHERE r.result_id = documents.result_id AND r.content_sha256 = excluded.content_sha256)",
                (name, content_sha256, attempt.cause, short(attempt.message), work_key, run_id),
            )
            add_attempts(self._connection, [(name, run_id, work_key, None, attempt)])

    # Answers of documents under way

    def remember(self, work_key: str, request_sha256: str, completion: str) -> None:
        """Keep one answer of a document that is not finished yet."""
        self.remember_all([Answer(work_key, request_sha256, completion)])

    def remember_all(self, answers: Sequence[Answer]) -> None:
        """:meth:`remember` for many, all or none."""
        rows = [(answer.work_key, answer.request_sha256, answer.completion) for answer in answers]
        with self._change():
            insert(self._connection, "INSERT OR REPLACE INTO answers VALUES {rows}", rows)

    def forget(self, work_key: str) -> None:
        """Drop the answers kept for a work key, so that it is asked anew."""
        with self._change():
            self._connection.execute("DELETE FROM answers WHERE work_key = ?", (work_key,))

    # Batches at a provider

    def save_batch(self, batch: ProviderBatch, items: tuple[BatchItem, ...] = ()) -> int:
        """Keep a provider's batch, or what is new about it (by its provider's id); returns its id here.

        ``items`` are added, or replace those of the same ``custom_id``.
        """
        with self._change():
            execute = self._connection.execute
            execute(
                "INSERT INTO batches (provider_batch_id, run_id, state, created, request_count, input_file_id, "
                "output_file_id, error_file_id, round, note) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (provider_batch_id) DO UPDATE SET state = excluded.state, "
                "request_count = excluded.request_count, input_file_id = excluded.input_file_id, "
                "output_file_id = excluded.output_file_id, error_file_id = excluded.error_file_id, "
                "round = excluded.round, note = excluded.note",
                (
                    batch.provider_batch_id,
                    batch.run_id,
                    batch.state,
                    batch.created,
                    batch.request_count,
                    batch.input_file_id,
                    batch.output_file_id,
                    batch.error_file_id,
                    batch.round,
                    batch.note,
                ),
            )
            where = (batch.provider_batch_id,)
            batch_id = int(execute("SELECT batch_id FROM batches WHERE provider_batch_id = ?", where).fetchone()[0])
            self._connection.executemany(
                "INSERT OR REPLACE INTO batch_items VALUES (?, ?, ?, ?, ?, ?)",
                (
                    (batch_id, item.custom_id, encoded(item.source), item.work_key, item.request_sha256, item.state)
                    for item in items
                ),
            )
        return batch_id

    # Transactions

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Several calls, one commit. A call that raises inside is undone alone if the caller goes on after it.

        Raises:
            StorageError: if nothing of the group could be kept (disk full), at the latest on leaving.
        """
        if self._grouped:
            yield
            return
        self._grouped, self._begun = True, False
        try:
            with translated(self.path):
                yield
                if self._begun:
                    self._check_group()
                    self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
            raise
        finally:
            self._grouped = False

    @contextmanager
    def _change(self) -> Iterator[None]:
        if not self._grouped:
            with self.transaction(), self._change():
                yield
            return
        with translated(self.path):
            if self._begun:
                self._check_group()
            else:
                self._connection.execute("BEGIN IMMEDIATE")
                self._begun = True
            self._connection.execute("SAVEPOINT change")
            try:
                yield
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK TO change")
                    self._connection.execute("RELEASE change")
                raise
            self._connection.execute("RELEASE change")

    def _check_group(self) -> None:
        if not self._connection.in_transaction:
            # SQLite undoes the whole transaction itself after some errors of the disk.
            raise StorageError(f"{self.path} could not be written; everything committed before is kept, make room")


def _row_id(cursor: sqlite3.Cursor) -> int:
    if cursor.lastrowid is None:
        raise AssertionError("an INSERT gives a row id")
    return cursor.lastrowid


def _without_repeats(finished: Sequence[Flat]) -> list[list[Flat]]:
    """The same in order, cut where a work key or a name comes again."""
    parts: list[list[Flat]] = []
    seen: set[str] = set()
    for flat in finished:
        keys = {"key " + flat.commit.work_key, "name " + flat.name}
        if not parts or keys & seen:
            parts.append([])
            seen = set()
        parts[-1].append(flat)
        seen |= keys
    return parts
