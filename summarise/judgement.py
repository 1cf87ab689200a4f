"""What the difference between a quote and the text it was aligned to means.

Invariant: a :class:`Verdict` is ``close`` only if the alignment score reaches :data:`CLOSE`, and
``faithful`` only if, besides, every word of the quote stands in the stretch in the same order; no
negation, hedge, number, unit, date, name, pronoun or role word was changed, inserted or dropped; and
nothing was left out, in silence or under an ellipsis, that turns what is quoted. What the closed lists
of :mod:`summarise.lexicon` cannot judge is refused, not waved through.

Source of the rules: the cases of ``tests/grounding_cases.jsonl``; each rule is a method of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from summarise.lexicon import AUXILIARIES, BOUNDS, THAT_CLAUSE, opposed
from summarise.wording import GUARDS, Item, Kind, person, role_class

# `python bench/grounding/compare.py --sweep`: from 0.75 to 0.85 no true quote of the set is lost and no
# false one is grounded; this is the middle.
CLOSE = 0.8
CLASH = 0.3  # what a differing pair of guards earns: enough to align, too little to look like a match
_CLAUSE_MARKS = (*".,;:!?。、،؛؟।", " -", "- ")  # folding has made the full-width ones ASCII
BESIDE = 3  # items next to the aligned ones in which a word that changed places is looked for
SENTENCE_ENDS = (". ", "! ", "? ", '." ', "。", "।", "؟ ")
ENOUGH = 0.5  # the share of a quote's weight that must stand in the stretch


@dataclass(frozen=True, slots=True)
class Verdict:
    """One alignment: items ``first..last`` (inclusive) of the stretch, its score and what it means."""

    first: int
    last: int
    score: float
    close: bool
    faithful: bool


@dataclass(frozen=True, slots=True)
class Pair:
    """An item of the quote and the item of the stretch it was aligned to, by their places; 1 is earned by the same."""

    quote: int
    text: int
    earned: float

    @property
    def clash(self) -> bool:
        """Whether the two stand in each other's place but differ."""
        return self.earned <= CLASH


class Judgement:
    """Reads one alignment; every rule that forbids "fuzzy" is a method of its own."""

    def __init__(
        self,
        quote: Sequence[Item],
        text: Sequence[Item],
        elided: frozenset[int],
        folded: str,
        pairs: list[Pair],
    ) -> None:
        self._quote, self._text, self._elided, self._folded = quote, text, elided, folded
        self._pairs = pairs
        paired = {pair.quote for pair in pairs}
        self._added = [item for index, item in enumerate(quote) if index not in paired]
        self._gaps = list(pairwise(pairs))

    def verdict(self) -> Verdict:
        """The judgement as a whole."""
        conflict = (
            self._facts_differ()
            or self._order_differs()
            or self._roles_differ()
            or self._voice_differs()
            or self._negation_hidden()
        )
        score = self._score()
        enough = self._matched() >= ENOUGH * sum(item.weight for item in self._quote)
        strange = self._stitched() or any(item.kind in (Kind.word, Kind.picture) for item in self._added)
        conflict = conflict or (not strange and self._sense_differs())
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

    def _between(self, before: Pair, after: Pair) -> tuple[Sequence[Item], Sequence[Item]]:
        return self._quote[before.quote + 1 : after.quote], self._text[before.text + 1 : after.text]

    def _is_elided(self, before: Pair, after: Pair) -> bool:
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
        near = range(max(0, first - BESIDE), min(len(self._text), last + 1 + BESIDE))
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
            for item in (*self._text[max(0, first - BESIDE) : first], *self._text[last + 1 : last + 1 + BESIDE])
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
            if self._text[after.text].kind is Kind.number and {item.key for item in (*added, *dropped)} == {"by"}:
                continue  # "rose 7 percent", "rose by 7 percent"
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

    def _sense_differs(self) -> bool:
        """Every word stands in the text, but what was left out turned them."""
        return (
            self._bounds_differ()
            or self._governor_hidden()
            or self._subject_hidden()
            or self._opposite_hidden()
            or self._opposite_exchanged()
            or self._negation_crosses()
        )

    def _bounds_differ(self) -> bool:
        """ "30" for "at least 30", "two or three" for "two in three": what says how a number is meant is another."""
        for before, after in self._gaps:
            numbers = [self._text[pair.text].kind is Kind.number for pair in (before, after)]
            beyond = self._text[after.text + 1 : after.text + 2]
            near = any(numbers) or (self._text[after.text].key == "a" and beyond and beyond[0].kind is Kind.number)
            if near and not self._is_elided(before, after):
                added, dropped = ({item.key for item in side} for side in self._between(before, after))
                if (all(numbers) and added != dropped) or (added ^ dropped) & BOUNDS:
                    return True
        return False

    def _governor_hidden(self) -> bool:
        """ "It publish" for "It [agreed to] publish": the verb that governs an infinitive was left out with "to"."""
        for before, after in self._gaps:
            added, dropped = self._between(before, after)
            governed = bool(dropped) and dropped[-1].key == "to" and self._text[after.text].kind is Kind.word
            if governed and not added and any(item.weight == 1 for item in dropped):
                return not self._is_elided(before, after)
        return False

    def _subject_hidden(self) -> bool:
        """ "The court … did" for "The court [found that Marlow] did": an ellipsis that takes another's words over.

        It ends a clause whose subject it hides, or begins with a verb in another sentence or half of one.
        """
        for before, after in self._gaps:
            dropped = self._between(before, after)[1]
            if not dropped or not self._is_elided(before, after):
                continue
            verb = self._text[after.text]
            opened = [place for place, item in enumerate(dropped) if item.key in THAT_CLAUSE]
            subject = dropped[opened[-1] + 1 :] if opened else ()
            if any(item.weight == 1 or person(item) for item in subject):
                gap = self._folded[dropped[opened[-1]].end : verb.start]
                if not any(mark in gap for mark in _CLAUSE_MARKS):
                    return True
            if verb.key in AUXILIARIES or (verb.kind is Kind.word and verb.key.endswith("ed")):
                gap = self._folded[self._text[before.text].end : verb.start]
                if any(mark in gap for mark in (*SENTENCE_ENDS, "; ")):
                    return True
        return False

    def _opposite_hidden(self) -> bool:
        """ "fell … in May" for "fell in April and [rose] in May": an ellipsis over the opposite of what is quoted."""
        said = [self._quote[pair.quote].key for pair in self._pairs if self._quote[pair.quote].kind is Kind.word]
        return any(
            opposed(one, item.key)
            for before, after in self._gaps
            if self._is_elided(before, after)
            for item in self._between(before, after)[1]
            if item.kind is Kind.word
            for one in said
        )

    def _opposite_exchanged(self) -> bool:
        """ "ruled in" for "ruled out", where one of the two is a function word."""
        return any(
            opposed(one.key, two.key)
            for added, dropped in (self._between(*gap) for gap in self._gaps if not self._is_elided(*gap))
            for one in added
            for two in dropped
        )

    def _negation_crosses(self) -> bool:
        """ "no vote" for "No. The vote": a negation or hedge taken over from the sentence before or after."""
        for before, after in self._gaps:
            one, two = self._quote[before.quote], self._quote[after.quote]
            if two.start - one.end == 1 and {one.kind, two.kind} & {Kind.negation, Kind.hedge}:
                gap = self._folded[self._text[before.text].end : self._text[after.text].start]
                if any(mark in gap for mark in SENTENCE_ENDS):
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
                    or any(mark in gap for mark in SENTENCE_ENDS)
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
