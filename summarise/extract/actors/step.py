"""Who acts, speaks or is acted on: the actors of one document, each once.

Code finds the candidates (`names`, `descriptions`); of those whose form does not settle it, the model says in one word
each what kind they are, shown the sentence where they stand first, and which are nobody (a place, a thing).

Invariants: every mention is a span of the text as read and begins inside one of the sentences given; names and
aliases are copied from the text; ids are the caller's business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from summarise.extract.actors import wordlists
from summarise.extract.actors.descriptions import descriptions, role_of
from summarise.extract.actors.names import Candidate
from summarise.extract.asking import Asker, all_of
from summarise.extract.drafts import ActorDraft, sentence_at
from summarise.prompts import Recipe
from summarise.schemas import ActorKind
from summarise.text import Span

#: Names asked about in one document; the rest, mentioned least, are settled by form alone.
MOST_NAMES_ASKED: Final = 10

_MAX_TOKENS: Final = 12
_PASSAGE_CHARACTERS: Final = 300
_MEDIA_WORDS: Final = frozenset("times post tribune press news herald journal".split())

AnsweredKind = Literal["person", "organisation", "group", "media", "place", "thing"]


class KindWord(BaseModel):
    """One word."""

    model_config = ConfigDict(extra="forbid")

    k: AnsweredKind


async def extract_actors(
    text: str, sentences: Sequence[Span], candidates: Sequence[Candidate], asker: Asker, recipe: Recipe
) -> list[ActorDraft]:
    """The actors of `text` among the `candidates` (of `names.find_candidates`), most mentioned first.

    `sentences` are half-open spans without boilerplate (`boilerplate.find_boilerplate`, `boilerplate.without`).
    """
    asked = to_ask(candidates)
    kinds = await all_of(_ask_kind(text, sentences, candidate, asker, recipe) for candidate in asked)
    answered = {candidate.name: kind for candidate, kind in zip(asked, kinds, strict=True) if kind is not None}
    return drafts(text, candidates, answered)


def to_ask(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates whose kind the model is asked for."""
    return [candidate for candidate in candidates if _kind_by_form(candidate) is None][:MOST_NAMES_ASKED]


async def _ask_kind(
    text: str, sentences: Sequence[Span], candidate: Candidate, asker: Asker, recipe: Recipe
) -> AnsweredKind | None:
    first = candidate.mentions[0]
    sentence = sentence_at(sentences, first.start) or first
    user = recipe.render("actors_user", passage=_around(text, first, sentence), name=candidate.name)
    answer, _ = await asker.try_ask(recipe.render("actors_system"), user, KindWord, _MAX_TOKENS)
    return answer.k if answer else None


def _around(text: str, mention: Span, sentence: Span) -> str:
    """The words of a sentence around a mention, from half the passage's length before it, white space folded."""
    start = mention.start - _PASSAGE_CHARACTERS // 2
    start = sentence.start if start <= sentence.start else min(text.find(" ", start) + 1, mention.start)
    end = start + _PASSAGE_CHARACTERS
    end = sentence.end if end >= sentence.end else max(text.rfind(" ", start, end), mention.end)
    return " ".join(text[start:end].split())


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
    """The kind the form settles: a title, the gazetteer, a first or last name, or a word such as "Committee".

    A name not all in capitals that is called by its last word alone elsewhere ("Zoë Tarrick", later "Tarrick") is
    a person's; organisations are shortened to their first word.
    """
    if candidate.kind is not None:
        return candidate.kind
    words = candidate.name.casefold().split()
    if len(words) > 1 and words[-1] in _MEDIA_WORDS:
        return "media"
    if words[-1] in wordlists.words("organisation_words"):
        return "organisation"
    if len(words) not in {2, 3, 4}:
        return None
    called_by_last_word = not candidate.name.isupper() and any(
        alias.casefold() == words[-1] for alias in candidate.aliases
    )
    return "person" if called_by_last_word or words[0] in wordlists.words("first_names") else None


def _kind(candidate: Candidate, answered: Mapping[str, AnsweredKind]) -> ActorKind | None:
    """The kind of an actor, or None for what is none; a place that acts is an actor (a state, a town)."""
    settled = _kind_by_form(candidate)
    if settled is not None:
        return settled
    kind = answered.get(candidate.name)
    if kind == "place":
        return "other" if len(candidate.mentions) >= 2 and candidate.located * 2 < len(candidate.mentions) else None
    return None if kind is None or kind == "thing" else kind
