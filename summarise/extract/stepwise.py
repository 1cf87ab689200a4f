"""The ``stepwise`` strategy: many small questions that share a cached prompt prefix.

Boilerplate is taken out, actors are found and sorted by kind, claims are read passage by passage, stances are
read a few sentences at a time, and the abstract is written last, from the claims. A small model answers each
question in a few words; where the words stand is computed, never asked for, so every piece of evidence is
copied from the text.

Invariant: a small question that stays unanswered is counted and said in a warning; when more than half of
them do, the document has failed.
"""

from __future__ import annotations

from collections.abc import Sequence

from summarise.documents import Document
from summarise.errors import InvalidAnswerError
from summarise.extract.abstract import write_abstract
from summarise.extract.actors.names import find_candidates
from summarise.extract.actors.step import extract_actors, to_ask
from summarise.extract.asking import Asker, Budget
from summarise.extract.boilerplate import boilerplate_notes, find_boilerplate, without
from summarise.extract.claims import FoundClaim, extract_claims, question_count
from summarise.extract.claims.phrasing import sentence_of
from summarise.extract.claims.spans import tight
from summarise.extract.claims.units import reading_units
from summarise.extract.drafts import ClaimDraft, Draft, EvidenceDraft, StanceDraft, sentence_at
from summarise.extract.stances import MOST_ASKED, FoundStance, extract_stances
from summarise.prompts import load_recipe
from summarise.text import Span

_FAILED_SHARE = 0.5


class StepwiseStrategy:
    """Small typed questions; for small models, above all the embedded one."""

    name = "stepwise"

    def __init__(self) -> None:
        self.recipe = load_recipe("stepwise")

    async def read(self, document: Document, sentences: Sequence[Span], asker: Asker, budget: Budget) -> Draft:
        """Find actors, claims and stances step by step, then write the abstract."""
        del budget  # every question is a few hundred tokens, whatever the document's length
        text = document.text
        boilerplate = find_boilerplate(text)
        kept = without(text, sentences, [found.span for found in boilerplate])
        units = reading_units(text, kept)
        claim_questions = question_count(text, units)
        candidates = find_candidates(text, kept)
        asker.begin("actors", len(to_ask(candidates)), later=claim_questions + MOST_ASKED + 1)
        actors = await extract_actors(text, kept, candidates, asker, self.recipe)
        asker.begin("claims", claim_questions, later=MOST_ASKED + 1)
        found = await extract_claims(text, units, actors, asker, self.recipe)
        claims = [_claim(text, sentences, claim) for claim in found]
        asker.begin("stances", MOST_ASKED, later=1)
        stances = await extract_stances(text, kept, actors, found, asker, self.recipe)
        asker.begin("abstract", 1)
        abstract, notes = await write_abstract(document, kept, claims, asker, self.recipe)
        if asker.unanswered > _FAILED_SHARE * asker.small_questions:
            raise InvalidAnswerError(
                f"{asker.model.endpoint.model} left {asker.unanswered} of {asker.small_questions} questions about "
                "the document without a valid answer; try a stronger model"
            )
        return Draft(
            abstract=abstract,
            actors=tuple(actors),
            claims=tuple(claims),
            stances=tuple(_stance(text, stance) for stance in stances),
            warnings=(
                *boilerplate_notes(boilerplate),
                *_unanswered_note(asker),
                *notes,
            ),
        )


def _claim(text: str, sentences: Sequence[Span], claim: FoundClaim) -> ClaimDraft:
    content = [tight(text, span) for span in claim.content]
    return ClaimDraft(
        claimant=claim.claimant,
        attribution=claim.attribution,
        polarity=claim.polarity,
        evidence=tuple(
            EvidenceDraft(
                quote=span.of(text),
                span=span,
                sentence=sentence_at(sentences, span.start),
                cue=claim.cue,
                grounding="exact",
            )
            for span in content
        ),
        text=sentence_of(text, claim, content),
        confidence=None if claim.probability is None else round(claim.probability, 3),
    )


def _stance(text: str, stance: FoundStance) -> StanceDraft:
    evidence = EvidenceDraft(stance.evidence.of(text), stance.evidence, stance.sentence, None, "exact")
    return StanceDraft(
        holder=stance.holder,
        target=stance.target,
        label=stance.label,
        evidence=(evidence,),
        confidence=None if stance.probability is None else round(stance.probability, 3),
    )


def _unanswered_note(asker: Asker) -> list[tuple[str, str]]:
    if not asker.unanswered:
        return []
    return [("questions_unanswered", f"{asker.unanswered} of {asker.small_questions} questions got no valid answer")]
