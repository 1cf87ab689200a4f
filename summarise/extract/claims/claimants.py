"""Where the claimant of an attribution stands in its passage.

The model names the claimant in its own words; this module finds them, and checks that a claimant can stand there. A
small model often names the person told, or one inside the quotation: then the words in the subject's place are taken.
Invariants: pure, linear in the passage for each cue, a span that is returned lies in the unit, and no pattern is ever
built from text of a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from summarise.extract.claims.answers import NOT_A_CLAIM, UNNAMED, Reading
from summarise.extract.claims.cues import (
    is_denial,
    is_hearsay,
    is_impression,
    is_noun,
    is_passive,
    is_source,
    is_telling,
)
from summarise.extract.claims.lexicon import AUXILIARY_VERBS, CLAIM_NOUNS, DETERMINERS, INVERTING
from summarise.extract.claims.names import COLLECTIVE, PERSONAL, RELATIVE
from summarise.extract.claims.units import Unit, words
from summarise.text import Span

#: A claimant whose last word stands this near after "according to" begins right there.
AFTER_PREPOSITION: Final = 60
_FROM: Final = frozenset({"from", "by", "of", "among"})
_PLACING: Final = frozenset({"in", "from", "of", "at"})
_NO_SUBJECT: Final = frozenset("there in on at to by of for with from about over given amid despite".split())
_SUBORDINATORS: Final = frozenset(
    "that which whether if because as while when where and but or after before since although though what how"
    " why unless until once whereas".split()
)

_JOINTS: Final = frozenset({"and", "but"})
_CONNECTIVES: Final = frozenset(
    "and but or so yet still also both though although however meanwhile then later now instead".split()
)
#: How adjectives of countries and parties end.
_ADJECTIVAL: Final = ("an", "ish", "ese", "ic")
#: Words a sentence may begin with, in capitals, that are no part of the name after them.
_OPENERS: Final = (
    DETERMINERS
    | _CONNECTIVES
    | frozenset("in on at by for from as if when while after before since there here last next earlier during".split())
)


def claimant_span(text: str, unit: Unit, reading: Reading, previous: Span | None) -> Span | None:
    """Where the claimant stands, or None for an unnamed one.

    The model's words are believed when they stand where a claimant can stand. Words found only inside a quotation, or
    after a cue that takes its subject before it, are replaced by the noun phrase that stands before the cue; a cue
    right after "and" or "but", or in -ing, has the claimant of the attribution before it (`previous`). A passive
    such as "was believed" has a subject and no claimant, but for the one named after "by".
    """
    cue = reading.cue
    if is_hearsay(text, cue):
        return None
    if is_passive(text, cue):
        return _agent(text, unit, reading)
    if is_noun(text, cue) and text.startswith((" from ", " by "), cue.end):
        return noun_phrase(text, text.index(" ", cue.end + 1), unit.span.end)
    return _shared(text, unit, cue, previous) or _of_its_own(text, unit, reading, previous)


def _shared(text: str, unit: Unit, cue: Span, previous: Span | None) -> Span | None:
    """The subject a cue without one of its own has in common with the verb before it."""
    before = _word_before(text, unit, cue)
    participle = text.endswith("ing", cue.start, cue.end) and before.endswith(",")
    joined = before in _JOINTS and not is_noun(text, cue) and subject_before(text, unit, cue) is None
    if before == "to" or participle or joined:
        return previous or _leading_name(text, unit, cue)
    return None


def _of_its_own(text: str, unit: Unit, reading: Reading, previous: Span | None) -> Span | None:
    cue = reading.cue
    subject = subject_before(text, unit, cue)
    if subject and _word(text, subject) == "it" and is_impression(text, cue):
        return None
    if subject and is_plain_name(text[subject.start : subject.end]):
        return _with_coordinated(text, unit, subject)
    if reading.claimant.lower() == UNNAMED:
        found = subject = None
    else:
        found = _as_named(text, unit, reading, subject)
    if found and subject and found.end < subject.start and _first_word(text, subject) in DETERMINERS:
        found = subject
    shares = text.endswith("ing", cue.start, cue.end) or _word_before(text, unit, cue) in _JOINTS
    if found is None and previous and shares:
        return previous
    found = found or subject
    return _with_coordinated(text, unit, found) if found else _relative_before(text, unit, cue)


def opens_with_participle(text: str, unit: Unit, cue: Span) -> bool:
    """Whether a passage begins with the cue in -ing: "Citing the vote, the mayor said ..."."""
    before = text[unit.span.start : cue.start].lower().split()
    return text.endswith("ing", cue.start, cue.end) and _CONNECTIVES.issuperset(before)


def _word(text: str, span: Span) -> str:
    return text[span.start : span.end].lower()


def _first_word(text: str, span: Span) -> str:
    return text[span.start : span.end].split(maxsplit=1)[0].lower()


def _word_before(text: str, unit: Unit, cue: Span) -> str:
    return (text[unit.span.start : cue.start].split() or [""])[-1]


def _leading_name(text: str, unit: Unit, cue: Span) -> Span | None:
    """The name a passage begins with: the subject of all its verbs that have none of their own."""
    tokens = list(words(text, unit.span.start, cue.start))
    run: list[Span] = []
    for token in tokens:
        if run and text[run[-1].end : token.start].strip(" .’'"):
            break
        if not text[token.start].isupper():
            if run and text.endswith(_ADJECTIVAL, run[-1].start, run[-1].end):
                run.append(token)  # "the Democratic senator"
            break
        run.append(token)
    while run and text[run[0].start : run[0].end].lower() in _CONNECTIVES:
        run.pop(0)
    quoted = bool(run) and any(quote.start <= run[0].start < quote.end for quote in unit.quotations)
    opener = text[run[0].start : run[0].end].lower() if run else ""
    if not run or quoted or opener in _OPENERS - DETERMINERS or (len(run) == 1 and opener in DETERMINERS):
        return None
    return Span(run[0].start, run[-1].end)


def _with_coordinated(text: str, unit: Unit, claimant: Span) -> Span:
    """The claimant with the names joined to it on its left: "Pell and Mrs. Roe", "Ostria, Tarvia, and other nations".

    What stands before "and" is taken for names if it runs back to a mark or to the passage's beginning and every word
    of it has a capital or opens a noun phrase; of "officials in Ostria and Tarvia" it is the officials who speak.
    """
    head = text[unit.span.start : claimant.start].rstrip()
    joint = next((word for word in (" and", " or", " &") if head.endswith(word)), None)
    if joint is None:
        return claimant
    end = unit.span.start + len(head) - len(joint)
    if text[end - 1] == ",":
        start = _series_start(text, unit, end - 1)
        return claimant if start is None else Span(start, claimant.end)
    names = _segment(text, unit, end)
    while names and _word(text, names[0]) in _OPENERS - DETERMINERS:
        names.pop(0)
    if _are_names(text, unit, names):
        return Span(names[0].start, claimant.end)
    placed = next((at for at, name in enumerate(names) if at and _word(text, name) in _PLACING), None)
    if placed is not None and _are_names(text, unit, names[placed + 1 :]) and _are_plural(text, names[:placed]):
        return Span(names[0].start, claimant.end)
    return claimant


def _segment(text: str, unit: Unit, end: int) -> list[Span]:
    """The words between the last mark before an offset and the offset."""
    start = max(text.rfind(mark, unit.span.start, end) + 1 for mark in ',;:—–()“”"') or unit.span.start
    return list(words(text, max(start, unit.span.start), end))


def _series_start(text: str, unit: Unit, end: int) -> int | None:
    """Where "Ostria, Tarvia" begins that ends at an offset, its last comma; None if that is no series of names."""
    start = None
    while True:
        names = _segment(text, unit, end)
        if not _are_names(text, unit, names) or _word(text, names[0]) in _OPENERS - DETERMINERS:
            return start
        start = names[0].start
        end = start - 2
        if end <= unit.span.start or text[end : end + 2] != ", ":
            return start


def _are_names(text: str, unit: Unit, found: Sequence[Span]) -> bool:
    """Whether a few words are names: each has a capital or belongs inside a name."""
    plain = all(text[name.start].isupper() or _word(text, name) in DETERMINERS | {"of", "de", "for"} for name in found)
    quoted = bool(found) and any(quote.start < found[0].start < quote.end for quote in unit.quotations)
    return 0 < len(found) <= 6 and plain and not quoted


def _are_plural(text: str, found: Sequence[Span]) -> bool:
    last = text[found[-1].start : found[-1].end] if found else ""
    return 0 < len(found) <= 3 and last[1:].islower() and last.endswith("s")


def _as_named(text: str, unit: Unit, reading: Reading, subject: Span | None) -> Span | None:
    """The model's words where a claimant can stand; after "according to", whatever stands there."""
    named = "" if reading.claimant.lower() == NOT_A_CLAIM else reading.claimant
    found = locate(text, unit, named, reading.cue)
    if found and _is_adjective(text, reading.cue, found):
        found = None
    if found is None:
        found = _by_last_word(text, unit, named, reading.cue)
        found = subject if found and subject and found.end == subject.end else found
    if found and _can_stand(text, unit, reading.cue, found):
        if subject and found.end == subject.end and " and " in text[subject.start : found.start]:
            return subject
        return found
    return noun_phrase(text, reading.cue.end, unit.span.end) if is_source(text, reading.cue) else None


