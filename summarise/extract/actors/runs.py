"""The words of a sentence and the names they make: runs of capitalised words.

Method: capitalised words that stand together are one run (with the "of" or "for" inside a name); what opens a
sentence or a web page's widget and the title before a name are taken off its front, a place after "of" off its end.

Invariants: pure; linear in the text; every token and mention is a span of the text as read and lies inside one
sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Final

from summarise.extract.actors import wordlists
from summarise.text import Span

_TOKEN: Final = re.compile(r"(?:[^\W\d_]\.){2,}|[^\W_](?:[\w\u0300-\u036f]|[-'’&](?=\w))*")
_SEAT: Final = re.compile(r"[DRI]-[A-Z]|I['’]")
_JOINING: Final = frozenset("of de del da di van von der bin al el la".split())
_ABBREVIATIONS: Final = frozenset("mr mrs ms dr sen rep gov gen lt col sgt capt rev prof st brig supt n s".split())
_GENERATIONS: Final = frozenset("jr sr ii iii".split())
_AFFILIATIONS: Final = frozenset("democrat republican democratic conservative labour justice".split())
#: How a word with a hyphen ends that only describes the name after it: "Communist-ruled", "U.S.-led".
_DESCRIBING: Final = ("ed", "led", "born", "style", "friendly", "based", "run")
_DIRECTIONS: Final = frozenset(
    "eastern northern southern northeast northwest southeast southwest asian korean european african".split()
)
_OFFICE_ENDINGS: Final = frozenset(
    "enforcement commission committee department administration agency services affairs".split()
)
#: Words a page sets in capitals before its own text ("ADVERTISEMENT Vale said"); never a name there.
_WIDGET_WORDS: Final = frozenset("ADVERTISEMENT MORE READ WATCH UPDATE BREAKING VIDEO PHOTOS".split())
#: Inner capitals of a word that are looked at ("McConnellHeadhunters" has two).
_INNER_CAPITALS: Final = 3
#: Share of capitalised long words from which a line is read as a headline (a choice, not measured).
_HEADLINE_SHARE: Final = 0.6


@dataclass(frozen=True, slots=True)
class Token:
    """A word without its possessive ending."""

    text: str
    span: Span
    capitalised: bool

    @property
    def folded(self) -> str:
        """The word for comparing: case folded."""
        return self.text.casefold()


@dataclass(frozen=True, slots=True)
class Mention:
    """One name as it stands, the title before it (or None), and whether its capital says anything."""

    name: str
    span: Span
    title: str | None = None
    sure: bool = True


def tokens_of(text: str, sentence: Span) -> Iterator[Token]:
    """The words of a sentence; possessive endings stay outside the span."""
    for match in _TOKEN.finditer(text, sentence.start, sentence.end):
        word = match.group()
        if word.endswith(("'s", "’s", "'S", "’S")):
            word = word[:-2]
        if word:
            yield Token(
                word,
                Span(match.start(), match.start() + len(word)),
                word[0].isupper() or (word[:3] in {"al-", "el-"} and word[3:4].isupper()),
            )


def is_headline(text: str, sentence: Span, tokens: Sequence[Token]) -> bool:
    """Whether a line is set in headline case, where a capital does not mark a name; it has no full stop."""
    if text[sentence.start : sentence.end].rstrip("”\"’')").endswith((".", "!", "?", ",")):
        return False
    long_words = [token for token in tokens if len(token.text) > 3]
    return len(long_words) >= 4 and sum(token.capitalised for token in long_words) > _HEADLINE_SHARE * len(long_words)


def known_names(tokens: Sequence[Token], forms: Set[str]) -> Iterator[Mention]:
    """The names of a headline that the rest of the text (or the gazetteer) knows; longest first."""
    known = forms | wordlists.country_forms().keys()
    position = 0
    while position < len(tokens):
        for length in (4, 3, 2, 1):
            words = tokens[position : position + length]
            name = " ".join(word.text for word in words)
            if len(words) == length and name in known:
                yield Mention(name, Span(words[0].span.start, words[-1].span.end))
                position += length - 1
                break
        position += 1


def named(text: str, tokens: Sequence[Token]) -> Iterator[Mention]:
    """The names of one sentence: its runs of capitalised words without what stands before and after a name."""
    position = 0
    while position < len(tokens):
        if not tokens[position].capitalised:
            position += 1
            continue
        end = _run_end(text, tokens, position)
        before = tokens[position - 1] if position else None
        opens = _opens_sentence(text, before, tokens[position])
        for run in _without_repetition(tokens[position:end]):
            yield from _name_of(text, run, before, opens=opens)
            before, opens = run[-1], False
        position = end


def _opens_sentence(text: str, before: Token | None, token: Token) -> bool:
    """Whether a word opens a sentence or a quotation, so that its capital says nothing."""
    return (
        before is None
        or text[token.span.start - 1] in '“"‘:'
        or text[before.span.end : token.span.start].strip() in {".", "!", "?", "—"}
    )


def _without_repetition(run: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """The run, cut before each word that stands in it already.

    Pages glue a caption to the name it repeats and the next headline to that ("Ina Vale Ina ValeHeadhunters").
    Initials ("J. J. Vale") and function words ("The End Of The Bridge") may come back.
    """
    words = _unglued(run)
    may_return = wordlists.words("function_words") | _JOINING
    start = 0
    seen: set[str] = set()
    for index, token in enumerate(words):
        if not token.capitalised or len(token.text) == 1 or token.folded in may_return:
            continue
        if token.folded in seen:
            end = index
            while not words[end - 1].capitalised:
                end -= 1
            yield words[start:end]
            start = index
            seen.clear()
        seen.add(token.folded)
    yield words[start:]


def _unglued(run: Sequence[Token]) -> list[Token]:
    """The run up to the first word that is an earlier one with another glued to it, which is left off."""
    words: list[Token] = []
    earlier: set[str] = set()
    for token in run:
        inner = (at for at, (one, two) in enumerate(pairwise(token.text), 1) if one.islower() and two.isupper())
        for length in islice(inner, _INNER_CAPITALS):
            if token.text[:length] in earlier:
                span = Span(token.span.start, token.span.start + length)
                return [*words, Token(token.text[:length], span, token.capitalised)]
        words.append(token)
        earlier.add(token.text)
    return words


def _name_of(text: str, run: Sequence[Token], before: Token | None, *, opens: bool) -> Iterator[Mention]:
    """The name of a run, if any, without the words that only open a sentence (`opens`: the run does) or a widget."""
    first = 0
    while first < len(run):
        token = run[first]
        if token.text in _WIDGET_WORDS:
            opens = True
        elif token.folded in wordlists.words("function_words") and (
            opens or len(token.text) == 1 or not token.text.isupper()
        ):
            opens = False
        else:
            break
        first += 1
    while first + 1 < len(run) and _describes(run[first]):
        first += 1
    name = run[first:]
    if not name:
        return
    is_role = (
        before is not None
        and before.text in wordlists.words("role_nouns")
        and name[0].span.start - before.span.end <= 2
    )
    yield from _split_title(text, name, sure=not (opens and len(name) == 1), role=before if is_role else None)


def _describes(token: Token) -> bool:
    _, hyphen, last = token.text.rpartition("-")
    return bool(hyphen) and last.islower() and last.endswith(_DESCRIBING)


def _run_end(text: str, tokens: Sequence[Token], start: int) -> int:
    """The index after the last word of the run that starts at `start`."""
    end = start + 1
    while end < len(tokens):
        gap = text[tokens[end - 1].span.end : tokens[end].span.start]
        previous = tokens[end - 1]
        abbreviated = previous.folded in _ABBREVIATIONS or len(previous.text) == 1
        if (
            gap != " "
            and not (gap == ". " and abbreviated)
            and not (gap == ", " and tokens[end].folded in _GENERATIONS)
            and not (gap in {"' ", "’ "} and previous.text.endswith("s") and tokens[end].capitalised)
        ):
            break
        if tokens[end].capitalised:
            end += 1
            continue
        skip = (
            2 if tokens[end].folded in {"of", "for"} and end + 1 < len(tokens) and tokens[end + 1].text == "the" else 1
        )
        after = end + skip
        office = tokens[end].text == "for" and previous.folded in wordlists.words("organisation_words")
        joined = (office or tokens[end].folded in _JOINING) and after < len(tokens) and tokens[after].capitalised
        joined = joined or (tokens[end].text == "and" and _names_office(text, tokens, end + 1))
        if not joined or text[tokens[after - 1].span.end : tokens[after].span.start] != " ":
            break
        end = after + 1
    return end


def _names_office(text: str, tokens: Sequence[Token], start: int) -> bool:
    """Whether the capitalised words from `start` are two or more and end in an organisation's word."""
    end = start
    while (
        end < len(tokens)
        and tokens[end].capitalised
        and (end == start or text[tokens[end - 1].span.end : tokens[end].span.start] == " ")
    ):
        end += 1
    return end - start >= 2 and tokens[end - 1].folded in _OFFICE_ENDINGS


