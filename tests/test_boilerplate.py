"""What is left out of a page, and what is not."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from summarise.chunking import cut_sentences
from summarise.extract.boilerplate import find_boilerplate, without
from summarise.text import Span

EXAMPLES = Path(__file__).parent.parent / "examples"


def found(text: str) -> list[tuple[str, str]]:
    return [(part.span.of(text), part.reason) for part in find_boilerplate(text)]


def kept(text: str) -> str:
    spans = without(text, cut_sentences(text), [part.span for part in find_boilerplate(text)])
    return "\n".join(span.of(text) for span in spans)


def test_every_kind_is_found_and_prose_is_left() -> None:
    page = (
        "By Oda Brandt, Halvik Courier\n"
        "*** ADVERT *** Warm socks! *** ADVERT ***\n"
        "The council met on Monday and cookies were served to all.\n"
        "(Photo : INA VALE/POOL/AFP via Getty Images)\n"
        "Ina Vale opened the bridge. TOM RECK/Getty Images.\n"
        "Read Also: A bridge too dear\n"
        "Follow us on Facebook\n"
        "Sign up for the Courier's letter.\n"
        "The council met on Monday and cookies were served to all.\n"
        "© 2031 Halvik Courier. All rights reserved.\n"
    )
    assert found(page) == [
        ("By Oda Brandt, Halvik Courier", "by-line"),
        ("*** ADVERT *** Warm socks! *** ADVERT ***", "advert"),
        ("(Photo : INA VALE/POOL/AFP via Getty Images)", "credit"),
        ("TOM RECK/Getty Images.", "credit"),
        ("Read Also: A bridge too dear", "link"),
        ("Follow us on Facebook", "social"),
        ("Sign up for the Courier's letter.", "notice"),
        ("The council met on Monday and cookies were served to all.", "repeated"),
        ("© 2031 Halvik Courier. All rights reserved.", "copyright"),
    ]
    assert kept(page) == "The council met on Monday and cookies were served to all.\nIna Vale opened the bridge."


@pytest.mark.parametrize(
    "prose",
    [
        "The board wants more cookies, and a newsletter.",
        "Read the report, said Ina Vale, and you will see.",
        "She asked voters to sign up for the march.",
        "The photo shows the mayor. Reuters reported it first.",
        "Copyright law is the topic of the day.",
        "Share prices fell.",
        "By Saturday the crowd had gone.",
        "The adverts ran for a week.",
    ],
)
def test_prose_about_the_same_things_is_left(prose: str) -> None:
    assert found(prose) == []


def test_short_lines_may_repeat() -> None:
    assert found("Ina Vale:\nYes.\nIna Vale:\nNo.\n") == []


@pytest.mark.parametrize(
    ("example", "left_out", "left"),
    [
        (
            "harbour_2_lantern.txt",
            ["Hesper Quillan", "Jory Wendlock", "Fennick Aldous", "Brona Telwether", "Lantern Letter"],
            ["Marek Tolluin", "Ottilene Fray", "Doors open at six."],
        ),
        (
            "harbour_4_dazzler.txt",
            ["Rufe Candlemas", "Mab Olliver", "GLUMPO", "Madam Perpetua", "Lorcan Vey", "Tansy Broome", "Odo Pramble"],
            ["Marek Tolluin", "I get seasick", "Herring hell"],
        ),
    ],
)
def test_examples(example: str, left_out: list[str], left: list[str]) -> None:
    text = (EXAMPLES / example).read_bytes().decode()
    rest = kept(text)
    assert [words for words in left_out if words not in text or words in rest] == []
    assert [words for words in left if words not in rest] == []
    assert rest.count("Herring hell") == left.count("Herring hell")


def test_a_sentence_is_cut_where_a_hole_begins_and_dropped_where_it_is_covered() -> None:
    text = "One two three. Four."
    sentences = [Span(0, 14), Span(15, 20)]
    assert [s.of(text) for s in without(text, sentences, [Span(4, 7)])] == ["One", "Four."]
    assert [s.of(text) for s in without(text, sentences, [Span(0, 4)])] == ["two three.", "Four."]
    assert [s.of(text) for s in without(text, sentences, [Span(0, 14)])] == ["Four."]
    assert [s.of(text) for s in without(text, sentences, [])] == ["One two three.", "Four."]


PIECES = (
    "Ina Vale said no.|Photo: |A/AP|Getty Images|©|2031 |Read also: |newsletter |é😀 |”|unsubscribe |cookies |\n|\r\n"
    "| |Tom Reck|All rights reserved|[VIDEO]|share|By |*** ADVERT"
).split("|")
PAGES = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


@given(PAGES)
def test_boilerplate_is_in_order_and_inside_the_text(text: str) -> None:
    spans = [part.span for part in find_boilerplate(text)]
    assert all(0 <= span.start < span.end <= len(text) for span in spans)
    assert all(one.end <= two.start for one, two in pairwise(spans))


@given(PAGES)
def test_what_is_kept_of_a_page_lies_in_its_sentences_and_not_in_boilerplate(text: str) -> None:
    sentences = cut_sentences(text)
    holes = [part.span for part in find_boilerplate(text)]
    rest = without(text, sentences, holes)
    assert all(len(span) and any(span.within(sentence) for sentence in sentences) for span in rest)
    assert not any(span.overlap(hole) for span in rest for hole in holes)
    assert all(one.end <= two.start for one, two in pairwise(rest))
    assert without(text, rest, holes) == rest


@given(st.text("a .", max_size=40), st.lists(st.integers(0, 40)), st.lists(st.integers(0, 40)))
def test_without_for_any_sentences_and_holes(text: str, cuts: list[int], edges: list[int]) -> None:
    inside = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    sentences = [Span(start, end) for start, end in pairwise(inside)]
    ends = sorted(set(edges))
    holes = [Span(start, end) for start, end in zip(ends[::2], ends[1::2], strict=False)]
    for span in (rest := without(text, sentences, holes)):
        assert span == span.trimmed(text) and any(span.within(sentence) for sentence in sentences)
        assert not any(span.overlap(hole) for hole in holes)
    assert all(one.end <= two.start for one, two in pairwise(rest))
    assert without(text, sentences, []) == tuple(s.trimmed(text) for s in sentences if len(s.trimmed(text)))


def test_time_is_linear() -> None:
    def seconds(text: str) -> float:
        start = time.process_time()
        spans = [part.span for part in find_boilerplate(text)]
        without(text, [Span(match, match + 1) for match in range(0, len(text), 7)], spans)
        return time.process_time() - start

    for make in (
        lambda n: "Read also: A bridge\nIna Vale opened the bridge. TOM RECK/AFP\n" * n,
        lambda n: "A " * 20 * n + "/AP",
        lambda n: "(Photo " * 20 * n,
        lambda n: "newsletter cookies unsubscribe " * 10 * n,
        lambda n: "[" * 100 * n,
        lambda n: "\n" * 100 * n,
        lambda n: " " * 100 * n + "x",
    ):
        small, large = (min(seconds(make(n)) for _ in range(3)) for n in (50, 200))
        assert large < 12 * small + 0.2
