"""What Datasette should know of a results file: titles, descriptions, units, which columns to search and to facet.

Invariant: a value to be written as JSON beside the file; it names only tables, views and columns the file has.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

_HIDDEN = (
    *("documents", "results", "actors", "claims", "stances", "evidence", "warnings", "runs", "attempts", "answers"),
    *("batches", "batch_items", "meta", "sqlite_sequence", "results_fts", "claims_fts"),
)
"""All tables: Datasette lists tables before views, and everything worth reading is in a view."""

_COLUMNS = {
    "source": "name of the document",
    "start": "first character of the quote in the document's text, counted in code points from 0",
    "end": "character after the quote's last",
    "grounding": "how the quote stands in the text: exact, normalised, fuzzy, conflict, ungrounded",
    "confidence": "probability checked against gold, or empty",
    "claimant": "who asserts or denies; <author> is the document's own voice",
    "attribution": "direct (in quotation marks), reported, or author",
    "polarity": "asserts or denies",
    "label": "support, oppose, neutral, mixed",
    "cause": "why the document failed",
    "older_result": "1 if the latest attempt failed and a good result of the same text stands",
    "cost_usd": "US dollars of all attempts, or empty where a price is not known",
    "seconds": "seconds of wall time, all attempts",
    "prompt_tokens": "tokens sent, all attempts",
    "completion_tokens": "tokens written, all attempts",
    "chars": "code points of the text",
    "mention_count": "how often the text names the actor",
}

_VIEWS: dict[str, dict[str, Any]] = {
    "documents_view": {
        "title": "Documents",
        "description": "One row a document: state, title, abstract, counts, cost",
        "facets": ["state", "cause", "language"],
        "fts_table": "results_fts",
        "fts_pk": "result_id",
        "columns": (
            *("source", "cause", "older_result", "cost_usd", "seconds", "prompt_tokens", "completion_tokens", "chars"),
        ),
    },
    "claims_view": {
        "title": "Claims",
        "description": "Who asserts or denies what, and the words that show it",
        "facets": ["claimant", "polarity", "attribution", "grounding"],
        "fts_table": "claims_fts",
        "fts_pk": "claim_id",
        "columns": ("source", "claimant", "attribution", "polarity", "start", "end", "grounding", "confidence"),
    },
    "stances_view": {
        "title": "Stances",
        "description": "Who stands how towards whom or what",
        "facets": ["holder", "target", "label"],
        "columns": ("source", "label", "start", "end", "grounding", "confidence"),
    },
    "actors_view": {
        "title": "Actors",
        "description": "Who is named, in which document, how often",
        "facets": ["name", "kind"],
        "columns": ("source", "mention_count"),
    },
    "evidence_view": {
        "title": "Evidence",
        "description": "Every quote behind a claim or a stance",
        "facets": ["kind", "grounding"],
        "columns": ("source", "start", "end", "grounding"),
    },
    "warnings_view": {
        "title": "Warnings",
        "description": "What a reader of a record should know",
        "facets": ["code"],
        "columns": ("source",),
    },
    "failures_view": {
        "title": "Failures",
        "description": "Documents without a result of their latest attempt, and why",
        "facets": ["cause"],
        "columns": ("source", "cause", "older_result"),
    },
    "runs_view": {
        "title": "Runs",
        "description": "What each run did and needed, beside what was expected",
        "columns": (),
    },
    "attempts_view": {
        "title": "Attempts",
        "description": "Every try at a document: seconds, tokens, cost",
        "facets": ["cause", "run_id"],
        "columns": ("source", "cause"),
    },
    "records_view": {
        "title": "Records",
        "description": "The records (news/1) as JSON",
        "columns": ("source",),
    },
}

_QUERIES = {
    "denials": {
        "title": "Who denies most, and in how many documents",
        "sql": "SELECT claimant, count(*) AS denials, count(DISTINCT source) AS documents FROM claims_view "
        "WHERE polarity = 'denies' GROUP BY claimant ORDER BY denials DESC, claimant",
    },
    "sides": {
        "title": "Who is supported and opposed, by how many, in how many documents",
        "sql": "SELECT target, count(DISTINCT holder) FILTER (WHERE label = 'support') AS supporters, "
        "count(DISTINCT holder) FILTER (WHERE label = 'oppose') AS opponents, count(DISTINCT source) AS documents "
        "FROM stances_view GROUP BY target ORDER BY supporters + opponents DESC, target",
    },
    "to_check": {
        "title": "Quotes that do not stand in the text as given, or differ in a negation, a number or a name",
        "sql": "SELECT source, kind, item, grounding, quote FROM evidence_view "
        "WHERE grounding IN ('conflict', 'ungrounded') ORDER BY grounding, source, kind, item",
    },
}


def datasette_metadata(path: Path) -> dict[str, Any]:
    """The content of a ``metadata.json`` for ``datasette results.db --metadata metadata.json``.

    ``path`` is the results file; Datasette calls the database by its name without the ending.
    """
    tables: dict[str, Any] = {name: {"hidden": True} for name in _HIDDEN}
    for view, facts in _VIEWS.items():
        columns = {name: _COLUMNS[name] for name in facts["columns"]}
        tables[view] = {**facts, "columns": columns}
    return {
        "title": "Summaries",
        "description": "Results of summarise. “Said” is not “true”: a record says who asserts or denies what.",
        "databases": {path.stem: {"tables": tables, "queries": _QUERIES}},
    }
