"""Names compared, and their words found in a text.

Invariants: pure, linear in the names and the text, and no pattern is ever built from a name.
"""

from __future__ import annotations

import re
from typing import Final

from summarise.extract.actors import wordlists
from summarise.text import Span

_WORD: Final = re.compile(r"\w+")
_EMPTY: Final = frozenset("the a an of and to in on for by his her its their s".split())
#: A gap of more characters is longer than one word between the words of a name.
_GAP: Final = 12


def name_words(name: str) -> frozenset[str]:
    """The folded words of a name that say something."""
    return frozenset(word for word in _WORD.findall(name.casefold()) if word not in _EMPTY)


def same_name(one: str, other: str) -> bool:
    """Whether the names are equal, or one is the other's last word once titles are taken off."""
    first, second = _core(one), _core(other)
    if not first or not second:
        return False
    return (
        first == second or (len(first) == 1 and first[0] == second[-1]) or (len(second) == 1 and second[0] == first[-1])
    )


def _core(name: str) -> list[str]:
    """The folded words of a name without articles and the titles before it."""
    words = [word for word in _WORD.findall(name.casefold()) if word not in _EMPTY]
    while len(words) > 1 and words[0] in wordlists.words("titles"):
        words.pop(0)
    return words


def last_word(name: str) -> str:
    """The folded last word of a name, or the name itself if it has no word that says something."""
    core = _core(name)
    return core[-1] if core else name.casefold()


def find_words(text: str, within: Span, name: str) -> Span | None:
    """The first stretch of `within` that begins and ends with words of the name, no gap longer than one word.

    Its last word is the name's last word; None when that does not stand there.
    """
    core = _core(name)
    if not core:
        return None
    start = end = None
    for match in _WORD.finditer(text, within.start, within.end):
        word = match.group().casefold()
        if word in core:
            near = end is not None and match.start() - end <= _GAP
            start = start if near else match.start()
            end = match.end()
            if word == core[-1] and start is not None:
                return Span(start, end)
    return None
