"""Extract the stances of an article: who is for or against whom or what, and the words that show it.

Method: the article is read in passages of a few sentences; for each, one question is answered
with a line of stands ("Ina Vale opposes the toll"). The sides are tied to the actors, the words
of the article that show the stance are found again, and the readings of one pair are pooled:
the log-odds of "supports" against "opposes" are summed.

Invariants: every span is a span of the text as read and lies inside one of the sentences given;
a side that is not in its passage (nor among the names given with it) leaves the draft without
evidence, never repaired; pooling does not depend on the order of the readings of one pair.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, StringConstraints

from summarise.extract.actors import wordlists
from summarise.extract.actors.matching import find_words, last_word, name_words, same_name
from summarise.extract.asking import Asker, Token, all_of
from summarise.extract.drafts import ActorDraft
from summarise.prompts import Recipe
from summarise.schemas import StanceLabel
from summarise.text import Span

PASSAGE_CHARACTERS = 480
"""About three sentences: enough to see who is speaking, short enough for a small model to read them all."""

LONGEST_ANSWER = 110
"""Characters; two to four stands; more would be repetition, and output is the cost. What is cut off at the end is dropped."""

SUPPORT_SHIFT = 0.4
"""Added to the log-odds of "supports" at each reading: the model favours "opposes" (best of 0, 0.4, 0.8, 1.2 on 7 gold articles, LOG.md)."""

MIXED_BELOW = 0.5
"""Log-odds nearer to even than this, from readings that disagree, make a stance mixed (a choice, not measured)."""

SLOPE, OFFSET = 0.37, -1.25
"""Platt scaling of a pair's score to the probability that it is right; provisional: about one in four
stances is right and the score hardly tells which (LOG.md), so a record should say null until it is refitted."""

_MAX_TOKENS = 60
_VERBS: dict[str, Literal["support", "oppose"]] = {" supports ": "support", " opposes ": "oppose"}
_LEAST_MASS = 1e-4
_CERTAIN = math.log(0.98 / 0.02)


class Stands(BaseModel):
    """The stands of one passage: "A opposes B; C supports D", or "none"."""

    s: Annotated[str, StringConstraints(max_length=LONGEST_ANSWER)]


@dataclass(frozen=True, slots=True)
class Reading:
    """One stand read in one passage: the how-manieth of its answer (0 is the first), and the log-odds of "supports" against "opposes"."""

    holder: str
    target: str
    log_odds: float
    position: int
    passage: Span
    grounded: bool


@dataclass(frozen=True, slots=True)
class FoundStance:
    """One stance. `evidence` is None where a side was not found in the text.

    `evidence` lies inside `sentence`; `probability` is that the pair and its label are right.
    """

    holder: str
    target: str
    label: StanceLabel
    evidence: Span | None
    sentence: Span | None
    probability: float


async def extract_stances(
    text: str, sentences: Sequence[Span], actors: Sequence[ActorDraft], asker: Asker, recipe: Recipe
) -> list[FoundStance]:
    """Return the stances of `text`, surest first; `sentences` are half-open spans without boilerplate."""
    stretches = list(passages(sentences))
    found = await all_of(_read(text, passage, actors, asker, recipe) for passage in stretches)
    return pool(text, sentences, actors, [reading for readings in found for reading in readings])


async def _read(text: str, passage: Span, actors: Sequence[ActorDraft], asker: Asker, recipe: Recipe) -> list[Reading]:
    before = names_before(passage, actors)
    answer, tokens = await asker.try_ask(
        recipe.render("stances_system"), question(text, passage, before), Stands, _MAX_TOKENS
    )
    return list(read_stands(text, passage, before, answer.s, tokens)) if answer else []


def passages(sentences: Iterable[Span], limit: int = PASSAGE_CHARACTERS) -> Iterator[Span]:
    """Yield stretches of whole sentences of at most `limit` characters (a longer sentence stands alone)."""
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
    """Return the two persons named last before a passage, the later one last."""
    last = {
        actor.name: max(mention.end for mention in actor.mentions if mention.end <= passage.start)
        for actor in actors
        if actor.kind == "person" and actor.mentions[0].end <= passage.start
    }
    return tuple(sorted(last, key=last.__getitem__)[-2:])


def question(text: str, passage: Span, before: Sequence[str]) -> str:
    """Return the varying end of the prompt; white space is folded to save tokens."""
    head = f"Named before: {', '.join(before)}\n" if before else ""
    return f"{head}Passage: {' '.join(text[passage.start : passage.end].split())}"


def read_stands(
    text: str, passage: Span, before: Sequence[str], answer: str, tokens: Sequence[Token] | None
) -> Iterator[Reading]:
    """Yield the stands of an answer, each pair once."""
    words = name_words(text[passage.start : passage.end]) | {word for name in before for word in name_words(name)}
    odds = _verb_log_odds(tokens) if tokens is not None else []
    seen: set[tuple[str, str]] = set()
    index = -1
    for stand in answer.split(";"):
        verb = next((verb for verb in _VERBS if verb in stand), None)
        if verb is None:
            continue
        index += 1
        holder, _, target = (side.strip() for side in stand.partition(verb))
        if not holder or not target or (holder, target) in seen:
            continue
        seen.add((holder, target))
        fallback = _CERTAIN if _VERBS[verb] == "support" else -_CERTAIN
        grounded = name_words(holder) <= words and name_words(target) <= words
        yield Reading(holder, target, odds[index] if index < len(odds) else fallback, index, passage, grounded)


def _verb_log_odds(tokens: Sequence[Token]) -> list[float]:
    """Return log p(supports) - log p(opposes) at each verb of the answer, in order."""
    odds = []
    for token in tokens:
        if not _begins(token.text, "supports") and not _begins(token.text, "opposes"):
            continue
        mass = {
            verb: sum(math.exp(logprob) for text, logprob in token.top.items() if _begins(text, verb))
            for verb in ("supports", "opposes")
        }
        odds.append(math.log(mass["supports"] + _LEAST_MASS) - math.log(mass["opposes"] + _LEAST_MASS))
    return odds


def _begins(token: str, verb: str) -> bool:
    """Say whether a token is the beginning of a verb, with the space before it."""
    return len(token) >= 3 and token[0] == " " and verb.startswith(token[1:])


def pool(
    text: str, sentences: Sequence[Span], actors: Sequence[ActorDraft], readings: Iterable[Reading]
) -> list[FoundStance]:
    """Make one stance of all the readings of a pair.

    A side that names an actor gets the actor's name; things with the same last word ("the toll",
    "the road toll") are one target, called what it was called first.
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
    found = [_stance(text, sentences, pair, group) for pair, group in pairs.items()]
    return sorted(found, key=lambda stance: -stance.probability)


