"""What kind of cue a word is, beyond being one: a source, a passive, hearsay, a denial, a telling.

Invariants: pure; each question looks only at the cue's own words; linear in their length.
"""

from __future__ import annotations

import re
from typing import Final

from summarise.extract.claims.lexicon import AUXILIARY_VERBS, CUE_NOUNS, DENIALS, SAYING
from summarise.extract.claims.units import Unit, words
from summarise.text import Span

_SOURCE: Final = re.compile(r"(?:according|as per\b|per\b)", re.IGNORECASE)
_TELLING: Final = re.compile(
    r"\b(?:t(?:ell|old)|ask|inform|warn|remind|assur|persuad|convinc|reassur|notif|urg|advis)\w*\b", re.IGNORECASE
)
_PASSIVE: Final = re.compile(
    r"(?:\S+\s+)*(?:is|are|was|were|been|being|be)\s+(?:\w+ly\s+|also\s+)?(\w+ed|known|said|seen|thought|told|shown|written)"
)
_NAMING: Final = frozenset("dubbed called calls termed labeled labelled branded tagged".split())
_STATES: Final = frozenset(
    "worried concerned convinced surprised scared outraged disappointed pleased determined opposed".split()
)
_POSSESSIVES: Final = frozenset("his her its their our my your whose".split())
_OPEN_NOUN_PHRASE: Final = _POSSESSIVES | {"the", "a", "an"}
_BEFORE_GERUNDS: Final = frozenset({"of", "under", "in"})
#: With "’s" behind them these are no possessives: "she’s claimed".
_CONTRACTED: Final = frozenset("he she it who that there".split())
_IMPRESSIONS: Final = frozenset("seem seems seemed appear appears appeared clear unclear".split())
#: Words that report a statement or a belief also where nobody is named for it.
_ANONYMOUS: Final = frozenset(
    "said believed thought known expected reported alleged rumored rumoured understood considered estimated"
    " predicted assumed supposed feared hoped suspected claimed presumed forecast projected deemed seen viewed"
    " regarded seem seems seemed appear appears appeared clear unclear according reportedly allegedly supposedly"
    " purportedly presumably apparently accusation accusations allegation allegations belief claim claims concern"
    " concerns criticism doubt doubts expectation expectations fear fears hope hopes question questions report"
    " reports rumor rumors rumour rumours speculation suspicion worries".split()
)
_HEARSAY: Final = frozenset("reportedly allegedly supposedly purportedly presumably apparently".split())


def _last_word(text: str, cue: Span) -> str:
    """The cue without its auxiliaries, in small letters."""
    return cue.of(text).rpartition(" ")[2].lower()


def is_telling(text: str, cue: Span) -> bool:
    """Whether a cue such as "told" has an addressee between it and its content."""
    return _TELLING.search(text, cue.start, cue.end) is not None


def is_naming(text: str, cue: Span) -> bool:
    """Whether a cue gives its object a name, which ends where its quotation does: "dubbed", "called"."""
    return _last_word(text, cue) in _NAMING


def is_source(text: str, cue: Span) -> bool:
    """Whether a cue is "according to" or its like, whose claimant follows at once."""
    return _SOURCE.match(text, cue.start, cue.end) is not None


def is_noun(text: str, cue: Span) -> bool:
    """Whether a cue is a noun such as "warnings"."""
    return _last_word(text, cue) in CUE_NOUNS


def is_hearsay(text: str, cue: Span) -> bool:
    """Whether a cue is an adverb such as "reportedly", which names nobody."""
    return text[cue.start : cue.end].lower() in _HEARSAY


def is_impression(text: str, cue: Span) -> bool:
    """Whether a cue after "it" says how things look, to nobody in particular: "it seems that"."""
    return _last_word(text, cue) in _IMPRESSIONS


def is_anonymous(text: str, cue: Span) -> bool:
    """Whether a cue without a claimant still reports what some people say or think: "is expected to", "fears that".

    Of any other verb it is only the subject that has not been found.
    """
    return text[cue.start : cue.end].removesuffix(" to").rpartition(" ")[2].lower() in _ANONYMOUS


def is_denial(text: str, cue: Span) -> bool:
    """Whether a cue says that its claimant denies something."""
    return any(text[word.start : word.end].lower() in DENIALS for word in words(text, cue.start, cue.end))


def belongs_to_noun(text: str, unit: Unit, cue: Span) -> bool:
    """Whether a cue is no verb: "their calls", "the intended targets", "his remarks will", "under questioning".

    Nouns that attribute ("the claim that") and words of hearsay ("the alleged fraud") do so wherever they stand.
    """
    word = text[cue.start : cue.end].lower()
    if " " in word or word in CUE_NOUNS or is_anonymous(text, cue):
        return False
    before = (text[unit.span.start : cue.start].rpartition("\n")[2].lower().split() or [""])[-1]
    if word.endswith("ing"):
        return before in _BEFORE_GERUNDS | _POSSESSIVES
    if before in _OPEN_NOUN_PHRASE or (before.endswith(("’s", "'s", "s’")) and before[:-2] not in _CONTRACTED):
        return True
    after = (text[cue.end : cue.end + 20].lower().split() or [""])[0]
    return word.endswith("s") and word not in SAYING and after in AUXILIARY_VERBS


def is_passive(text: str, cue: Span) -> bool:
    """Whether a cue is a passive such as "was believed", whose subject is no claimant; "was worried" is a state."""
    match = _PASSIVE.fullmatch(text, cue.start, cue.end)
    return match is not None and match[1].lower() not in _STATES
