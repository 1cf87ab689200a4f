"""A claim as one sentence, in the words of the text: who, the words that attribute it, the content.

Invariants: pure; every word but the claimant's name stands in the claim's own sentence or evidence, so the sentence
says no more than they do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from summarise.extract.claims.cues import is_noun, is_passive, is_source
from summarise.extract.claims.step import FoundClaim
from summarise.extract.claims.units import words
from summarise.text import Span

_ENDINGS: Final = (".", "!", "?", "…")
#: Words between claimant and verb that belong to the verb: "has never publicly said".
_MOST_QUALIFYING: Final = 4
_NEGATIONS: Final = frozenset("not no never hardly nor neither without nothing refused failed didn't didn’t".split())
_CUTTING: Final = ',;:—–()“”"\n'
_JOINING: Final = frozenset({",", ":"})
_OPENING: Final = ' ,;:“"‘'
#: Words between cue and content ("told reporters on Monday that") that are still shown.
_MOST_BETWEEN: Final = 8


def sentence_of(text: str, claim: FoundClaim, content: Sequence[Span]) -> str | None:
    """The claim in the text's words: "U.S. officials have accused North Korea of …"; None where nothing is left to say.

    ``content`` is the claim's evidence, without the marks around it. Words that make no sentence with the claimant
    before them stand in brackets: "The United States (criticism): the visit".
    """
    who, cue = claim.claimant_span, claim.cue
    said = " […] ".join(_plain(text, span.start, span.end) for span in content).strip(" ,;:")
    if not said:
        return None
    said = _closed(said)
    if who is None:
        return _of_nobody(text, cue, content, said)
    if is_source(text, cue):
        return f"According to {claim.claimant}: {said}"
    name = claim.claimant[:1].upper() + claim.claimant[1:]
    return f"{name}{_predicate(text, claim, who, content[0].start)} {said}"


def _predicate(text: str, claim: FoundClaim, who: Span, first: int) -> str:
    """What stands between the claimant's name and the content, which begins at `first`."""
    cue = claim.cue
    verb = _plain(text, _verb_start(text, who, cue), cue.end)
    if verb == ":":
        return ":"
    if not _is_predicate(text, claim, who):
        return f" ({verb}):"
    between = list(words(text, cue.end, first)) if cue.end <= first else None
    apart = between is None or len(between) > _MOST_BETWEEN or who.start >= cue.end
    if apart or (claim.attribution == "direct" and not between):
        return f" {verb}:"
    joint = _plain(text, cue.end, first).rstrip(_OPENING)
    return f" {verb}{joint if joint[:1] in _JOINING else f' {joint}'.rstrip()}"


def _of_nobody(text: str, cue: Span, content: Sequence[Span], said: str) -> str:
    """What is said without a claimant, with the words that say it is only said: "is expected to", "Fears: …"."""
    if content[0].end <= cue.start and cue.end <= content[-1].start:
        said = _closed(_plain(text, content[0].start, content[-1].end))
        return said[:1].upper() + said[1:]
    word = _plain(text, cue.start, cue.end).rpartition(" ")[2]
    return f"{word[:1].upper()}{word[1:]}: {said}"


def _verb_start(text: str, who: Span, cue: Span) -> int:
    """Where the verb begins with all that qualifies it: "Russia no longer accepts" is not "Russia accepts"."""
    if not who.end <= cue.start or any(mark in text[who.end : cue.start] for mark in _CUTTING):
        return cue.start
    between = list(words(text, who.end, cue.start))
    if len(between) <= _MOST_QUALIFYING:
        return between[0].start if between else cue.start
    negation = (word.start for word in between if word.of(text).lower() in _NEGATIONS)
    return next(negation, cue.start)


def _is_predicate(text: str, claim: FoundClaim, who: Span) -> bool:
    """Whether the cue is a finite verb whose subject is the claimant."""
    cue = claim.cue
    if is_noun(text, cue):  # "Ostria claims that"
        return who.end + 1 == cue.start and text[who.end] == " " and text.startswith(" that ", cue.end)
    if is_passive(text, cue) or text.endswith("ing", cue.start, cue.end):
        return False
    return text[claim.sentence.start : cue.start].split()[-1:] != ["to"]


def _closed(said: str) -> str:
    """A quotation that was opened closed, and a full stop."""
    if said.count("“") > said.count("”"):
        said += "”"
    elif said.count('"') % 2:
        said += '"'
    return said if said.rstrip("”\"’'").endswith(_ENDINGS) else f"{said}."


def _plain(text: str, start: int, end: int) -> str:
    return " ".join(text[start:end].split())