def _is_adjective(text: str, cue: Span, found: Span) -> bool:
    """Whether the words are but one in small letters before a noun: the "initial" of "initial reports"."""
    word = text[found.start : found.end]
    return is_noun(text, cue) and found.end + 1 == cue.start and word.isalpha() and word.islower()


def is_plain_name(words_before: str) -> bool:
    """Whether the words before a cue are but a name or a pronoun, which nothing else can be the subject of."""
    if words_before.lower() in PERSONAL | COLLECTIVE:
        return True
    parts = words_before.split()
    opener = parts[0].lower() in (_OPENERS if len(parts) == 1 else _OPENERS - DETERMINERS)
    return len(parts) <= 3 and not opener and all(part[0].isupper() for part in parts)


def _agent(text: str, unit: Unit, reading: Reading) -> Span | None:
    """Who a passive names after "by": the model's words if they stand there, else the words up to the next stop."""
    if not text.startswith(" by ", reading.cue.end):
        return None
    start = reading.cue.end + len(" by ")
    found = locate(text, unit, reading.claimant, reading.cue)
    if found and start <= found.start <= start + AFTER_PREPOSITION:
        return found
    return noun_phrase(text, start, unit.span.end)


def _relative_before(text: str, unit: Unit, cue: Span) -> Span | None:
    """The "who" or "which" right before a cue."""
    head = text[unit.span.start : cue.start].rstrip()
    word = head.rpartition(" ")[2]
    end = unit.span.start + len(head)
    return Span(end - len(word), end) if word.lower() in RELATIVE - {"that"} else None