def resolve(side: str, actors: Sequence[ActorDraft]) -> str:
    """Return the name of the actor a side is ("Danish" is Denmark, "Vale's plan" is Vale), or the side as read."""
    owner, possessive, _ = side.replace("’", "'").partition("'s ")
    side = owner if possessive else side
    folded = side.casefold().removeprefix("the ")
    for actor in actors:
        if any(folded == form.casefold().removeprefix("the ") for form in (actor.name, *actor.aliases)):
            return actor.name
    if (
        country := wordlists.demonyms().get(side)
        or wordlists.country_forms().get(side)
        or wordlists.capitals().get(side)
    ):
        forms = {country.name.removeprefix("the "), *country.aliases, *country.capitals}
        return next(
            (actor.name for actor in actors if actor.name in forms or not forms.isdisjoint(actor.aliases)), side
        )
    return next(
        (actor.name for actor in actors if any(same_name(side, form) for form in (actor.name, *actor.aliases))), side
    )


def _stance(text: str, sentences: Sequence[Span], pair: tuple[str, str], readings: Sequence[Reading]) -> FoundStance:
    """Make one stance of the readings of one pair."""
    log_odds = sum(reading.log_odds + SUPPORT_SHIFT for reading in readings)
    split = len({reading.log_odds > 0 for reading in readings}) == 2
    label: StanceLabel = "mixed" if split and abs(log_odds) < MIXED_BELOW else "support" if log_odds > 0 else "oppose"
    best = max(
        readings, key=lambda reading: (reading.grounded, reading.log_odds if log_odds > 0 else -reading.log_odds)
    )
    score = math.log1p(abs(log_odds)) + math.log(len(readings))
    probability = 1 / (1 + math.exp(-(SLOPE * score + OFFSET)))
    if not best.grounded:
        return FoundStance(*pair, label, None, None, probability)
    sentence, evidence = find_evidence(text, sentences, best)
    return FoundStance(*pair, label, evidence, sentence, probability)


def find_evidence(text: str, sentences: Sequence[Span], reading: Reading) -> tuple[Span, Span]:
    """Return the sentence of the passage that shows a stand best, and the words in it from side to side.

    The best sentence names the target and, if one does, the holder; with only one side named,
    the whole sentence is the evidence.
    """

    def named(sentence: Span) -> tuple[bool, bool]:
        return (
            find_words(text, sentence, reading.target) is not None,
            find_words(text, sentence, reading.holder) is not None,
        )

    inside = [sentence for sentence in sentences if reading.passage.start <= sentence.start < reading.passage.end]
    sentence = max(inside, key=lambda candidate: (sum(named(candidate)), named(candidate)))
    target, holder = find_words(text, sentence, reading.target), find_words(text, sentence, reading.holder)
    if target is None or holder is None:
        return sentence, sentence
    return sentence, Span(min(target.start, holder.start), max(target.end, holder.end))
