"""Full-text search over claims and abstracts with whatever words people type.

Invariant: the user's words are data, never FTS5 syntax: every word becomes a quoted string, so that no input is a
syntax error. What has a meaning is the little that search boxes have taught: "words in quotation marks" stand
together, and a star at a word's end stands for any ending. All words must occur.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator

from summarise.errors import UsageError
from summarise.journal.names import decoded, storable
from summarise.journal.rows import SearchHit

_PIECES = re.compile(r'"([^"]*)"(\*?)|([^\s"]+)')
# Marks that no text has: non-characters of Unicode, never assigned.
_OPEN, _CLOSE, _CUT = "\ufdd0", "\ufdd1", "…"
SNIPPET_TOKENS = 48

_CLAIMS = """SELECT f.rank, 0, d.document_id, d.source, c.claim_id
    FROM claims_fts AS f JOIN claims AS c ON c.claim_id = f.rowid JOIN documents AS d ON d.result_id = c.result_id
    WHERE claims_fts MATCH ?"""
_ABSTRACTS = """SELECT f.rank, 1, d.document_id, d.source, f.rowid
    FROM results_fts AS f JOIN documents AS d ON d.result_id = f.rowid
    WHERE results_fts MATCH ?"""
_CLAIM = f"""SELECT c.claim, c.claimant, c.polarity, c.start, c."end", r.title,
    snippet(claims_fts, -1, '{_OPEN}', '{_CLOSE}', '{_CUT}', {SNIPPET_TOKENS})
    FROM claims_fts JOIN claims AS c ON c.claim_id = claims_fts.rowid JOIN results AS r ON r.result_id = c.result_id
    WHERE claims_fts MATCH ? AND claims_fts.rowid = ?"""
_ABSTRACT = f"""SELECT 'abstract', NULL, NULL, NULL, NULL, r.title,
    snippet(results_fts, -1, '{_OPEN}', '{_CLOSE}', '{_CUT}', {SNIPPET_TOKENS})
    FROM results_fts JOIN results AS r ON r.result_id = results_fts.rowid
    WHERE results_fts MATCH ? AND results_fts.rowid = ?"""


def match_expression(words: str) -> str:
    """The FTS5 expression for what somebody typed.

    Raises:
        UsageError: if there is no word in it.
    """
    terms = []
    for phrase, phrase_star, word in _PIECES.findall(storable(words)):
        text = phrase or word.rstrip("*")
        if any(character.isalnum() for character in text):
            star = "*" if phrase_star or word.endswith("*") else ""
            terms.append('"' + text.replace('"', '""') + '"' + star)
    if not terms:
        raise UsageError("there is no word to search for; give at least one, e.g. `summarise search results.db peace`")
    return " AND ".join(terms)


def search(connection: sqlite3.Connection, words: str, limit: int) -> Iterator[SearchHit]:
    """The best hits first, at most ``limit``; documents of the same text each have their own."""
    expression = match_expression(words)
    ranked = connection.execute(
        f"{_CLAIMS} UNION ALL {_ABSTRACTS} ORDER BY 1, 4, 2, 5 LIMIT ?",  # constants only
        (expression, expression, limit),
    ).fetchall()
    for _, abstract, document_id, source, row_id in ranked:
        row = connection.execute(_ABSTRACT if abstract else _CLAIM, (expression, row_id)).fetchone()
        item, claimant, polarity, start, end, title, marked = row
        snippet, highlights = _unmarked(marked)
        yield SearchHit(
            document_id=document_id,
            source=decoded(source),
            title=title,
            item=item,
            claimant=claimant,
            polarity=polarity,
            snippet=snippet,
            highlights=highlights,
            start=start,
            end=end,
        )


def _unmarked(marked: str) -> tuple[str, tuple[tuple[int, int], ...]]:
    """The text without the marks, and where they stood."""
    pieces: list[str] = []
    places: list[tuple[int, int]] = []
    length = opened = 0
    for piece in re.split(f"([{_OPEN}{_CLOSE}])", marked):
        if piece == _OPEN:
            opened = length
        elif piece == _CLOSE:
            places.append((opened, length))
        else:
            pieces.append(piece)
            length += len(piece)
    return "".join(pieces), tuple(places)
