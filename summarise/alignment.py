"""How the words of a quote and of a stretch of text lie side by side.

Invariant: pairs are in the order of both sides, and no item stands in two of them. What they mean is
judged in :mod:`summarise.judgement`.

Source of the method: a fitting alignment (Needleman & Wunsch 1970, with free ends on the text's
side) over items of meaning; the score is the Indel (Dice) similarity of rapidfuzz, weighted. A pair
of guard items that differ aligns as a "clash", so that "40 people" finds "70 people" and is called a
conflict instead of being lost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from rapidfuzz.distance import OSA

from summarise.judgement import BESIDE, CLASH, ENOUGH, SENTENCE_ENDS, Judgement, Pair, Verdict
from summarise.lexicon import (
    NEGATIVE_PREFIXES,
    OPPOSITES,
    REPORTING,
    bare,
    inflected,
    opposed,
)
from summarise.wording import GUARDS, Item, Kind

_INFLECTED, _MISSPELT = 0.95, 0.85
_SKIP_TEXT, _SKIP_QUOTE, _SKIP_ELIDED = 0.15, 0.5, 0.001  # per unit of weight
_LARGEST = 400_000  # cells; a quote of some 500 words: longer ones are copied whole or not grounded
_WORD, _NAME = Kind.word, Kind.name
_STEM = 3  # letters that the forms of a word have in common (`lexicon.inflected` and its stems)
_OPPOSED_STEMS: defaultdict[str, set[str]] = defaultdict(set)
for _one, _two in OPPOSITES:
    _OPPOSED_STEMS[_one[:_STEM]].add(_two[:_STEM])
    _OPPOSED_STEMS[_two[:_STEM]].add(_one[:_STEM])


def judge(quote: Sequence[Item], text: Sequence[Item], elided: frozenset[int], folded: str) -> Verdict | None:
    """Align the quote's items to a stretch of text and judge the difference; None if too little aligns.

    ``elided`` holds the indices of quote items that stand after an ellipsis; ``folded`` is the folded
    text the stretch was read from (its punctuation tells clauses apart).
    """
    if not quote or not text or len(quote) * len(text) > _LARGEST:
        return None
    earnings = _earnings(quote, text)
    found = sum(item.weight for item, row in zip(quote, earnings, strict=True) if max(row) > CLASH)
    if found < ENOUGH * sum(item.weight for item in quote):
        return None  # no alignment of this stretch can be close
    pairs = _without_strays(_align(quote, text, elided, earnings), text, folded)
    if not any(not pair.clash for pair in pairs):
        return None
    return Judgement(quote, text, elided, folded, pairs).verdict()


def _earnings(quote: Sequence[Item], text: Sequence[Item]) -> list[list[float]]:
    """What each item of the quote (row) earns with each item of the stretch (column)."""
    partners = _Partners(text)
    rows: dict[tuple[str, Kind, bool], list[float]] = {}
    for item in quote:
        same = (item.key, item.kind, item.capital)
        if same not in rows:
            row = rows[same] = [0.0] * len(text)
            for column in partners.of(item):
                row[column] = _earned(item, text[column])
    return [rows[item.key, item.kind, item.capital] for item in quote]


class _Partners:
    """The items of a stretch with which an item may earn something, found without trying them all.

    A superset: every rule of :func:`_earned` that gives more than 0 has its lookup here.
    """

    def __init__(self, text: Sequence[Item]) -> None:
        self._keys: defaultdict[str, list[int]] = defaultdict(list)
        self._kinds: defaultdict[Kind, list[int]] = defaultdict(list)
        self._stems: defaultdict[str, list[int]] = defaultdict(list)
        self._negated: defaultdict[str, list[int]] = defaultdict(list)
        self._initials: defaultdict[str, list[int]] = defaultdict(list)
        self._capitals: list[int] = []
        self._reporting: list[int] = []
        for column, item in enumerate(text):
            key, kind = item.key, item.kind
            self._keys[key].append(column)
            self._kinds[kind].append(column)
            self._stems[key[:_STEM]].append(column)
            for stem in _negated_stems(key):
                self._negated[stem].append(column)
            if item.capital:
                self._capitals.append(column)
            if kind is _WORD:
                for initial in _initials(key):
                    self._initials[initial].append(column)
                if key in REPORTING:
                    self._reporting.append(column)

    def of(self, item: Item) -> Iterator[int]:
        """The columns to try, some of them more than once."""
        key, kind = item.key, item.kind
        yield from self._keys.get(key, ())
        if kind in GUARDS:
            yield from self._kinds.get(kind, ())
            if kind is not _NAME:
                return
        elif kind is _WORD:
            for initial in _initials(key):
                yield from self._initials.get(initial, ())
            if key in REPORTING:
                yield from self._reporting
        for stem in (*_OPPOSED_STEMS.get(key[:_STEM], ()), *_negated_stems(key)):
            yield from self._stems.get(stem, ())
        yield from self._negated.get(key[:_STEM], ())
        if item.capital:
            yield from self._capitals


def _negated_stems(word: str) -> list[str]:
    """The stem of what "un", "dis" ... may negate in a word; a word may begin like several of them."""
    if not word.startswith(NEGATIVE_PREFIXES):
        return []
    return [word[len(prefix) :][:_STEM] for prefix in NEGATIVE_PREFIXES if word.startswith(prefix)]


def _initials(word: str) -> tuple[str, ...]:
    return (word[:1],) if word.isascii() else (word[:1], bare(word)[:1])


def _align(
    quote: Sequence[Item], text: Sequence[Item], elided: frozenset[int], earnings: list[list[float]]
) -> list[Pair]:
    """Fitting alignment by dynamic programming: the quote whole, the text's two ends free."""
    weights = [item.weight for item in text]
    inner = [_SKIP_TEXT * weight for weight in weights]
    under_ellipsis = [_SKIP_ELIDED * weight for weight in weights]
    outer = [0.0] * len(text)
    above = [0.0] * (len(text) + 1)
    moves: list[list[int]] = []
    for index, (item, earned) in enumerate(zip(quote, earnings, strict=True), start=1):
        weight = item.weight
        drop = weight * _SKIP_QUOTE
        skips = outer if index == len(quote) else under_ellipsis if index in elided else inner
        left, diagonal = above[0] - drop, above[0]
        row, steps = [left], [0]
        for up, earns, skip in zip(above[1:], earned, skips, strict=True):
            best, step = up - drop, 0
            if earns and (matched := diagonal + earns * weight) > best:
                best, step = matched, 1
            if (passed := left - skip) >= best:
                best, step = passed, 2
            row.append(best)
            steps.append(step)
            left, diagonal = best, up
        moves.append(steps)
        above = row
    return _trace(earnings, moves)


