"""Who acts, speaks or is acted on: the actors of one document, each once.

Code finds the candidates (`names`, `descriptions`); the model says in one question what kind those are whose form does
not settle it, and which are nobody (a place, a thing).

Invariants: every mention is a span of the text as read and begins inside one of the sentences given; names and
aliases are copied from the text; ids are the caller's business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field

from summarise.extract.actors import wordlists
from summarise.extract.actors.descriptions import descriptions, role_of
from summarise.extract.actors.names import Candidate, find_candidates
from summarise.extract.asking import Asker
from summarise.extract.drafts import ActorDraft
from summarise.prompts import Recipe
from summarise.schemas import ActorKind
from summarise.text import Span

#: Names asked about in one document; the rest, mentioned least, are settled by form alone.
MOST_ASKED: Final = 12

_BASE_TOKENS: Final = 10
_TOKENS_PER_NAME: Final = 6
_MEDIA_WORDS: Final = frozenset("times post tribune press news herald journal".split())

AnsweredKind = Literal["person", "organisation", "group", "media", "place", "thing"]


class Kinds(BaseModel):
    """The kinds of the names asked about, in the order asked."""

    k: Annotated[list[AnsweredKind], Field(max_length=MOST_ASKED)]


async def extract_actors(text: str, sentences: Sequence[Span], asker: Asker, recipe: Recipe) -> list[ActorDraft]:
    """The actors of `text`, most mentioned first.

    `sentences` are half-open spans without boilerplate (`boilerplate.find_boilerplate`, `boilerplate.without`).
    """
    candidates = find_candidates(text, sentences)
    undecided = [candidate for candidate in candidates if _kind_by_form(candidate) is None][:MOST_ASKED]
    answered = await _ask_kinds([candidate.name for candidate in undecided], asker, recipe)
    return drafts(text, candidates, answered)


async def _ask_kinds(names: Sequence[str], asker: Asker, recipe: Recipe) -> dict[str, AnsweredKind]:
    """The kinds of the names, asked for all at once; a name the answer is too short for is left out."""
    if not names:
        return {}
    user = "Names: " + "; ".join(names)
    system = recipe.render("actors_system")
    answer, _ = await asker.try_ask(system, user, Kinds, _BASE_TOKENS + _TOKENS_PER_NAME * len(names))
    return dict(zip(names, answer.k, strict=False)) if answer else {}


def drafts(text: str, candidates: Sequence[Candidate], answered: Mapping[str, AnsweredKind]) -> list[ActorDraft]:
    """The actors among the candidates, with the descriptions that stand for persons."""
    kinds = {candidate.name: kind for candidate in candidates if (kind := _kind(candidate, answered)) is not None}
    roles = {
        candidate.name: role
        for candidate in candidates
        if kinds.get(candidate.name) == "person" and (role := role_of(text, candidate))
    }
    taken = [mention for candidate in candidates for mention in candidate.mentions]
    described = descriptions(text, roles, taken)
    return [
        _draft(text, candidate, kinds[candidate.name], roles.get(candidate.name), described)
        for candidate in candidates
        if candidate.name in kinds
    ]


def _draft(
    text: str, candidate: Candidate, kind: ActorKind, role: str | None, described: Mapping[str, Sequence[Span]]
) -> ActorDraft:
    """The actor a candidate is."""
    extra = described.get(candidate.name, [])
    aliases = dict.fromkeys((*candidate.aliases, *(text[span.start : span.end] for span in extra)))
    return ActorDraft(candidate.name, kind, role, tuple(aliases), tuple(sorted({*candidate.mentions, *extra})))


def _kind_by_form(candidate: Candidate) -> ActorKind | None:
    """The kind the form settles: a title, the gazetteer, a first name, or a word such as "Committee"."""
    if candidate.kind is not None:
        return candidate.kind
    words = candidate.name.casefold().split()
    if len(words) > 1 and words[-1] in _MEDIA_WORDS:
        return "media"
    if words[-1] in wordlists.words("organisation_words"):
        return "organisation"
    return "person" if len(words) in {2, 3, 4} and words[0] in wordlists.words("first_names") else None


def _kind(candidate: Candidate, answered: Mapping[str, AnsweredKind]) -> ActorKind | None:
    """The kind of an actor, or None for what is none; a place that acts is an actor (a state, a town)."""
    settled = _kind_by_form(candidate)
    if settled is not None:
        return settled
    kind = answered.get(candidate.name)
    if kind == "place":
        return "other" if len(candidate.mentions) >= 2 and candidate.located * 2 < len(candidate.mentions) else None
    return None if kind is None or kind == "thing" else kind
