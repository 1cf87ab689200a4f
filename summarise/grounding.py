"""Where a quote stands in a text, and whether it is really a quote.

Invariant: :meth:`Grounder.locate` never raises for any two strings; a span it returns lies within
the text; ``exact`` means ``text[span] == quote``; ``normalised`` means both are equal after
:func:`summarise.text.fold`; neither begins or ends inside a word or a number; and a quote whose
negation, number, unit, date, name or order of parties differs from the text is never ``fuzzy``.

The algorithm is seed and extend, as in sequence search (BLAST, Altschul et al. 1990):

1. Find the quote as it stands, then folded; occurrences that cut a word or a number are passed over.
2. Otherwise take the rarest words of the quote as seeds, look them up in an inverted index of the
   text's words, and keep the few stretches where most seeds agree on one place.
3. Align the quote to each stretch word by word (:mod:`summarise.alignment`) and judge the difference
   (:mod:`summarise.judgement`).

The threshold ``judgement.CLOSE`` was chosen with ``python bench/grounding/compare.py --sweep``. The
numbers below only bound the work: they are where ``tests/grounding_cases.jsonl`` loses no quote and 1 MB
with 200 quotes takes less than a second of processor time (``pytest tests/test_grounding.py -k megabyte``).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from rapidfuzz.distance import LCSseq

from summarise.alignment import judge
from summarise.judgement import Verdict
from summarise.text import Folded, Span, extends_cluster, fold
from summarise.wording import Item, Kind, Token, borne_out, pointed, read_items, read_tokens, token_pattern, unspaced

_SEEDS = 8  # rarest words of a quote that are looked up
_HITS = 400  # places looked at per quote; commoner words need a neighbour that fits
_STRETCHES = 3  # stretches aligned per quote
_SCANNED = 5000  # places of a common word that are checked for a fitting neighbour
_ENOUGH = 3  # seeds that do without the help of common words
_SHARED = 0.4  # share of a quote's words that a stretch must hold, in order, to be aligned
_LONGEST_NEAR = 400  # words of `near` that are aligned on their own account
_REACH = 80  # words that an ellipsis may stand for
_ELLIPSIS = re.compile(r"\.{2,}")
_NEGATIVE_PREFIX = re.compile(r"(?:^|\W)(?:non|un|anti|no|ex|mis|counter)[-‐‑]$", re.IGNORECASE)
_APOSTROPHES = "'’ʼ"


class Grounding(StrEnum):
    """How a quote stands to its text; only the first three count as grounded."""

    exact = "exact"
    normalised = "normalised"
    fuzzy = "fuzzy"
    conflict = "conflict"
    ungrounded = "ungrounded"

    @property
    def grounded(self) -> bool:
        """Whether the text bears the quote out."""
        return self in (Grounding.exact, Grounding.normalised, Grounding.fuzzy)


@dataclass(frozen=True, slots=True)
class Located:
    """Where a quote stands. ``span`` is None exactly if it is ungrounded; ``score`` lies in 0..1."""

    span: Span | None
    grounding: Grounding
    score: float


_NOWHERE = Located(None, Grounding.ungrounded, 0.0)


class Grounder:
    """Locates quotes in one text. Folding and indexing are done once, when first needed."""

    def __init__(self, text: str) -> None:
        self.text = text

    def locate(self, quote: str, *, near: Span | None = None) -> Located:
        """Find ``quote``; of several occurrences the one inside or nearest to ``near``, else the first.

        Never raises. An empty quote, or one without a letter, digit or picture, is ungrounded.
        """
        if not any(character.isalnum() or _pictures(character) for character in quote):
            return _NOWHERE
        start = _occurrence(self.text, quote, near, lambda place: _whole(self.text, place, place + len(quote)))
        if start is not None:
            return Located(Span(start, start + len(quote)), Grounding.exact, 1.0)
        folded = fold(quote)
        return self._normalised(folded, near) or self._aligned(quote, folded, near)

    @cached_property
    def _folded(self) -> Folded:
        return fold(self.text)

    @cached_property
    def _index(self) -> _Index:
        return _Index(self._folded)

    @cached_property
    def _known(self) -> dict[int, Item]:
        """The words of the text read so far, by their start in the folded text."""
        return {}

    def _folded_near(self, near: Span | None) -> Span | None:
        if near is None:
            return None
        origins = self._folded.origins
        return Span(bisect_left(origins, near.start), bisect_left(origins, near.end))

    def _normalised(self, quote: Folded, near: Span | None) -> Located | None:
        if not quote.text:
            return None
        folded, size = self._folded, len(quote.text)

        def fits(place: int) -> bool:
            cut = folded.splits_character(place) or folded.splits_character(place + size)
            return not cut and _whole(folded.text, place, place + size)

        start = _occurrence(folded.text, quote.text, self._folded_near(near), fits)
        if start is None:
            return None
        return Located(folded.original(start, start + size, self.text), Grounding.normalised, 1.0)

    def _aligned(self, quote: str, folded: Folded, near: Span | None) -> Located:
        tokens = list(read_tokens(folded.text))
        items = read_items(folded, quote, tokens)
        ellipses = [match.start() for match in _ELLIPSIS.finditer(folded.text)]
        elided = frozenset(
            index
            for index in range(1, len(items) if ellipses else 0)
            if any(items[index - 1].end <= place < items[index].start for place in ellipses)
        )
        place = self._folded_near(near)
        best: Located = _NOWHERE
        for stretch in self._index.stretches([token.text for token in tokens], len(elided), place):
            found = self._judged(items, elided, read_items(self._folded, self.text, stretch, known=self._known))
            # Strictly better only: stretches come best first, then nearest to `near`.
            if found and _rank(found) > _rank(best):
                best = found
        return best

    def _judged(self, quote: list[Item], elided: frozenset[int], text: list[Item]) -> Located | None:
        verdict: Verdict | None = judge(quote, text, elided, self._folded.text)
        if verdict is None or not verdict.close:
            return None
        start, end = text[verdict.first].start, text[verdict.last].end
        if _cuts_word(self._folded.text, start, end):
            return None
        faithful = verdict.faithful and _whole(self._folded.text, start, end)
        grounding = Grounding.fuzzy if faithful else Grounding.conflict
        return Located(self._folded.original(start, end, self.text), grounding, verdict.score)


def _rank(located: Located) -> tuple[bool, float]:
    return located.grounding.grounded, located.score


def _pictures(character: str) -> bool:
    return (
        character > "\u2190"
        and not character.isalnum()
        and character.isprintable()
        and (character >= "\U0001f000" or "\u2600" <= character <= "\u27bf")
    )


def _occurrence(text: str, quote: str, near: Span | None, fits: Callable[[int], bool]) -> int | None:
    """The start of the occurrence inside or nearest to ``near`` (the first, without ``near``)."""
    if near is None:
        return next(filter(fits, _forward(text, quote, 0)), None)
    after = next(filter(fits, _forward(text, quote, near.start)), None)
    if after is not None and after + len(quote) <= near.end:
        return after
    before = next(filter(fits, _backward(text, quote, near.start + len(quote) - 1)), None)
    if before is None or after is None:
        return after if before is None else before
    return before if near.start - before - len(quote) < after - near.end else after


def _forward(text: str, quote: str, start: int) -> Iterator[int]:
    while (start := text.find(quote, start)) >= 0:
        yield start
        start += 1


def _backward(text: str, quote: str, end: int) -> Iterator[int]:
    while (start := text.rfind(quote, 0, max(0, end))) >= 0:
        yield start
        end = start + len(quote) - 1


def _whole(text: str, start: int, end: int) -> bool:
    """Whether ``text[start:end]`` begins and ends on the edges of words and numbers."""
    if _cuts_word(text, start, end):
        return False
    return not (start and _cut_before(text, start)) and not (end < len(text) and _cut_after(text, end))


def _cuts_word(text: str, start: int, end: int) -> bool:
    if start and _joined(text[start - 1], text[start]):
        return True
    return end < len(text) and _joined(text[end - 1], text[end])


def _joined(left: str, right: str) -> bool:
    if extends_cluster(right):
        return True
    if not (left.isalnum() or extends_cluster(left)) or not right.isalnum():
        return False
    return not (unspaced(left) or unspaced(right))


def _cut_before(text: str, start: int) -> bool:
    """Whether a number ("1,[000]", "40 [000]", "-[5]", ".[5]") or a negation ("non-[binding]") begins earlier."""
    before = text[max(0, start - 8) : start]
    if not text[start].isdecimal():
        return before[-1:] in ("-", "‐", "‑") and bool(_NEGATIVE_PREFIX.search(before))
    if pointed(text, start):
        return True
    if len(before) > 1 and before[-1] in ".,":
        return before[-2].isdecimal()
    if before[-1].isspace():
        return _digits_before(text, start - 1) in (1, 2, 3) and _digits_after(text, start) == 3
    return before[-1] in "-−" and not (len(before) > 1 and before[-2].isalnum())


def _cut_after(text: str, end: int) -> bool:
    """Whether a number ("[1],000", "[40] 000") or a "n't" ("[can]'t") goes on."""
    if text[end] in _APOSTROPHES:
        return text[end + 1 : end + 2] in ("t", "T") and not text[end + 2 : end + 3].isalnum()
    if not text[end - 1].isdecimal():
        return False
    if text[end] in ".,":
        return text[end + 1 : end + 2].isdecimal()
    return text[end].isspace() and _digits_after(text, end + 1) == 3 and _digits_before(text, end) in (1, 2, 3)


def _digits_before(text: str, end: int) -> int:
    """How many digits stand right before ``end``, counted up to four."""
    count = 0
    while count < 4 and end - count > 0 and text[end - count - 1].isdecimal():
        count += 1
    return count


def _digits_after(text: str, start: int) -> int:
    count = 0
    while count < 4 and text[start + count : start + count + 1].isdecimal():
        count += 1
    return count


class _Index:
    """The words of a folded text and, for each, the places where it stands."""

    def __init__(self, folded: Folded) -> None:
        found = [(match.group(), match.start()) for match in token_pattern().finditer(folded.text)]
        self._words = [word for word, _ in found]
        self._starts = [start for _, start in found]
        self._places: defaultdict[str, list[int]] = defaultdict(list)
        for place, word in enumerate(self._words):
            self._places[word].append(place)

    def stretches(self, words: list[str], ellipses: int, near: Span | None) -> Iterator[list[Token]]:
        """The most promising stretches for the words of a quote, best first, then nearest to ``near``."""
        slack = len(words) // 2 + 6
        spread = slack + ellipses * _REACH
        ranges = [] if near is None else self._around(near, len(words) + spread)
        for first, last in self._clusters(self._seeds(words), spread, near):
            ranges.append((max(0, first - slack), last + len(words) + slack))
        for start, end in ranges:
            # A cheap bound first: most of the words, in this order, must be there.
            if LCSseq.similarity(words, self._words[start:end]) >= _SHARED * len(words):
                pairs = zip(self._words[start:end], self._starts[start:end], strict=True)
                yield [Token(word, place, place + len(word)) for word, place in pairs]

    def _around(self, near: Span, reach: int) -> list[tuple[int, int]]:
        """The words inside ``near``, then those from its start on, so that a tie is won in there."""
        start = bisect_left(self._starts, near.start)
        end = min(bisect_left(self._starts, near.end), start + _LONGEST_NEAR)
        return [(start, end), (start, end + reach)]

    def _seeds(self, words: list[str]) -> list[list[int]]:
        """For each seed word of the quote, the places in the text where the quote would begin."""
        # Of equally rare words the longest says most; the order of a set would differ from run to run.
        known = sorted(
            dict.fromkeys(word for word in words if word in self._places),
            key=lambda word: (len(self._places[word]), -len(word)),
        )
        seeds: list[list[int]] = []
        left = _HITS
        for word in known[:_SEEDS]:
            at = words.index(word)
            places = self._places[word]
            if len(places) > left:
                if len(seeds) >= _ENOUGH:
                    break
                places = [place for place in places[:_SCANNED] if self._neighbour_fits(words, at, place)]
            seeds.append([place - at for place in places[:_HITS]])
            left -= len(places)
        return seeds

    def _neighbour_fits(self, words: list[str], at: int, place: int) -> bool:
        return (at > 0 and place > 0 and self._words[place - 1] == words[at - 1]) or (
            at + 1 < len(words) and place + 1 < len(self._words) and self._words[place + 1] == words[at + 1]
        )

    def _clusters(self, seeds: list[list[int]], spread: int, near: Span | None) -> list[tuple[int, int]]:
        """The places where most seeds agree within ``spread`` words: first and last presumed start."""
        hits = sorted((start, seed) for seed, starts in enumerate(seeds) for start in starts)
        counts: Counter[int] = Counter()
        found: list[tuple[int, int, int]] = []
        tail = 0
        for start, seed in hits:
            counts[seed] += 1
            while hits[tail][0] < start - spread:
                counts[hits[tail][1]] -= 1
                tail += 1
            agreeing = sum(1 for count in counts.values() if count)
            if agreeing > len(seeds) // 3:
                found.append((agreeing, hits[tail][0], start))
        found.sort(key=lambda one: (-one[0], self._distance(one[1], near), one[1]))
        chosen: list[tuple[int, int]] = []
        for _, first, last in found:
            if all(last < one or first > two for one, two in chosen):
                chosen.append((first, last))
                if len(chosen) == _STRETCHES:
                    break
        return chosen

    def _distance(self, place: int, near: Span | None) -> int:
        if near is None:
            return 0
        start = self._starts[min(max(0, place), len(self._starts) - 1)]
        return max(0, near.start - start, start - near.end)


def unsupported_facts(claim: str, support: str) -> tuple[str, ...]:
    """The numbers, dates and proper names of ``claim`` that stand nowhere in ``support``, as written.

    Numbers are equal across "40,000", "40 000" and "forty thousand"; a unit must agree only where both
    sides give one. Names are compared word by word, titles aside, possessives and Latin diacritics
    ignored, and "Iranian" is borne out by "Iran". A capital that opens a sentence makes no name unless
    the same word stands capitalised further on.
    """
    return Support(support).lacks(claim)


class Support:
    """A text that may bear out what is said of it; it is read once, when first needed."""

    def __init__(self, text: str) -> None:
        self.text = text

    def lacks(self, claim: str) -> tuple[str, ...]:
        """What :func:`unsupported_facts` finds."""
        folded = fold(claim)
        facts = list(_facts(read_items(folded, claim)))
        if all(name and self._has_word(folded.original(item.start, item.end, claim).of(claim)) for item, name in facts):
            return ()  # as it mostly is; reading the whole text for meaning takes a hundred times as long
        missing: list[tuple[int, int, bool]] = []
        for item, name in facts:
            if borne_out(item, self._items, name=name):
                continue
            # The words of one name come out together: "Anna Brook", not "Anna" and "Brook".
            if name and missing and missing[-1][2] and folded.text[missing[-1][1] : item.start].isspace():
                missing[-1] = (missing[-1][0], item.end, True)
            else:
                missing.append((item.start, item.end, name))
        return tuple(folded.original(start, end, claim).of(claim) for start, end, _ in missing)

    def _has_word(self, word: str) -> bool:
        start = self.text.find(word)
        while start >= 0 and _cuts_word(self.text, start, start + len(word)):
            start = self.text.find(word, start + 1)
        return start >= 0

    @cached_property
    def _items(self) -> list[Item]:
        return read_items(fold(self.text), self.text)


def _facts(items: Sequence[Item]) -> Iterator[tuple[Item, bool]]:
    """The numbers, dates and names among the items, and whether each is a name."""
    repeated = {item.key for item in items if item.kind is Kind.name}
    for item in items:
        name = item.kind is Kind.name or (item.capital and item.kind is Kind.word and item.key in repeated)
        if name or item.kind in (Kind.number, Kind.date):
            yield item, name
