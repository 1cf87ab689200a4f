"""Whose statement a cue reports where its form alone says so: "Ortiz said", "…,” said Ann Roe".

About one passage in four holds nothing else, and a model asked about it can only agree or err, at the price of a second
and a half (docs/quality.md). Invariants: pure; a cue that might be read in another way is left to the model.
"""

from __future__ import annotations

from typing import Final

from summarise.extract.claims.claimants import is_plain_name, subject_before
from summarise.extract.claims.lexicon import INVERTING, SAYING
from summarise.extract.claims.units import Unit, words
from summarise.text import Span

_AUXILIARIES: Final = frozenset("has have had also".split())
#: Before "he said", words that make the saying a part of something else: "what he said", "as he said".
_EMBEDDING: Final = frozenset("what how as than that which who whom whatever where when if whether like".split())
#: What may follow the name in "said Ann Roe"; before any other word the name may be but the beginning of a phrase.
_FOLLOWERS: Final = frozenset("who in on at during after before to as from last this while when".split())
_CLOSING: Final = frozenset('”",')
_DAYS: Final = frozenset("monday tuesday wednesday thursday friday saturday sunday".split())
_LONGEST_NAME: Final = 5


def settled_claimant(text: str, unit: Unit, cue: Span) -> Span | None:
    """The claimant of a cue whose form leaves no choice; None where the model has to be asked."""
    *helping, verb = text[cue.start : cue.end].lower().split()
    if verb not in INVERTING | SAYING or not _AUXILIARIES.issuperset(helping):
        return None
    return _before(text, unit, cue, verb) or (_after(text, unit, cue) if verb in INVERTING and not helping else None)


def _before(text: str, unit: Unit, cue: Span, verb: str) -> Span | None:
    """A name or a pronoun right before a verb of saying, or of another verb with a statement beside it."""
    subject = subject_before(text, unit, cue)
    if subject is None or text[subject.end : cue.start].strip() or not is_plain_name(text[subject.start : subject.end]):
        return None
    head = text[unit.span.start : subject.start].rstrip()
    if head and head.rpartition(" ")[2].lower() in _EMBEDDING:
        return None
    quoted = head[-1:] in _CLOSING or text[cue.end : cue.end + 3].lstrip(",: ")[:1] in {"“", '"'}
    return subject if verb in SAYING or quoted or text.startswith(" that ", cue.end) else None


def _after(text: str, unit: Unit, cue: Span) -> Span | None:
    """The name right after a verb that stands behind a comma or a quotation: "…, said Ann Roe"."""
    if text[unit.span.start : cue.start].rstrip()[-1:] not in _CLOSING:
        return None
    name: list[Span] = []
    end = cue.end
    for word in words(text, cue.end, unit.span.end):
        between = text[end : word.start]
        if between.strip(" .") or (name and not between.startswith((" ", ". "))):
            break
        if not text[word.start].isupper():
            if text[word.start : word.end].lower() not in _FOLLOWERS:
                return None
            break
        name.append(word)
        end = word.end
    if not 0 < len(name) <= _LONGEST_NAME or text[name[0].start : name[0].end].lower() in _DAYS:
        return None
    return None if text[end : end + 2].strip()[:1] in {"“", '"'} else Span(name[0].start, end)
