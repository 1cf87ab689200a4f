"""What a strategy hands on: actors, claims and stances with evidence, before ids are given.

Invariant: evidence with a span quotes the text to the letter; :func:`grounded` is the only place that
turns a model's words into evidence.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from summarise.grounding import Grounder
from summarise.schemas import ActorKind, Attribution, Grounding, Polarity, StanceLabel
from summarise.text import Span

AUTHOR = "<author>"
"""The name under which the document's own voice claims or takes a stance."""


@dataclass(frozen=True, slots=True)
class EvidenceDraft:
    """Words of the text (``span``), or a model's words that stand nowhere in it (``span`` None)."""

    quote: str
    span: Span | None
    sentence: Span | None
    cue: Span | None
    grounding: Grounding


@dataclass(frozen=True, slots=True)
class ActorDraft:
    """Somebody the document names; ``mentions`` are the spans of the name and its aliases."""

    name: str
    kind: ActorKind
    role: str | None = None
    aliases: tuple[str, ...] = ()
    mentions: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class ClaimDraft:
    """Who asserts or denies what."""

    claimant: str
    attribution: Attribution
    polarity: Polarity
    evidence: tuple[EvidenceDraft, ...]
    text: str | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class StanceDraft:
    """Who stands how towards whom or what."""

    holder: str
    target: str
    label: StanceLabel
    evidence: tuple[EvidenceDraft, ...]
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """Everything a strategy found; ``warnings`` are (code, message) pairs."""

    abstract: str
    actors: tuple[ActorDraft, ...] = ()
    claims: tuple[ClaimDraft, ...] = ()
    stances: tuple[StanceDraft, ...] = ()
    warnings: tuple[tuple[str, str], ...] = field(default=())


def sentence_at(sentences: Sequence[Span], offset: int) -> Span | None:
    """The sentence that holds the code point at ``offset``, None between sentences."""
    index = bisect_right(sentences, offset, key=attrgetter("start")) - 1
    if index < 0 or offset >= sentences[index].end:
        return None
    return sentences[index]


def grounded(
    text: str,
    sentences: Sequence[Span],
    words: str,
    *,
    grounder: Grounder,
    near: Span | None = None,
    cue: str = "",
) -> EvidenceDraft:
    """Find a model's ``words`` (and its ``cue`` in the same sentence) in the text.

    ``near`` is the sentence the model named; words that stand elsewhere are found there all the same.
    """
    found = grounder.locate(words, near=near)
    if found.span is None:
        return EvidenceDraft(words, None, None, None, "ungrounded")
    sentence = sentence_at(sentences, found.span.start)
    return EvidenceDraft(
        quote=found.span.of(text),
        span=found.span,
        sentence=sentence,
        cue=_cue_span(text, sentence, cue, found.span),
        grounding=found.grounding.value,
    )


def _cue_span(text: str, sentence: Span | None, cue: str, content: Span) -> Span | None:
    """The cue's first occurrence in the sentence outside the content, or None."""
    cue = cue.strip()
    if sentence is None or not cue:
        return None
    start = text.find(cue, sentence.start, sentence.end)
    while start >= 0:
        span = Span(start, start + len(cue))
        if not span.overlap(content):
            return span
        start = text.find(cue, start + 1, sentence.end)
    return None
