"""From drafts to rows: one entry per actor, names resolved, repetitions joined, nothing dropped in silence."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from summarise.schemas import (
    ActorKind,
    Attribution,
    DocumentInfo,
    Polarity,
    RecipeInfo,
    Record,
    RunInfo,
    StanceLabel,
    UsageInfo,
)

from summarise.documents import Document
from summarise.extract.drafts import AUTHOR, ActorDraft, ClaimDraft, Draft, EvidenceDraft, StanceDraft
from summarise.extract.merge import Rows, claim_sentence, mentions_of, merge
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


# Any draft, however odd ---------------------------------------------------------------------------------------

NOT_SURROGATES = st.characters(exclude_categories=["Cs"])
PIECES = [*TEXT.split(), "the", "Mr", "<author>", "’s", "\r\n", "港口", "e\u0301", "🎉"]
ODD_TEXTS = st.one_of(
    st.text(NOT_SURROGATES, min_size=1, max_size=80), st.lists(st.sampled_from(PIECES), min_size=1).map(" ".join)
)
NAMES = ["", " ", AUTHOR, "the", "Mr", "Oskerin", "Ilvara Oskerin", "OSKERIN’S", "Mayor Oskerin", "\u00ad", "a1"]
ODD_NAMES = st.one_of(st.sampled_from(NAMES), st.text(NOT_SURROGATES, max_size=12))


@st.composite
def spans(draw: st.DrawFn, text: str, *, least: int = 0) -> Span:
    start = draw(st.integers(0, len(text) - least))
    return Span(start, draw(st.integers(start + least, len(text))))


@st.composite
def pieces(draw: st.DrawFn, text: str) -> EvidenceDraft:
    """Evidence as :func:`grounded` makes it: the text's own words, or a model's that stand nowhere."""
    if draw(st.booleans()):
        return EvidenceDraft(draw(ODD_NAMES), None, None, None, "ungrounded")
    span = draw(spans(text, least=1))
    sentence = draw(st.one_of(st.none(), st.just(Span(0, len(text)))))
    cue = draw(st.one_of(st.none(), spans(text)))
    return EvidenceDraft(
        span.of(text), span, sentence, cue, draw(st.sampled_from(["exact", "normalised", "fuzzy", "conflict"]))
    )  # fmt: skip


@st.composite
def drafts(draw: st.DrawFn) -> tuple[str, Draft]:
    text = draw(ODD_TEXTS)
    names = st.one_of(ODD_NAMES, spans(text).map(lambda span: span.of(text)))
    evidence = st.lists(pieces(text), max_size=3).map(tuple)
    sure = st.one_of(st.none(), st.floats(0, 1))
    actors = st.builds(
        ActorDraft, names, st.sampled_from(get_args(ActorKind)), st.one_of(st.none(), names),
        st.lists(names, max_size=2).map(tuple), st.lists(spans(text), max_size=2).map(tuple),
    )  # fmt: skip
    claims = st.builds(
        ClaimDraft, names, st.sampled_from(get_args(Attribution)), st.sampled_from(get_args(Polarity)), evidence,
        st.one_of(st.none(), names), sure,
    )  # fmt: skip
    stances = st.builds(StanceDraft, names, names, st.sampled_from(get_args(StanceLabel)), evidence, sure)
    made = (tuple(draw(st.lists(rows, max_size=4))) for rows in (actors, claims, stances))
    return text, Draft(draw(ODD_NAMES), *made)


@given(drafts())
def test_any_draft_merges_into_a_valid_record(drafted: tuple[str, Draft]) -> None:
    text, draft = drafted
    rows = merge(text, draft)
    record = Record.model_validate_json(record_with(text, draft, rows).as_json())
    evidence = [piece for row in (*record.claims, *record.stances) for piece in row.evidence]
    for piece in evidence:
        assert (piece.start is None) == (piece.grounding == "ungrounded")
        assert piece.start is None or text[piece.start : piece.end] == piece.quote
    ids = [row.id for row in (*record.actors, *record.claims, *record.stances)]
    assert len(set(ids)) == len(ids)
    known = {actor.id for actor in record.actors} | {None}
    refs = [claim.claimant for claim in record.claims]
    refs += [ref for stance in record.stances for ref in (stance.holder, stance.target)]
    assert {ref.actor for ref in refs} <= known
    assert all(ref.actor is None for ref in refs if ref.name == AUTHOR)
    said = {notice.code: notice.message for notice in record.warnings}
    assert len(said) == len(record.warnings)
    for grounding in ("fuzzy", "conflict", "ungrounded"):
        count = sum(piece.grounding == grounding for piece in evidence)
        assert said.get(f"evidence_{grounding}", "0 ").startswith(f"{count} ")
    assert said.get("actor_not_in_text", "0 ").startswith(f"{sum(not a.mentions for a in record.actors)} ")
    assert merge(text, draft) == rows


@given(drafts())
def test_no_row_is_dropped_but_repetitions(drafted: tuple[str, Draft]) -> None:
    text, draft = drafted
    rows = merge(text, draft)
    quotes = {piece.quote for row in (*draft.claims, *draft.stances) for piece in row.evidence}
    assert {piece.quote for row in (*rows.claims, *rows.stances) for piece in row.evidence} == quotes
    assert {row.label for row in rows.stances} == {row.label for row in draft.stances}
    assert len(rows.claims) <= len(draft.claims)


def record_with(text: str, draft: Draft, rows: Rows) -> Record:
    return Record(
        schema_="news/1",
        document=DocumentInfo(
            id=Document("-", text).id, source="-", title=None, language=None, chars=len(text), sentences=1
        ),
        abstract=draft.abstract,
        actors=rows.actors,
        claims=rows.claims,
        stances=rows.stances,
        warnings=rows.warnings,
        run=RunInfo(
            model="m", endpoint="e", strategy="s", recipe=RecipeInfo(name="s", version="1", sha256="0"), requests=1,
            reasks=0, retries=0, usage=UsageInfo(prompt_tokens=1, completion_tokens=1, cached_tokens=None),
            cost_usd=None, seconds=0.0, summarise_version="0",
        ),
    )  # fmt: skip


def test_a_claim_that_says_more_than_its_evidence_is_named() -> None:
    claims = (
        ClaimDraft("Oskerin", "reported", "asserts", (evidence("it is over"),)),
        ClaimDraft("Oskerin", "reported", "asserts", (evidence("denied it"),), "Velden paid 5 million on Monday."),
    )
    rows = merge(TEXT, Draft("A.", (), claims))
    (warning,) = rows.warnings
    assert warning.code == "claim_unsupported"
    assert warning.message.endswith("its sentence: c2")


def test_names_that_stand_for_pronouns_are_no_excess_and_strange_ones_are_named() -> None:
    text = "Ilvara Oskerin spoke. She said it is over."
    start = text.index("it is")
    content = EvidenceDraft("it is over", Span(start, start + 10), Span(22, len(text)), None, "exact")
    claims = tuple(
        ClaimDraft(name, "reported", "asserts", (content,)) for name in ("Ilvara Oskerin", "the mayor", "Boris Hale")
    )
    stance = StanceDraft(AUTHOR, "Velden", "oppose", (content,))
    rows = merge(text, Draft("A.", (), claims, (stance,)))
    (warning,) = rows.warnings
    assert warning.code == "name_not_in_text"
    assert warning.message.endswith("does not stand in the text: c3, s1")


def test_of_many_rows_the_first_are_named() -> None:
    claims = tuple(
        ClaimDraft("Oskerin", "reported", "asserts", (EvidenceDraft(f"{n} boats", None, None, None, "ungrounded"),))
        for n in range(100, 130)
    )
    message = merge(TEXT, Draft("A.", (), claims)).warnings[-1].message
    assert message.startswith("30 claims have")
    assert message.endswith("c19, c20 and 10 more")
