"""What the columns of the tables hold, for formats that have types.

Invariant: a name means one kind in every table, so a column's type never depends on the rows that are there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

from summarise.errors import JournalDamagedError
from summarise.journal.reading import Reading

Kind = Literal["text", "integer", "number", "flag", "strings", "spans"]

_NAMES: dict[Kind, str] = {
    "integer": """actors attempt_id attempts cached_tokens chars claim_id claims completion_tokens cost_unknown cue_end
        cue_start document_id done end estimated_completion_tokens estimated_documents estimated_prompt_tokens failed
        item_position mention_count pid position prompt_tokens reasks requests result_id retries reused run_id
        sentence_end sentence_start sentences stances start warnings""",
    "number": "confidence cost_usd estimated_cost_usd estimated_seconds seconds",
    "flag": "older_result",
    "strings": "aliases",
    "spans": "mentions",
    "text": """abstract actor attribution cause claim claimant claimant_actor code command content_sha256 endpoint
        finished further_quotes grounding holder holder_actor host item kind label language message model name outcome
        polarity quote reason recipe_sha256 role settings source stance started state strategy summarise_version target
        target_actor text title""",
}
KINDS: dict[str, Kind] = {name: kind for kind, names in _NAMES.items() for name in names.split()}
"""Columns by name; one that is missing here is taken as text."""


def kind_of(column: str) -> Kind:
    """What ``column`` holds."""
    return KINDS.get(column, "text")


def typed_rows(journal: Reading, table: str) -> Iterator[dict[str, Any]]:
    """The rows of ``table`` with lists and truth values as such.

    Raises:
        JournalDamagedError: if a list is none any more.
    """
    special = [(column, kind_of(column)) for column in journal.columns(table)]
    special = [(column, kind) for column, kind in special if kind in ("flag", "strings", "spans")]
    for row in journal.rows(table):
        for column, kind in special:
            value = row[column]
            if value is not None:
                row[column] = bool(value) if kind == "flag" else _list(value, journal)
        yield row


def _list(value: str, journal: Reading) -> list[Any]:
    try:
        found = json.loads(value)
    except ValueError:
        found = None
    if not isinstance(found, list):
        raise JournalDamagedError(f"{journal.path}: a row was changed by another program; restore a copy")
    return found
