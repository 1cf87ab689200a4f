"""The stances of a document: who is for or against whom or what, and the words that show it.

Method: the pairs that most speaks for (`pairs`) are asked about, one word each, and the probability of that word
decides. The model is shown only the claim or the sentence that brings the pair together, so the evidence is what it
judged by.

Invariant: the evidence of a stance lies inside one of the sentences given, in which its holder speaks or stands.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from summarise.extract.asking import Asker, Token, all_of
from summarise.extract.claims import FoundClaim
from summarise.extract.drafts import ActorDraft
from summarise.extract.stances.pairs import SAID, Pair, pairs_to_ask
from summarise.prompts import Recipe
from summarise.text import Span

LEAST_SURE: Final = 0.15
"""Stances less probable than this are left out (docs/quality.md: F1 is flat from 0.12 to 0.2, precision rises)."""
TOWARDS_OPPOSE: Final = 1.0
"""Added to the log-odds of "oppose" against "support": the model says "support" of half of the marked opponents."""
AGAINST: Final = 3.0
"""Added likewise where the target follows a word such as "against" (a choice: it outweighs all but a firm answer)."""
INTERCEPT: Final = -1.39
RANK: Final = -0.65
WORD: Final = 0.31
CLAIMED: Final = 0.96
"""Logistic mapping of a pair's rank (log of 1, 2, …), of the label's log-odds and of whether the holder's own claim
names the target, to the probability that people mark this stance; fitted on 24 SEESAW articles. Fitted on half of them
and tested on the other half, eight times, its calibration error was 0.08 on average, 0.12 at worst."""
MOST_ODDS: Final = 4.6
_MAX_TOKENS: Final = 12
_LEAST_MASS: Final = 1e-3

Answer = Literal["support", "oppose", "neutral"]
_LABELS: Final[tuple[Answer, ...]] = ("support", "oppose", "neutral")


class StanceWord(BaseModel):
    """One word."""

    model_config = ConfigDict(extra="forbid")

    a: Answer


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
    user = recipe.render("stances_user", passage=pair.passage(text), holder=pair.holder, target=pair.target)
    return await asker.try_ask(recipe.render("stances_system"), user, StanceWord, _MAX_TOKENS)


def decided(pair: Pair, rank: int, answer: StanceWord | None, tokens: Sequence[Token] | None) -> FoundStance | None:
    """The stance the answer makes of a pair, None if it is neutral or too unsure to be told.

    ``rank`` counts from 0. Without token probabilities nothing is left out and nothing is said of how sure it is.
    """
    if answer is None or answer.a == "neutral":
        return None
    label, probability = answer.a, None
    odds = _odds(tokens)
    if odds is not None:
        odds += AGAINST * pair.best.against
        label = "oppose" if odds > 0 else "support"
        claimed = pair.best.kind == SAID
        score = INTERCEPT + RANK * math.log(rank + 1) + WORD * min(abs(odds), MOST_ODDS) + CLAIMED * claimed
        probability = 1 / (1 + math.exp(-score))
        if probability < LEAST_SURE:
            return None
    return FoundStance(pair.holder, pair.target, label, pair.best.evidence, pair.best.sentence, probability)


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
