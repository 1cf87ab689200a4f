"""Who claims or denies what: the claims of one document, by many small questions to a small model.

Code finds the words that may attribute something (`units.cues`); the model says, for all such words of one
passage in one short answer, whose statement or opinion each reports (`answers`); code computes the content
around them (`spans`), carries quotations on, and looks names up (`names`).

Invariants: everything but `extract_claims` is pure; every span of a draft is a range of the text as read, so evidence
copied from it is exact; drafts stand in the order of the text, whatever the order in which answers arrive.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from summarise.extract.asking import Asker, all_of
from summarise.extract.claims.answers import NOT_A_CLAIM, Reading, answer_model, labels, readings, shown
from summarise.extract.claims.claimants import claimant_span, opens_with_participle
from summarise.extract.claims.cues import belongs_to_noun, is_anonymous, is_denial, is_noun, is_source
from summarise.extract.claims.lexicon import CLAIM_NOUNS, REJECTIONS
from summarise.extract.claims.names import RELATIVE, Earlier, Names, resolved_name
from summarise.extract.claims.settled import settled_claimant
from summarise.extract.claims.spans import Attribution, Content, content_of
from summarise.extract.claims.units import Unit, cues, words
from summarise.extract.drafts import AUTHOR, ActorDraft
from summarise.prompts import Recipe
from summarise.schemas import Attribution as AttributionKind
from summarise.schemas import Polarity
from summarise.text import Span

# Fitted on the 301 claims of 25 PolNeAR articles that the model was asked about (docs/quality.md, section 4). With all
# fitted on half of the articles and tested on the other half, eight times, the expected calibration error is 0.06 on
# average, 0.13 at worst.
BIAS: Final = 1.07
SLOPE: Final = 0.156
DIRECT: Final = 0.467
SETTLED: Final = 0.95
"""Share of right ones among the 90 claims nobody was asked about, on the same articles."""

#: A noun this near behind "according to" belongs to the source's name.
_SOURCE_CHARACTERS: Final = 40
_BASE_TOKENS: Final = 16
_TOKENS_PER_CUE: Final = 24


@dataclass(frozen=True, slots=True)
class FoundClaim:
    """One claim before grounding. All spans are half-open code point ranges of the document's text.

    `claimant_surface` is copied from the text, or "<author>" with `claimant_span` None when nobody is named: the text
    itself then vouches for the claim. `claimant` is the name those words stand for. `probability` is that of the claim
    being one a reader would mark, None when the server gave no log-probabilities.
    """

    content: tuple[Span, ...]
    cue: Span
    sentence: Span
    claimant_surface: str
    claimant_span: Span | None
    claimant: str
    attribution: AttributionKind
    polarity: Polarity
    probability: float | None


async def extract_claims(
    text: str, units: Sequence[Unit], actors: Sequence[ActorDraft], asker: Asker, recipe: Recipe
) -> list[FoundClaim]:
    """The claims of a document, in the order of the text; `actors` say which names are persons'.

    A unit without a valid answer yields no claims; the asker counts it.
    """
    found = await all_of(_read(text, unit, asker, recipe) for unit in units)
    return resolved(text, continued(units, found), actors)


def question_count(text: str, units: Sequence[Unit]) -> int:
    """How many questions :func:`extract_claims` will ask."""
    return sum(settled_readings(text, unit, cues(text, unit)) is None for unit in units)


def settled_readings(text: str, unit: Unit, cue_spans: Sequence[Span]) -> list[Reading] | None:
    """What there is to know about a unit without a question; None if one of its cues has to be asked about."""
    claimants = [(cue, settled_claimant(text, unit, cue)) for cue in cue_spans]
    known = [Reading(cue, who.of(text), None, None, settled=True) for cue, who in claimants if who]
    return known if len(known) == len(cue_spans) else None


async def _read(text: str, unit: Unit, asker: Asker, recipe: Recipe) -> list[FoundClaim]:
    """Ask about one unit, unless its form says all or it holds no word that could attribute something."""
    cue_spans = cues(text, unit)
    known = settled_readings(text, unit, cue_spans)
    if known is not None:
        return drafts_of(text, unit, known)
    keys = labels(text, cue_spans)
    user = recipe.render("claims_user", passage=shown(text, unit), words=keys)
    answer, tokens = await asker.try_ask(
        recipe.render("claims_system"), user, answer_model(keys), _BASE_TOKENS + _TOKENS_PER_CUE * len(keys)
    )
    return drafts_of(text, unit, readings(cue_spans, keys, answer, tokens)) if answer else []


def drafts_of(text: str, unit: Unit, answered: Sequence[Reading]) -> list[FoundClaim]:
    """The claims of one unit, names not yet resolved."""
    claims = [reading for reading in answered if is_claim(reading) and not belongs_to_noun(text, unit, reading.cue)]
    claims = [reading for reading in claims if not any(_in_source(text, reading.cue, other.cue) for other in claims)]
    attributions: list[Attribution] = []
    for reading in claims:
        # "Vale praised Roe for backing the levy and promised to stay": it is Vale who promised.
        finite = (made for made in reversed(attributions) if not text.endswith("ing", made.cue.start, made.cue.end))
        gerund = text.endswith("ing", reading.cue.start, reading.cue.end)
        before = next(reversed(attributions) if gerund else finite, None)
        previous = before.claimant if before else None
        attributions.append(Attribution(reading.cue, claimant_span(text, unit, reading, previous)))
    for index, (attribution, following) in enumerate(pairwise(attributions)):
        if following.claimant and opens_with_participle(text, unit, attribution.cue):
            attributions[index] = replace(attribution, claimant=following.claimant)
    drafts: list[FoundClaim] = []
    for reading, attribution in zip(claims, attributions, strict=True):
        content = content_of(text, unit, attribution, [a for a in attributions if a is not attribution])
        if content is None:
            if not unit.opens_block:
                continue
            content = Content((), direct=True)
        who = attribution.claimant
        if who is None and not is_anonymous(text, reading.cue):
            continue
        surface = text[who.start : who.end] if who else AUTHOR
        drafts.append(
            FoundClaim(
                content=content.spans,
                cue=reading.cue,
                sentence=unit.sentence,
                claimant_surface=surface,
                claimant_span=who,
                claimant=surface,
                attribution="direct" if content.direct else "reported" if who else "author",
                polarity=polarity_of(text, reading.cue, content.spans),
                probability=probability_of(reading, direct=content.direct),
            )
        )
    return [draft for draft in drafts if not any(_nested(text, draft, other) for other in drafts if other is not draft)]


def _in_source(text: str, cue: Span, other: Span) -> bool:
    """Whether a cue is a noun that "according to" names its source with: "according to a statement from Roe"."""
    near = other.end < cue.start <= other.end + _SOURCE_CHARACTERS
    return near and is_source(text, other) and is_noun(text, cue) and "," not in text[other.end : cue.start]


def _nested(text: str, inner: FoundClaim, outer: FoundClaim) -> bool:
    """Whether a claim is only part of another's content, as "she wants" is in "he said that she wants to go".

    PolNeAR marks the outermost attribution alone. Three kinds of inner claim stand on their own all the same: a
    direct quotation, a denial, and one whose reporter is named after it ("X said that …, according to Y"). "appeared to
    hope" is one attribution, that of its last verb.
    """
    if text[outer.cue.end : inner.cue.start].strip() == "to":
        return False
    if text[inner.cue.end : outer.cue.start].strip() == "to":
        return True
    if inner.attribution == "direct" or inner.polarity == "denies":
        return False
    if inner.claimant_span and inner.cue.start < outer.cue.start and inner.claimant_span != outer.claimant_span:
        return False
    return any(inner.cue.within(span) for span in outer.content) and not any(
        outer.cue.within(span) for span in inner.content
    )


def is_claim(reading: Reading) -> bool:
    """Whether the answer makes the cue an attribution.

    The likeliest first token can be "none" while most of the probability lies on names: then the model is sure that
    something is attributed and unsure to whom, and the cue counts.
    """
    return reading.claimant.lower() != NOT_A_CLAIM or (reading.decision or 0.0) > 0.5


def polarity_of(text: str, cue: Span, content: Sequence[Span]) -> Polarity:
    """`denies` for "denied" and its like, and for rejecting what is itself called a claim."""
    if is_denial(text, cue):
        return "denies"
    cue_words = {text[word.start : word.end].lower() for word in words(text, cue.start, cue.end)}
    if cue_words & REJECTIONS:
        rejected = {text[w.start : w.end].lower() for span in content for w in words(text, span.start, span.end)}
        return "denies" if rejected & CLAIM_NOUNS else "asserts"
    return "asserts"


def probability_of(reading: Reading, *, direct: bool) -> float | None:
    """Probability that a reader would mark the claim, its content half right at least; None without log-probabilities.

    A logistic mapping of the model's own probability that rises with it, with one step for a direct quotation; where
    the form settled the claim, the share of such claims that are right.
    """
    if reading.settled:
        return SETTLED
    if reading.decision is None or reading.wording is None:
        return None
    sure = min(max(reading.decision * reading.wording, 1e-4), 1 - 1e-4)
    score = BIAS + SLOPE * math.log(sure / (1 - sure)) + DIRECT * direct
    return 1 / (1 + math.exp(-score))


def continued(units: Sequence[Unit], found: Sequence[list[FoundClaim]]) -> list[FoundClaim]:
    """All drafts in order, each direct quotation carried on through the units that are nothing but quotation.

    A unit that ends with a colon hands its last claimant on to the block that follows it. A quotation that follows
    nobody's words stands for no claim: nothing says whose it is.
    """
    result: list[FoundClaim] = []
    speaker: int | None = None
    for index, (unit, own) in enumerate(zip(units, found, strict=True)):
        if own:
            first = len(result)
            result.extend(own)
            direct = [at for at in range(first, len(result)) if result[at].attribution == "direct"]
            speaker = direct[-1] if direct else None
            if unit.opens_block and index + 1 < len(units) and units[index + 1].quote_only:
                speaker = len(result) - 1
                result[speaker] = replace(result[speaker], content=())
        elif speaker is not None and unit.quote_only:
            carried = (*result[speaker].content, unit.span)
            result[speaker] = replace(result[speaker], content=carried, attribution="direct")
        else:
            speaker = None
    return [draft for draft in result if draft.content]


def resolved(text: str, drafts: Sequence[FoundClaim], actors: Sequence[ActorDraft]) -> list[FoundClaim]:
    """The same drafts with `claimant` set to the name the claimant's words stand for."""
    names = Names(text, actors)
    earlier: list[Earlier] = []
    result: list[FoundClaim] = []
    for draft in drafts:
        if draft.claimant_span is None:
            result.append(draft)
            continue
        quoted = draft.attribution == "direct" and draft.claimant_surface.lower() not in RELATIVE
        offset = draft.sentence.start if quoted else draft.claimant_span.start
        name = resolved_name(draft.claimant_surface, offset, names, earlier)
        earlier.append(Earlier(name, draft.claimant_span.start))
        result.append(replace(draft, claimant=name))
    return result
