"""Sentences and chunks: nothing lost, nothing doubled, offsets exact, whatever the Unicode."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from summarise.chunking import cut_chunks, cut_sentences

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.txt"))
_AWKWARD = ["e\u0308", "🙂", "👩‍👩‍👧", "مرحبا. ", "中文。", "\u200f", "\u2028"]
ANY_TEXT = st.text(
    st.sampled_from("ab .!?\"'“”\r\n\t—…é") | st.characters(exclude_categories=("Cs",)), max_size=200
) | (st.lists(st.sampled_from(["a b", ". ", "\r\n", *_AWKWARD]), max_size=60).map("".join))


@given(ANY_TEXT)
def test_sentences_are_disjoint_trimmed_and_hold_every_visible_character(text: str) -> None:
    end = 0
    for span in cut_sentences(text):
        assert span.start >= end
        assert not text[end : span.start].strip()
        assert span.of(text) == span.of(text).strip() != ""
        end = span.end
    assert not text[end:].strip()


@given(ANY_TEXT, st.integers(1, 60))
def test_chunks_hold_every_sentence_once_in_order(text: str, size: int) -> None:
    sentences = cut_sentences(text)
    chunks = cut_chunks(text, sentences, max_chars=size)
    assert [span for chunk in chunks for span in chunk.sentences] == list(sentences)
    for chunk in chunks:
        assert sentences[chunk.first] == chunk.sentences[0]
        assert len(chunk.sentences) == 1 or len(chunk.span) <= size


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_cut_into_whole_sentences(path: Path) -> None:
    text = path.read_bytes().decode()
    sentences = cut_sentences(text)
    assert len(sentences) >= 8
    assert all("\n" not in span.of(text) for span in sentences)


def test_a_line_end_closes_a_sentence_in_news_text() -> None:
    text = "Harbour to close\nThe mayor said so. She left.\r\n\r\nPhoto: A. Nobody"
    assert [span.of(text) for span in cut_sentences(text)] == [
        "Harbour to close",
        "The mayor said so.",
        "She left.",
        "Photo: A. Nobody",
    ]


def test_hard_wrapped_text_is_joined_to_sentences() -> None:
    text = (
        "The council of the town has decided after a long and bitter\n"
        "debate that the harbour will close at the end of the coming\n"
        "year, although nobody asked the people who have to work there\n"
        "every day. The mayor declined to answer.\n\nA second paragraph."
    )
    sentences = cut_sentences(text)
    assert [span.of(text).split()[0] for span in sentences] == ["The", "The", "A"]
    assert sentences[0].of(text).endswith("every day.")


def test_abbreviations_and_quotations_do_not_end_sentences() -> None:
    text = 'Dr. Haskavel of Pellomar Co. said "It is over. We go." He left at 5 p.m. yesterday.'
    assert cut_sentences(text)[0].of(text).startswith("Dr. Haskavel of Pellomar Co. said")


def test_chunks_break_at_a_paragraph_if_one_is_near() -> None:
    text = "One is here. Two is here.\n\nThree is here. Four is here."
    chunks = cut_chunks(text, cut_sentences(text), max_chars=45)
    assert [chunk.span.of(text) for chunk in chunks] == ["One is here. Two is here.", "Three is here. Four is here."]
