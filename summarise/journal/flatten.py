"""A record as rows of the results file's tables.

Invariant: pure; the rows say nothing that the record does not say, and the record's own JSON, which goes into
``results.record``, stays the truth about it. Positions count from 0 in the record's order.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from summarise.errors import StorageError
from summarise.journal.names import encoded
from summarise.journal.rows import Commit

if TYPE_CHECKING:
    from summarise.schemas import Claim, Evidence, Offsets, Record, Stance

Row = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Flat:
    """A finished document, ready to be stored: ``text`` is the record without its source, as JSON."""

    commit: Commit
    name: str
    text: str

    @property
    def record(self) -> Record:
        """The record as it was given."""
        return self.commit.record

    def result(self, result_id: int) -> Row:
        """The row of ``results``."""
        record, about, run = self.record, self.record.document, self.record.run
        return (
            result_id,
            self.commit.work_key,
            about.id,
            self.commit.run_id,
            about.title,
            record.abstract,
            about.language,
            about.chars,
            about.sentences,
            len(record.actors),
            len(record.claims),
            len(record.stances),
            len(record.warnings),
            run.model,
            run.endpoint,
            run.strategy,
            run.recipe.sha256,
            self.text,
        )

    def actors(self, result_id: int) -> Iterable[Row]:
        """The rows of ``actors``."""
        for position, actor in enumerate(self.record.actors):
            mentions = ",".join(f'{{"start":{span.start},"end":{span.end}}}' for span in actor.mentions)
            aliases = json.dumps(actor.aliases, ensure_ascii=False)
            yield (
                *(result_id, position, actor.id, actor.name, actor.kind, actor.role),
                *(aliases, f"[{mentions}]", len(actor.mentions)),
            )

    def claims(self, result_id: int) -> Iterable[Row]:
        """The rows of ``claims``, without their ids."""
        for position, claim in enumerate(self.record.claims):
            further = "\n".join(evidence.quote for evidence in claim.evidence[1:]) or None
            yield (
                *(result_id, position, claim.id, claim.claimant.name, claim.claimant.actor),
                *(claim.attribution, claim.polarity, claim.text),
                *_first(claim.evidence),
                *(further, claim.confidence),
            )

    def stances(self, result_id: int) -> Iterable[Row]:
        """The rows of ``stances``."""
        for position, stance in enumerate(self.record.stances):
            yield (
                *(result_id, position, stance.id, stance.holder.name, stance.holder.actor),
                *(stance.target.name, stance.target.actor, stance.label),
                *_first(stance.evidence),
                stance.confidence,
            )

    def evidence(self, result_id: int) -> Iterable[Row]:
        """The rows of ``evidence``."""
        items: list[tuple[str, int, Claim | Stance]] = [("claim", at, it) for at, it in enumerate(self.record.claims)]
        items += [("stance", at, it) for at, it in enumerate(self.record.stances)]
        for kind, item_position, item in items:
            for position, evidence in enumerate(item.evidence):
                yield (
                    *(result_id, kind, item_position, position, item.id),
                    *(evidence.quote, evidence.start, evidence.end),
                    *_ends(evidence.sentence),
                    *_ends(evidence.cue),
                    evidence.grounding,
                )

    def warnings(self, result_id: int) -> Iterable[Row]:
        """The rows of ``warnings``."""
        for position, warning in enumerate(self.record.warnings):
            yield (result_id, position, warning.code, warning.message)


def flatten(commit: Commit) -> Flat:
    """Make a finished document ready to be stored.

    Raises:
        StorageError: if the record holds text that no file can hold (half of a surrogate pair).
    """
    record = commit.record
    # The name belongs to the document, not to the result, which other documents may share.
    neutral = record.model_copy(update={"document": record.document.model_copy(update={"source": ""})})
    try:
        text = neutral.as_json()
    except ValueError:
        raise StorageError(
            f"{commit.source}: the record holds characters that no file can hold (half of a surrogate pair); "
            "correct the document's encoding"
        ) from None
    return Flat(commit, encoded(commit.source), text)


def _first(evidence: list[Evidence]) -> Row:
    if not evidence:
        return (None, None, None, None)
    first = evidence[0]
    return (first.quote, first.start, first.end, first.grounding)


def _ends(span: Offsets | None) -> Row:
    return (None, None) if span is None else (span.start, span.end)
