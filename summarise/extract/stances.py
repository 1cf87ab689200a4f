"""Extract the stances of a document: who is for or against whom or what, and the words that show it.

Method: the text is read in passages of a few sentences; for each, one question is answered with a line of
stands ("Ina Vale | calls robbery | the toll | oppose"): to say first what the holder does makes a small model
judge the label better (docs/quality.md). The sides are tied to the actors, the words of the text that show the
stance are found again, and the readings of one pair are pooled by summing the log-odds of "support" against
"oppose".

Invariants: every span is a span of the text as read and lies inside one of the sentences given; a side that is
not in its passage (nor among the names given with it) leaves the stance without evidence, never repaired;
pooling does not depend on the order of the readings of one pair.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from summarise.extract.actors import wordlists
from summarise.extract.actors.matching import find_words, last_word, name_words, same_name
from summarise.extract.asking import Asker, Token, all_of
from summarise.extract.drafts import ActorDraft
from summarise.prompts import Recipe
from summarise.schemas import StanceLabel
from summarise.text import Span

PASSAGE_CHARACTERS = 480
"""About three sentences: enough to see who is speaking, short enough for a small model (not measured against others)."""
MIXED_BELOW = 0.5
"""Readings that disagree and whose summed log-odds are nearer to even than this make a stance mixed (not measured)."""

_MAX_TOKENS = 140
_PARTS_OF_A_STAND = 4
_LABELS = ("support", "oppose", "neutral")
_SIDE = r'[^|;"\\\n]{2,40}'
_STAND = rf'{_SIDE} \| [^|;"\\\n]{{3,30}} \| {_SIDE} \| (support|oppose|neutral)'
_ANSWER = rf"^(none|{_STAND}(; {_STAND}){{0,2}})$"
"""Fixed, and bounded in every part: at most three stands, for later ones are repeats and output is the cost."""
_LEAST_MASS = 1e-4
_CERTAIN = math.log(0.98 / 0.02)


class Stands(BaseModel):
    """The stands of one passage: "A | deed | B | oppose; C | deed | D | support", or "none"."""

    model_config = ConfigDict(extra="forbid")

    s: Annotated[str, StringConstraints(pattern=_ANSWER)]


@dataclass(frozen=True, slots=True)
class Reading:
    """One stand read in one passage; ``log_odds`` are those of "support" against "oppose"."""

    holder: str
    target: str
    log_odds: float
    passage: Span
    grounded: bool


@dataclass(frozen=True, slots=True)
class FoundStance:
    """One stance; ``evidence`` lies inside ``sentence`` and is None where a side was not found in the text."""

    holder: str
    target: str
    label: StanceLabel
    evidence: Span | None
    sentence: Span | None


async def extract_stances(
    text: str, sentences: Sequence[Span], actors: Sequence[ActorDraft], asker: Asker, recipe: Recipe
) -> list[FoundStance]:
    """The stances of ``text`` in its order; ``sentences`` are those that are not boilerplate."""
    found = await all_of(_read(text, passage, actors, asker, recipe) for passage in passages(sentences))
    return pool(text, sentences, actors, [reading for readings in found for reading in readings])


async def _read(text: str, passage: Span, actors: Sequence[ActorDraft], asker: Asker, recipe: Recipe) -> list[Reading]:
    before = names_before(passage, actors)
    user = recipe.render("stances_user", passage=" ".join(passage.of(text).split()), before=before)
    answer, tokens = await asker.try_ask(recipe.render("stances_system"), user, Stands, _MAX_TOKENS)
    return list(read_stands(text, passage, before, answer.s, tokens)) if answer else []


def passages(sentences: Iterable[Span], limit: int = PASSAGE_CHARACTERS) -> Iterator[Span]:
    """Stretches of whole sentences of at most ``limit`` code points (a longer sentence stands alone)."""
    start: int | None = None
    end = 0
    for sentence in sentences:
        if start is not None and sentence.end - start > limit:
            yield Span(start, end)
            start = None
        start = sentence.start if start is None else start
        end = sentence.end
    if start is not None:
        yield Span(start, end)


def names_before(passage: Span, actors: Sequence[ActorDraft]) -> tuple[str, ...]:
    """The two persons named last before a passage, the later one last."""
    last = {
        actor.name: max(mention.end for mention in actor.mentions if mention.end <= passage.start)
        for actor in actors
        if actor.kind == "person" and actor.mentions[0].end <= passage.start
    }
    return tuple(sorted(last, key=last.__getitem__)[-2:])


def read_stands(
    text: str, passage: Span, before: Sequence[str], answer: str, tokens: Sequence[Token] | None
) -> Iterator[Reading]:
    """The stands of an answer that take a side, each pair once."""
    words = name_words(passage.of(text)) | {word for name in before for word in name_words(name)}
    odds = _label_log_odds(tokens) if tokens is not None else []
    seen: set[tuple[str, str]] = set()
    index = -1
    for stand in answer.split(";"):
        parts = [part.strip() for part in stand.split("|")]
        if len(parts) != _PARTS_OF_A_STAND or parts[3] not in _LABELS:
            continue
        index += 1
        holder, _deed, target, label = parts
        if label == "neutral" or not holder or not target or (holder, target) in seen:
            continue
        seen.add((holder, target))
        fallback = _CERTAIN if label == "support" else -_CERTAIN
        grounded = name_words(holder) <= words and name_words(target) <= words
        yield Reading(holder, target, odds[index] if index < len(odds) else fallback, passage, grounded)


def _label_log_odds(tokens: Sequence[Token]) -> list[float]:
    """log p(support) - log p(oppose) at each label of the answer, in order."""
    odds = []
    bars = 0
    for token in tokens:
        if bars == _PARTS_OF_A_STAND - 1 and any(_begins(token.text, label) for label in _LABELS):
            support, oppose = (_mass(token, label) for label in ("support", "oppose"))
            odds.append(math.log(support + _LEAST_MASS) - math.log(oppose + _LEAST_MASS))
        bars = 0 if ";" in token.text else bars + token.text.count("|")
    return odds


def _mass(token: Token, label: str) -> float:
    return sum(math.exp(logprob) for text, logprob in token.top.items() if _begins(text, label))


def _begins(token: str, label: str) -> bool:
    """Whether a token is the beginning of a label, with or without the space before it."""
    return len(token.strip()) >= 2 and label.startswith(token.strip())


def pool(
    text: str, sentences: Sequence[Span], actors: Sequence[ActorDraft], readings: Iterable[Reading]
) -> list[FoundStance]:
    """One stance of all the readings of a pair.

    A side that names an actor gets the actor's name; things with the same last word ("the toll", "the road
    toll") are one target, called what it was called first.
    """
    pairs: dict[tuple[str, str], list[Reading]] = {}
    things: dict[str, str] = {}
    names = {actor.name for actor in actors}
    for reading in readings:
        holder, target = resolve(reading.holder, actors), resolve(reading.target, actors)
        if target not in names and reading.grounded:
            target = things.setdefault(last_word(target), target)
        if not same_name(holder, target):
            pairs.setdefault((holder, target), []).append(reading)
    return [_stance(text, sentences, pair, group) for pair, group in pairs.items()]


def resolve(side: str, actors: Sequence[ActorDraft]) -> str:
    """The name of the actor a side is ("Danish" is Denmark, "Vale's plan" is Vale), or the side as read."""
    owner, possessive, _ = side.replace("’", "'").partition("'s ")
    side = owner if possessive else side
    folded = side.casefold().removeprefix("the ")
    for actor in actors:
        if any(folded == form.casefold().removeprefix("the ") for form in (actor.name, *actor.aliases)):
            return actor.name
    country = wordlists.demonyms().get(side) or wordlists.country_forms().get(side) or wordlists.capitals().get(side)
    if country is not None:
        forms = {country.name.removeprefix("the "), *country.aliases, *country.capitals}
        same = (actor.name for actor in actors if actor.name in forms or not forms.isdisjoint(actor.aliases))
    else:
        same = (actor.name for actor in actors if any(same_name(side, form) for form in (actor.name, *actor.aliases)))
    return next(same, side)


def _stance(text: str, sentences: Sequence[Span], pair: tuple[str, str], readings: Sequence[Reading]) -> FoundStance:
    """One stance of the readings of one pair."""
    log_odds = sum(reading.log_odds for reading in readings)
    split = len({reading.log_odds > 0 for reading in readings}) > 1
    label: StanceLabel = "support" if log_odds > 0 else "oppose"
    if split and abs(log_odds) < MIXED_BELOW:
        label = "mixed"
    side = 1 if log_odds > 0 else -1
    best = max(readings, key=lambda reading: (reading.grounded, side * reading.log_odds))
    if not best.grounded:
        return FoundStance(*pair, label, None, None)
    sentence, evidence = find_evidence(text, sentences, best)
    return FoundStance(*pair, label, evidence, sentence)


def find_evidence(text: str, sentences: Sequence[Span], reading: Reading) -> tuple[Span, Span]:
    """The sentence of the passage that shows a stand best, and the words in it from side to side.

    The best sentence names the target and, if one does, the holder; with only one side named, the whole
    sentence is the evidence.
    """
    inside = [s for s in sentences if reading.passage.start <= s.start < reading.passage.end]
    sides = [(s, find_words(text, s, reading.target), find_words(text, s, reading.holder)) for s in inside]
    sentence, target, holder = max(
        sides, key=lambda item: ((item[1] is not None) + (item[2] is not None), item[1] is not None)
    )
    if target is None or holder is None:
        return sentence, sentence
    return sentence, Span(min(target.start, holder.start), max(target.end, holder.end))
