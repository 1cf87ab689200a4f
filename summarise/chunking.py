"""Sentences and chunks of a document.

Invariant: sentences are disjoint, in order, without white space at their ends, and together hold
every character of the text that is not white space. A chunk is a run of whole sentences.

Source: sentence boundaries by sentencex (Wikimedia's rule-based segmenter), asked line by line, since
a line end closes a sentence in news text (headlines, captions, lists). Hard-wrapped text, whose lines
break in the middle of sentences, is joined to paragraphs first. See docs/design.md for the
alternatives compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import sentencex

from summarise.text import Lines, Span

_LIST_NUMBER = re.compile(r"\(?(?:\d{1,3}|[A-Za-z])[.)]")
"""The number of a heading or list item, which belongs to what follows it on the line."""
_WRAP_WIDTH = range(50, 100)
_TERMINAL = tuple(".!?:;…\"'”’)]。！？؟।")


@dataclass(frozen=True, slots=True)
class Chunk:
    """A run of whole sentences that is asked about in one request; ``first`` is the first one's index."""

    first: int
    sentences: tuple[Span, ...]

    @property
    def span(self) -> Span:
        """From the first sentence's start to the last one's end."""
        return Span(self.sentences[0].start, self.sentences[-1].end)


def cut_sentences(text: str, *, language: str | None = None) -> tuple[Span, ...]:
    """Cut ``text`` into sentences, as spans of the whole text.

    Args:
        text: the document's text as read.
        language: ISO 639-1 code; English rules where it is None.
    """
    spans: list[Span] = []
    for block in _blocks(text):
        piece = block.of(text)
        heading: Span | None = None
        for boundary in sentencex.get_sentence_boundaries(language or "en", piece):
            span = Span(boundary["start_index"], boundary["end_index"]).shifted(block.start).trimmed(text)
            if not len(span):
                continue
            if heading is not None:
                spans[-1] = span = Span(heading.start, span.end)
            else:
                spans.append(span)
            heading = span if _LIST_NUMBER.fullmatch(span.of(text)) else None
    return tuple(spans)


def cut_chunks(text: str, sentences: Sequence[Span], *, max_chars: int) -> tuple[Chunk, ...]:
    """Group sentences into chunks of at most ``max_chars`` code points, breaking at blank lines if it can.

    A sentence longer than ``max_chars`` is a chunk by itself.
    """
    chunks: list[Chunk] = []
    first = 0
    while first < len(sentences):
        last = first + 1
        while last < len(sentences) and sentences[last].end - sentences[first].start <= max_chars:
            last += 1
        if last < len(sentences):
            last = _paragraph_break(text, sentences, first, last)
        chunks.append(Chunk(first, tuple(sentences[first:last])))
        first = last
    return tuple(chunks)


def _paragraph_break(text: str, sentences: Sequence[Span], first: int, last: int) -> int:
    """The last paragraph start in the second half of ``first..last``, else ``last``."""
    for index in range(last, first + (last - first) // 2, -1):
        if "\n" in text[sentences[index - 1].end : sentences[index].start]:
            return index
    return last


def _blocks(text: str) -> Iterator[Span]:
    """Lines, or paragraphs where the text is hard-wrapped."""
    lines = [line.span for line in Lines(text)]
    if not _is_hard_wrapped(text, lines):
        yield from (line for line in lines if len(line))
        return
    start: int | None = None
    end = 0
    for line in lines:
        if not line.of(text).strip():
            if start is not None:
                yield Span(start, end)
            start = None
            continue
        start, end = (line.start if start is None else start), line.end
    if start is not None:
        yield Span(start, end)


def _is_hard_wrapped(text: str, lines: Sequence[Span]) -> bool:
    """Whether most lines are of one column's width and end in the middle of a sentence."""
    followed = [
        line.of(text).rstrip() for line, after in pairwise(lines) if line.of(text).strip() and after.of(text).strip()
    ]
    broken = [line for line in followed if len(line) in _WRAP_WIDTH and not line.endswith(_TERMINAL)]
    return len(followed) >= 3 and len(broken) >= 0.6 * len(followed)
