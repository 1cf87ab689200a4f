"""Extract the stances of a document: who is for or against whom or what, and the words that show it.

Method: pairs of a holder and a target are gathered from the text (a claimant and those its claim names; a claimant and
what the document is about; the first actor of a sentence and those after it), the most prominent ones are asked about,
one word each, and the probability of that word decides. The model is shown only the one or two sentences that bring
the pair together, so the evidence is what it judged by.

Invariants: every span is a span of the text as read and lies inside one of the sentences given; the holder speaks or
stands in the evidence's sentence; the same pairs are asked about in the same order whatever the answers are.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from summarise.extract.actors import wordlists
from summarise.extract.actors.matching import same_name
from summarise.extract.asking import Asker, Token, all_of
from summarise.extract.claims import FoundClaim
from summarise.extract.claims.lexicon import CUE_WORDS
from summarise.extract.drafts import ActorDraft, sentence_at
from summarise.prompts import Recipe
from summarise.text import Span

MOST_ASKED: Final = 7
"""Pairs asked about in one document, about 50 prompt tokens and 6 answer tokens each; of later pairs hardly one in
ten is right (docs/quality.md)."""
LEAST_SURE: Final = 0.18
"""Stances less probable than this are left out (docs/quality.md: F1 is flat from 0 to 0.2, precision rises)."""
TOWARDS_OPPOSE: Final = 0.5
"""Added to the log-odds of "oppose" against "support": the model says "support" of half of the marked opponents."""
INTERCEPT: Final = -0.67
RANK: Final = -0.70
WORD: Final = 0.39
"""Logistic mapping of a pair's rank (log of 1, 2, …) and of the label's log-odds to the probability that people mark
this stance; fitted on 24 SEESAW articles. Fitted on half of them and tested on the other half, in four ways, its
calibration error was 0.08 on average, 0.11 at worst."""
MOST_ODDS: Final = 4.6
PASSAGE_CHARACTERS: Final = 400
SIDE_BY_SIDE: Final = 200
"""Characters by which two names side by side count as further apart: no verb stands between them."""
THINGS: Final = 2
"""Things a document keeps coming back to ("the sanctions") that count as targets."""

MAIN_TARGETS: Final = 2
"""What a document is about: those mentioned most. Whoever is quoted in it probably speaks of them."""

_WEIGHTS: Final = {"about": 3.0, "claim": 2.0, "subject": 1.0, "object": 0.4}
_SHOWN_FIRST: Final = ("claim", "subject", "about", "object")
_ABOUT: Final = _SHOWN_FIRST.index("about")
_NO_HOLDERS: Final = frozenset({"media", "other"})
"""Kinds that report or lie somewhere and seldom take sides."""
_MAX_TOKENS: Final = 12
_LEAST_MASS: Final = 1e-3
_WORD = re.compile(r"[^\W\d_]+")
_JOINING: Final = frozenset("and or of the for".split())
_LEAST_LETTERS: Final = 5
_BEFORE_VERBS: Final = frozenset("to will would can could may might must should he she they we i you who not".split())
_LEAST_MENTIONS: Final = 3

Answer = Literal["support", "oppose", "neutral"]
_LABELS: Final[tuple[Answer, ...]] = ("support", "oppose", "neutral")


class StanceWord(BaseModel):
    """One word."""

    model_config = ConfigDict(extra="forbid")

    a: Answer


@dataclass(slots=True)
class Pair:
    """A holder and a target, the sentences that bring them together, best first, and how much speaks for asking."""

    holder: str
    target: str
    weight: float = 0.0
    places: list[tuple[int, int, Span, Span]] = field(default_factory=list)

    def add(self, kind: str, sentence: Span, evidence: Span, *, apart: int = 0) -> None:
        """Note one more sentence that brings the two together; a second of its kind counts a half, a third a third."""
        order = _SHOWN_FIRST.index(kind)
        seen = sum(place[0] == order for place in self.places)
        self.weight += _WEIGHTS[kind] / (seen + 1)
        self.places.append((order, apart, sentence, evidence))

    def sentences(self) -> list[Span]:
        """The sentence to show; a second one, in the order of the text, where the first does not name the target."""
        ranked = sorted(self.places)
        best = dict.fromkeys(sentence for _, _, sentence, _ in ranked)
        return sorted(list(best)[: 2 if ranked[0][0] == _ABOUT else 1])


@dataclass(frozen=True, slots=True)
class FoundStance:
    """One stance; ``evidence`` lies inside ``sentence``. ``probability`` is None without token probabilities."""

    holder: str
    target: str
    label: Literal["support", "oppose"]
    evidence: Span
    sentence: Span
    probability: float | None


async def extract_stances(
    text: str,
    sentences: Sequence[Span],
    actors: Sequence[ActorDraft],
    claims: Sequence[FoundClaim],
    asker: Asker,
    recipe: Recipe,
) -> list[FoundStance]:
    """The stances of ``text``; ``sentences`` are those that are not boilerplate."""
    asked = pairs_to_ask(text, sentences, actors, claims)
    answers = await all_of(_ask(text, pairs[0], asker, recipe) for pairs in asked)
    found = [
        decided(pair, rank, *answer)
        for rank, (pairs, answer) in enumerate(zip(asked, answers, strict=True))
        for pair in pairs
    ]
    return [stance for stance in found if stance is not None]


async def _ask(text: str, pair: Pair, asker: Asker, recipe: Recipe) -> tuple[StanceWord | None, Sequence[Token] | None]:
    passage = " ".join(" ".join(sentence.of(text).split()) for sentence in pair.sentences())
    user = recipe.render("stances_user", passage=passage[:PASSAGE_CHARACTERS], holder=pair.holder, target=pair.target)
    return await asker.try_ask(recipe.render("stances_system"), user, StanceWord, _MAX_TOKENS)


def pairs_to_ask(
    text: str, sentences: Sequence[Span], actors: Sequence[ActorDraft], claims: Sequence[FoundClaim]
) -> list[list[Pair]]:
    """The pairs that most speaks for: at most :data:`MOST_ASKED` to ask about, each with those its answer settles too.

    What is true of one name in "Vale, Roe and Lind" is true of the others (:func:`coordinated`).
    """
    targets = [*actors, *things(text, sentences, actors)]
    prominence = {target.name: len(target.mentions) for target in targets}
    serves = {actor.name: country for actor in actors if (country := _own_country(actor))}
    pairs: dict[tuple[str, str], Pair] = {}

    def add(kind: str, holder: str, target: str, sentence: Span, evidence: Span, apart: int = 0) -> None:
        if not same_name(holder, target) and serves.get(holder) != target and serves.get(target) != holder:
            pairs.setdefault((holder, target), Pair(holder, target)).add(kind, sentence, evidence, apart=apart)

    names = {actor.name for actor in actors if actor.kind not in _NO_HOLDERS}
    main = [target.name for target in sorted(targets, key=lambda target: -len(target.mentions))[:MAIN_TARGETS]]
    for claim in claims:
        holder = resolve(claim.claimant, actors)
        if holder not in names:
            continue
        for evidence, target in _named_in(claim.content, targets):
            sentence = sentence_at(sentences, evidence.start) or claim.sentence
            add("claim", holder, target, sentence, evidence if evidence.within(sentence) else sentence)
        said = claim.content[0]
        for target in main:
            add("about", holder, target, claim.sentence, said if said.within(claim.sentence) else claim.sentence)
    for sentence, present in _together(sentences, targets):
        first = present[0]
        for other in present[1:]:
            between = Span(min(first[0].start, other[0].start), max(first[0].end, other[0].end))
            # "Ostria could supply Tarvia" says more than "Ostria has a plan, and Tarvia" and than "Ostria and Tarvia".
            apart = len(between) + SIDE_BY_SIDE * coordinated(text, *sorted((first[0], other[0])))
            if first[1] in names:
                add("subject", first[1], other[1], sentence, between, apart)
            if other[1] in names and first[1] in names:
                add("object", other[1], first[1], sentence, between, apart)

    def rank(pair: Pair) -> tuple[float, int]:
        return -pair.weight * math.sqrt(prominence[pair.holder] * prominence[pair.target]), pair.places[0][2].start

    mentions = {target.name: target.mentions for target in targets}
    groups: list[list[Pair]] = []
    for pair in sorted(pairs.values(), key=rank):
        kin = next((group for group in groups if _alike(text, group[0], pair, mentions)), None)
        if kin is not None:
            kin.append(pair)
        elif len(groups) < MOST_ASKED:
            groups.append([pair])
    return groups


def _own_country(actor: ActorDraft) -> str | None:
    """The country a person's role speaks for: a "Danish president" is asked about for others, not for Denmark."""
    words = (actor.role or "").split()
    known = {**wordlists.demonyms(), **wordlists.country_forms()}
    forms = (" ".join(words[:length]) for length in range(len(words), 0, -1))
    return next((known[form].name for form in forms if form in known), None)


