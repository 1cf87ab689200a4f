"""Quotation marks: which stretches of a text stand inside them.

Invariant: pure and linear. Curly, straight, low-high, angle and CJK marks are known; a straight mark
opens or closes by its neighbours. An opening mark that is never closed ends with its paragraph, as
in quotations that run over several paragraphs (each reopened, only the last one closed).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from operator import attrgetter

from summarise.text import Span

_PAIRS = {"“": "”", "„": "“”", "«": "»", "「": "」", "『": "』", "〝": "〞"}
_MARKS = re.compile('[\\n"' + "".join(_PAIRS) + "".join(_PAIRS.values()) + "]")
_MIN_QUOTED_SHARE = 0.8


def quoted_spans(text: str) -> tuple[Span, ...]:
    """The stretches between double quotation marks, marks excluded, in order."""
    spans: list[Span] = []
    opened: tuple[int, str] | None = None
    for found in _MARKS.finditer(text):
        place, character = found.start(), found[0]
        if opened is not None:
            if character in opened[1] or character == "\n":
                spans.append(Span(opened[0], place))
                opened = None
        elif character in _PAIRS:
            opened = (place + 1, _PAIRS[character])
        elif character == '"':
            opened = (place + 1, '"')
    return tuple(span for span in spans if span.trimmed(text))


def is_quoted(quotations: Sequence[Span], span: Span) -> bool:
    """Whether most of ``span`` stands inside ``quotations`` (from :func:`quoted_spans`)."""
    first = max(0, bisect_right(quotations, span.start, key=attrgetter("start")) - 1)
    inside = 0
    for quoted in quotations[first:]:
        if quoted.start >= span.end:
            break
        inside += quoted.overlap(span)
    return len(span) > 0 and inside >= _MIN_QUOTED_SHARE * len(span)
