"""Which pairs are asked about, and what an answer makes of them; a stub stands in the model's place."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from summarise.prompts import load_recipe

from summarise.chunking import cut_sentences
from summarise.extract.asking import Token
from summarise.extract.claims import FoundClaim
from summarise.extract.drafts import ActorDraft
from summarise.extract.merge import mentions_of
from summarise.extract.stances import MOST_ASKED, FoundStance, extract_stances
from summarise.extract.stances.pairs import Pair, Place, coordinated, opposed, pairs_to_ask
from summarise.extract.stances.step import LEAST_SURE, StanceWord, decided
from summarise.extract.stances.things import things
from summarise.text import Span

TEXT = (
    "Ina Vale praised Norrland Bank on Monday. Tom Reck said the levy hurts Ina Vale. "
    "The levy was set in May. Ina Vale wants the levy gone. The levy stays, Norrland Bank fears."
)


def actor(name: str, text: str = TEXT) -> ActorDraft:
    return ActorDraft(name, "person", mentions=mentions_of(text, [name]))


def claim(claimant: str, words: str) -> FoundClaim:
    start = TEXT.index(words)
    content = Span(start, start + len(words))
    sentence = next(span for span in cut_sentences(TEXT) if content.within(span))
    return FoundClaim((content,), content, sentence, claimant, content, claimant, "reported", "asserts", None)


ACTORS = [actor("Ina Vale"), actor("Norrland Bank"), actor("Tom Reck")]
CLAIMS = [claim("Tom Reck", "the levy hurts Ina Vale")]


def stances(
    answers: Mapping[tuple[str, str], str],
    text: str = TEXT,
    actors: Sequence[ActorDraft] = ACTORS,
    claims: Sequence[FoundClaim] = CLAIMS,
) -> dict[tuple[str, str], FoundStance]:
    class Stub:
        async def try_ask(self, system: str, user: str, answer: Any, max_tokens: int) -> Any:
            holder, _, target = user.splitlines()[-1].partition(" towards ")
            return StanceWord(a=answers.get((holder, target), "neutral")), None  # type: ignore[arg-type]

    stub: Any = Stub()
    found = asyncio.run(extract_stances(text, cut_sentences(text), actors, claims, stub, load_recipe("stepwise")))
    return {(stance.holder, stance.target): stance for stance in found}


def test_the_words_that_bring_a_pair_together_are_the_evidence() -> None:
    found = stances({("Ina Vale", "Norrland Bank"): "support", ("Tom Reck", "Ina Vale"): "oppose"})
    assert {pair: stance.label for pair, stance in found.items()} == {
        ("Ina Vale", "Norrland Bank"): "support",
        ("Tom Reck", "Ina Vale"): "oppose",
    }
    assert found["Ina Vale", "Norrland Bank"].evidence.of(TEXT) == "Ina Vale praised Norrland Bank"
    assert found["Tom Reck", "Ina Vale"].evidence.of(TEXT) == "the levy hurts Ina Vale"
    assert all(stance.evidence.within(stance.sentence) for stance in found.values())
    assert all(stance.probability is None for stance in found.values())


def test_neutral_is_no_stance() -> None:
    assert stances({}) == {}


def test_the_thing_a_document_keeps_coming_back_to_is_a_target_and_no_holder() -> None:
    assert [thing.name for thing in things(TEXT, cut_sentences(TEXT), ACTORS)] == []
    text = "The merger is bad. Ina Vale wants the merger. The merger stays."
    sentences = cut_sentences(text)
    actors = [actor("Ina Vale", text)]
    assert [thing.name for thing in things(text, sentences, actors)] == ["merger"]
    assert [(pair.holder, pair.target) for (pair,) in pairs_to_ask(text, sentences, actors, [])] == [
        ("Ina Vale", "merger")
    ]


def test_a_claim_speaks_more_for_a_pair_than_a_shared_sentence() -> None:
    pairs = pairs_to_ask(TEXT, cut_sentences(TEXT), ACTORS, CLAIMS)
    weights = {(pair.holder, pair.target): pair.weight for (pair,) in pairs}
    assert weights["Tom Reck", "Ina Vale"] > weights["Ina Vale", "Norrland Bank"]
    assert len(pairs) <= MOST_ASKED


def test_where_something_happens_is_no_side() -> None:
    text = "Ina Vale praised the war in Ostria. Ina Vale met Tarvia-backed rebels. Ina Vale thanked Sunland."
    countries = [
        ActorDraft(name, "country", mentions=mentions_of(text, [name])) for name in ("Ostria", "Tarvia", "Sunland")
    ]
    pairs = pairs_to_ask(text, cut_sentences(text), [actor("Ina Vale", text), *countries], [])
    assert {name for group in pairs for pair in group for name in (pair.holder, pair.target)} == {"Ina Vale", "Sunland"}


def test_nobody_is_asked_about_for_the_country_he_speaks_for() -> None:
    text = "Tom Reck praised Denmark. Tom Reck praised Norway."
    reck = ActorDraft("Tom Reck", "person", "Danish president", mentions=mentions_of(text, ["Tom Reck"]))
    countries = [ActorDraft(name, "country", mentions=mentions_of(text, [name])) for name in ("Denmark", "Norway")]
    pairs = pairs_to_ask(text, cut_sentences(text), [reck, *countries], [])
    assert {(pair.holder, pair.target) for group in pairs for pair in group} >= {("Tom Reck", "Norway")}
    assert not any({pair.holder, pair.target} == {"Tom Reck", "Denmark"} for group in pairs for pair in group)


def test_names_side_by_side_are_asked_about_once() -> None:
    text = "Tom Reck praised Ina Vale and Mayor Eva Sand. The rain stopped."
    actors = [actor(name, text) for name in ("Tom Reck", "Ina Vale", "Eva Sand")]
    (first, *_) = pairs_to_ask(text, cut_sentences(text), actors, [])
    assert [(pair.holder, pair.target) for pair in first] == [("Tom Reck", "Ina Vale"), ("Tom Reck", "Eva Sand")]
    found = stances({("Tom Reck", "Ina Vale"): "support"}, text, actors, [])
    assert {pair: stance.label for pair, stance in found.items()} == {
        ("Tom Reck", "Ina Vale"): "support",
        ("Tom Reck", "Eva Sand"): "support",
    }


@pytest.mark.parametrize(
    ("text", "side_by_side"),
    [
        ("Vale and Roe", True),
        ("Vale, Mayor Ann Lind, and Roe", True),
        ("Vale of the Harbour Board or Roe", False),
        ("Vale, of the Harbour Board, and Roe", True),
        ("Vale met Roe", False),
        ("Vale and the mayor met Roe", False),
    ],
)
def test_what_stands_between_names_side_by_side(text: str, side_by_side: bool) -> None:
    first, second = Span(0, 4), Span(text.index("Roe"), len(text))
    assert coordinated(text, first, second) is side_by_side


def test_whoever_is_quoted_is_asked_about_for_what_the_document_is_about() -> None:
    text = "Ina Vale won. Ina Vale left. Ina Vale is back. It is a shame, said Tom Reck. Norrland Bank sells the news."
    content = Span(text.index("It is a shame"), text.index(", said"))
    sentence = next(span for span in cut_sentences(text) if content.within(span))
    said = FoundClaim((content,), content, sentence, "Tom Reck", content, "Tom Reck", "reported", "asserts", None)
    bank = ActorDraft("Norrland Bank", "media", mentions=mentions_of(text, ["Norrland Bank"]))
    actors = [actor("Ina Vale", text), actor("Tom Reck", text), bank]
    (first, *rest) = (pair for (pair,) in pairs_to_ask(text, cut_sentences(text), actors, [said]))
    assert (first.holder, first.target) == ("Tom Reck", "Ina Vale")
    assert first.best.evidence.of(text) == "It is a shame"
    assert all(pair.holder != "Norrland Bank" for pair in rest), "who reports holds no stance"


def word(label: str, sure: float) -> list[Token]:
    other = {"support": " opp", "oppose": " supp"}[label]
    top = {label[:4]: math.log(sure), other: math.log(1 - sure)}
    return [Token('{"a":"', 0.0, {}), Token(label[:4], math.log(sure), top)]


def pair() -> Pair:
    made = Pair("A", "B")
    made.add(Place(0, 0, Span(0, 10), Span(2, 5)))
    return made


def test_how_sure_falls_with_rank_and_rises_with_the_words_probability() -> None:
    first = decided(pair(), 0, StanceWord(a="oppose"), word("oppose", 0.9))
    second = decided(pair(), 1, StanceWord(a="oppose"), word("oppose", 0.9))
    unsure = decided(pair(), 0, StanceWord(a="oppose"), word("oppose", 0.55))
    assert first is not None and second is not None and unsure is not None
    assert first.probability is not None and second.probability is not None and unsure.probability is not None
    assert first.probability > second.probability
    assert first.probability > unsure.probability
    assert decided(pair(), 30, StanceWord(a="oppose"), word("oppose", 0.51)) is None


@pytest.mark.parametrize(
    ("before", "turns"),
    [
        ("vowed to resist the new ", True),
        ("voted against the ", True),
        ("announced plans to counter U.S.-led ", True),
        ("did not vote against the ", False),
        ("welcomed the ", False),
        ("resisted every call of the last ten years to end the ", False),
    ],
)
def test_words_that_turn_against_what_follows(before: str, turns: bool) -> None:
    assert opposed(before, Span(0, len(before))) is turns


def test_a_target_behind_such_a_word_is_opposed_unless_the_answer_is_firm() -> None:
    against = Pair("A", "B")
    against.add(Place(0, 0, Span(0, 10), Span(2, 5), against=True))
    hesitant = decided(against, 0, StanceWord(a="support"), word("support", 0.9))
    assert hesitant is not None and hesitant.label == "oppose"
    firm = decided(against, 0, StanceWord(a="support"), word("support", 0.9999))
    assert firm is not None and firm.label == "support"


def test_a_hesitant_support_counts_as_oppose() -> None:
    hesitant = decided(pair(), 0, StanceWord(a="support"), word("support", 0.55))
    firm = decided(pair(), 0, StanceWord(a="support"), word("support", 0.8))
    assert hesitant is not None and hesitant.label == "oppose"
    assert firm is not None and firm.label == "support"


@given(st.integers(0, 50), st.floats(0.01, 0.99), st.sampled_from(["support", "oppose"]))
def test_what_is_shown_is_at_least_as_sure_as_promised(rank: int, sure: float, label: str) -> None:
    stance = decided(pair(), rank, StanceWord(a=label), word(label, sure))  # type: ignore[arg-type]
    assert stance is None or (stance.probability or 0.0) >= LEAST_SURE


@pytest.mark.parametrize("answer", [None, StanceWord(a="neutral")])
def test_no_answer_is_no_stance(answer: StanceWord | None) -> None:
    assert decided(pair(), 0, answer, None) is None


def test_things_are_nouns() -> None:
    text = (
        "Vale spoke of international law and international aid. They urged it, and they urge it again. "
        "International rules on death penalty cases stay. The death penalty stays. International talks on the "
        "death penalty failed, they urged. The international mood is bad, urged Vale."
    )
    assert [thing.name for thing in things(text, cut_sentences(text), [])] == ["death penalty"]
