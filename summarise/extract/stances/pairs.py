"""Which holders and targets are asked about, and what the model is shown of them.

Method: pairs are gathered from the text (a claimant and those its claim names; a claimant and what the document is
about; the first actor of a sentence and those after it); those met often, of actors mentioned often, come first.

Invariants: pure; every span of a place lies inside one of the sentences given; the same pairs come in the same order
whatever is answered about them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Final

from summarise.extract.actors import wordlists
from summarise.extract.actors.matching import same_name
from summarise.extract.claims import FoundClaim
from summarise.extract.claims.phrasing import sentence_of
from summarise.extract.claims.spans import tight
from summarise.extract.drafts import ActorDraft, sentence_at
from summarise.extract.stances.things import things
from summarise.text import Span

MOST_ASKED: Final = 7
"""Pairs asked about in one document, about 45 prompt tokens and 6 answer tokens each; of later pairs hardly one in
ten is right (docs/quality.md)."""
PASSAGE_CHARACTERS: Final = 400
SIDE_BY_SIDE: Final = 200
"""Characters by which two names side by side count as further apart: no verb stands between them."""
MAIN_TARGETS: Final = 2
"""What a document is about: those mentioned most. Whoever is quoted in it probably speaks of them."""

SAID, SUBJECT, ABOUT, OBJECT = range(4)
"""How a place brings two together, what says most first: the holder's claim names the target; the holder opens a
sentence with the target in it; the holder claims something in a document about the target; the other way round."""
_WEIGHTS: Final = {SAID: 2.0, SUBJECT: 1.0, ABOUT: 3.0, OBJECT: 0.4}
_PLACES: Final = frozenset({"country", "other"})
_LOCATIVES: Final = frozenset("in at near outside inside across throughout around".split())
_LONGEST_LOCATIVE: Final = 12
_NO_HOLDERS: Final = frozenset({"media", "other"})
"""Kinds that report or lie somewhere and seldom take sides."""
_WORD: Final = re.compile(r"[^\W\d_]+")
_JOINING: Final = frozenset("and or of the for".split())
_AGAINST: Final = tuple(
    "against counter resist oppos condemn denounc reject combat fight defy criticiz criticis".split()
)
_AGAINST_WITHIN: Final = 4
_NEGATIONS: Final = frozenset("not no never nor without neither didn don doesn won couldn refused".split())


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where two are brought together, best first: the kind (:data:`SAID` and so on), how far apart they stand,
    the sentence, the words that are evidence, what the model is shown (empty: the sentence), and whether the target
    follows a word such as "against"."""

    kind: int
    apart: int
    sentence: Span
    evidence: Span
    shown: str = ""
    against: bool = False


@dataclass(slots=True)
class Pair:
    """A holder and a target, the places that bring them together, and how much speaks for asking about them."""

    holder: str
    target: str
    weight: float = 0.0
    places: list[Place] = field(default_factory=list)

    def add(self, place: Place) -> None:
        """Note one more place that brings the two together; a second of its kind counts a half, a third a third."""
        seen = sum(known.kind == place.kind for known in self.places)
        self.weight += _WEIGHTS[place.kind] / (seen + 1)
        self.places.append(place)

    @property
    def best(self) -> Place:
        """The place that says most."""
        return min(self.places)

    def passage(self, text: str) -> str:
        """What to show: the best place; a second one, in the order of the text, where it does not name the target."""
        chosen: dict[Span, Place] = {}
        for place in sorted(self.places):
            chosen.setdefault(place.sentence, place)
        shown = list(chosen.values())[: 2 if self.best.kind == ABOUT else 1]
        parts = (place.shown or place.sentence.of(text) for place in sorted(shown, key=lambda place: place.sentence))
        return " ".join(" ".join(parts).split())[:PASSAGE_CHARACTERS]


def pairs_to_ask(
    text: str, sentences: Sequence[Span], actors: Sequence[ActorDraft], claims: Sequence[FoundClaim]
) -> list[list[Pair]]:
    """The pairs that most speaks for: at most :data:`MOST_ASKED` to ask about, each with those its answer settles too.

    What is true of one name in "Vale, Roe and Lind" is true of the others (:func:`coordinated`).
    """
    targets = [_taking_part(text, target) for target in (*actors, *things(text, sentences, actors))]
    serves = {actor.name: country for actor in actors if (country := _own_country(actor))}
    pairs: dict[tuple[str, str], Pair] = {}
    gathered = chain(
        _said(text, sentences, actors, claims, targets), _brought_together(text, sentences, actors, targets)
    )
    for holder, target, place in gathered:
        if not same_name(holder, target) and serves.get(holder) != target and serves.get(target) != holder:
            pairs.setdefault((holder, target), Pair(holder, target)).add(place)
    mentions = {target.name: target.mentions for target in targets}

    def rank(pair: Pair) -> tuple[float, int]:
        known = len(mentions[pair.holder]) * len(mentions[pair.target])
        return -pair.weight * math.sqrt(known), pair.places[0].sentence.start

    groups: list[list[Pair]] = []
    for pair in sorted(pairs.values(), key=rank):
        kin = next((group for group in groups if _alike(text, group[0], pair, mentions)), None)
        if kin is not None:
            kin.append(pair)
        elif len(groups) < MOST_ASKED:
            groups.append([pair])
    return groups


def _holders(actors: Sequence[ActorDraft]) -> set[str]:
    return {actor.name for actor in actors if actor.kind not in _NO_HOLDERS}


