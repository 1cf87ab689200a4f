"""Roles of persons, and descriptions that stand for them ("the Danish president").

A role is read from the title before a name or the apposition after it; a description is given to a person only when
exactly one person's role has its noun (and its nationality, where it names one). Invariants: pure; every span that is
returned is one of the text as read and is no mention already.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from summarise.extract.actors import wordlists
from summarise.extract.actors.names import Candidate
from summarise.text import Span

#: Characters; an apposition that runs on longer is a clause of its own.
LONGEST_ROLE: Final = 90

_FORMS_OF_ADDRESS: Final = frozenset("mr mrs ms miss mx sir dr".split())
_APPOSITION: Final = re.compile(r", ((?:an?|the|its|their|who is an?|who leads) [^,.;:()\n“”\"]{3,90})[,.;]")
_DESCRIPTION: Final = re.compile(r"\b[Tt]he (?:((?:[A-Z]\w+|U\.S\.)(?: [A-Z]\w+)?) )?([a-z]+)\b")
_OFFICES: Final = frozenset(
    "president premier minister chancellor governor mayor senator leader dictator king queen prince emperor secretary"
    " ambassador judge justice chairman chairwoman".split()
)
_ABBREVIATED_OFFICES: Final = {"sen": "senator", "gov": "governor", "rep": "representative", "gen": "general"}


def role_of(text: str, candidate: Candidate) -> str | None:
    """The words that say what a person is: the apposition after a mention, else the title before one."""
    for mention in candidate.mentions:
        if match := _APPOSITION.match(text, mention.end, min(len(text), mention.end + LONGEST_ROLE + 20)):
            return match.group(1)
    title = (candidate.title or "").strip()
    return None if not title or title.rstrip(".").casefold() in _FORMS_OF_ADDRESS else title


def descriptions(text: str, roles: Mapping[str, str], taken: Sequence[Span]) -> dict[str, list[Span]]:
    """The descriptions, by name, in `text` that fit the role of that person alone.

    `roles` maps names to roles; `taken` are the spans already known as mentions.
    """
    occupied = sorted(taken)
    found: dict[str, list[Span]] = {}
    first = 0
    for match in _DESCRIPTION.finditer(text):
        noun = match.group(2)
        if noun not in _OFFICES:
            continue
        span = Span(match.start(), match.end())
        while first < len(occupied) and occupied[first].end <= span.start:
            first += 1
        fitting = [name for name, role in roles.items() if _fits(role, noun, match.group(1))]
        if len(fitting) == 1 and not (
            first < len(occupied) and occupied[first].overlap(span) and occupied[first].end == span.end
        ):
            found.setdefault(fitting[0], []).append(span)
    return found


def _fits(role: str, noun: str, nationality: str | None) -> bool:
    """Whether a role has the noun, and the nationality's country where one is named."""
    words = [word.strip(".,").casefold() for word in role.split()]
    words += [_ABBREVIATED_OFFICES[word] for word in words if word in _ABBREVIATED_OFFICES]
    if noun not in words or {"former", "vice", "deputy"} & set(words):
        return False
    if nationality is None:
        return True
    country = wordlists.demonyms().get(nationality) or wordlists.country_forms().get(nationality)
    return country is not None and any(form in role for form in (*country.demonyms, country.name, *country.aliases))
