"""Scoring records against documents that people have marked.

Invariant: pure but for the two functions that read files. A gold document without a record counts as
failed: its rows count as missed. Precision is only taken on layers that were marked.

Source of the measures: content spans are matched one-to-one, greedily by falling character
intersection-over-union, from 0.5 (as in the PolNeAR evaluations of attribution extraction); stances
are directed (holder, target, label) triples of a document; names match leniently, when the last word of
one is in the other. Intervals are the percentile bootstrap over documents (Efron and Tibshirani, 1993).
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from summarise.errors import UnreadableDocumentError
from summarise.schemas import Claim, Record, Stance, StanceLabel

MATCH_FROM = 0.5
"""Smallest overlap that counts as a match, for intersection-over-union and for coverage alike."""
BOOTSTRAP_SAMPLES = 2000
_PRONOUNS = frozenset("he she they it who we i him her them".split())
_UNCOUNTED = frozenset("the a an mr mrs ms dr sen rep gov president former of".split())
_WORD = re.compile(r"[a-z0-9]+")
_FOREIGN_WORD = re.compile(r"\w+")

Spans = Sequence[tuple[int, int]]


class _GoldPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class GoldActor(_GoldPart):
    """A marked actor; ``main`` ones are what recall is taken on."""

    name: str
    main: bool | None = None


class GoldClaim(_GoldPart):
    """A marked claim: its content's spans, and the claimant if it was marked."""

    spans: Annotated[tuple[tuple[int, int], ...], Field(min_length=1)]
    claimant: str | None = None


class GoldStance(_GoldPart):
    """A marked stance."""

    holder: str
    target: str
    label: StanceLabel


class GoldDocument(_GoldPart):
    """One marked document. ``gold_layers`` says what was marked completely: claims, stances, actors."""

    id: Annotated[str, Field(min_length=1)]
    text: str
    gold_layers: tuple[str, ...]
    actors: tuple[GoldActor, ...] = ()
    claims: tuple[GoldClaim, ...] = ()
    stances: tuple[GoldStance, ...] = ()

    @field_validator("actors", "claims", "stances", mode="before")
    @classmethod
    def _null_is_none_marked(cls, value: Any) -> Any:
        return () if value is None else value

    @model_validator(mode="after")
    def _spans_lie_in_the_text(self) -> Self:
        for number, claim in enumerate(self.claims, 1):
            for start, end in claim.spans:
                if not 0 <= start < end <= len(self.text):
                    raise ValueError(f"claim {number}: no characters {start} to {end} in a text of {len(self.text)}")
        return self

    @property
    def stem(self) -> str:
        """The file name, without its ending, under which the document is summarised."""
        return self.id.replace(":", "_").replace("/", "_")


@dataclass(slots=True)
class Tally:
    """Counts of one measure: ``hits`` of ``gold`` marked and ``predicted`` rows."""

    hits: int = 0
    gold: int = 0
    predicted: int = 0

    def add(self, hits: int, gold: int, predicted: int) -> None:
        """Count one document."""
        self.hits += hits
        self.gold += gold
        self.predicted += predicted

    @property
    def precision(self) -> float:
        """Share of predicted rows that match."""
        return self.hits / max(1, self.predicted)

    @property
    def recall(self) -> float:
        """Share of marked rows that are found."""
        return self.hits / max(1, self.gold)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.precision * self.recall / max(1e-9, self.precision + self.recall)


@dataclass(slots=True)
class Score:
    """All counts of one document or of many. ``claimant`` counts named claimants of covered claims, and
    ``actors`` main actors: both have no predicted side."""

    documents: int = 0
    failed: int = 0
    offset_breaches: int = 0
    claims: Tally = field(default_factory=Tally)
    covered: Tally = field(default_factory=Tally)
    claimant: Tally = field(default_factory=Tally)
    stances: Tally = field(default_factory=Tally)
    pairs: Tally = field(default_factory=Tally)
    actors: Tally = field(default_factory=Tally)
    grounding: Counter[str] = field(default_factory=Counter)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = 0.0
    seconds: list[float] = field(default_factory=list)

    def __add__(self, other: Score) -> Score:
        total = Score()
        for part in (self, other):
            for tally in (item.name for item in fields(part) if isinstance(getattr(part, item.name), Tally)):
                counts: Tally = getattr(part, tally)
                getattr(total, tally).add(counts.hits, counts.gold, counts.predicted)
            total.documents += part.documents
            total.failed += part.failed
            total.offset_breaches += part.offset_breaches
            total.grounding += part.grounding
            total.prompt_tokens += part.prompt_tokens
            total.completion_tokens += part.completion_tokens
            total.seconds += part.seconds
        if self.cost_usd is None or other.cost_usd is None:
            total.cost_usd = None
        else:
            total.cost_usd = self.cost_usd + other.cost_usd
        return total


