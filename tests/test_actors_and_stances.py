"""Behaviour of the steps on invented text; the model is a stub that answers what the test says."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

import actors_step
import stances_step
from asking import Answer, TokenLogprob
from boilerplate import find_boilerplate
from names import find_candidates
from run import split_sentences
from spans import Span, without

TEXT = (
    "Mayor Ina Vale opened the bridge in Halvik on Monday. Vale, a former engineer, thanked Norrland Bank.\n"
    '"The toll is robbery," said Danish President Tom Reck. Denmark will appeal, the Danish president added.\n'
)


def asking(stands: str, kinds: Sequence[str] = ()) -> object:
    async def ask(system: str, user: str, answer: type[Answer], max_tokens: int) -> tuple[Answer, Sequence[TokenLogprob] | None]:
        wire = {"k": list(kinds)} if answer is actors_step.Kinds else {"s": stands}
        return answer.model_validate(wire), None

    return ask


def actors_of(text: str) -> list[actors_step.ActorDraft]:
    return asyncio.run(actors_step.extract_actors(text, list(split_sentences(text)), asking("")))  # type: ignore[arg-type]


def test_short_forms_titles_and_descriptions_are_one_actor() -> None:
    actors = {actor.name: actor for actor in actors_of(TEXT)}
    assert actors["Ina Vale"].aliases == ("Vale",)
    assert actors["Ina Vale"].role == "a former engineer"
    assert actors["Tom Reck"].role == "Danish President"
    assert "the Danish president" in actors["Tom Reck"].aliases
    assert actors["Denmark"].kind == "country"
    assert actors["Norrland Bank"].kind == "organisation"
    assert "Halvik" not in actors


def test_mentions_are_the_words_of_the_text() -> None:
    for actor in actors_of(TEXT):
        forms = {actor.name, *actor.aliases}
        assert all(TEXT[mention.start : mention.end] in forms for mention in actor.mentions)


def stances_of(text: str, stands: str) -> list[stances_step.StanceDraft]:
    sentences = list(split_sentences(text))
    return asyncio.run(stances_step.extract_stances(text, sentences, actors_of(text), asking(stands)))  # type: ignore[arg-type]


def test_a_stand_is_tied_to_actors_and_words() -> None:
    (stance,) = stances_of(TEXT.splitlines()[0], "Vale supports Norrland Bank")
    assert (stance.holder, stance.target, stance.label) == ("Ina Vale", "Norrland Bank", "support")
    assert stance.evidence is not None
    assert TEXT[stance.evidence.start : stance.evidence.end] == "Vale, a former engineer, thanked Norrland Bank"


def test_a_side_that_is_not_in_the_text_has_no_evidence() -> None:
    (stance,) = stances_of(TEXT.splitlines()[0], "Vale opposes Oda Brandt")
    assert stance.evidence is None


def test_repeats_and_none_add_nothing() -> None:
    assert stances_of(TEXT, "none") == []
    assert len(stances_of(TEXT.splitlines()[0], "Vale supports Norrland Bank; Vale supports Norrland Bank; Vale supp")) == 1


def test_boilerplate_is_found_and_prose_is_left() -> None:
    page = (
        "The council met on Monday and cookies were served to all.\n"
        "(Photo : INA VALE/POOL/AFP via Getty Images)\n"
        "Ina Vale opened the bridge. TOM RECK/Getty Images.\n"
        "Read Also: A bridge too dear\n"
        "© 2031 Halvik Courier. All rights reserved.\n"
    )
    found = [(page[start:end], reason) for start, end, reason in find_boilerplate(page)]
    assert [reason for _, reason in found] == ["credit", "credit", "link", "copyright"]
    assert found[1][0] == "TOM RECK/Getty Images."


@given(st.text(alphabet="AbcD é.’'\n\"-,/©", max_size=300))
def test_spans_stay_inside_and_in_order(text: str) -> None:
    found = [Span(item.start, item.end) for item in find_boilerplate(text)]
    assert all(0 <= one.start < one.end <= len(text) for one in found)
    assert all(one.end <= other.start for one, other in pairwise(found))
    sentences = list(split_sentences(text))
    kept = without(sentences, found)
    for candidate in find_candidates(text, kept):
        assert all(any(s.start <= mention.start < mention.end <= s.end for s in kept) for mention in candidate.mentions)
