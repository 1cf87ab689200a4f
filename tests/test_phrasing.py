"""A claim as a sentence: the text's own words, and never more than they say."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from summarise.prompts import load_recipe

from summarise.extract.claims import extract_claims
from summarise.extract.claims.phrasing import sentence_of
from summarise.extract.claims.spans import tight
from summarise.extract.claims.units import reading_units
from summarise.text import Span


class Stub:
    def __init__(self, claimant: str) -> None:
        self.claimant = claimant

    async def try_ask(self, system: str, user: str, answer: Any, max_tokens: int) -> Any:
        return answer.model_validate({field.alias: self.claimant for field in answer.model_fields.values()}), None


def sentences(text: str, claimant: str) -> list[str | None]:
    stub: Any = Stub(claimant)
    found = asyncio.run(
        extract_claims(text, reading_units(text, [Span(0, len(text))]), (), stub, load_recipe("stepwise"))
    )
    return [sentence_of(text, claim, [tight(text, span) for span in claim.content]) for claim in found]


@pytest.mark.parametrize(
    ("text", "claimant", "sentence"),
    [
        (
            "The officials have accused Ostria of arming rebels.",
            "The officials",
            "The officials have accused Ostria of arming rebels.",
        ),
        ("Tarvia no longer accepts the treaty.", "Tarvia", "Tarvia no longer accepts the treaty."),
        ("The dam is safe, according to Ann Roe.", "Ann Roe", "According to Ann Roe: The dam is safe."),
        ("The dam is safe, the mayor said on Monday.", "the mayor", "The mayor said: The dam is safe."),
        ("She told the board on Monday that the dam leaks.", "She", "She told the board on Monday that the dam leaks."),
        ("The visit drew criticism from the harbour board.", "the harbour board", None),
        ("The dam was believed to be safe.", "someone", "The dam was believed to be safe."),
        ("There are fears that the dam leaks.", "someone", "Fears: the dam leaks."),
        ("It seems that the dam leaks.", "it", "It seems that the dam leaks."),
    ],
)
def test_the_words_of_the_text_make_the_sentence(text: str, claimant: str, sentence: str | None) -> None:
    (made,) = sentences(text, claimant)
    assert made == (sentence or "The harbour board (criticism): The visit.")


def test_a_quotation_that_is_opened_is_closed() -> None:
    (made,) = sentences("The mayor said that the dam was “quite safe”.", "The mayor")
    assert made == "The mayor said that the dam was “quite safe”."


@given(
    st.text(st.sampled_from("Vale said that the dam leaks, according to Roe. “No” has denied not “”, "), max_size=60)
)
def test_no_word_is_added_but_those_that_say_how_it_is_said(text: str) -> None:
    known = set(text.split()) | {"According", "to", "[…]"}
    plain = {word.strip("“”\".,:;()!?’'—–-…").casefold() for word in known}
    for made in sentences(text, "Vale"):
        for word in (made or "").split():
            assert word.strip("“”\".,:;()!?’'—–-…").casefold() in plain | {""}
