"""Cut a document into reading units: the stretches of text one question is asked about.

A unit is one sentence, or several sentences of one paragraph that a quotation holds together. Invariants: units are
in text order, do not overlap, and every offset counts code points of the text as read. One left-to-right pass over the
quotation marks and one over the sentences: linear time.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from summarise.extract.claims.lexicon import (
    AUXILIARIES,
    CUE_BEFORE_CLAUSE,
    CUE_BEFORE_INFINITIVE,
    CUE_NOUNS,
    CUE_WORDS,
    NOUN_LINKS,
)
from summarise.text import Span

_WORD: Final = re.compile(r"[^\W_]+(?:[-'’.&][^\W_]+)*")
#: A sentence of more characters than this is cut: it is a list or a table, and a question must stay short.
UNIT_CHARS: Final = 1200


@dataclass(frozen=True, slots=True)
class Unit:
    """A stretch of text to read at once, with the quotations (marks included) that lie in it."""

    span: Span
    sentence: Span
    paragraph: int
    quotations: tuple[Span, ...]
    quote_only: bool
    opens_block: bool
    in_block: bool


def words(text: str, start: int, end: int) -> Iterator[Span]:
    """The words of text[start:end], as spans."""
    for match in _WORD.finditer(text, start, end):
        yield Span(match.start(), match.end())


def paragraphs(text: str) -> list[Span]:
    """The non-empty lines of the text."""
    return [Span(m.start(), m.end()) for m in re.finditer(r"\S[^\n]*", text)]


def quotations(text: str, paragraph: Span) -> list[Span]:
    """Outermost double quotations of one paragraph, marks included; an unclosed one runs to the paragraph's end.

    Single marks are left alone: they cannot be told from apostrophes without a dictionary.
    """
    passage = text[paragraph.start : paragraph.end]
    skip_straight = passage.count('"') == 1 and "“" in passage
    found: list[Span] = []
    start, opener, depth = -1, "", 0
    for position in range(paragraph.start, paragraph.end):
        char = text[position]
        if char not in '"“”' or (char == '"' and skip_straight):
            continue
        if start < 0:
            if char != "”":
                start, opener, depth = position, char, 1
            continue
        if opener == "“" and char in "“”":
            depth += 1 if char == "“" else -1
        elif char == '"' and (opener == '"' or not text[position - 1].isspace()):
            depth = 0
        if depth <= 0:
            found.append(Span(start, position + 1))
            start = -1
    if start >= 0:
        found.append(_trim(text, start, paragraph.end))
    return found


def outside(span: Span, holes: Sequence[Span]) -> list[Span]:
    """The parts of a span that lie in none of the holes; holes are in text order and do not overlap."""
    parts: list[Span] = []
    position = span.start
    for hole in holes:
        if hole.start > position:
            parts.append(Span(position, min(hole.start, span.end)))
        position = max(position, hole.end)
    if position < span.end:
        parts.append(Span(position, span.end))
    return parts


def _trim(text: str, start: int, end: int) -> Span:
    """The same range without white space at either end."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return Span(start, end)


def _pieces(text: str, start: int, end: int) -> Iterator[Span]:
    """A sentence, cut at spaces where it is longer than UNIT_CHARS: a list or table without full stops."""
    span = _trim(text, start, end)
    while span.end - span.start > UNIT_CHARS:
        cut = text.rfind(" ", span.start + 1, span.start + UNIT_CHARS)
        cut = cut if cut > 0 else span.start + UNIT_CHARS
        yield Span(span.start, cut)
        span = _trim(text, cut, span.end)
    if span.start < span.end:
        yield span


def _is_quoted(offset: int, quotes: Sequence[Span]) -> bool:
    """Whether an offset lies strictly inside one of the quotations, which are in text order."""
    at = bisect_left(quotes, offset, key=lambda quote: quote.start) - 1
    return at >= 0 and offset < quotes[at].end