def load_gold(path: Path) -> list[GoldDocument]:
    """Read marked documents, one JSON object a line.

    Raises:
        UnreadableDocumentError: if the file cannot be read, holds no documents, a line is not a marked
            document, or two would have the same file name.
    """
    documents: dict[str, GoldDocument] = {}
    for number, document in _read_lines(path, GoldDocument, "a marked document; see docs/evaluation.md"):
        if document.stem in documents:
            raise UnreadableDocumentError(f"{path}, line {number}: a second document with this id; rename one of them")
        documents[document.stem] = document
    if not documents:
        raise UnreadableDocumentError(f"{path}: holds no documents")
    return list(documents.values())


def load_records(path: Path) -> dict[str, Record]:
    """Read records, one JSON object a line, by the stem of their source; of one document's, the last counts.

    Raises:
        UnreadableDocumentError: if the file cannot be read, a line is not a record, or the sources of two
            documents have the same stem.
    """
    records: dict[str, Record] = {}
    for number, record in _read_lines(path, Record, "a record; each stands on a line of its own"):
        stem = PurePath(record.document.source).stem
        if stem in records and records[stem].document.id != record.document.id:
            raise UnreadableDocumentError(
                f"{path}, line {number}: a second document whose file is named {stem}; keep one of them"
            )
        records[stem] = record
    return records


Row = TypeVar("Row", bound=BaseModel)


def _read_lines(path: Path, model: type[Row], wanted: str) -> Iterator[tuple[int, Row]]:
    """The rows of a JSON Lines file with their line numbers; blank lines are skipped."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableDocumentError(f"{path}: cannot be read as JSON Lines ({type(error).__name__})") from error
    # Not splitlines: JSON strings may hold U+2028 and its like unescaped.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield number, model.model_validate_json(line)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            why = "is not JSON" if first["type"] == "json_invalid" else first["msg"].removeprefix("Value error, ")
            problem = ": ".join(filter(None, (".".join(map(str, first["loc"])), why)))
            raise UnreadableDocumentError(f"{path}, line {number}: {problem}; must be {wanted}") from None


def score_document(gold: GoldDocument, record: Record | None) -> Score:
    """Count what one record got right of one marked document."""
    score = Score(documents=1, failed=int(record is None))
    _score_claims(gold, record, score)
    _score_stances(gold, record, score)
    main = [actor.name for actor in gold.actors if actor.main and "actors" in gold.gold_layers]
    names = [name for actor in (record.actors if record else ()) for name in (actor.name, *actor.aliases)]
    score.actors.add(sum(any(names_match(one, name) for name in names) for one in main), len(main), 0)
    if record is None:
        score.cost_usd = 0.0
        return score
    rows: list[Claim | Stance] = [*record.claims, *record.stances]
    evidence = [piece for row in rows for piece in row.evidence]
    score.grounding.update(piece.grounding for piece in evidence)
    score.offset_breaches = sum(
        piece.start is not None and gold.text[piece.start : piece.end] != piece.quote for piece in evidence
    )
    score.prompt_tokens = record.run.usage.prompt_tokens
    score.completion_tokens = record.run.usage.completion_tokens
    score.cost_usd = record.run.cost_usd
    score.seconds = [record.run.seconds]
    return score


def total(scores: Iterable[Score]) -> Score:
    """The counts of all documents together."""
    return sum(scores, start=Score())


def as_figures(score: Score) -> dict[str, Any]:
    """The figures to show, under the names docs/evaluation.md explains; measures without gold are left out."""
    figures: dict[str, Any] = {
        "documents": score.documents,
        "failed": score.failed,
        "offset_breaches": score.offset_breaches,
        "median_seconds": round(sorted(score.seconds)[len(score.seconds) // 2], 3) if score.seconds else None,
        "prompt_tokens": score.prompt_tokens,
        "completion_tokens": score.completion_tokens,
        "cost_usd": None if score.cost_usd is None else round(score.cost_usd, 6),
        "grounding": dict(sorted(score.grounding.items())),
    }
    for name in ("claims", "covered", "stances", "pairs"):
        tally: Tally = getattr(score, name)
        if tally.gold:
            figures[name] = {
                "precision": round(tally.precision, 3),
                "recall": round(tally.recall, 3),
                "f1": round(tally.f1, 3),
                "gold": tally.gold,
                "predicted": tally.predicted,
            }
    if score.claimant.gold:
        figures["claimant"] = round(score.claimant.recall, 3)
    if score.actors.gold:
        figures["main_actor_recall"] = round(score.actors.recall, 3)
    return figures


Measure = Literal["claims", "claimant", "stances", "actors"]
_RECALLS = frozenset({"claimant", "actors"})
"""Measures without a predicted side: their figure is recall; that of the others is F1."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One measure of two runs on the same documents: ``low`` to ``high`` holds 95 % of resampled differences."""

    measure: Measure
    first: float
    second: float
    low: float
    high: float


