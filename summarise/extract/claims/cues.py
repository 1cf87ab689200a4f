"""What kind of cue a word is, beyond being one: a source, a passive, hearsay, a denial, a telling.

Invariants: pure; each question looks only at the cue's own words; linear in their length.
"""

from __future__ import annotations

import re
from typing import Final

from summarise.extract.claims.lexicon import DENIALS
from summarise.extract.claims.units import Unit, words
from summarise.text import Span

_SOURCE: Final = re.compile(r"(?:according|as per\b|per\b)", re.IGNORECASE)
_TELLING: Final = re.compile(
    r"\b(?:t(?:ell|old)|ask|inform|warn|remind|assur|persuad|convinc|reassur|notif|urg|advis)\w*\b", re.IGNORECASE
)
_PASSIVE: Final = re.compile(
    r"(?:\S+\s+)*(?:is|are|was|were|been|being|be)\s+(?:\w+ly\s+|also\s+)?(\w+ed|known|said|seen|thought|told|shown|written)"
)
_STATES: Final = frozenset(
    "worried concerned convinced surprised scared outraged disappointed pleased determined opposed".split()
)
_POSSESSIVES: Final = frozenset("his her its their our my your whose".split())
_HEARSAY: Final = frozenset("reportedly allegedly supposedly purportedly presumably apparently".split())


def is_telling(text: str, cue: Span) -> bool:
    """Whether a cue such as "told" has an addressee between it and its content."""
    return _TELLING.search(text, cue.start, cue.end) is not None


def is_source(text: str, cue: Span) -> bool:
    """Whether a cue is "according to" or its like, whose claimant follows at once."""
    return _SOURCE.match(text, cue.start, cue.end) is not None


def is_hearsay(text: str, cue: Span) -> bool:
    """Whether a cue is an adverb such as "reportedly", which names nobody."""
    return text[cue.start : cue.end].lower() in _HEARSAY


def is_denial(text: str, cue: Span) -> bool:
    """Whether a cue says that its claimant denies something."""
    return any(text[word.start : word.end].lower() in DENIALS for word in words(text, cue.start, cue.end))


def is_modifier(text: str, unit: Unit, cue: Span) -> bool:
    """Whether a cue only belongs to a noun, or is one in -ing: "his repeated calls", "under questioning"."""
    if not text.endswith(("ed", "ing"), cue.start, cue.end):
        return False
    before = text[unit.span.start : cue.start].rpartition("\n")[2].split()[-1:]
    word = before[0].lower() if before else ""
    if text.endswith("ing", cue.start, cue.end):
        return word in {"of", "under"}
    return word in _POSSESSIVES or word.endswith(("’s", "'s", "s’"))


def is_passive(text: str, cue: Span) -> bool:
    """Whether a cue is a passive such as "was believed", whose subject is no claimant; "was worried" is a state."""
    match = _PASSIVE.fullmatch(text, cue.start, cue.end)
    return match is not None and match[1].lower() not in _STATES
