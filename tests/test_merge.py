"""From drafts to rows: one entry per actor, names resolved, repetitions joined, nothing dropped in silence."""

from __future__ import annotations

import pytest

from summarise.extract.drafts import AUTHOR, ActorDraft, ClaimDraft, Draft, EvidenceDraft, StanceDraft
from summarise.extract.merge import claim_sentence, mentions_of, merge
from summarise.text import Span

TEXT = "Ilvara Oskerin spoke. Oskerin said it is over. Pellomar denied it. Oskerin's plan stands."


def evidence(words: str, grounding: str = "exact") -> EvidenceDraft:
    start = TEXT.find(words)
    if start < 0:
        return EvidenceDraft(words, None, None, None, "ungrounded")
    return EvidenceDraft(words, Span(start, start + len(words)), None, None, grounding)  # type: ignore[arg-type]


def test_a_persons_last_name_becomes_an_alias_and_resolves() -> None:
    draft = Draft(
        "A.",
        (ActorDraft("Ilvara Oskerin", "person"), ActorDraft("Pellomar", "organisation")),
        (ClaimDraft("Oskerin", "reported", "asserts", (evidence("it is over"),)),),
    )
    rows = merge(TEXT, draft)
    assert rows.actors[0].aliases == ["Oskerin"]
    assert [TEXT[m.start : m.end] for m in rows.actors[0].mentions] == ["Ilvara Oskerin", "Oskerin", "Oskerin"]
    assert rows.claims[0].claimant.actor == "a1"


def test_the_same_actor_under_a_title_is_one_entry() -> None:
    draft = Draft("A.", (ActorDraft("Ilvara Oskerin", "person"), ActorDraft("Mayor Ilvara Oskerin", "person", "mayor")))
    rows = merge(TEXT, draft)
    assert [(actor.name, actor.role) for actor in rows.actors] == [("Ilvara Oskerin", "mayor")]


def test_an_ambiguous_last_name_resolves_to_nobody() -> None:
    actors = (ActorDraft("Ilvara Oskerin", "person"), ActorDraft("Bram Oskerin", "person"))
    draft = Draft("A.", actors, (ClaimDraft("Oskerin", "reported", "asserts", (evidence("it is over"),)),))
    assert merge(TEXT, draft).claims[0].claimant.actor is None


def test_offices_tell_their_holders_apart() -> None:
    actors = (
        ActorDraft("Ilvara Oskerin", "person", aliases=("the president",)),
        ActorDraft("Bram Tolluin", "person", aliases=("the mayor",)),
    )
    names = ("the mayor", "The President", "the minister", "a former mayor")
    claims = tuple(ClaimDraft(name, "reported", "asserts", (evidence("it is over"),)) for name in names)
    rows = merge(TEXT, Draft("A.", actors, claims))
    assert [claim.claimant.actor for claim in rows.claims] == ["a2", "a1", None, None]


def test_repeated_rows_are_joined() -> None:
    claim = ClaimDraft("Oskerin", "reported", "asserts", (evidence("it is over"),))
    one = StanceDraft("Oskerin", "Pellomar", "oppose", (evidence("it is over"),), 0.4)
    two = StanceDraft("oskerin", "Pellomar", "oppose", (evidence("plan stands"),), 0.7)
    rows = merge(TEXT, Draft("A.", (), (claim, claim), (one, two)))
    assert len(rows.claims) == 1
    assert len(rows.stances) == 1
    assert [e.quote for e in rows.stances[0].evidence] == ["it is over", "plan stands"]
    assert rows.stances[0].confidence == 0.7


def test_what_is_not_grounded_stays_and_is_counted() -> None:
    claims = (
        ClaimDraft("Oskerin", "reported", "asserts", (evidence("made up"),)),
        ClaimDraft("Oskerin", "reported", "asserts", (evidence("it is over", "conflict"),)),
    )
    rows = merge(TEXT, Draft("A.", (ActorDraft("Nobody", "person"),), claims))
    assert [claim.evidence[0].start is None for claim in rows.claims] == [True, False]
    codes = {warning.code: warning.message for warning in rows.warnings}
    assert codes["evidence_ungrounded"].startswith("1 ")
    assert codes["evidence_conflict"].startswith("1 ")
    assert codes["actor_not_in_text"].startswith("1 ")


def test_evidence_that_does_not_quote_the_text_is_a_bug_and_stops() -> None:
    wrong = EvidenceDraft("is over", Span(0, 7), None, None, "exact")
    with pytest.raises(AssertionError, match="to the letter"):
        merge(TEXT, Draft("A.", (), (ClaimDraft("X", "reported", "asserts", (wrong,)),)))


def test_mentions_stand_on_word_boundaries_and_longest_first() -> None:
    text = "Ann Li met Lia. Li's aunt, Ann, left. ALi"
    assert [span.of(text) for span in mentions_of(text, ["Li", "Ann Li"])] == ["Ann Li", "Li"]


@pytest.mark.parametrize(
    ("claimant", "polarity", "sentence"),
    [
        ("Oskerin", "asserts", "Oskerin says: it is over."),
        ("Oskerin", "denies", "Oskerin denies: it is over."),
        (AUTHOR, "asserts", "It is over."),
    ],
)
def test_a_claims_text_says_no_more_than_its_evidence(claimant: str, polarity: str, sentence: str) -> None:
    claim = ClaimDraft(claimant, "reported", polarity, (evidence("it is over"),))  # type: ignore[arg-type]
    assert claim_sentence(claim) == sentence
