"""What a document keeps coming back to and is no actor: "the sanctions", "the death penalty".

Invariants: pure; linear in the text; every mention is a span of the text as read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from summarise.extract.actors import wordlists
from summarise.extract.claims.lexicon import CUE_WORDS
from summarise.extract.drafts import ActorDraft
from summarise.text import Span

THINGS: Final = 2
"""Things of a document that count as targets."""

_WORD: Final = re.compile(r"[^\W\d_]+")
_LEAST_LETTERS: Final = 5
_LEAST_MENTIONS: Final = 3
_BEFORE_VERBS: Final = frozenset("to will would can could may might must should he she they we i you who not".split())


def things(text: str, sentences: Sequence[Span], actors: Sequence[ActorDraft]) -> list[ActorDraft]:
    """What the document keeps coming back to and is no actor, with every mention.

    A thing is a lower-case noun of five letters or more, with the noun that mostly follows it ("death penalty"). What
    mostly stands before another noun is an adjective, what mostly follows "to" or a pronoun is a verb.
    """
    known = {word for actor in actors for form in (actor.name, *actor.aliases) for word in form.casefold().split()}
    stop = wordlists.words("function_words") | wordlists.words("common_words") | CUE_WORDS | known
    places: dict[str, list[Span]] = {}
    followers: dict[str, Counter[str]] = {}
    verbal: Counter[str] = Counter()
    for sentence in sentences:
        found = [Span(match.start(), match.end()) for match in _WORD.finditer(text, sentence.start, sentence.end)]
        for before, span, after in zip([None, *found], found, [*found[1:], None], strict=False):
            word = span.of(text)
            if len(word) < _LEAST_LETTERS or not word.islower() or word in stop or word.endswith("ed"):
                continue
            places.setdefault(word, []).append(span)
            verbal[word] += before is not None and before.of(text).lower() in _BEFORE_VERBS
            following = after.of(text) if after and after.start == span.end + 1 else ""
            if following.islower() and following not in stop:
                followers.setdefault(word, Counter())[following] += 1
    nouns = {word: _phrase(word, followers.get(word, Counter()), len(at)) for word, at in places.items()}
    ranked = [
        word
        for word in sorted(places, key=lambda word: (-len(places[word]), places[word][0].start))
        if nouns[word] and 2 * verbal[word] < len(places[word])
    ][: 2 * THINGS]
    # "penalty" is no second thing beside "death penalty".
    best = [
        word
        for at, word in enumerate(ranked)
        if all(set(nouns[word].split()).isdisjoint(nouns[other].split()) for other in ranked[:at])
    ]
    return [
        ActorDraft(nouns[word], "other", mentions=tuple(places[word]))
        for word in best[:THINGS]
        if len(places[word]) >= _LEAST_MENTIONS
    ]


def _phrase(word: str, followers: Counter[str], count: int) -> str:
    """The noun phrase a word stands for: with the one noun that mostly follows it; empty for an adjective."""
    for following, times in followers.most_common(1):
        if 2 * times > count:
            return f"{word} {following}"
    return "" if 2 * followers.total() > count else word
