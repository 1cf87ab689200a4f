"""Scoring records against documents that people have marked.

Invariant: pure. A gold document without a record counts as
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
from typing import Any, Literal, get_args

from summarise.gold import GoldDocument, GoldStance
from summarise.schemas import Claim, Record, Stance

MATCH_FROM = 0.5
"""Smallest overlap that counts as a match, for intersection-over-union and for coverage alike."""
BOOTSTRAP_SAMPLES = 2000
_PRONOUNS = frozenset("he she they it who we i him her them".split())
_UNCOUNTED = frozenset("the a an mr mrs ms dr sen rep gov president former of".split())
_WORD = re.compile(r"[a-z0-9]+")
_FOREIGN_WORD = re.compile(r"\w+")

Spans = Sequence[tuple[int, int]]


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
    ``main_actors`` main actors: both have no predicted side. ``claimants`` counts claims that are found and
    whose named claimant is the right one."""

    documents: int = 0
    failed: int = 0
    offset_breaches: int = 0
    claims: Tally = field(default_factory=Tally)
    covered: Tally = field(default_factory=Tally)
    claimant: Tally = field(default_factory=Tally)
    claimants: Tally = field(default_factory=Tally)
    stances: Tally = field(default_factory=Tally)
    pairs: Tally = field(default_factory=Tally)
    actors: Tally = field(default_factory=Tally)
    main_actors: Tally = field(default_factory=Tally)
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


def score_document(gold: GoldDocument, record: Record | None) -> Score:
    """Count what one record got right of one marked document."""
    score = Score(documents=1, failed=int(record is None))
    _score_claims(gold, record, score)
    _score_stances(gold, record, score)
    _score_actors(gold, record, score)
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
        "grounding_rates": {
            name: round(count / score.grounding.total(), 3) for name, count in sorted(score.grounding.items())
        },
    }
    for name in ("claims", "covered", "claimants", "stances", "pairs", "actors"):
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
    if score.main_actors.gold:
        figures["main_actor_recall"] = round(score.main_actors.recall, 3)
    return figures


Measure = Literal[
    "claims", "covered", "claimant", "claimants", "stances", "pairs", "actors", "main_actor_recall",
    "seconds", "prompt_tokens", "completion_tokens",
]  # fmt: skip
_COUNTED: dict[Measure, str] = {
    "claims": "f1", "covered": "f1", "claimants": "f1", "stances": "f1", "pairs": "f1", "actors": "f1",
    "claimant": "recall", "main_actor_recall": "recall",
}  # fmt: skip
"""The figure of each measure of quality: recall where there is no predicted side."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One measure of two runs on the same documents: ``low`` to ``high`` holds 95 % of resampled differences.

    What a run takes (seconds, tokens) is the mean of the documents that have a record in both.
    """

    measure: Measure
    first: float
    second: float
    low: float
    high: float


def compare(first: Sequence[Score], second: Sequence[Score], *, seed: int = 0) -> list[Difference]:
    """Compare two runs document by document: second minus first, with a paired bootstrap interval.

    A measure that one of the runs has nothing to be scored on is left out.
    """
    differences = []
    for measure in get_args(Measure):
        pairs = list(zip(first, second, strict=True))
        if measure in _COUNTED:
            if not all(sum(_tally(measure, pair[side]).gold for pair in pairs) for side in (0, 1)):
                continue
        else:
            pairs = [pair for pair in pairs if pair[0].seconds and pair[1].seconds]
            if not pairs:
                continue
        draws = random.Random(seed)  # noqa: S311  # resampling, not secrets
        samples = [[draws.randrange(len(pairs)) for _ in pairs] for _ in range(BOOTSTRAP_SAMPLES)]
        sides = [[pair[side] for pair in pairs] for side in (0, 1)]
        resampled = sorted(
            _figure(measure, [sides[1][i] for i in sample]) - _figure(measure, [sides[0][i] for i in sample])
            for sample in samples
        )
        low, high = resampled[int(0.025 * BOOTSTRAP_SAMPLES)], resampled[int(0.975 * BOOTSTRAP_SAMPLES) - 1]
        differences.append(Difference(measure, _figure(measure, sides[0]), _figure(measure, sides[1]), low, high))
    return differences


def _figure(measure: Measure, scores: Sequence[Score]) -> float:
    if measure not in _COUNTED:
        values = [sum(score.seconds) if measure == "seconds" else getattr(score, measure) for score in scores]
        return float(sum(values) / len(values))
    joined = Tally()
    for score in scores:
        tally = _tally(measure, score)
        joined.add(tally.hits, tally.gold, tally.predicted)
    return float(getattr(joined, _COUNTED[measure]))


def _tally(measure: Measure, score: Score) -> Tally:
    tally: Tally = score.main_actors if measure == "main_actor_recall" else getattr(score, measure)
    return tally


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
    tight = match(marked, found, overlap)
    score.claims.add(len(tight), len(marked), len(found))
    scored = [_is_name(claim.claimant) for claim in gold.claims]
    right = sum(names_match(gold.claims[i].claimant or "", claims[j].claimant.name) for i, j in tight if scored[i])
    if any(scored):
        unscored = sum(not scored[i] for i, _ in tight)
        score.claimants.add(right, sum(scored), len(found) - unscored)
    covered = match(marked, found, coverage)
    score.covered.add(len(covered), len(marked), len(found))
    named = [(gold.claims[i].claimant or "", claims[j].claimant.name) for i, j in covered if scored[i]]
    score.claimant.add(sum(names_match(who, name) for who, name in named), len(named), 0)


def _is_name(claimant: str | None) -> bool:
    return bool(claimant) and (claimant or "").lower().strip() not in _PRONOUNS


def _score_actors(gold: GoldDocument, record: Record | None, score: Score) -> None:
    if "actors" not in gold.gold_layers:
        return
    found = [(actor.name, *actor.aliases) for actor in (record.actors if record else ())]
    main = [actor.name for actor in gold.actors if actor.main]
    hits = sum(any(names_match(one, name) for names in found for name in names) for one in main)
    score.main_actors.add(hits, len(main), 0)
    if gold.actors:
        left = list(found)
        for actor in gold.actors:  # one-to-one, in the order they were marked
            same = next((names for names in left if any(names_match(actor.name, name) for name in names)), None)
            if same is not None:
                left.remove(same)
        score.actors.add(len(found) - len(left), len(gold.actors), len(found))


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
