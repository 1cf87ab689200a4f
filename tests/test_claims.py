"""Behaviour and invariants of the claims step, with a stub in the model's place."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pytest
from summarise.prompts import load_recipe

from summarise.extract.boilerplate import find_boilerplate, without
from summarise.extract.claims import FoundClaim, extract_claims
from summarise.extract.claims.names import Earlier, Names, resolved_name
from summarise.extract.claims.step import settled_readings
from summarise.extract.claims.units import cues, reading_units
from summarise.extract.drafts import ActorDraft
from summarise.text import Span


class Stub:
    """Answers every question from a table: a cue's last word -> claimant, else "*", else "none"."""

    def __init__(self, answers: Mapping[str, str]) -> None:
        self.answers = answers

    async def try_ask(self, system: str, user: str, answer: Any, max_tokens: int) -> Any:
        keys = [field.alias for field in answer.model_fields.values()]
        said = {key: self.answers.get(key.split()[-1], self.answers.get("*", "none")) for key in keys}
        return answer.model_validate(said), None


def claims(
    text: str, answers: Mapping[str, str], sentences: Sequence[tuple[int, int]] | None = None
) -> list[FoundClaim]:
    spans = [Span(start, end) for start, end in sentences or [(0, len(text))]]
    kept = without(text, spans, [found.span for found in find_boilerplate(text)])
    stub: Any = Stub(answers)
    return asyncio.run(extract_claims(text, reading_units(text, kept), (), stub, load_recipe("stepwise")))


def contents(text: str, drafts: Sequence[FoundClaim]) -> list[tuple[str, list[str]]]:
    return [(d.claimant, [s.of(text) for s in d.content]) for d in drafts]


def asked(text: str) -> bool:
    """Whether the model is needed for a passage."""
    unit, *_ = reading_units(text, [Span(0, len(text))])
    return settled_readings(text, unit, cues(text, unit)) is None


@pytest.mark.parametrize(
    ("text", "claimant"),
    [
        ("Ortiz said the bridge was safe.", "Ortiz"),
        ("“The bridge is safe,” said Ann Roe, who runs the harbour.", "Ann Roe"),
        ("The bridge, said Rep. Ann Roe, is safe.", "Rep. Ann Roe"),
        ("Ann Roe has told reporters that the bridge was safe.", "Ann Roe"),
        ("Ann Roe argued that the bridge was safe.", "Ann Roe"),
        ("“The bridge is safe,” Ann Roe argued.", "Ann Roe"),
    ],
)
def test_what_the_form_says_is_not_asked(text: str, claimant: str) -> None:
    assert not asked(text)
    (draft,) = claims(text, {"*": "somebody else"})
    assert draft.claimant_surface == claimant
    assert draft.probability is not None and draft.probability > 0.5


@pytest.mark.parametrize(
    "text",
    [
        "The mayor said the bridge was safe.",
        "What Ortiz said was false.",
        "Ortiz was told the bridge was safe.",
        "Ortiz did not say that the bridge was safe.",
        "The bridge is safe, said Tuesday's report.",
        "The bridge, said Roe spokesman Bo Lind, is safe.",
        "The plan, which Ann Roe, an engineer, said Lind “helped to ruin”, is dead.",
        "Ortiz wrote three books about bridges.",
        "Earlier Ortiz had said that the bridge was safe, a claim that engineers dispute.",
        "Some said the bridge was safe.",
    ],
)
def test_what_the_form_leaves_open_is_asked(text: str) -> None:
    assert asked(text)


def test_denial_of_an_allegation() -> None:
    text = "The harbour board blames Ilse Brandt for hiding the figures, charges her lawyers deny."
    drafts = claims(text, {"blames": "The harbour board", "deny": "her lawyers"})
    assert contents(text, drafts) == [
        ("The harbour board", ["Ilse Brandt for hiding the figures"]),
        ("her lawyers", ["charges her lawyers deny"]),
    ]
    assert [d.polarity for d in drafts] == ["asserts", "denies"]


def test_quotation_goes_on_in_the_next_sentence_and_paragraph() -> None:
    text = "“We are done,” said Mira Holm. “Nobody came.”\n“I went home.”\nThe hall was empty."
    first, second = text.index(" “Nobody"), text.index("\n")
    drafts = claims(text, {"said": "Mira Holm"}, [(0, first), (first, second), (second, len(text))])
    assert contents(text, drafts) == [("Mira Holm", ["“We are done,”", "“Nobody came.”", "“I went home.”"])]
    assert drafts[0].attribution == "direct"


def test_according_to_at_either_end() -> None:
    text = "According to Ann Roe, the dam is safe."
    assert contents(text, claims(text, {"to": "Ann Roe"})) == [("Ann Roe", ["the dam is safe"])]
    text = "The dam is safe, according to Ann Roe."
    assert contents(text, claims(text, {"to": "Ann Roe"})) == [("Ann Roe", ["The dam is safe"])]


def test_passive_belief_has_no_claimant() -> None:
    text = "The dam was believed to be safe."
    (draft,) = claims(text, {"believed": "The dam"})
    assert draft.claimant == "<author>" and draft.claimant_span is None and draft.attribution == "author"