def _by_last_word(text: str, unit: Unit, surface: str, cue: Span) -> Span | None:
    """The noun of a claimant the model reworded ("Berg's lawyer" for "her lawyer"), with its determiner."""
    found = locate(text, unit, surface.rpartition(" ")[2], cue)
    if found is None:
        return None
    if 0 <= found.start - cue.end <= AFTER_PREPOSITION and text[cue.start : cue.end].lower().endswith(" to"):
        return Span(cue.end + 1, found.end)
    before = text[unit.span.start : found.start].rpartition(" ")[0].rpartition(" ")[2]
    if before.lower() not in DETERMINERS:
        return found
    return Span(text.rindex(before, unit.span.start, found.start), found.end)


def locate(text: str, unit: Unit, surface: str, cue: Span) -> Span | None:
    """The occurrence of the claimant's words nearest to the cue, outside quotations if there is one; else None.

    Case is folded only when the exact words do not occur, and folding keeps offsets.
    """
    passage = text[unit.span.start : unit.span.end]
    found = _occurrences(passage, surface)
    if not found and len(passage.lower()) == len(passage) and len(surface.lower()) == len(surface):
        found = _occurrences(passage.lower(), surface.lower())
    spans = [Span(unit.span.start + at, unit.span.start + at + len(surface)) for at in found]
    free = [span for span in spans if not any(span.within(quote) for quote in unit.quotations)] or spans
    return min(free, key=lambda span: max(span.start - cue.end, cue.start - span.end), default=None)


