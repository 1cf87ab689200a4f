"""Names compared.

Invariants: pure, linear in the names, and no pattern is ever built from a name.
"""

from __future__ import annotations

import re
from typing import Final

from summarise.extract.actors import wordlists

_WORD: Final = re.compile(r"\w+")
_EMPTY: Final = frozenset("the a an of and to in on for by his her its their s".split())


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