def test_claimant_the_model_invents_is_replaced_by_the_subject() -> None:
    text = "Harbour chief Ann Roe told presenter Bo Lind that the dam is safe."
    (draft,) = claims(text, {"told": "Bo Lind"})
    assert draft.claimant == "Harbour chief Ann Roe"
    assert text[draft.content[0].start : draft.content[0].end] == "that the dam is safe"


def claimants(text: str, answers: Mapping[str, str]) -> list[str]:
    return [draft.claimant_surface for draft in claims(text, answers)]


def test_names_joined_by_and_are_one_claimant() -> None:
    answers = {"said": "Ostrian officials", "warned": "Pell"}
    assert claimants("U.S. and Ostrian officials said the dam is safe.", answers) == ["U.S. and Ostrian officials"]
    assert claimants("On Monday, Mrs. Roe and Pell warned that the dam leaks.", answers) == ["Mrs. Roe and Pell"]
    assert claimants("It rained and Pell warned that the dam leaks.", answers) == ["Pell"]


def test_a_verb_after_and_has_the_subject_of_the_verb_before_it() -> None:
    text = "Roe opened the dam in May, and criticised the council for the delay."
    assert claimants(text, {"criticised": "the council"}) == ["Roe"]
    text = "Roe said the council would pay and suggested that it had lied."
    assert claimants(text, {"said": "Roe", "suggested": "the council"}) == ["Roe", "Roe"]


def test_a_noun_names_its_claimant_after_from() -> None:
    text = "Work went on despite repeated warnings from his lawyer that the dam leaks."
    assert claimants(text, {"warnings": "someone"}) == ["his lawyer"]


def test_a_passive_names_its_claimant_after_by() -> None:
    text = "Another side of the story was being told by The Halvik Courier, which had the letters."
    assert claimants(text, {"told": "someone"}) == ["The Halvik Courier"]


def test_only_a_verb_of_saying_stands_before_its_subject() -> None:
    assert claimants("The dam is safe, said Ann Roe.", {"said": "Ann Roe"}) == ["Ann Roe"]
    text = "A study of dams built since 2001, shows Ostria far behind."
    assert "Ostria" not in claimants(text, {"shows": "Ostria"})


def test_boilerplate_is_never_asked_about() -> None:
    for text in (
        "Photo: the mayor said hello.",
        "© 2031 The Bay. All rights reserved, he said.",
        "Read also: Mayor says no",
    ):
        assert claims(text, {"*": "he"}) == []


def test_a_quantity_opens_the_content() -> None:
    for words in ("at least 900 people had come", "about a third of them left", "over 40 boats are lost"):
        assert contents(f"Ann Roe said {words}.", claims(f"Ann Roe said {words}.", {"said": "Ann Roe"})) == [
            ("Ann Roe", [words])
        ]
    text = "Ann Roe complained about an attack on the dam."
    assert contents(text, claims(text, {"complained": "Ann Roe"})) == [("Ann Roe", ["an attack on the dam"])]


def test_pronoun_is_looked_up_backwards_only() -> None:
    text = "Ann Roe spoke. He said it rains. Bo Lind left."
    assert resolved_name("He", text.index("He"), Names(text), []) == "Ann Roe"


def test_a_pronoun_stands_for_nobody_known_as_an_organisation() -> None:
    text = "Merrow Wire said so. Bo Lind objected. “They forgot,” he said."
    earlier = [Earlier("Merrow Wire", 0)]
    assert resolved_name("he", text.index("“"), Names(text), earlier) == "Merrow Wire"
    actors = [ActorDraft("Merrow Wire", "media"), ActorDraft("Bo Lind", "person")]
    assert resolved_name("he", text.index("“"), Names(text, actors), earlier) == "Bo Lind"


def test_a_pronoun_stands_for_a_person_known_by_one_word() -> None:
    text = "Suriname objected. Osk was there. “They forgot,” he said."
    actors = [ActorDraft("Suriname", "country"), ActorDraft("Osk", "person")]
    assert resolved_name("he", text.index("“"), Names(text, actors), [Earlier("Suriname", 0)]) == "Osk"


def test_any_text_keeps_the_invariants() -> None:
    pieces = [
        '"',
        "“",
        "”",
        "\n",
        " ",
        ". ",
        "said",
        "Ann Roe",
        "told",
        "that",
        ", ",
        "denied",
        "according to",
        "who",
        ":",
        "é",
        "😀",
        "which",
        "was believed",
        "‘",
        "—",
    ]
    generator = random.Random(7)
    for _ in range(3000):
        text = "".join(generator.choice(pieces) + generator.choice(["", " "]) for _ in range(generator.randrange(30)))
        cuts = sorted({0, len(text), *(generator.randrange(len(text) + 1) for _ in range(4))})
        answers = {"*": generator.choice(["Ann Roe", "someone", "he", "none", "", "Zed", "who", '"'])}
        drafts = claims(text, answers, list(pairwise(cuts)) or None)
        for draft in drafts:
            assert draft.content and all(0 <= s.start < s.end <= len(text) for s in draft.content)
            assert 0 <= draft.cue.start < draft.cue.end <= len(text)
            who = draft.claimant_span
            assert draft.claimant_surface == (text[who.start : who.end] if who else "<author>")


