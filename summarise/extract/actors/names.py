"""The names of a news text, gathered: each candidate actor with all its mentions.

Method: names from runs of capitalised words (`runs`), a country gazetteer, and group nouns a document keeps returning
to; then short forms are put with the one long form they can stand for ("Ms. Vale" with "Ina Vale").

Invariants: pure; linear in the text but for the merging, which is linear in the number of distinct names; every
mention is a span of the text as read and lies inside one sentence. What is found are candidates: the model says later
which are actors.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from summarise.extract.actors import wordlists
from summarise.extract.actors.runs import Mention, Token, is_headline, known_names, named, tokens_of
from summarise.extract.claims.lexicon import CUE_WORDS
from summarise.schemas import ActorKind
from summarise.text import Span

_LOCATIVES: Final = frozenset("in at near outside around inside into toward towards".split())
_OFFICIAL_NOUNS: Final = frozenset(
    "officials official government authorities leaders forces army military troops lawmakers diplomats regime countries"
    " nations".split()
)
#: Group nouns that stand before other nouns as adjectives do.
_ATTRIBUTIVE: Final = frozenset(
    "military opposition government federal administration army industry parliament".split()
)
#: What "the North" is short for, in a text that also names it in full.
_HALVES: Final = {"North": "North Korea", "South": "South Korea"}
#: Behind "official" these make it an adjective: "Danish official media".
_OFFICIAL_THINGS: Final = frozenset("media newspaper agency data figures statistics statement statements".split())
#: What the gazetteer lists among the countries though it is none.
_UNIONS: Final[Mapping[str, ActorKind]] = {
    "European Union": "organisation",
    "United Nations": "organisation",
    "the West": "group",
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """Mentions that name the same thing; `name` is the fullest form, `kind` is None unless the form settles it.

    `located` of the mentions follow a word such as "in": there the name is a place.
    """

    name: str
    aliases: tuple[str, ...]
    mentions: tuple[Span, ...]
    kind: ActorKind | None = None
    title: str | None = None
    located: int = 0


def find_candidates(text: str, sentences: Sequence[Span]) -> tuple[Candidate, ...]:
    """The candidate actors of a text, most mentioned first (ties: first mentioned)."""
    tokens = [tuple(tokens_of(text, sentence)) for sentence in sentences]
    plain = {token.folded for sentence in tokens for token in sentence if not token.capitalised}
    headlines = [is_headline(text, sentence, words) for sentence, words in zip(sentences, tokens, strict=True)]
    word_before = {after.span.start: before.folded for sentence in tokens for before, after in pairwise(sentence)}
    mentions = [
        mention
        for sentence, headline in zip(tokens, headlines, strict=True)
        if not headline
        for mention in named(text, sentence)
    ]
    mentions = _drop_unsure(mentions, plain)
    forms = {mention.name for mention in mentions}
    for sentence, headline in zip(tokens, headlines, strict=True):
        if headline:
            mentions += known_names(sentence, forms)
    national, rest = _national(text, mentions, [token for sentence in tokens for token in sentence])
    gathered = [replace(candidate, located=_located(candidate, word_before)) for candidate in _gather(rest)]
    acting = [candidate for candidate in gathered if candidate.title or candidate.located < len(candidate.mentions)]
    found = national + acting + _groups(tokens)
    return tuple(sorted(found, key=lambda candidate: (-len(candidate.mentions), candidate.mentions[0])))


def _drop_unsure(mentions: Sequence[Mention], plain: Set[str]) -> list[Mention]:
    """The mentions but for single words that opened a sentence and that neither text nor gazetteer knows as names."""
    parts = {part.casefold() for mention in mentions if mention.sure for part in mention.name.split()}
    known = wordlists.country_forms().keys() | wordlists.demonyms().keys() | wordlists.capitals().keys()
    return [
        mention
        for mention in mentions
        if mention.sure
        or mention.name.casefold() in parts
        or mention.name in known
        or (mention.name.isupper() and mention.name.casefold() not in plain)
    ]


def _national(text: str, mentions: Sequence[Mention], tokens: Sequence[Token]) -> tuple[list[Candidate], list[Mention]]:
    """Countries with their names, capitals and "Danish officials", and the mentions that are none of these."""
    word_before = {after.span.start: before.folded for before, after in pairwise(tokens)}
    word_after = {before.span.end: after for before, after in pairwise(tokens)}
    found: dict[str, list[Mention]] = defaultdict(list)
    capitals: dict[str, list[Mention]] = defaultdict(list)
    countries = {country.name for mention in mentions if (country := wordlists.country_forms().get(mention.name))}
    rest: list[Mention] = []
    for mention in mentions:
        before = word_before.get(mention.span.start)
        form = (
            f"the {mention.name}"
            if before == "the" and f"the {mention.name}" in wordlists.country_forms()
            else mention.name
        )
        if country := wordlists.country_forms().get(form):
            found[country.name].append(mention)
        elif country := wordlists.demonyms().get(mention.name):
            follower = word_after.get(mention.span.end)
            if follower and _are_officials(follower, word_after) and follower.span.start - mention.span.end == 1:
                span = Span(mention.span.start, follower.span.end)
                found[country.name].append(Mention(text[span.start : span.end], span))
            elif mention.name.endswith("s") and not mention.name.endswith("ss"):
                found[country.name].append(mention)
        elif country := wordlists.capitals().get(mention.name):
            if before not in _LOCATIVES and not mention.name.isupper():
                capitals[country.name].append(mention)
        elif before == "the" and _HALVES.get(mention.name) in countries:
            found[_HALVES[mention.name]].append(mention)
        else:
            rest.append(mention)
    adjectives = {
        wordlists.demonyms()[mention.name].name for mention in mentions if mention.name in wordlists.demonyms()
    }
    for name, metonyms in capitals.items():
        if name in found or name in adjectives:
            found[name] += metonyms
    return [_country(name, found[name]) for name in found], rest


def _are_officials(word: Token, word_after: Mapping[int, Token]) -> bool:
    """Whether the word after a nationality stands for the state: "Danish officials"; not "Danish official media"."""
    following = word_after.get(word.span.end)
    return word.folded in _OFFICIAL_NOUNS and (following is None or following.folded not in _OFFICIAL_THINGS)


def _located(candidate: Candidate, word_before: Mapping[int, str]) -> int:
    """How many mentions say where something is or goes ("in Oakfield")."""
    return sum(word_before.get(span.start) in _LOCATIVES for span in candidate.mentions)


def _country(name: str, mentions: Sequence[Mention]) -> Candidate:
    """A country's candidate; its name is the gazetteer's when the text has it, else the commonest form."""
    forms = Counter(mention.name for mention in mentions)
    best = name if name in forms else forms.most_common(1)[0][0]
    aliases = tuple(form for form in forms if form != best)
    officials = best.rpartition(" ")[2] in _OFFICIAL_NOUNS and best not in wordlists.country_forms()
    kind: ActorKind = "group" if officials else _UNIONS.get(name, "country")
    return Candidate(best, aliases, tuple(sorted(mention.span for mention in mentions)), kind)


def _key(name: str) -> tuple[str, ...]:
    """The words of a name for comparing: case and hyphens folded, initials in the middle left out."""
    parts = [part.strip(".") for part in name.replace("-", " ").replace("’", "'").casefold().split()]
    return tuple(part for index, part in enumerate(parts) if len(part) > 1 or index in {0, len(parts) - 1})


def _gather(mentions: Sequence[Mention]) -> list[Candidate]:
    """One candidate for each name; short forms are with the long form of the same last word, first word or initials."""
    groups: dict[tuple[str, ...], list[Mention]] = defaultdict(list)
    for mention in mentions:
        groups[_key(mention.name)].append(mention)
    owner: dict[str, tuple[str, ...]] = {}
    organisation = wordlists.words("organisation_words")
    full = sorted((key for key in groups if len(key) > 1), key=lambda key: (-len(groups[key]), groups[key][0].span))
    for position in (-1, 0):
        for key in full:
            titled = any(mention.title for mention in groups[key])
            plain = organisation.isdisjoint(key)
            if titled or (plain and (position == -1 or _begins_with_own_name(key))):
                owner.setdefault(key[position], key)
    initials = {
        "".join(word[0] for word in key if word not in {"of", "the", "and", "for"}): key for key in full if len(key) > 2
    }
    suffixes = {key[-length:]: key for key in reversed(full) for length in range(2, len(key))}
    merged: dict[tuple[str, ...], list[Mention]] = defaultdict(list)
    for key, group in groups.items():
        short = len(key) == 1
        home = owner.get(key[0]) if short and not organisation.intersection(key) else None
        if short and home is None and group[0].name.replace(".", "").isupper():
            home = initials.get(key[0].replace(".", ""))
        if len(key) > 1 and organisation.intersection(key):
            home = suffixes.get(key)  # "Security Council" and "UN Security Council"
        merged[home or key] += group
    return [_candidate(group) for group in merged.values() if group]


def _begins_with_own_name(key: tuple[str, ...]) -> bool:
    """Whether a name may be shortened to its first word: a first name, or a family name before two given ones."""
    return key[0] in wordlists.words("first_names") or len(key) == 3


def _candidate(mentions: Sequence[Mention]) -> Candidate:
    """The candidate of these mentions; the longest of the forms is its name, and a title makes it a person."""
    forms = Counter(mention.name for mention in mentions)
    name = max(forms, key=lambda form: (len(form.split()), forms[form], len(form)))
    titles = Counter(mention.title for mention in mentions if mention.title)
    title = max(titles, key=lambda form: (len(form.split()), titles[form])) if titles else None
    words = {word.casefold() for word in name.split()}
    kind: ActorKind | None = "person" if title and not words & wordlists.words("organisation_words") else None
    aliases = tuple(form for form in forms if form != name)
    return Candidate(name, aliases, tuple(sorted(mention.span for mention in mentions)), kind, title)


def _groups(tokens: Sequence[Sequence[Token]]) -> list[Candidate]:
    """The group nouns ("police", "the tribe") that stand in two or more sentences."""
    nouns = wordlists.words("group_nouns")
    found: dict[str, list[Span]] = defaultdict(list)
    spread: dict[str, set[int]] = defaultdict(set)
    for index, sentence in enumerate(tokens):
        for before, token, following in zip([None, *sentence], sentence, [*sentence[1:], None], strict=False):
            if not token.capitalised and token.text in nouns and not _is_attributive(before, token, following):
                found[token.text].append(token.span)
                spread[token.text].add(index)
    return [Candidate(noun, (), tuple(spans), "group") for noun, spans in found.items() if len(spread[noun]) >= 2]


def _is_attributive(before: Token | None, noun: Token, following: Token | None) -> bool:
    """Whether a group noun only says of what kind the next noun is: the "military" of "military aid"."""
    if before is not None and before.folded in {"the", "its", "their", "our"}:
        return False
    if following is None or following.capitalised or following.span.start - noun.span.end != 1:
        return False
    word = following.folded
    verb = (
        word in CUE_WORDS or word.endswith(("ed", "ing")) or (word.endswith("s") and not word.endswith(("ss", "ies")))
    )
    return noun.text in _ATTRIBUTIVE and not verb and word not in wordlists.words("function_words")
