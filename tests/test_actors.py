"""Behaviour and invariants of the actors step, with a stub in the model's place."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from summarise.prompts import load_recipe

from summarise.chunking import cut_sentences
from summarise.extract.actors.names import find_candidates
from summarise.extract.actors.step import MOST_NAMES_ASKED, extract_actors
from summarise.extract.boilerplate import find_boilerplate, without
from summarise.extract.drafts import ActorDraft
from summarise.text import Span

EXAMPLES = Path(__file__).parent.parent / "examples"
TEXT = (
    "Mayor Ina Vale opened the bridge in Halvik on Monday. Vale, a former engineer, thanked Norrland Bank.\n"
    '"The toll is robbery," said Danish President Tom Reck. Denmark will appeal, the Danish president added.\n'
)


class Stub:
    """Answers with the kinds of a table: name -> kind, else "*"; without a table every question stays unanswered."""

    def __init__(self, kinds: Mapping[str, str] | None) -> None:
        self.kinds = kinds
        self.asked: list[str] = []

    async def try_ask(self, system: str, user: str, answer: Any, max_tokens: int) -> Any:
        name = user.rpartition("\n")[2]
        self.asked.append(name)
        if self.kinds is None:
            return None, None
        return answer.model_validate({"k": self.kinds.get(name, self.kinds.get("*", "thing"))}), None


def kept(text: str) -> tuple[Span, ...]:
    return without(text, cut_sentences(text), [part.span for part in find_boilerplate(text)])


def ask_actors(text: str, stub: Stub) -> dict[str, ActorDraft]:
    asker: Any = stub
    actors = asyncio.run(
        extract_actors(text, kept(text), find_candidates(text, kept(text)), asker, load_recipe("stepwise"))
    )
    assert len({actor.name for actor in actors}) == len(actors)
    return {actor.name: actor for actor in actors}


def actors_of(text: str, kinds: Mapping[str, str] | None = None) -> dict[str, ActorDraft]:
    return ask_actors(text, Stub(kinds))


def names_of(text: str) -> set[str]:
    return {candidate.name for candidate in find_candidates(text, kept(text))}


def mentions(text: str, actor: ActorDraft) -> list[str]:
    return [span.of(text) for span in actor.mentions]


def test_short_forms_titles_and_descriptions_are_one_actor() -> None:
    actors = actors_of(TEXT)
    assert set(actors) == {"Ina Vale", "Tom Reck", "Denmark", "Norrland Bank"}
    assert actors["Ina Vale"].aliases == ("Vale",)
    assert actors["Ina Vale"].role == "a former engineer"
    assert actors["Tom Reck"].role == "Danish President"
    assert actors["Tom Reck"].aliases == ("the Danish president",)
    assert {name: actor.kind for name, actor in actors.items()} == {
        "Ina Vale": "person",
        "Tom Reck": "person",
        "Denmark": "country",
        "Norrland Bank": "organisation",
    }


def test_mentions_are_the_words_of_the_text() -> None:
    actors = actors_of(TEXT)
    assert mentions(TEXT, actors["Ina Vale"]) == ["Ina Vale", "Vale"]
    assert mentions(TEXT, actors["Tom Reck"]) == ["Tom Reck", "the Danish president"]
    assert mentions(TEXT, actors["Denmark"]) == ["Denmark"]
    text = "The plan is Ina Vale's. It is Vale’s own."
    assert mentions(text, actors_of(text, {"*": "person"})["Ina Vale"]) == ["Ina Vale", "Vale"]


def test_initials_and_abbreviations() -> None:
    text = "The Norrland Rail Union met Ms. Oda Brandt. The NRU thanked Ms. Brandt and J. J. Holm."
    actors = actors_of(text, {"*": "person"})
    assert mentions(text, actors["Norrland Rail Union"]) == ["Norrland Rail Union", "NRU"]
    assert mentions(text, actors["Oda Brandt"]) == ["Oda Brandt", "Brandt"]
    assert mentions(text, actors["J. J. Holm"]) == ["J. J. Holm"]


def test_a_family_name_that_comes_first_and_a_first_name_are_short_forms() -> None:
    text = "Leaders met Han Tae Yong in Halvik. On Monday, Han agreed. Mary Holt was there too, and Mary did not.\n"
    actors = actors_of(text, {"*": "person"})
    assert "Han" in actors["Han Tae Yong"].aliases and "Mary" in actors["Mary Holt"].aliases
    assert "Han" not in actors and "Mary" not in actors


def test_a_description_that_fits_two_persons_is_nobody() -> None:
    text = "Mayor Ina Vale met Mayor Tom Reck. They talked, and the mayor left."
    assert [actor.aliases for actor in actors_of(text).values()] == [(), ()]


def test_country_goes_by_its_name_its_people_and_its_officials() -> None:
    text = "The tariff hurts Denmark. Danish officials said the Danes would appeal, and Copenhagen agreed."
    actor = actors_of(text)["Denmark"]
    assert actor.kind == "country"
    assert mentions(text, actor) == ["Denmark", "Danish officials", "Danes", "Copenhagen"]


def test_group_that_comes_back_is_an_actor() -> None:
    text = "The march was met by police. Nobody was hurt, police said. One of the residents fell."
    assert {name: actor.kind for name, actor in actors_of(text).items()} == {"police": "group"}


def test_kinds_the_model_answers_are_used() -> None:
    text = "The clerk told Orrin Sable of Quarrow. A reply by Quarrow to the Dunmere Tides came late."
    stub = Stub({"Orrin Sable": "person", "Quarrow": "organisation", "Dunmere Tides": "media"})
    kinds = {name: actor.kind for name, actor in ask_actors(text, stub).items()}
    assert kinds == {"Orrin Sable": "person", "Quarrow": "organisation", "Dunmere Tides": "media"}
    assert sorted(stub.asked) == sorted(kinds)
    assert actors_of(text, {"*": "thing"}) == {}


def test_only_what_the_form_leaves_open_is_asked() -> None:
    stub = Stub({"*": "person"})
    ask_actors(TEXT, stub)
    assert stub.asked == []


def test_unanswered_question_leaves_the_kinds_the_form_decides() -> None:
    text = TEXT + "The letter to Orrin Sable was lost.\n"
    assert set(actors_of(text)) == set(actors_of(TEXT))
    assert set(actors_of(text, {"*": "person"})) == {*actors_of(TEXT), "Orrin Sable"}


def test_no_more_names_are_asked_than_fit_one_answer() -> None:
    text = " ".join(f"A clerk saw Orrin {chr(65 + n)}a{chr(97 + n)}le there." for n in range(MOST_NAMES_ASKED + 5))
    stub = Stub({"*": "person"})
    assert len(ask_actors(text, stub)) == len(stub.asked) == MOST_NAMES_ASKED


def test_place_that_is_only_a_location_is_none() -> None:
    assert actors_of("The rain fell in Quarrow. The hall near Quarrow stood empty.", {"*": "organisation"}) == {}
    once = "The fund has chosen Quarrow."
    assert actors_of(once, {"*": "place"}) == {}
    text = "The dam will be paid for by Quarrow. The clerks of Quarrow deny that it rained in Quarrow."
    assert {name: actor.kind for name, actor in actors_of(text, {"*": "place"}).items()} == {"Quarrow": "other"}


def test_headline_makes_no_names_but_those_the_text_knows() -> None:
    headline = "Angry Dockers Pelt Town Hall As Ina Vale Quits Over Toll"
    assert names_of(headline) == set()
    text = f"{headline}\n\nThe toll was the idea of Ina Vale. She left."
    actors = actors_of(text, {"*": "person"})
    assert set(actors) == {"Ina Vale"}
    assert mentions(text, actors["Ina Vale"]) == ["Ina Vale", "Ina Vale"]


def test_sentence_opening_makes_no_name() -> None:
    assert names_of("Yesterday it rained. Cranes fell. However, nobody came.") == set()


@pytest.mark.parametrize("word", "ADVERTISEMENT MORE READ WATCH UPDATE BREAKING VIDEO PHOTOS".split())
def test_widget_words_in_capitals_are_no_names(word: str) -> None:
    text = (
        f"The bill of Mitch Orlow failed. {word} Orlow left. {word} Ina Vale came. {word}: the end. It rained. {word}"
    )
    found = {c.name: [s.of(text) for s in c.mentions] for c in find_candidates(text, cut_sentences(text))}
    assert found == {"Mitch Orlow": ["Mitch Orlow", "Orlow"], "Ina Vale": ["Ina Vale"]}


def test_several_widget_words_and_what_only_opens_the_sentence_after_them() -> None:
    assert names_of("It rained there. READ MORE Prices rose. WATCH THE VIDEO Ina Vale left.") == {"Ina Vale"}


@pytest.mark.parametrize(
    ("text", "name", "found"),
    [
        ("He met Mick Orlow Mick OrlowHeadhunters on Monday.", "Mick Orlow", ["Mick Orlow", "Mick Orlow"]),
        ("He met Mick Orlow Mick OrlowNight Watch on Monday.", "Mick Orlow", ["Mick Orlow", "Mick Orlow"]),
        ("He met Ina McVale Ina McValeMORE on Monday.", "Ina McVale", ["Ina McVale", "Ina McVale"]),
        ("He met The Bank Of The Isles on Monday.", "Bank Of The Isles", ["Bank Of The Isles"]),
        ("He met Ina McVale on Monday.", "Ina McVale", ["Ina McVale"]),
        ("He met J. J. Orlow on Monday.", "J. J. Orlow", ["J. J. Orlow"]),
    ],
)
def test_run_never_repeats_itself(text: str, name: str, found: list[str]) -> None:
    actors = actors_of(text, {"*": "person"})
    assert list(actors) == [name]
    assert mentions(text, actors[name]) == found


@pytest.mark.parametrize(
    ("example", "present", "absent"),
    [
        (
            "harbour_2_lantern.txt",
            {"Zoë Tarrick", "Marek Tolluin", "Ottilene Fray", "Ilvara Oskerin", "Pellomar Holdings"},
            {"Jory Wendlock", "Fennick Aldous", "Brona Telwether", "Hesper Quillan"},
        ),
        (
            "harbour_4_dazzler.txt",
            {"Marek Tolluin", "Ilvara Oskerin", "Pellomar Holdings"},
            {"Mab Olliver", "Madam Perpetua", "Lorcan Vey", "Tansy Broome", "Odo Pramble", "Rufe Candlemas"},
        ),
    ],
)
def test_names_only_in_boilerplate_are_no_actors(example: str, present: set[str], absent: set[str]) -> None:
    text = (EXAMPLES / example).read_bytes().decode()
    actors = actors_of(text, {"*": "person"})
    assert present <= set(actors)
    surfaces = " | ".join(form for actor in actors.values() for form in (actor.name, *actor.aliases))
    assert all(name in text for name in absent)
    assert [word for name in absent for word in name.split() if word in surfaces] == []


PIECES = (
    "Ina Vale|Vale|Mayor |the mayor|Danish|Denmark|officials|police|of|in|the|MORE|Union|Bank|a former engineer, |J."
    '|and| | | |. |, |\n|’s|“|”|"|-|Mick Mick|MickNext|al-|É|é😀|U.S.|Halvik|e\u0308|D-Ohio|Department'
).split("|")


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join), st.lists(st.integers(1, 200), max_size=5))
def test_mentions_lie_inside_sentences_and_are_a_form_of_the_name(text: str, cuts: list[int]) -> None:
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    sentences = [span for a, b in pairwise(edges) if len(span := Span(a, b).trimmed(text))]
    for candidate in find_candidates(text, sentences):
        forms = {candidate.name, *candidate.aliases}
        assert candidate.mentions and list(candidate.mentions) == sorted(set(candidate.mentions))
        for mention in candidate.mentions:
            assert any(mention.within(sentence) for sentence in sentences)
            assert mention.of(text) in forms
        assert 0 <= candidate.located <= len(candidate.mentions)


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join), st.sampled_from(["person", "place", "thing", None]))
def test_actors_of_any_text_quote_it(text: str, kind: str | None) -> None:
    for actor in actors_of(text, None if kind is None else {"*": kind}).values():
        assert {span.of(text) for span in actor.mentions} <= {actor.name, *actor.aliases}
        assert actor.name in text and all(alias in text for alias in actor.aliases)
        assert actor.role is None or actor.role in text


def test_time_is_linear() -> None:
    def seconds(text: str) -> float:
        start = time.process_time()
        actors_of(text, {"*": "person"})
        return time.process_time() - start

    for make in (
        lambda n: TEXT * n,
        lambda n: TEXT.replace("\n", " ") * n,
        lambda n: "Ina Vale " * 10 * n,
        lambda n: "VaLeVaLe" * 10 * n + " Va",
        lambda n: "Mayor " * 10 * n,
        lambda n: "Bank of " * 10 * n,
        lambda n: "A man, the " * 10 * n,
        lambda n: "the president " * 10 * n + "President Tom Reck left.",
        lambda n: " ".join(f"He saw Orrin S{chr(97 + i % 26)}{chr(97 + i // 26 % 26)}le." for i in range(5 * n)),
    ):
        small, large = (min(seconds(make(n)) for _ in range(3)) for n in (50, 200))
        assert large < 12 * small + 0.2


def test_what_describes_a_name_is_no_part_of_it() -> None:
    text = "Envoys went to Communist-ruled Vietnam on Monday. Vietnam and the Kremlin-backed Vostok Bank agreed."
    found = actors_of(text, {"*": "organisation"})
    assert found["Vietnam"].kind == "country" and len(found["Vietnam"].mentions) == 2
    assert "Vostok Bank" in found


def test_the_north_is_the_country_the_text_names() -> None:
    text = "North Korea held a test. The North has not explained it. Seoul watched the North closely."
    assert "North" in actors_of(text)["North Korea"].aliases
    assert "North" not in actors_of("The North is poor, said Ina Vale. Ina Vale left.").get("North Korea", ())


def test_officials_are_a_group_and_state_media_are_not_the_state() -> None:
    text = "Danish officials met Ina Vale. Ina Vale was praised by Polish official media."
    found = actors_of(text)
    assert found["Danish officials"].kind == "group"
    assert not any("Polish official" in (actor.name, *actor.aliases) for actor in found.values())


def test_a_shorter_form_of_a_body_is_the_same_body() -> None:
    text = "The UN Security Council met. The Security Council voted. The UN Security Council will meet again."
    found = actors_of(text, {"*": "organisation"})
    assert "Security Council" in found["UN Security Council"].aliases


def test_a_group_noun_that_only_describes_is_no_actor() -> None:
    text = "Tarvia sent military aid in May. More military technology followed in June."
    assert "military" not in actors_of(text)
    text = "The military took the town. The military has not left."
    assert actors_of(text)["military"].kind == "group"