def test_time_is_linear() -> None:
    def seconds(text: str) -> float:
        start = time.process_time()
        claims(text, {"*": "Ann Roe"})
        return time.process_time() - start

    sentence = "Ann Roe said that “the dam is safe” and denied the claims, according to Bo Lind.\n"
    for make in (
        lambda n: sentence * n,
        lambda n: sentence.replace("\n", " ") * n,
        lambda n: "“ said " * n,
        lambda n: '"a" said ' * n,
        lambda n: "said " * n,
        lambda n: " " * 50 * n + "said",
        lambda n: "said that A, " * n,
    ):
        small, large = seconds(make(100)), seconds(make(400))
        assert large < 12 * small + 0.2


@pytest.mark.parametrize(
    "text",
    [
        "The clinic said too many of their calls went unanswered.",
        "Pell became the intended target of the fraud.",
        "Mara Quist was under questioning for the leak.",
        "The band's repeated calls woke the street.",
        "His remarks will change nothing.",
    ],
)
def test_a_word_that_belongs_to_a_noun_claims_nothing(text: str) -> None:
    found = claims(text, {"said": "The clinic", "*": "someone"})
    assert [draft.claimant for draft in found] == (["The clinic"] if "said" in text else [])


def test_only_hearsay_is_claimed_by_nobody_in_particular() -> None:
    assert not claims("In a box labeled “urgent” lay the bill.", {"*": "someone"})
    assert not claims("The front must be addressed in June.", {"*": "someone"})
    (draft,) = claims("The dam reportedly leaks.", {"*": "someone"})
    assert draft.claimant == "<author>"
    (draft,) = claims("There are fears that the dam leaks.", {"*": "someone"})
    assert draft.claimant == "<author>"


def test_a_quotation_goes_on_behind_what_is_said_of_the_speaker() -> None:
    text = "“Every time you say that,” Lind said, referring to the excuse, “you help those who want it gone.”"
    found = claims(text, {"said": "Lind", "referring": "Lind"})
    assert contents(text, found)[0] == ("Lind", ["“Every time you say that,”", "“you help those who want it gone.”"])


def test_what_opens_a_sentence_is_not_its_claim() -> None:
    for text in ("Like the mayor, I believe in the good sense of the town.", "Likely, they understood the danger."):
        (draft,) = claims(text, {"believe": "I", "understood": "they"})
        assert draft.content[0].start > draft.cue.end


@pytest.mark.parametrize(
    ("text", "named", "claimant"),
    [
        ("Ostria, Tarvia, and other nations have stated that the dam leaks.", "other nations", "Ostria, Tarvia, and"),
        ("Officials in Ostria and Tarvia believe that the dam leaks.", "Tarvia", "Officials in Ostria and Tarvia"),
        ("On Monday, Roe and Lind said that the dam leaks.", "Lind", "Roe and Lind"),
    ],
)
def test_all_who_claim_are_named(text: str, named: str, claimant: str) -> None:
    (draft,) = claims(text, {"*": named})
    assert draft.claimant_surface.startswith(claimant)


def test_a_name_in_quotation_marks_ends_with_them() -> None:
    text = "The invasion, dubbed by Tarvia as a “special operation,” cut the country in two."
    (draft,) = claims(text, {"dubbed": "Tarvia", "*": "none"})
    assert contents(text, [draft]) == [("Tarvia", ["“special operation,”"])]


def test_a_statement_that_a_source_is_known_by_claims_nothing_of_its_own() -> None:
    text = "The dam leaks, according to a statement from the harbour board."
    found = claims(text, {"according to": "the harbour board", "to": "the harbour board", "*": "the harbour board"})
    assert contents(text, found) == [("the harbour board", ["The dam leaks"])]


def test_criticism_is_of_what_drew_it() -> None:
    text = "Additionally, the visit to the dam has drawn criticism from the harbour board."
    (draft,) = claims(text, {"*": "the harbour board"})
    assert contents(text, [draft]) == [("the harbour board", ["the visit to the dam"])]


def test_the_verb_after_and_has_the_subject_of_the_verb_before_it() -> None:
    text = "Mayor Ina Vale expressed gratitude to Roe for backing the levy and announced plans to stay."
    found = claims(text, {"expressed": "Mayor Ina Vale", "backing": "Roe", "announced": "Roe"})
    assert {draft.claimant for draft in found} == {"Ina Vale"} or found[-1].claimant_surface.endswith("Ina Vale")


def test_he_is_the_spokesman_who_has_just_spoken() -> None:
    text = "Ann Roe left on Monday.\nA spokesman for the board said that the dam leaks. He said that it will break."
    ends = [text.index("\n"), text.index(" He"), len(text)]
    found = claims(text, {"*": "A spokesman for the board"}, list(pairwise([0, *ends])))
    assert [draft.claimant for draft in found] == ["A spokesman for the board"] * 2