def _said(
    text: str,
    sentences: Sequence[Span],
    actors: Sequence[ActorDraft],
    claims: Sequence[FoundClaim],
    targets: Sequence[ActorDraft],
) -> Iterator[tuple[str, str, Place]]:
    """Whoever claims something, with those the claim names and with what the document is about."""
    holders = _holders(actors)
    main = [target.name for target in sorted(targets, key=lambda target: -len(target.mentions))[:MAIN_TARGETS]]
    for claim in claims:
        holder = resolve(claim.claimant, actors)
        if holder not in holders:
            continue
        shown = sentence_of(text, claim, [tight(text, span) for span in claim.content]) or ""
        for span, mention, target in _named_in(claim.content, targets):
            sentence = sentence_at(sentences, span.start) or claim.sentence
            said = span if span.within(sentence) else sentence
            against = opposed(text, Span(min(claim.cue.start, span.start), mention.start))
            yield holder, target, Place(SAID, 0, sentence, said, shown, against)
        said = claim.content[0] if claim.content[0].within(claim.sentence) else claim.sentence
        for target in main:
            yield holder, target, Place(ABOUT, 0, claim.sentence, said, shown)


def _brought_together(
    text: str, sentences: Sequence[Span], actors: Sequence[ActorDraft], targets: Sequence[ActorDraft]
) -> Iterator[tuple[str, str, Place]]:
    """The first actor of a sentence and those after it, both ways."""
    holders = _holders(actors)
    for sentence, present in _together(sentences, targets):
        first = present[0]
        for other in present[1:]:
            between = Span(min(first[0].start, other[0].start), max(first[0].end, other[0].end))
            # "Ostria could supply Tarvia" says more than "Ostria has a plan, and Tarvia" and than "Ostria and Tarvia".
            apart = len(between) + SIDE_BY_SIDE * coordinated(text, *sorted((first[0], other[0])))
            if first[1] in holders:
                yield first[1], other[1], Place(SUBJECT, apart, sentence, between)
            if other[1] in holders and first[1] in holders:
                yield other[1], first[1], Place(OBJECT, apart, sentence, between)


def _taking_part(text: str, target: ActorDraft) -> ActorDraft:
    """The actor with those of its mentions in which it takes part.

    In "the war in Ostria" it is only where something happens, in "Ostria-backed" a description.
    """

    def takes_part(mention: Span) -> bool:
        before = (text[max(0, mention.start - _LONGEST_LOCATIVE) : mention.start].lower().split() or [""])[-1]
        located = target.kind in _PLACES and before in _LOCATIVES
        return not located and not text.startswith("-", mention.end)

    return replace(target, mentions=tuple(filter(takes_part, target.mentions)))


def _own_country(actor: ActorDraft) -> str | None:
    """The country a person's role speaks for: a "Danish president" is asked about for others, not for Denmark."""
    words = (actor.role or "").split()
    forms = (" ".join(words[:length]) for length in range(len(words), 0, -1))
    known = (wordlists.country_forms().get(form) or wordlists.demonyms().get(form) for form in forms)
    return next((country.name for country in known if country), None)


def _alike(text: str, asked: Pair, other: Pair, mentions: Mapping[str, Sequence[Span]]) -> bool:
    """Whether two pairs differ only in names that stand side by side in the sentence both are judged by."""
    if (asked.holder == other.holder) == (asked.target == other.target):
        return False
    names = (asked.target, other.target) if asked.holder == other.holder else (asked.holder, other.holder)
    sentence = asked.best.sentence
    if other.best.sentence != sentence:
        return False
    first, second = ([span for span in mentions[name] if span.within(sentence)] for name in names)
    return any(coordinated(text, *sorted((a, b))) for a in first for b in second)


def coordinated(text: str, first: Span, second: Span) -> bool:
    """Whether two names stand side by side: "Vale and Roe", "Vale, Lind, and Mayor Ann Roe"."""
    between = text[first.end : second.start]
    joined = between.startswith((",", " and ", " or ", " & "))
    return joined and all(word[0].isupper() or word in _JOINING for word in _WORD.findall(between))


def _named_in(content: Sequence[Span], targets: Sequence[ActorDraft]) -> Iterator[tuple[Span, Span, str]]:
    """The parts of a content that name a target: the part, the first mention in it, the target's name."""
    for span in content:
        for target in targets:
            mention = next((mention for mention in target.mentions if mention.within(span)), None)
            if mention is not None:
                yield span, mention, target.name


def opposed(text: str, before: Span) -> bool:
    """Whether the words before a target turn against it: "vowed to resist the new levy", "voted against the levy"."""
    read = [word.lower() for word in _WORD.findall(before.of(text))]
    near = read[-_AGAINST_WITHIN:]
    return any(word.startswith(_AGAINST) for word in near) and _NEGATIONS.isdisjoint(read[-2 * _AGAINST_WITHIN :])


def _together(
    sentences: Sequence[Span], targets: Sequence[ActorDraft]
) -> Iterator[tuple[Span, list[tuple[Span, str]]]]:
    """Each sentence with the first mention of everybody in it, if there are two or more."""
    present: dict[Span, dict[str, Span]] = {}
    for target in targets:
        for mention in target.mentions:
            sentence = sentence_at(sentences, mention.start)
            if sentence is not None:
                present.setdefault(sentence, {}).setdefault(target.name, mention)
    for sentence in sentences:
        if len(present.get(sentence, ())) > 1:
            yield sentence, sorted((mention, name) for name, mention in present[sentence].items())


def resolve(side: str, actors: Sequence[ActorDraft]) -> str:
    """The name of the actor a side is ("Danish" is Denmark), or the side as it is."""
    folded = side.casefold().removeprefix("the ")
    for actor in actors:
        if any(folded == form.casefold().removeprefix("the ") for form in (actor.name, *actor.aliases)):
            return actor.name
    for actor in actors:
        if any(same_name(side, form) for form in (actor.name, *actor.aliases)):
            return actor.name
    return side
