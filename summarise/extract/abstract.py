"""The abstract, written last, from the lead of the document and its claims.

Invariant: numbers, dates and proper names of the abstract that stand nowhere in the document are asked
about once more and then said in a warning; they are never left in unmarked.
"""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import shorten

from pydantic import BaseModel, ConfigDict, Field

from summarise.documents import Document
from summarise.extract.asking import Asker
from summarise.extract.drafts import ClaimDraft
from summarise.grounding import unsupported_facts
from summarise.prompts import Recipe
from summarise.text import Span

_LEAD_CHARS = 400
_CLAIMS_SHOWN = 4
_CLAIM_CHARS = 160
_MAX_TOKENS = 120


class AbstractText(BaseModel):
    """Two sentences."""

    model_config = ConfigDict(extra="forbid")

    abstract: str = Field(min_length=1, max_length=500)


async def write_abstract(
    document: Document, sentences: Sequence[Span], claims: Sequence[ClaimDraft], asker: Asker, recipe: Recipe
) -> tuple[str, list[tuple[str, str]]]:
    """Ask for the abstract; returns it with its warnings.

    ``sentences`` are those that are not boilerplate. An unanswered question leaves the document's first
    sentences as the abstract, and a warning that says so.
    """
    lead = _lead(document.text, sentences)
    said = [shorten(claim.text, _CLAIM_CHARS, placeholder=" …") for claim in _spread(claims) if claim.text]
    system = recipe.render("abstract_system")
    avoid: tuple[str, ...] = ()
    abstract = ""
    for _ in range(2):
        user = recipe.render("abstract_user", lead=lead, claims=said, avoid=avoid)
        answer, _tokens = await asker.try_ask(system, user, AbstractText, _MAX_TOKENS)
        if answer is None:
            break
        abstract = " ".join(answer.abstract.split())
        avoid = unsupported_facts(abstract, document.text)
        if not avoid:
            return abstract, []
    if abstract:
        return abstract, [
            ("abstract_unsupported", f"{len(avoid)} names or numbers of the abstract are not in the text")
        ]
    return lead, [("abstract_is_lead", "no abstract could be written; the document's first sentences stand instead")]


def _lead(text: str, sentences: Sequence[Span]) -> str:
    lead = ""
    for sentence in sentences:
        piece = " ".join(sentence.of(text).split())
        if lead and len(lead) + len(piece) > _LEAD_CHARS:
            break
        lead = f"{lead} {piece}".strip()
    return lead[: 2 * _LEAD_CHARS]


def _spread(claims: Sequence[ClaimDraft]) -> list[ClaimDraft]:
    """A few claims from all over the document, each claimant's first ones before anybody's second ones."""
    rounds: dict[str, int] = {}
    ranked = []
    for place, claim in enumerate(claims):
        turn = rounds.get(claim.claimant, 0)
        rounds[claim.claimant] = turn + 1
        ranked.append((turn, place, claim))
    chosen = sorted(ranked, key=lambda item: item[:2])[:_CLAIMS_SHOWN]
    return [claim for _, _, claim in sorted(chosen, key=lambda item: item[1])]
