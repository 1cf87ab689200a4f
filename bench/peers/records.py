"""What a peer found, written as a ``news/1`` record.

Both peers answer in rows of names and words; what differs is how words get their place in the text. A
row brings its place along, and everything after that is the same for both, so that neither gains or
loses by the translation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from counting import Spent
from harness import Options
from summarise.schemas import ActorKind, Polarity, Record, StanceLabel

from summarise import __version__
from summarise.chunking import cut_sentences
from summarise.documents import Document

AUTHOR = "<author>"
_OPENING = frozenset("\"'“‘«„")


@dataclass(frozen=True, slots=True)
class Place:
    """Words of a model and where they stand: ``start`` to ``end``, both None where they were not found."""

    words: str
    start: int | None
    end: int | None
    grounding: str


@dataclass(frozen=True, slots=True)
class ActorRow:
    """One actor, as a peer named it."""

    name: str
    kind: str
    role: str | None = None


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """One claim, as a peer found it."""

    claimant: str
    polarity: str
    cue: str
    evidence: Place


@dataclass(frozen=True, slots=True)
class StanceRow:
    """One stance, as a peer found it."""

    holder: str
    target: str
    label: str
    evidence: Place


@dataclass(slots=True)
class Findings:
    """Everything one peer found in one document."""

    actors: list[ActorRow] = field(default_factory=list)
    claims: list[ClaimRow] = field(default_factory=list)
    stances: list[StanceRow] = field(default_factory=list)
    abstract: str = ""
    warnings: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Run:
    """How the findings came to be."""

    tool: str
    version: str
    prompt: str
    spent: Spent
    reasks: int
    seconds: float


def as_record(document: Document, findings: Findings, run: Run, options: Options) -> Record:
    """The record of these findings; pydantic refuses it if it is not a ``news/1`` record."""
    text = document.text
    actors = _actors(text, findings)
    ids = {name.casefold(): actor["id"] for actor in actors for name in (actor["name"],)}
    claims = [_claim(text, number, row, ids) for number, row in enumerate(findings.claims, 1)]
    stances = [_stance(number, row, ids) for number, row in enumerate(findings.stances, 1)]
    return Record.model_validate(
        {
            "schema": "news/1",
            "document": {
                "id": document.id,
                "source": document.source,
                "title": document.title,
                "language": None,
                "chars": len(text),
                "sentences": len(cut_sentences(text)),
            },
            "abstract": findings.abstract,
            "actors": actors,
            "claims": claims,
            "stances": stances,
            "warnings": _warnings(findings, [*claims, *stances]),
            "run": _run(run, options),
        }
    )


def _run(run: Run, options: Options) -> dict[str, Any]:
    return {
        "model": options.model,
        "endpoint": options.base_url,
        "strategy": run.tool,
        "recipe": {
            "name": run.tool,
            "version": run.version,
            "sha256": hashlib.sha256(run.prompt.encode()).hexdigest(),
        },
        "requests": run.spent.requests,
        "reasks": run.reasks,
        "retries": 0,
        "usage": {
            "prompt_tokens": run.spent.prompt_tokens,
            "completion_tokens": run.spent.completion_tokens,
            "cached_tokens": run.spent.cached_tokens,
        },
        "cost_usd": None,
        "seconds": round(run.seconds, 3),
        "summarise_version": __version__,
    }


def _actors(text: str, findings: Findings) -> list[dict[str, Any]]:
    rows: dict[str, ActorRow] = {}
    for row in findings.actors:
        if row.name.strip():
            rows.setdefault(row.name.strip().casefold(), row)
    return [
        {
            "id": f"a{number}",
            "name": row.name.strip(),
            "kind": row.kind if row.kind in get_args(ActorKind) else "other",
            "role": row.role or None,
            "aliases": [],
            "mentions": [{"start": start, "end": end} for start, end in occurrences(text, row.name.strip())],
        }
        for number, row in enumerate(rows.values(), 1)
    ]


def _claim(text: str, number: int, row: ClaimRow, ids: dict[str, str]) -> dict[str, Any]:
    claimant = row.claimant.strip() or AUTHOR
    evidence = _evidence(row.evidence)
    attribution = "reported"
    if claimant == AUTHOR:
        attribution = "author"
    elif row.evidence.start is not None:
        evidence["cue"] = _nearest(text, row.cue.strip(), row.evidence.start)
        before = text[max(0, row.evidence.start - 1) : row.evidence.start + 1]
        attribution = "direct" if _OPENING & set(before) else "reported"
    return {
        "id": f"c{number}",
        "claimant": _reference(claimant, ids),
        "attribution": attribution,
        "polarity": row.polarity if row.polarity in get_args(Polarity) else "asserts",
        "text": row.evidence.words,
        "evidence": [evidence],
        "confidence": None,
    }


def _stance(number: int, row: StanceRow, ids: dict[str, str]) -> dict[str, Any]:
    return {
        "id": f"s{number}",
        "holder": _reference(row.holder.strip() or AUTHOR, ids),
        "target": _reference(row.target.strip(), ids),
        "label": row.label if row.label in get_args(StanceLabel) else "neutral",
        "evidence": [_evidence(row.evidence)],
        "confidence": None,
    }


def _reference(name: str, ids: dict[str, str]) -> dict[str, str | None]:
    return {"name": name, "actor": ids.get(name.casefold())}


def _evidence(place: Place) -> dict[str, Any]:
    return {
        "start": place.start,
        "end": place.end,
        "quote": place.words,
        "sentence": None,
        "cue": None,
        "grounding": place.grounding,
    }


def _warnings(findings: Findings, rows: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """Everything that was not as asked, counted: nothing is dropped or repaired in silence."""
    counts = {
        "ungrounded": sum(piece["grounding"] == "ungrounded" for row in rows for piece in row["evidence"]),
        "kind_unknown": sum(row.kind not in get_args(ActorKind) for row in findings.actors),
        "polarity_unknown": sum(row.polarity not in get_args(Polarity) for row in findings.claims),
        "label_unknown": sum(row.label not in get_args(StanceLabel) for row in findings.stances),
        "claimant_missing": sum(not row.claimant.strip() for row in findings.claims),
        "holder_missing": sum(not row.holder.strip() for row in findings.stances),
    }
    notices = [{"code": code, "message": f"{count} rows"} for code, count in counts.items() if count]
    return notices + [{"code": code, "message": message} for code, message in findings.warnings]


def occurrences(text: str, words: str) -> Iterable[tuple[int, int]]:
    """Where ``words`` stand in ``text``, to the letter, without overlap."""
    start = text.find(words) if words else -1
    while start >= 0:
        yield start, start + len(words)
        start = text.find(words, start + len(words))


def _nearest(text: str, words: str, place: int) -> dict[str, int] | None:
    found = min(occurrences(text, words), key=lambda span: abs(span[0] - place), default=None)
    return None if found is None else {"start": found[0], "end": found[1]}
