"""How close a quote comes to a stretch of text, and whether what differs changes its meaning.

Invariant: a :class:`Verdict` is ``close`` only if the alignment score reaches :data:`CLOSE`, and
``faithful`` only if, besides, every word of the quote stands in the stretch in the same order and no
negation, hedge, number, unit, date, name, pronoun or role word was changed, inserted or dropped, and
no two clauses were joined by leaving out what stood between them in silence. What the
closed lists of :mod:`summarise.lexicon` cannot judge is refused, not waved through.

Source of the method: a fitting alignment (Needleman & Wunsch 1970, with free ends on the text's
side) over items of meaning; the score is the Indel (Dice) similarity of rapidfuzz, weighted. A pair
of guard items that differ aligns as a "clash", so that "40 people" finds "70 people" and is called a
conflict instead of being lost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from rapidfuzz.distance import OSA

from summarise.lexicon import NEGATIVE_PREFIXES, OPPOSITES, REPORTING, bare, inflected, opposed
from summarise.wording import GUARDS, Item, Kind, person, role_class

# `python bench/grounding/compare.py --sweep`: from 0.75 to 0.85 no true quote of the set is lost and no
# false one is grounded; this is the middle.
CLOSE = 0.8
_CLASH = 0.3  # what a differing pair of guards earns: enough to align, too little to look like a match
_INFLECTED, _MISSPELT = 0.95, 0.85
_SKIP_TEXT, _SKIP_QUOTE, _SKIP_ELIDED = 0.15, 0.5, 0.001  # per unit of weight
_CLAUSE_MARKS = (*".,;:!?。、،؛؟।", " -", "- ")  # folding has made the full-width ones ASCII
_BESIDE = 3  # items next to the aligned ones in which a word that changed places is looked for
_SENTENCE_ENDS = (". ", "! ", "? ", '." ', "。", "।", "؟ ")
_LARGEST = 400_000  # cells; a quote of some 500 words: longer ones are copied whole or not grounded
_ENOUGH = 0.5  # the share of a quote's weight that must stand in the stretch
_WORD, _NAME = Kind.word, Kind.name
_STEM = 3  # letters that the forms of a word have in common (`lexicon.inflected` and its stems)
_OPPOSED_STEMS: defaultdict[str, set[str]] = defaultdict(set)
for _one, _two in OPPOSITES:
    _OPPOSED_STEMS[_one[:_STEM]].add(_two[:_STEM])
    _OPPOSED_STEMS[_two[:_STEM]].add(_one[:_STEM])


@dataclass(frozen=True, slots=True)
class Verdict:
    """One alignment: items ``first..last`` (inclusive) of the stretch, its score and what it means."""

    first: int
    last: int
    score: float
    close: bool
    faithful: bool


@dataclass(frozen=True, slots=True)
class _Pair:
    quote: int
    text: int
    earned: float

    @property
    def clash(self) -> bool:
        return self.earned <= _CLASH


def judge(quote: Sequence[Item], text: Sequence[Item], elided: frozenset[int], folded: str) -> Verdict | None:
    """Align the quote's items to a stretch of text and judge the difference; None if too little aligns.

    ``elided`` holds the indices of quote items that stand after an ellipsis; ``folded`` is the folded
    text the stretch was read from (its punctuation tells clauses apart).
    """
    if not quote or not text or len(quote) * len(text) > _LARGEST:
        return None
    earnings = _earnings(quote, text)
    found = sum(item.weight for item, row in zip(quote, earnings, strict=True) if max(row) > _CLASH)
    if found < _ENOUGH * sum(item.weight for item in quote):
        return None  # no alignment of this stretch can be close
    pairs = _without_strays(_align(quote, text, elided, earnings), text, folded)
    if not any(not pair.clash for pair in pairs):
        return None
    return _Judgement(quote, text, elided, folded, pairs).verdict()


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
) -> list[_Pair]:
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


def _without_strays(pairs: list[_Pair], text: Sequence[Item], folded: str) -> list[_Pair]:
    """The pairs without clashes at either end that stand apart from the rest: chance, not likeness."""

    def apart(before: _Pair, after: _Pair) -> bool:
        leap = (after.text - before.text) - (after.quote - before.quote)
        gap = folded[text[before.text].end : text[after.text].start]
        return leap > _BESIDE or any(mark in gap for mark in _SENTENCE_ENDS)

    while len(pairs) > 1 and pairs[0].clash and apart(pairs[0], pairs[1]):
        pairs = pairs[1:]
    while len(pairs) > 1 and pairs[-1].clash and apart(pairs[-2], pairs[-1]):
        pairs = pairs[:-1]
    return pairs


def _trace(earnings: list[list[float]], moves: list[list[int]]) -> list[_Pair]:
    row, column = len(earnings), len(earnings[0])
    pairs: list[_Pair] = []
    while row and column:
        step = moves[row - 1][column]
        if step == 1:
            row, column = row - 1, column - 1
            pairs.append(_Pair(row, column, earnings[row][column]))
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
            return _CLASH
        return 0.0
    words = (_WORD, _NAME)
    if one in words and two in words:
        return _CLASH if (first.capital and second.capital) or opposed(first.key, second.key) else 0.0
    return 0.0


def _earned_words(first: Item, second: Item) -> float:
    one, two = first.key, second.key
    if opposed(one, two):
        return _CLASH
    if one[0] == two[0]:
        if inflected(one, two) or bare(one) == bare(two):
            return _INFLECTED
        if min(len(one), len(two)) > 5 and OSA.distance(one, two, score_cutoff=1) <= 1:
            return _MISSPELT
    elif bare(one) == bare(two):
        return _INFLECTED
    if one in REPORTING and two in REPORTING:
        return _INFLECTED
    return _CLASH if first.capital and second.capital else 0.0


class _Judgement:
    """Reads one alignment; every rule that forbids "fuzzy" is a method of its own."""

    def __init__(
        self,
        quote: Sequence[Item],
        text: Sequence[Item],
        elided: frozenset[int],
        folded: str,
        pairs: list[_Pair],
    ) -> None:
        self._quote, self._text, self._elided, self._folded = quote, text, elided, folded
        self._pairs = pairs
        paired = {pair.quote for pair in pairs}
        self._added = [item for index, item in enumerate(quote) if index not in paired]
        self._gaps = list(pairwise(pairs))

    def verdict(self) -> Verdict:
        conflict = (
            self._facts_differ()
            or self._order_differs()
            or self._roles_differ()
            or self._voice_differs()
            or self._negation_hidden()
        )
        score = self._score()
        enough = self._matched() >= _ENOUGH * sum(item.weight for item in self._quote)
        strange = self._stitched() or any(item.kind is Kind.word for item in self._added)
        plain = sum(1 for pair in self._pairs if not pair.clash and self._quote[pair.quote].weight == 1)
        close = score >= CLOSE and enough and plain > 0
        first, last = self._reach()
        return Verdict(
            first=first,
            last=last,
            score=score,
            close=close and (conflict or not strange),
            faithful=close and not conflict and not strange,
        )

    def _between(self, before: _Pair, after: _Pair) -> tuple[Sequence[Item], Sequence[Item]]:
        return self._quote[before.quote + 1 : after.quote], self._text[before.text + 1 : after.text]

    def _is_elided(self, before: _Pair, after: _Pair) -> bool:
        return bool(self._elided) and any(index in self._elided for index in range(before.quote + 1, after.quote + 1))

    @cached_property
    def _dropped(self) -> list[Item]:
        """Items of the stretch that the quote leaves out without saying so."""
        return [
            item
            for before, after in self._gaps
            if not self._is_elided(before, after)
            for item in self._between(before, after)[1]
        ]

    def _score(self) -> float:
        """Weighted Dice similarity of the two sides, what clashes or changed places left aside."""
        alike = sum(
            (1.0 if pair.clash else pair.earned) * (self._quote[pair.quote].weight + self._text[pair.text].weight)
            for pair in self._pairs
        )
        whole = sum(self._quote[pair.quote].weight + self._text[pair.text].weight for pair in self._pairs)
        moved = {item.key for item in self._displaced}
        loose = [
            item
            for item in (*self._added, *self._dropped)
            if item.kind not in GUARDS and not (item.key in moved and item.weight == 1)
        ]
        return alike / (whole + sum(item.weight for item in loose))

    def _matched(self) -> float:
        """The weight of the quote's items that stand in the stretch, in their place or in another."""
        here = sum(self._quote[pair.quote].weight for pair in self._pairs if not pair.clash)
        return here + sum(item.weight for item in self._displaced)

    def _reach(self) -> tuple[int, int]:
        """First and last item of the stretch, with the words next to it that the quote put elsewhere."""
        first, last = self._pairs[0].text, self._pairs[-1].text
        moved = {item.key for item in self._displaced if item.weight == 1}
        near = range(max(0, first - _BESIDE), min(len(self._text), last + 1 + _BESIDE))
        places = [place for place in near if first <= place <= last or self._text[place].key in moved]
        return min(places), max(places)

    @cached_property
    def _displaced(self) -> list[Item]:
        """Items of the quote that stand in the stretch in another place."""
        left_over = {item.key for item in self._dropped}
        left_over |= {self._text[pair.text].key for pair in self._pairs if pair.clash}
        first, last = self._pairs[0].text, self._pairs[-1].text
        left_over |= {
            item.key
            for item in (*self._text[max(0, first - _BESIDE) : first], *self._text[last + 1 : last + 1 + _BESIDE])
        }
        lost = [*self._added, *(self._quote[pair.quote] for pair in self._pairs if pair.clash)]
        return [item for item in lost if item.key in left_over]

    def _facts_differ(self) -> bool:
        return any(pair.clash for pair in self._pairs) or any(
            item.kind in GUARDS for item in (*self._added, *self._dropped)
        )

    def _order_differs(self) -> bool:
        return any(item.weight == 1 for item in self._displaced)

    def _roles_differ(self) -> bool:
        """A passive, "by", "to" ... added or left out alone, or a pronoun exchanged: who does it to whom?"""
        for before, after in self._gaps:
            added, dropped = self._between(before, after)
            if self._is_elided(before, after) or any(item.weight == 1 for item in (*added, *dropped)):
                continue
            turned = {role_class(item) for item in added} ^ {role_class(item) for item in dropped}
            turned.discard("")
            if self._text[after.text].key.endswith("ing"):
                turned.discard("be")
            persons = [{person(item) for item in side} - {""} for side in (added, dropped)]
            if turned or (all(persons) and persons[0] != persons[1]):
                return True
        return False

    def _voice_differs(self) -> bool:
        """ "were attacking" for "were attacked": the same word after a form of "be", the other way round."""
        for pair in self._pairs:
            one, two = self._quote[pair.quote].key, self._text[pair.text].key
            if pair.quote and pair.text and one.endswith("ing") != two.endswith("ing"):
                before = (self._quote[pair.quote - 1], self._text[pair.text - 1])
                if all(role_class(item) == "be" for item in before):
                    return True
        return False

    def _stitched(self) -> bool:
        """Whether words left out in silence give a word another place: "ports[, while] companies".

        A parenthesis has a mark at both its ends, so an odd number of marks joins two clauses. After a
        possessive its head is gone: "the minister['s critics] said".
        """
        for before, after in self._gaps:
            dropped = self._between(before, after)[1]
            if dropped and not self._is_elided(before, after) and any(item.weight == 1 for item in dropped):
                gap = self._folded[self._text[before.text].end : self._text[after.text].start]
                if (
                    dropped[0].key == "s"
                    or sum(gap.count(mark) for mark in ",;:") % 2
                    or any(mark in gap for mark in _SENTENCE_ENDS)
                ):
                    return True
        return False

    def _negation_hidden(self) -> bool:
        """A negation (or hedge) next to the stretch, or under an ellipsis in the clause of either side."""
        first, last = self._pairs[0].text, self._pairs[-1].text
        if first and self._text[first - 1].kind in (Kind.negation, Kind.hedge) and self._same_clause(first - 1, first):
            return True
        after = self._text[last + 1 : last + 2]
        if after and after[0].kind is Kind.negation and self._same_clause(last, last + 1):
            return True
        for left, right in self._gaps:
            if self._is_elided(left, right):
                for place in range(left.text + 1, right.text):
                    if self._text[place].kind is Kind.negation and (
                        self._same_clause(left.text, place) or self._same_clause(place, right.text)
                    ):
                        return True
        return False

    def _same_clause(self, first: int, second: int) -> bool:
        between = self._folded[self._text[first].end : self._text[second].start]
        return not any(mark in between for mark in _CLAUSE_MARKS)
