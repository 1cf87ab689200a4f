"""Spans, lines and folding."""

from __future__ import annotations

import re
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from summarise.text import Lines, Span, extends_cluster, fold

ODD = st.text(
    st.sampled_from("aZé5 \"'“’`-–…½²①\u0301\u0323\u093f\u200d\ufe0f\u00ad\u202f\r\n\t\x1c\u2028🎉👩ßİﬁΣς한ᄒ\u1161"),
    max_size=40,
)
ANY = st.one_of(ODD, st.text(max_size=60))


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (3, 2), (-2, -1)])
def test_a_span_has_two_ends_in_order(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="not a span"):
        Span(start, end)


def test_spans_measure_contain_and_move() -> None:
    outer, inner = Span(2, 9), Span(4, 6)
    assert (len(outer), outer.overlap(inner), inner.overlap(Span(6, 8))) == (7, 2, 0)
    assert outer.contains(inner)
    assert not inner.contains(outer)
    assert inner.shifted(3) == Span(7, 9)
    assert inner.of("abcdefgh") == "ef"


@given(ANY, st.integers(0, 70), st.integers(0, 70))
def test_trimming_takes_white_space_only(text: str, one: int, two: int) -> None:
    span = Span(min(one, two), max(one, two))
    trimmed = span.trimmed(text)
    assert span.contains(trimmed)
    assert trimmed.end <= max(len(text), trimmed.start)
    assert trimmed.of(text) == span.of(text).strip()


@given(ANY)
def test_lines_end_at_crlf_lf_and_cr_only(text: str) -> None:
    lines = Lines(text)
    assert [line.span.of(text) for line in lines] == re.split("\r\n|\n|\r", text)
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))
    # str.splitlines() agrees once the separators that editors do not count are out of the way.
    plain = re.sub("[\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029]", "x", text)
    kept = plain.splitlines(keepends=True)
    starts = [line.span.start for line in Lines(plain)]
    assert starts[: len(kept)] == [sum(map(len, kept[:number])) for number in range(len(kept))]
    for number, piece in enumerate(kept, start=1):
        for offset in range(starts[number - 1], starts[number - 1] + len(piece)):
            assert lines.number_at(offset) == number


@given(ANY)
def test_folding_keeps_the_way_back(text: str) -> None:
    folded = fold(text)
    assert len(folded.text) == len(folded.origins)
    assert list(folded.origins) == sorted(folded.origins)
    assert "  " not in folded.text
    assert folded.text == folded.text.strip(" ")
    for place in range(len(folded.text)):
        span = folded.original(place, place + 1, text)
        assert 0 <= span.start < span.end <= len(text)


@given(ANY, st.data())
def test_a_folded_range_stands_for_characters_that_fold_to_it(text: str, data: st.DataObject) -> None:
    folded = fold(text)
    if not folded.text:
        return
    start = data.draw(st.integers(0, len(folded.text) - 1))
    end = data.draw(st.integers(start + 1, len(folded.text)))
    if folded.splits_character(start) or folded.splits_character(end):
        return
    again = fold(folded.original(start, end, text).of(text)).text
    assert again == folded.text[start:end].strip(" ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("“A”\r\n ‘b’", "\"a\" 'b'"), ("1–2—3−4", "1-2-3-4"), ("e\u0308 ë Ë", "ë ë ë"), ("so\u00adft", "soft"),
        ("ﬁn", "fin"), ("10² ½ ①", "10² ½ ①"), ("\u1112\u1161\u11ab", "한"), ("❤️", "❤"), ("Straße", "strasse"),
        ("`x`", "'x'"), ("a\u2028b\u3000c", "a b c"), ("\u200fא\u200e", "א"), ("…", "..."), ("", ""), (" \n", ""),
    ],
)  # fmt: skip
def test_what_folding_makes_equal(text: str, expected: str) -> None:
    assert fold(text).text == expected


def test_a_folded_range_outside_the_text_is_refused() -> None:
    with pytest.raises(ValueError, match="not a range"):
        fold("abc").original(2, 4, "abc")


def test_a_mark_belongs_to_the_letter_before_it() -> None:
    assert extends_cluster("\u0301")
    assert extends_cluster("\u093f")
    assert not extends_cluster("a")
    assert unicodedata.category("\u0301") == "Mn"
    assert fold("ae\u0301b").original(1, 2, "ae\u0301b") == Span(1, 3)


@pytest.mark.parametrize("piece", ["word ", "é ", "\u0301\u0323", "\u00a0", "“x” "])
def test_folding_takes_linear_time(piece: str) -> None:
    text = "a" + piece * (200_000 // len(piece))
    began = time.process_time()
    fold(text)
    assert time.process_time() - began < 2
