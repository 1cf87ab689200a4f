"""Which name a claimant's words stand for: pronouns and surnames looked up in the text.

A description ("the mayor") stays as it is written: linking it to an actor is for whoever knows the actors' roles.
Invariants: only text before the end of the claim's own sentence is consulted, plus the drafts already resolved; a name
that cannot be resolved stays as it was written, nothing is guessed. One pass over the text collects its names, then
each draft costs a bounded number of steps: linear time.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from summarise.extract.drafts import ActorDraft
from summarise.text import Span

#: Pronouns that stand for one person, for several or a body, and relative ones.
PERSONAL: Final = frozenset("he she him her his hers".split())
COLLECTIVE: Final = frozenset("they them their it its".split())
RELATIVE: Final = frozenset({"who", "which", "that"})
#: How many characters back a pronoun is looked up: about three paragraphs.
_BACK: Final = 1500

_NAME: Final = re.compile(
    r"(?:[A-Z][A-Za-zÀ-ÿ]*(?:[-.’'][A-Za-zÀ-ÿ]+)*|[A-Z]\.)"
    r"(?:(?: |-)(?:(?:de|von|van|bin|al|del|la|of) )?[A-Z][A-Za-zÀ-ÿ’'-]*){0,4}"
)
_NOT_NAMES: Final = frozenset(
    "the a an and but or if in on at to for of by as it he she they we i you this that these those there his her "
    "their its our my when while after before since although though however also both many some most all what who "
    "why how not no yes so still then according monday tuesday wednesday thursday friday saturday sunday january "
    "february march april may june july august september october november december now here one two three "
    "meanwhile instead finally later earlier during with from".split()
)
_TITLES: Final = frozenset(
    "president minister prime secretary senator sen rep gov governor mayor chairman chairwoman chief mr mrs ms dr "
    "sir lord judge professor general captain king queen prince princess pope foreign defence defense former "
    "republican democratic nominee".split()
)
#: What somebody is who speaks without being named.
_ROLES: Final = frozenset(
    "spokesman spokeswoman spokesperson official lawyer attorney analyst expert professor adviser aide minister"
    " resident witness officer doctor teacher".split()
)
#: Words in names of places and bodies, never in the name of a person.
_NO_PERSON: Final = frozenset(
    "north south east west new united saudi sri san los las white house supreme national european central "
    "international federal state states nations party news post times press agency university committee council "
    "court bank union ministry department commission institute association company group street city county korea "
    "america korean american democratic republican morning night today show network journal tribune herald "
    "college school church army navy office center centre league club island islands caucus black river lake "
    "ocean sea peninsula republic kingdom region area war day act trade media parliament congress senate".split()
)


@dataclass(frozen=True, slots=True)
class Mention:
    """A capitalised run of words, without leading function words and titles."""

    span: Span
    name: str


def mentions(text: str) -> list[Mention]:
    """All capitalised names of the text in order."""
    found: list[Mention] = []
    for match in _NAME.finditer(text):
        parts = match.group().split(" ")
        start = match.start()
        titles = [
            at for at, part in enumerate(parts) if part.lower().rstrip(".") in _TITLES or part.endswith(("’s", "'s"))
        ]
        cut = titles[-1] + 1 if titles and titles[-1] + 1 < len(parts) else 0
        while cut < len(parts) and parts[cut].lower() in _NOT_NAMES:
            cut += 1
        start += sum(len(part) + 1 for part in parts[:cut])
        parts = parts[cut:]
        if parts:
            name = " ".join(parts).removesuffix("’s").removesuffix("'s")
            found.append(Mention(Span(start, start + len(name)), name))
    return found


def _is_title(word: str) -> bool:
    return word.lower().rstrip(".") in _TITLES


class Names:
    """Names of one text, looked up by position and last word. Read-only once built.

    Who is a person is known from the actors; a name that is none of theirs is judged by its looks.
    """

    def __init__(self, text: str, actors: Sequence[ActorDraft] = ()) -> None:
        """Collect the names of the text, in one pass."""
        self._text = text
        self._persons: dict[str, str] = {}
        self._others: set[str] = set()
        for actor in actors:
            for name in (actor.name, *actor.aliases):
                if actor.kind == "person":
                    self._persons[name] = actor.name
                else:
                    self._others.add(name)
        self._mentions = mentions(text)
        self._starts = [mention.span.start for mention in self._mentions]
        self._full: dict[str, str] = {}
        for mention in self._mentions:
            if " " in mention.name and self.is_person(mention.name):
                self._full.setdefault(mention.name.rpartition(" ")[2], mention.name)

    def full(self, surface: str) -> str | None:
        """The first longer name in the text that ends with the surface, if the surface is one capitalised word."""
        return self._full.get(surface) if " " not in surface and surface[:1].isupper() else None

    def is_person(self, name: str) -> bool:
        """Whether a name is one person's."""
        return name in self._persons or (name not in self._others and is_person(name))

    def person(self, name: str) -> str | None:
        """The full name of the person a name, a surname or a description ("the mayor") stands for."""
        if name in self._others:
            return None
        return name if is_person(name) else self.full(name) or self._persons.get(name)

    def can_be_person(self, name: str) -> bool:
        """Whether a claimant may be one person: a person's name, one word such as a surname, or "a spokesman for …"."""
        one_word = name.istitle() and " " not in name and name.lower() not in _NO_PERSON | _NOT_NAMES
        return self.is_person(name) or (one_word and name not in self._others) or _is_unnamed_person(name)

    def person_before(self, offset: int) -> str | None:
        """The nearest earlier name that is a person's, or is the last word of one."""
        at = bisect_left(self._starts, offset)
        for mention in reversed(self._mentions[max(0, at - 12) : at]):
            if offset - mention.span.start > _BACK:
                return None
            name = self.person(mention.name)
            if name:
                return name
        return None

    def paragraph_before(self, offset: int) -> int:
        """Start of the last non-empty paragraph before the one that holds the offset."""
        end = self._text.rfind("\n", 0, offset)
        while end > 0 and self._text[end - 1].isspace():
            end -= 1
        return self._text.rfind("\n", 0, max(end, 0)) + 1

    def adjacent_before(self, offset: int) -> str | None:
        """The name that ends right before the offset, at most a comma between, for "X, who said"."""
        at = bisect_left(self._starts, offset)
        if not at:
            return None
        mention = self._mentions[at - 1]
        return mention.name if self._text[mention.span.end : offset].strip(" ,") == "" else None


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier claimant, resolved: its name and where it stands."""

    name: str
    offset: int


def resolved_name(surface: str, offset: int, names: Names, earlier: Sequence[Earlier]) -> str:
    """The name a claimant's words stand for; the words themselves when nothing better is known.

    `offset` is where to look back from: a speaker seldom names himself, so for a quotation it is the sentence's start.
    """
    word = surface.lower()
    recent = [spoken for spoken in earlier[-6:] if offset - spoken.offset <= _BACK]
    if word in RELATIVE:
        return names.adjacent_before(offset) or surface
    if word in PERSONAL:
        last = next((spoken for spoken in reversed(recent) if names.can_be_person(spoken.name)), None)
        if last and last.offset >= names.paragraph_before(offset):
            return names.person(last.name) or last.name
        return names.person_before(offset) or (last.name if last else surface)
    if word in COLLECTIVE:
        several = (name for name in (spoken.name for spoken in reversed(recent)) if not names.is_person(name))
        return next((name for name in several if not _is_unnamed_person(name)), surface)
    return names.full(surface) or surface


def _is_unnamed_person(name: str) -> bool:
    """Whether a description introduces one person: "a spokesman for the board"."""
    first, *more = name.lower().split()
    return first in {"a", "an"} and not _ROLES.isdisjoint(more)


def is_person(name: str) -> bool:
    """Whether a name looks like one person's: two or three words, the outer ones capitalised, none of a place."""
    parts = name.split()
    if not 2 <= len(parts) <= 3 or any(part.lower() in _NO_PERSON for part in parts) or _is_title(parts[-1]):
        return False
    return parts[0].lower() != "the" and parts[0][0].isupper() and parts[-1][0].isupper()