def _split_title(text: str, run: Sequence[Token], *, sure: bool, role: Token | None = None) -> Iterator[Mention]:
    """The name of a run, if any, without the title before it (`role` is a lower-case one) and the place after it."""
    cut = _title_length(run)
    name = list(run[cut:])
    organisation = wordlists.words("organisation_words")
    folded = [token.folded for token in name]
    if "of" in folded[2:] and not organisation.intersection(folded[: folded.index("of")]):
        name = name[: folded.index("of")]
    while len(name) > 1 and name[-1].folded in _GENERATIONS:
        name.pop()
    if not name or (cut and name[0].folded in organisation) or not _can_name(name):
        return
    first = run[0] if cut else role
    title = text[first.span.start : (run[cut - 1] if cut else first).span.end] if first else None
    span = Span(name[0].span.start, name[-1].span.end)
    yield Mention(text[span.start : span.end], span, title, sure or first is not None)


def _title_length(run: Sequence[Token]) -> int:
    """How many words at the front of a run are title, office or party of the person named after them."""
    titles, organisation = wordlists.words("titles"), wordlists.words("organisation_words")
    cut = 0
    for index, token in enumerate(run[:-1]):
        following = [word.folded for word in run[index + 1 :]]
        is_title = token.folded.rstrip(".") in titles or not titles.isdisjoint(re.split(r"[-–]", token.folded))
        is_title = is_title and following[0] not in {"of", "for"} | titles | _GENERATIONS
        is_party = token.folded in _AFFILIATIONS and len(following) in {2, 3} and organisation.isdisjoint(following)
        if is_title or is_party:
            cut = index + 1
    if cut == 0 and any(token.folded.rstrip(".") in titles and after.folded == "of" for token, after in pairwise(run)):
        cut = len(run) - 2 if len(run) >= 5 else len(run)
    return cut


def _can_name(name: Sequence[Token]) -> bool:
    """Whether the words can name somebody: not only a title, a party's adjective, a letter or a seat ("D-Ohio")."""
    last = name[-1]
    if last.folded in _AFFILIATIONS or last.folded in wordlists.words("thing_words") or _SEAT.match(last.text):
        return False
    titles = [token.folded in wordlists.words("titles") for token in name]
    if titles[-1] and (name[0].text in wordlists.demonyms() or name[0].text in wordlists.country_forms()):
        return False
    return len(last.text) > 1 and not all(titles[-2:]) and not all(_is_adjective(token) for token in name)


def _is_adjective(token: Token) -> bool:
    """Whether a word only says where something is from: "Western", "Danish-backed", "Danish-Polish"."""
    head, hyphen, _ = token.text.partition("-")
    return token.folded in _DIRECTIONS or (
        bool(hyphen) and (head in wordlists.demonyms() or head in wordlists.country_forms())
    )
