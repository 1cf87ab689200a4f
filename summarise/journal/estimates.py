"""What documents needed so far, as a measure for what others will need.

Method: ordinary least squares of tokens on characters, from sums that SQLite makes in one pass. A document costs a
base (the prompt around its text, the frame of the answer) and so much a character; a plain ratio would charge the base
by length. With few documents, or all of one length, there is no line to fit and the ratio is all there is.
"""

from __future__ import annotations

import sqlite3

from summarise.journal.rows import FIT_FROM_DOCUMENTS, Line, UsageHistory

_SUCCESSES = """SELECT r.model, r.endpoint, r.strategy, r.recipe_sha256, count(*), sum(r.chars), sum(a.requests),
    sum(a.prompt_tokens), sum(a.completion_tokens), sum(a.cached_tokens), sum(a.cost_usd), sum(a.seconds),
    total(1.0 * r.chars * r.chars), total(1.0 * r.chars * a.prompt_tokens),
    total(1.0 * r.chars * a.completion_tokens)
    FROM attempts AS a JOIN results AS r ON r.result_id = a.result_id
    WHERE a.cause IS NULL AND (?1 IS NULL OR r.model = ?1) AND (?2 IS NULL OR r.strategy = ?2)
    GROUP BY r.model, r.endpoint, r.strategy, r.recipe_sha256 ORDER BY count(*) DESC, max(a.attempt_id) DESC"""
_FAILURES = """SELECT count(*), coalesce(sum(a.prompt_tokens), 0), coalesce(sum(a.completion_tokens), 0)
    FROM attempts AS a JOIN runs AS r ON r.run_id = a.run_id
    WHERE a.cause IS NOT NULL AND r.model = ? AND r.endpoint = ?"""


def usage_history(connection: sqlite3.Connection, *, model: str | None, strategy: str | None) -> list[UsageHistory]:
    """One entry for each model, endpoint, strategy and recipe, the one with most documents first."""
    histories = []
    for row in connection.execute(_SUCCESSES, (model, strategy)).fetchall():
        documents, chars, prompt, completion, squares = row[4], row[5], row[7], row[8], row[12]
        failed = connection.execute(_FAILURES, row[:2]).fetchone()
        lines = (
            _line(documents, chars, prompt, squares, row[13]),
            _line(documents, chars, completion, squares, row[14]),
        )
        histories.append(UsageHistory(*(row[:12] + lines + failed)))
    return histories


def _line(documents: int, chars: int, tokens: int, squares: float, products: float) -> Line:
    spread = documents * squares - float(chars) * chars
    # Lengths that differ by less than 1 % (variance below 1e-4 of the mean's square) cannot carry a slope.
    if documents < FIT_FROM_DOCUMENTS or spread <= 1e-4 * float(chars) * chars:
        return Line(0.0, tokens / max(1, chars))
    slope = (documents * products - float(chars) * tokens) / spread
    base = (tokens - slope * chars) / documents
    return Line(base, slope)