def _alike(text: str, asked: Pair, other: Pair, mentions: Mapping[str, Sequence[Span]]) -> bool:
    """Whether two pairs differ only in names that stand side by side in the sentence both are judged by."""
    if (asked.holder == other.holder) == (asked.target == other.target):
        return False
    names = (asked.target, other.target) if asked.holder == other.holder else (asked.holder, other.holder)
    sentence = min(asked.places)[2]
    if min(other.places)[2] != sentence:
        return False
    first, second = ([span for span in mentions[name] if span.within(sentence)] for name in names)
    return any(coordinated(text, *sorted((a, b))) for a in first for b in second)


def coordinated(text: str, first: Span, second: Span) -> bool:
    """Whether two names stand side by side: "Vale and Roe", "Vale, Lind, and Mayor Ann Roe"."""
    between = text[first.end : second.start]
    joined = between.startswith((",", " and ", " or ", " & "))
    return joined and all(word[0].isupper() or word in _JOINING for word in _WORD.findall(between))


def things(text: str, sentences: Sequence[Span], actors: Sequence[ActorDraft]) -> list[ActorDraft]:
    """What the document keeps coming back to and is no actor, with every mention.

    A thing is a lower-case noun of five letters or more, with the noun that mostly follows it ("death penalty"). What
    mostly stands before another noun is an adjective, what mostly follows "to" or a pronoun is a verb.
    """
    known = {word for actor in actors for form in (actor.name, *actor.aliases) for word in form.casefold().split()}
    stop = wordlists.words("function_words") | wordlists.words("common_words") | CUE_WORDS | known
    places: dict[str, list[Span]] = {}
    followers: dict[str, Counter[str]] = {}
    verbal: Counter[str] = Counter()
    for sentence in sentences:
        found = [Span(match.start(), match.end()) for match in _WORD.finditer(text, sentence.start, sentence.end)]
        for before, span, after in zip([None, *found], found, [*found[1:], None], strict=False):
            word = span.of(text)
            if len(word) < _LEAST_LETTERS or not word.islower() or word in stop or word.endswith("ed"):
                continue
            places.setdefault(word, []).append(span)
            verbal[word] += before is not None and before.of(text).lower() in _BEFORE_VERBS
            following = after.of(text) if after and after.start == span.end + 1 else ""
            if following.islower() and following not in stop:
                followers.setdefault(word, Counter())[following] += 1
    nouns = {word: _phrase(word, followers.get(word, Counter()), len(at)) for word, at in places.items()}
    ranked = [
        word
        for word in sorted(places, key=lambda word: (-len(places[word]), places[word][0].start))
        if nouns[word] and 2 * verbal[word] < len(places[word])
    ][: 2 * THINGS]
    # "penalty" is no second thing beside "death penalty".
    best = [
        word
        for at, word in enumerate(ranked)
        if all(set(nouns[word].split()).isdisjoint(nouns[other].split()) for other in ranked[:at])
    ]
    return [
        ActorDraft(nouns[word], "other", mentions=tuple(places[word]))
        for word in best[:THINGS]
        if len(places[word]) >= _LEAST_MENTIONS
    ]