def _occurrences(passage: str, needle: str) -> list[int]:
    """Offsets at which the needle stands as whole words."""
    found: list[int] = []
    at = passage.find(needle) if needle else -1
    while at >= 0:
        end = at + len(needle)
        if not passage[max(0, at - 1) : at].isalnum() and not passage[end : end + 1].isalnum():
            found.append(at)
        at = passage.find(needle, end)
    return found


def _can_stand(text: str, unit: Unit, cue: Span, claimant: Span) -> bool:
    """Whether a claimant can stand where its words were found."""
    if any(claimant.within(quote) for quote in unit.quotations):
        return False
    return claimant.end <= cue.start or may_follow(text, unit, cue, claimant)


def may_follow(text: str, unit: Unit, cue: Span, claimant: Span) -> bool:
    """Whether a claimant can stand after this cue: "according to X", "warnings from X", or ", said X"."""
    between = text[cue.end : claimant.start].lower().split()
    if is_source(text, cue):
        return len(between) <= 12
    if len(between) > 3 or is_telling(text, cue):
        return False
    if _FROM.intersection(between):
        return True
    if text[cue.start : cue.end].rpartition(" ")[2].lower() not in INVERTING:
        return False
    opening = text[unit.span.start : cue.start].rstrip()
    return not {"that", "to", "if", "whether"}.intersection(between) and opening[-1:] in {"", ",", "”", '"', "—", "–"}


def subject_before(text: str, unit: Unit, cue: Span) -> Span | None:
    """The short run of words between the clause's start and the cue, taken as its subject; None when there is none.

    The clause starts after the last comma, dash, quotation or subordinating word before the cue; a run of more than
    seven words is no noun phrase, and a noun has no subject.
    """
    if is_noun(text, cue):
        return None
    start = max([unit.span.start, *(q.end for q in unit.quotations if q.end <= cue.start)])
    tokens = list(words(text, start, cue.start))
    run: list[Span] = []
    for token in reversed(tokens):
        after = run[-1].start if run else cue.start
        if (
            any(mark in text[token.end : after] for mark in ",;:—–()")
            or text[token.start : token.end].lower() in _SUBORDINATORS
        ):
            break
        run.append(token)
    while run and (text[run[0].start : run[0].end].endswith("ly") or _word(text, run[0]) in _NO_SUBJECT):
        run.pop(0)
    while run and text[run[-1].start : run[-1].end].lower() in {"and", "both", "though"}:
        run.pop()
    if run and text[run[-1].start : run[-1].end].lower() in CLAIM_NOUNS and is_denial(text, cue):
        run.pop()
    if not run or len(run) > 7 or text[run[-1].start : run[-1].end].lower() in _NO_SUBJECT:
        return None
    if any(text[token.start : token.end].lower() in AUXILIARY_VERBS for token in run):
        return None
    return Span(run[-1].start, run[0].end)


def noun_phrase(text: str, start: int, end: int) -> Span | None:
    """Up to four words from an offset on, ended by a mark, a preposition or a subordinating word."""
    taken: list[Span] = []
    for word in words(text, start, min(end, start + 80)):
        between = text[taken[-1].end if taken else start : word.start]
        stop = text[word.start : word.end].lower() in _SUBORDINATORS | _NO_SUBJECT
        if len(taken) == 4 or stop or (not between.isspace() and between):
            break
        taken.append(word)
    return Span(taken[0].start, taken[-1].end) if taken else None