def _without_strays(pairs: list[Pair], text: Sequence[Item], folded: str) -> list[Pair]:
    """The pairs without clashes at either end that stand apart from the rest: chance, not likeness."""

    def apart(before: Pair, after: Pair) -> bool:
        leap = (after.text - before.text) - (after.quote - before.quote)
        gap = folded[text[before.text].end : text[after.text].start]
        return leap > BESIDE or any(mark in gap for mark in SENTENCE_ENDS)

    while len(pairs) > 1 and pairs[0].clash and apart(pairs[0], pairs[1]):
        pairs = pairs[1:]
    while len(pairs) > 1 and pairs[-1].clash and apart(pairs[-2], pairs[-1]):
        pairs = pairs[:-1]
    return pairs


def _trace(earnings: list[list[float]], moves: list[list[int]]) -> list[Pair]:
    row, column = len(earnings), len(earnings[0])
    pairs: list[Pair] = []
    while row and column:
        step = moves[row - 1][column]
        if step == 1:
            row, column = row - 1, column - 1
            pairs.append(Pair(row, column, earnings[row][column]))
        elif step == 2:
            column -= 1
        else:
            row -= 1
    return pairs[::-1]


def _earned(first: Item, second: Item) -> float:
    """What a pair of items earns: 1 for the same, less for forms of a word, 0 for strangers."""
    if first.key == second.key:
        return 1.0
    one, two = first.kind, second.kind
    if one is _WORD and two is _WORD:
        return _earned_words(first, second)
    if one is two:
        if one in GUARDS or opposed(first.key, second.key):
            return CLASH
        return 0.0
    words = (_WORD, _NAME)
    if one in words and two in words:
        return CLASH if (first.capital and second.capital) or opposed(first.key, second.key) else 0.0
    return 0.0


def _earned_words(first: Item, second: Item) -> float:
    one, two = first.key, second.key
    if opposed(one, two):
        return CLASH
    if one[0] == two[0]:
        if inflected(one, two) or bare(one) == bare(two):
            return _INFLECTED
        if min(len(one), len(two)) > 5 and OSA.distance(one, two, score_cutoff=1) <= 1:
            return _MISSPELT
    elif bare(one) == bare(two):
        return _INFLECTED
    if one in REPORTING and two in REPORTING:
        return _INFLECTED
    return CLASH if first.capital and second.capital else 0.0
