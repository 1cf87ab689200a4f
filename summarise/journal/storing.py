"""Finished documents into the tables, many at once.

Invariant: called inside a transaction; each table is written by a few statements of many rows. A row by itself costs
little, but every call into SQLite gives the interpreter's lock away and has to wait for it to come back.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from itertools import chain, islice

from summarise.journal.flatten import Flat, Row
from summarise.journal.names import storable
from summarise.journal.rows import MESSAGE_CHARACTERS, Attempt

CHUNKS = (64, 16, 4, 1)
"""Rows of one statement: few sizes, so that each statement is compiled once and stays in the connection's cache."""

_CLAIMS = """INSERT INTO claims (result_id, position, claim, claimant, claimant_actor, attribution, polarity, text,
    quote, start, "end", grounding, further_quotes, confidence) VALUES {rows}"""
_CLAIMS_FTS = """INSERT INTO claims_fts (rowid, text, quote, further_quotes)
    SELECT claim_id, text, quote, further_quotes FROM claims WHERE result_id IN (SELECT value FROM json_each(?))"""
_DOCUMENTS = """INSERT INTO documents (source, content_sha256, state, work_key, result_id, run_id) VALUES {rows}
    ON CONFLICT (source) DO UPDATE SET content_sha256 = excluded.content_sha256, state = 'done', cause = NULL,
    message = NULL, work_key = excluded.work_key, result_id = excluded.result_id, run_id = excluded.run_id"""
_ATTEMPTS = """INSERT INTO attempts SELECT NULL, d.document_id, v.column2, v.column3, v.column4, v.column5, v.column6,
    v.column7, v.column8, v.column9, v.column10, v.column11, v.column12, v.column13, v.column14, v.column15
    FROM (VALUES {rows}) AS v JOIN documents AS d ON d.source = v.column1"""


def store(connection: sqlite3.Connection, finished: Sequence[Flat]) -> list[int]:
    """Store results, their rows, documents and attempts; returns the results' ids in the same order.

    Work keys and names are each different. A result of the same work key is replaced and keeps its id.
    """
    keys = json.dumps([flat.commit.work_key for flat in finished])
    of_keys = "WHERE work_key IN (SELECT value FROM json_each(?))"
    old = dict(connection.execute(f"SELECT work_key, result_id FROM results {of_keys}", (keys,)))
    if old:
        connection.execute(f"DELETE FROM results {of_keys}", (keys,))
    ids = _ids(connection, finished, old)
    pairs = list(zip(finished, ids, strict=True))
    insert(connection, "INSERT INTO results VALUES {rows}", [flat.result(of) for flat, of in pairs])
    insert(connection, "INSERT INTO actors VALUES {rows}", _all(flat.actors(of) for flat, of in pairs))
    insert(connection, _CLAIMS, _all(flat.claims(of) for flat, of in pairs))
    connection.execute(_CLAIMS_FTS, (json.dumps(ids),))
    insert(connection, "INSERT INTO stances VALUES {rows}", _all(flat.stances(of) for flat, of in pairs))
    insert(connection, "INSERT INTO evidence VALUES {rows}", _all(flat.evidence(of) for flat, of in pairs))
    insert(connection, "INSERT INTO warnings VALUES {rows}", _all(flat.warnings(of) for flat, of in pairs))
    documents = [
        (flat.name, flat.record.document.id, "done", flat.commit.work_key, of, flat.commit.run_id) for flat, of in pairs
    ]
    insert(connection, _DOCUMENTS, documents)
    add_attempts(
        connection,
        [(flat.name, flat.commit.run_id, flat.commit.work_key, of, flat.commit.attempt) for flat, of in pairs],
    )
    connection.execute(f"DELETE FROM answers {of_keys}", (keys,))
    return ids


def add_attempts(
    connection: sqlite3.Connection, attempts: Sequence[tuple[str, int, str | None, int | None, Attempt]]
) -> None:
    """Store attempts, each with the document's stored name, run, work key and result."""
    rows = [
        (
            *(name, run_id, work_key, result_id, attempt.started, attempt.seconds, attempt.cause),
            *(short(attempt.message), attempt.usage.requests, attempt.usage.reasks, attempt.usage.retries),
            *(attempt.usage.prompt_tokens, attempt.usage.completion_tokens, attempt.usage.cached_tokens),
            attempt.usage.cost_usd,
        )
        for name, run_id, work_key, result_id, attempt in attempts
    ]
    insert(connection, _ATTEMPTS, rows)


def insert(connection: sqlite3.Connection, statement: str, rows: Sequence[Row]) -> None:
    """Run ``statement`` for all rows, its ``{rows}`` standing for the values of as many rows as go at once."""
    rest = iter(rows)
    left = len(rows)
    for size in CHUNKS:
        while left >= size:
            left -= size
            chunk = list(islice(rest, size))
            values = ", ".join([f"({', '.join('?' * len(chunk[0]))})"] * size)
            connection.execute(statement.replace("{rows}", values), list(chain.from_iterable(chunk)))


def short(message: str | None) -> str | None:
    """A message as it is kept: one line, its first characters."""
    return None if message is None else storable(" ".join(message.split())[:MESSAGE_CHARACTERS])


def _ids(connection: sqlite3.Connection, finished: Sequence[Flat], old: dict[str, int]) -> list[int]:
    """The id each result gets: the one of its work key, or the next that no result ever had."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'results'").fetchone()
    following = (row[0] if row else 0) + 1
    ids = []
    for flat in finished:
        if (known := old.get(flat.commit.work_key)) is None:
            known, following = following, following + 1
        ids.append(known)
    return ids


def _all(parts: Iterable[Iterable[Row]]) -> list[Row]:
    return list(chain.from_iterable(parts))