def compare(first: Sequence[Score], second: Sequence[Score], *, seed: int = 0) -> list[Difference]:
    """Compare two runs document by document: second minus first, with a paired bootstrap interval.

    A measure that one of the runs has nothing to be scored on is left out.
    """
    draws = random.Random(seed)  # noqa: S311  # resampling, not secrets
    count = len(first)
    samples = [[draws.randrange(count) for _ in range(count)] for _ in range(BOOTSTRAP_SAMPLES)]
    differences = []
    for measure in get_args(Measure):
        pairs = [(getattr(one, measure), getattr(other, measure)) for one, other in zip(first, second, strict=True)]
        if not all(sum(pair[side].gold for pair in pairs) for side in (0, 1)):
            continue
        everything = [_figure(measure, [pair[side] for pair in pairs]) for side in (0, 1)]
        resampled = sorted(
            _figure(measure, [pairs[i][1] for i in sample]) - _figure(measure, [pairs[i][0] for i in sample])
            for sample in samples
        )
        low, high = resampled[int(0.025 * BOOTSTRAP_SAMPLES)], resampled[int(0.975 * BOOTSTRAP_SAMPLES) - 1]
        differences.append(Difference(measure, everything[0], everything[1], low, high))
    return differences


def _figure(measure: Measure, tallies: Sequence[Tally]) -> float:
    joined = Tally()
    for tally in tallies:
        joined.add(tally.hits, tally.gold, tally.predicted)
    return joined.recall if measure in _RECALLS else joined.f1


def names_match(one: str, other: str) -> bool:
    """Lenient: the last word of either name is in the other; titles and articles do not count."""
    first, second = _name_words(one), _name_words(other)
    if not first or not second:
        return False
    return first[-1] in second or second[-1] in first


def overlap(one: Spans, other: Spans) -> float:
    """Character intersection-over-union of two sets of spans."""
    shared = _shared(one, other)
    return shared / max(1, _size(one) + _size(other) - shared)


def coverage(one: Spans, other: Spans) -> float:
    """Share of the characters of ``one`` that ``other`` holds too."""
    return _shared(one, other) / max(1, _size(one))


def match(
    gold: Sequence[Spans], found: Sequence[Spans], measure: Callable[[Spans, Spans], float]
) -> list[tuple[int, int]]:
    """Pairs (gold, found), one-to-one, greedily by falling ``measure``, from :data:`MATCH_FROM`."""
    candidates = sorted(
        ((measure(one, other), i, j) for i, one in enumerate(gold) for j, other in enumerate(found)), reverse=True
    )
    used_gold: set[int] = set()
    used_found: set[int] = set()
    pairs = []
    for value, i, j in candidates:
        if value < MATCH_FROM:
            break
        if i not in used_gold and j not in used_found:
            used_gold.add(i)
            used_found.add(j)
            pairs.append((i, j))
    return pairs


def _score_claims(gold: GoldDocument, record: Record | None, score: Score) -> None:
    if "claims" not in gold.gold_layers or not gold.claims:
        return
    claims = record.claims if record else []
    found = [
        [(e.start, e.end) for e in claim.evidence if e.start is not None and e.end is not None] for claim in claims
    ]
    marked = [claim.spans for claim in gold.claims]
    score.claims.add(len(match(marked, found, overlap)), len(marked), len(found))
    covered = match(marked, found, coverage)
    score.covered.add(len(covered), len(marked), len(found))
    named = [(gold.claims[i].claimant, claims[j].claimant.name) for i, j in covered]
    named = [(who, name) for who, name in named if who and who.lower().strip() not in _PRONOUNS]
    score.claimant.add(sum(names_match(who or "", name) for who, name in named), len(named), 0)


def _score_stances(gold: GoldDocument, record: Record | None, score: Score) -> None:
    marked = [stance for stance in gold.stances if not stance.holder.startswith("<unlisted")]
    if "stances" not in gold.gold_layers or not marked:
        return
    found = [(stance.holder.name, stance.target.name, stance.label) for stance in (record.stances if record else ())]
    score.stances.add(len(list(_matched_stances(marked, found, with_label=True))), len(marked), len(found))
    score.pairs.add(len(list(_matched_stances(marked, found, with_label=False))), len(marked), len(found))


def _matched_stances(
    marked: Sequence[GoldStance], found: Sequence[tuple[str, str, str]], *, with_label: bool
) -> Iterator[int]:
    used: set[int] = set()
    for stance in marked:
        for index, (holder, target, label) in enumerate(found):
            if index in used or (with_label and stance.label != label):
                continue
            if names_match(stance.holder, holder) and names_match(stance.target, target):
                used.add(index)
                yield index
                break


def _name_words(name: str) -> list[str]:
    words = _WORD.findall(name.lower()) or _FOREIGN_WORD.findall(name.casefold())
    return [word for word in words if word not in _UNCOUNTED]


def _merged(spans: Spans) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(span for span in spans if span[1] > span[0]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _size(spans: Spans) -> int:
    return sum(end - start for start, end in _merged(spans))


def _shared(one: Spans, other: Spans) -> int:
    return sum(
        max(0, min(end, stop) - max(start, begin)) for start, end in _merged(one) for begin, stop in _merged(other)
    )
