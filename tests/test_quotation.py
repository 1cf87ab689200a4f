"""Which words stand inside quotation marks."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from summarise.extract.quotation import is_quoted, quoted_spans
from summarise.text import Span


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("“Yes,” she said. “No.”", ["Yes,", "No."]),
        ('"Yes," she said. "No."', ["Yes,", "No."]),
        ("«Oui», dit-elle. „Ja“, sagt er.", ["Oui", "Ja"]),
        ("“One paragraph.\n“And another,” he said.", ["One paragraph.", "And another,"]),
        ("no quotes, it’s plain", []),
    ],
)
def test_quotations_of_every_style(text: str, quoted: list[str]) -> None:
    assert [span.of(text) for span in quoted_spans(text)] == quoted


def test_most_of_a_span_must_be_inside() -> None:
    text = 'He said "we will stay here" and left the room.'
    quotations = quoted_spans(text)
    inside = text.index("we will")
    assert is_quoted(quotations, Span(inside, inside + 17))
    assert not is_quoted(quotations, Span(inside, len(text)))
    assert not is_quoted(quotations, Span(0, 0))


@given(st.text(st.sampled_from('ab “”"«»\n')))
def test_spans_are_disjoint_and_in_order(text: str) -> None:
    spans = quoted_spans(text)
    assert all(one.end <= two.start for one, two in pairwise(spans))