def _starting_in(span: Span, quotes: Sequence[Span]) -> tuple[Span, ...]:
    """The quotations that begin inside the span; units are cut so that these also end there."""
    first = bisect_left(quotes, span.start, key=lambda quote: quote.start)
    last = bisect_left(quotes, span.end, key=lambda quote: quote.start)
    return tuple(quotes[first:last])


def _merged(pieces: Sequence[Span], quotes: Sequence[Span]) -> Iterator[tuple[Span, Span]]:
    """Sentences of one paragraph as (unit, first sentence), joined where a quotation crosses a boundary."""
    index = 0
    while index < len(pieces):
        first = pieces[index]
        end = first.end
        while index + 1 < len(pieces) and _is_quoted(end, quotes):
            index += 1
            end = pieces[index].end
        yield Span(first.start, end), first
        index += 1


def reading_units(text: str, sentences: Sequence[Span]) -> list[Unit]:
    """All units of a document, in order; sentences may contain line breaks and are cut at them."""
    units: list[Unit] = []
    ends = [sentence.end for sentence in sentences]
    starts = [sentence.start for sentence in sentences]
    for number, paragraph in enumerate(paragraphs(text)):
        quotes = quotations(text, paragraph)
        low = bisect_right(ends, paragraph.start)
        high = bisect_left(starts, paragraph.end)
        pieces = [
            piece
            for sentence in sentences[low:high]
            for piece in _pieces(text, max(sentence.start, paragraph.start), min(sentence.end, paragraph.end))
        ]
        for span, first in _merged(pieces, quotes):
            inner = _starting_in(span, quotes)
            bare = sum(1 for part in outside(span, inner) for _ in words(text, part.start, part.end))
            block = bool(units) and units[-1].paragraph == number and units[-1].in_block and not inner
            block = block or (bool(units) and units[-1].paragraph < number and units[-1].opens_block and not inner)
            units.append(
                Unit(
                    span=span,
                    sentence=span if len(inner) and inner[0].start < first.end else first,
                    paragraph=number,
                    quotations=inner,
                    quote_only=block or (bool(inner) and bare == 0),
                    opens_block=text[span.end - 1] == ":" and _closes_with_cue(text, span),
                    in_block=block,
                )
            )
    return units


def _closes_with_cue(text: str, span: Span) -> bool:
    """Whether one of the last eight words may attribute: "Keller told her council on Friday:"."""
    last = list(words(text, span.start, span.end))[-8:]
    return any(text[word.start : word.end].lower() in CUE_WORDS for word in last)


def cues(text: str, unit: Unit) -> list[Span]:
    """The words of a unit, outside its quotations, that may attribute something; in order, auxiliaries included."""
    if unit.quote_only:
        return []
    colon = _headline_colon(text, unit)
    if colon:
        return colon
    found: list[Span] = []
    for part in outside(unit.span, unit.quotations):
        tokens = list(words(text, part.start, part.end))
        lowered = [text[token.start : token.end].lower() for token in tokens]
        for index, word in enumerate(lowered):
            following = lowered[index + 1] if index + 1 < len(lowered) else ""
            if not _may_attribute(word, following):
                continue
            first = index
            while first and text[tokens[first - 1].start : tokens[first - 1].end] in AUXILIARIES:
                first -= 1
            start = tokens[index].start if word == "according" else tokens[first].start
            end = tokens[index + 1].end if word == "according" and following == "to" else tokens[index].end
            if not found or start >= found[-1].end:
                found.append(Span(start, end))
    return found


def _may_attribute(word: str, following: str) -> bool:
    if word in CUE_WORDS:
        return True
    if word in CUE_BEFORE_CLAUSE and (following == "that" or (following == "to" and word in CUE_BEFORE_INFINITIVE)):
        return True
    return word in CUE_NOUNS and following in NOUN_LINKS


def _headline_colon(text: str, unit: Unit) -> list[Span]:
    """The colon of a headline such as "Mayor: Bridge is safe", as a cue."""
    if unit.paragraph:
        return []
    colon = text.find(": ", unit.span.start, unit.span.end)
    if colon < 0 or sum(1 for _ in words(text, unit.span.start, colon)) > 4:
        return []
    return [Span(colon, colon + 1)]