def _phrase(word: str, followers: Counter[str], count: int) -> str:
    """The noun phrase a word stands for: with the one noun that mostly follows it; empty for an adjective."""
    for following, times in followers.most_common(1):
        if 2 * times > count:
            return f"{word} {following}"
    return "" if 2 * followers.total() > count else word


def _named_in(content: Sequence[Span], targets: Sequence[ActorDraft]) -> Iterator[tuple[Span, str]]:
    for span in content:
        for target in targets:
            if any(mention.within(span) for mention in target.mentions):
                yield span, target.name


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


def decided(pair: Pair, rank: int, answer: StanceWord | None, tokens: Sequence[Token] | None) -> FoundStance | None:
    """The stance the answer makes of a pair, None if it is neutral or too unsure to be told.

    ``rank`` counts from 0. Without token probabilities nothing is left out and nothing is said of how sure it is.
    """
    if answer is None or answer.a == "neutral":
        return None
    label, probability = answer.a, None
    odds = _odds(tokens)
    if odds is not None:
        label = "oppose" if odds > 0 else "support"
        score = INTERCEPT + RANK * math.log(rank + 1) + WORD * min(abs(odds), MOST_ODDS)
        probability = 1 / (1 + math.exp(-score))
        if probability < LEAST_SURE:
            return None
    *_, sentence, evidence = min(pair.places)
    return FoundStance(pair.holder, pair.target, label, evidence, sentence, probability)


def _odds(tokens: Sequence[Token] | None) -> float | None:
    """The corrected log-odds of "oppose" against "support", from the first token that begins an answer."""
    for token in tokens or ():
        if any(_begins(token.text, label) for label in _LABELS):
            support, oppose = (
                max(_LEAST_MASS, sum(math.exp(logprob) for text, logprob in token.top.items() if _begins(text, label)))
                for label in ("support", "oppose")
            )
            return math.log(oppose / support) + TOWARDS_OPPOSE
    return None


def _begins(token: str, label: str) -> bool:
    word = token.strip(' "')
    return len(word) >= 2 and label.startswith(word)
