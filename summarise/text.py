"""Spans, lines and folding: the offsets everything else hangs on.

Invariant: a :class:`Span` counts Unicode code points of the document's text as read, half-open,
so ``text[span.start:span.end]`` is the quote: always, everywhere. :func:`fold` maps every
character of its result back to the code point it came from, so a match found in folded text has
exact offsets in the original.

Source of the folding: Unicode NFKC and case folding (UAX #15, UAX #44), with the quotation marks
and dashes of General Punctuation mapped to ASCII and white space runs to one space. Superscripts,
subscripts, fractions and circled digits stay as they are: plain NFKC would turn "10²" into "102".
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, order=True, slots=True)
class Span:
    """Code points ``start`` (inclusive) to ``end`` (exclusive) of one text.

    Raises:
        ValueError: if ``start`` is negative or ``end`` lies before ``start``.
    """

    start: int
    end: int

    def __post_init__(self) -> None:
        if self.start < 0 or self.end < self.start:
            raise ValueError(f"not a span: {self.start}..{self.end}")

    def __len__(self) -> int:
        return self.end - self.start

    def of(self, text: str) -> str:
        """The characters of ``text`` this span stands for."""
        return text[self.start : self.end]

    def shifted(self, by: int) -> Span:
        """The same span, ``by`` code points further on."""
        return Span(self.start + by, self.end + by)

    def contains(self, other: Span) -> bool:
        """Whether ``other`` lies wholly inside this span."""
        return self.start <= other.start and other.end <= self.end

    def within(self, other: Span) -> bool:
        """Whether this span lies wholly inside ``other``."""
        return other.contains(self)

    def overlap(self, other: Span) -> int:
        """How many code points both spans share."""
        return max(0, min(self.end, other.end) - max(self.start, other.start))

    def trimmed(self, text: str) -> Span:
        """This span without the white space at its two ends (empty at ``start`` if nothing is left)."""
        piece = self.of(text)
        left = len(piece) - len(piece.lstrip())
        if left == len(piece):
            return Span(self.start, self.start)
        return Span(self.start + left, self.start + len(piece.rstrip()))


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its number (from 1) and its span without the line end."""

    number: int
    span: Span


class Lines:
    """The lines of a text; line ends are CRLF, LF or CR, as text editors count them."""

    def __init__(self, text: str) -> None:
        self._lines = tuple(_cut_lines(text))
        self._starts = [line.span.start for line in self._lines]

    def __iter__(self) -> Iterator[Line]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)

    def number_at(self, offset: int) -> int:
        """The number (from 1) of the line that holds the code point at ``offset``."""
        return max(1, bisect_right(self._starts, offset))


def _cut_lines(text: str) -> Iterator[Line]:
    start, number, size = 0, 1, len(text)
    while start <= size:
        carriage, feed = text.find("\r", start), text.find("\n", start)
        ends = [place for place in (carriage, feed) if place >= 0]
        end = min(ends, default=size)
        yield Line(number, Span(start, end))
        if end == size:
            return
        start = end + (2 if text[end : end + 2] == "\r\n" else 1)
        number += 1


_QUOTES = dict.fromkeys("‘’‚‛′‵ʼʹ`´‹›", "'") | dict.fromkeys("“”„‟″‶«»〝〞＂", '"')
_DASHES = dict.fromkeys("‐‑‒–—―−﹘﹣－", "-")
# Soft hyphen, grapheme joiner, zero-width characters, bidirectional controls, variation selectors.
_INVISIBLE = frozenset(
    "\u00ad\u034f\u200b\u200c\u200d\u2060\ufeff\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e"
    "\u2066\u2067\u2068\u2069\ufe0e\ufe0f"
)
_TABLE = _QUOTES | _DASHES
_KEPT = ("<super>", "<sub>", "<fraction>", "<circle>")  # folding these would change a number
_LONGEST_CLUSTER = 32  # UAX #15 stream-safe text; normalising a longer run takes quadratic time
_PLAIN = re.compile(r"[!-~]+(?: [!-~]+)*")


@dataclass(frozen=True, slots=True)
class Folded:
    """Folded text and, for each of its characters, the code point of the original it came from."""

    text: str
    origins: tuple[int, ...]

    def original(self, start: int, end: int, source: str) -> Span:
        """The span of ``source`` behind ``text[start:end]``; combining marks stay with their base.

        Raises:
            ValueError: if the range is empty or lies outside the folded text.
        """
        if not 0 <= start < end <= len(self.text):
            raise ValueError(f"not a range of the folded text: {start}..{end}")
        last = self.origins[end - 1] + 1
        while last < len(source) and extends_cluster(source[last]):
            last += 1
        return Span(self.origins[start], last)

    def splits_character(self, place: int) -> bool:
        """Whether a cut before ``text[place]`` falls inside what one original character became."""
        return 0 < place < len(self.text) and self.origins[place] == self.origins[place - 1]


def extends_cluster(character: str) -> bool:
    """Whether ``character`` belongs to the one before it: a mark, or a vowel or final Hangul jamo."""
    if character < "\u0300":
        return False
    return "\u1160" <= character <= "\u11ff" or unicodedata.category(character)[0] == "M"


def fold(text: str) -> Folded:
    """Fold quotes, dashes, white space, case and compatibility forms, keeping the way back.

    White space runs become one space and stand at neither end; soft hyphens and other invisible
    characters vanish. Combining sequences are composed, so "e" + U+0308 equals "ë". Linear time.
    """
    pieces: list[str] = []
    origins: list[int] = []
    place, size, spaced = 0, len(text), True
    while place < size:
        if run := _PLAIN.match(text, place):
            end = run.end()
            # The last character may carry a combining mark: leave it to the slow path.
            end -= end < size and extends_cluster(text[end])
            if end > place:
                pieces.append(text[place:end].lower().replace("`", "'"))
                origins.extend(range(place, end))
                place, spaced = end, pieces[-1][-1] == " "
                continue
        end = _cluster_end(text, place)
        for character in _folded_cluster(text[place:end]):
            if character == " " and spaced:
                continue
            spaced = character == " "
            pieces.append(character)
            origins.append(place)
        place = end
    folded = "".join(pieces)
    if folded.endswith(" "):
        return Folded(folded[:-1], tuple(origins[:-1]))
    return Folded(folded, tuple(origins))


def _cluster_end(text: str, place: int) -> int:
    end, limit = place + 1, min(len(text), place + _LONGEST_CLUSTER)
    while end < limit and extends_cluster(text[end]):
        end += 1
    return end


@lru_cache(maxsize=4096)
def _folded_cluster(cluster: str) -> str:
    first = cluster[0]
    if first in _INVISIBLE:
        return _folded_cluster(cluster[1:]) if len(cluster) > 1 else ""
    if first.isspace():
        return " "
    if first in _TABLE and len(cluster) == 1:
        return _TABLE[first]
    if unicodedata.decomposition(first).startswith(_KEPT):
        return cluster
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", cluster).casefold())
    return "".join(_TABLE.get(c, " " if c.isspace() else c) for c in folded if c not in _INVISIBLE)
