"""Words read for meaning: the items an alignment compares, and the facts among them.

Invariant: an item's offsets are places in the folded text it was read from, and :func:`read_items`
yields items in order and without overlap. Pure, and nothing here builds a pattern from its input.

Source of the method: the closed word lists of :mod:`summarise.lexicon` and the usual grammar of
English number words. Other scripts get numbers, names where they have capitals, and a few negators.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache

from summarise.lexicon import (
    ACRONYMS,
    CONTRACTIONS,
    CURRENCIES,
    FUNCTION,
    HEDGES,
    LOOSE_NUMBERS,
    MONTH_SHORT,
    MONTHS,
    NEGATORS,
    ONES,
    ORDINALS,
    PERSONS,
    PHRASES,
    QUANTITIES,
    ROLES,
    SCALES,
    SHORT_SCALES,
    TENS,
    TITLES,
    UNITS,
    WEEKDAYS,
    bare,
    demonym,
)
from summarise.text import Folded


class Kind(StrEnum):
    """What an item is; all but ``word``, ``function``, ``role`` and ``picture`` must agree in a true quote."""

    word = "word"
    function = "function"
    role = "role"
    number = "number"
    date = "date"
    name = "name"
    negation = "negation"
    hedge = "hedge"
    picture = "picture"


GUARDS = frozenset({Kind.number, Kind.date, Kind.name, Kind.negation, Kind.hedge})
_LIGHT = frozenset({Kind.function, Kind.role, Kind.picture})


@dataclass(frozen=True, slots=True)
class Token:
    """One word, number or sign at ``start..end`` of the folded text."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Item:
    """One unit of meaning: equal keys mean the same thing. ``capital``: written with a capital,
    ``opening``: the first word of a sentence (or of the quote)."""

    key: str
    kind: Kind
    start: int
    end: int
    capital: bool = False
    opening: bool = False

    @property
    def weight(self) -> float:
        """How much the item counts in an alignment: function words and pictures a quarter."""
        return 0.25 if self.kind in _LIGHT else 1.0


# First list wins. "second" is an ordinal here and a unit after a number.
_LISTS: tuple[tuple[Kind, Mapping[str, str]], ...] = (
    (Kind.negation, NEGATORS),
    (Kind.hedge, HEDGES),
    (Kind.date, {day: day for day in WEEKDAYS}),
    (Kind.number, {word: f"{value} th" for word, value in ORDINALS.items()}),
    (Kind.number, {word: word for word in QUANTITIES}),
    (Kind.role, {word: word for word in ROLES}),
    (Kind.function, {word: word for word in FUNCTION}),
    (Kind.word, {word: unit for word, unit in UNITS.items() if len(word) > 1}),
)
_LISTED = {word: (kind, key) for kind, listed in reversed(_LISTS) for word, key in listed.items()}
# Only these, or a digit, begin an item that may take more than one word.
_LEADING = frozenset((*CURRENCIES, *ONES, *TENS, *SCALES, *MONTHS, *MONTH_SHORT, "a", *(first for first, _ in PHRASES)))
_MONEY = frozenset((*CURRENCIES, "florin", "crown", "cent"))
_STOPS = frozenset(".!?:;")
_LONGEST_NUMBER = 16  # digits and separators, or words; the precision of Decimal is 28 digits
_UNSPACED = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_unspaced = re.compile(f"[{_UNSPACED}]")
_PICTURES = r"\u2600-\u27bf\U0001f000-\U0001faff"
_picture = re.compile(f"[{_PICTURES}]")


def unspaced(character: str) -> bool:
    """Whether the character's script writes no space between words (Han, kana, Thai, Khmer ...)."""
    return bool(_unspaced.match(character))


def pointed(text: str, start: int) -> bool:
    """Whether a point that begins a decimal fraction stands before ``start``: " .[5]"."""
    before = text[max(0, start - 2) : start]
    return before[-1:] == "." and not (before[:-1].isalnum() or before[:-1] == ".")


@lru_cache(maxsize=1)
def token_pattern() -> re.Pattern[str]:
    """The one constant pattern of words, numbers and signs in folded text.

    Python's ``re`` has no class for combining marks, so the class of word characters is written out
    once from the Unicode database (a few milliseconds, at first use). That class is slow to say no,
    so plain words, and the signs between words, are told by ASCII before it is asked.
    """
    ranges: list[list[int]] = []
    for point in range(0x80, 0x1F000):
        character = chr(point)
        if unicodedata.category(character)[0] in "LM" and not unspaced(character):
            if ranges and ranges[-1][1] == point - 1:
                ranges[-1][1] = point
            else:
                ranges.append([point, point])
    # Superscripts, fractions and circled digits, which folding keeps: "10²" is not "10".
    figures = "".join(chr(point) for point in range(0xB2, 0x2500) if unicodedata.category(chr(point)) == "No")
    letter = "a-zA-Z" + "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)
    wide = r"[^\x00-\x7f]"
    return re.compile(
        rf"[a-z]{{2,}}+(?![a-zA-Z0-9']|{wide})|\d{{1,3}}(?: \d{{3}})+(?![.,]?\d)|\d+(?:[.,]\d+)*"
        rf"|(?:[a-z]\.)+[a-z]\b\.?|(?=[a-zA-Z]|{wide})[{letter}][{letter}0-9]*(?:'[{letter}]+)*"
        rf"|[{_UNSPACED}{_PICTURES}{figures}]|[%$£€¥₹°]"
    )


def read_tokens(folded: str) -> Iterator[Token]:
    """The tokens of folded text, in order."""
    for match in token_pattern().finditer(folded):
        yield Token(match.group(), match.start(), match.end())


def read_items(
    folded: Folded,
    source: str,
    tokens: Sequence[Token] | None = None,
    *,
    known: dict[int, Item] | None = None,
) -> list[Item]:
    """The items of folded text: number words summed, units and days bound to their numbers.

    ``source`` is the text that was folded (capitals are read from it). ``tokens`` narrows the
    reading to a stretch; by default it is the whole text. ``known`` holds the single words of this
    text that were read before, by their start, and gets those read now.
    """
    if tokens is None:
        tokens = list(read_tokens(folded.text))
    return _Reader(folded, source, tokens, {} if known is None else known).read()


class _Reader:
    """One pass over the tokens, left to right; each step takes one or more of them."""

    def __init__(self, folded: Folded, source: str, tokens: Sequence[Token], known: dict[int, Item]) -> None:
        self._folded, self._source, self._known = folded, source, known
        self._tokens = [part for token in tokens for part in _split_contraction(token)]
        self._items: list[Item] = []
        self._at = 0

    def read(self) -> list[Item]:
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            leading = token.text in _LEADING or token.text[0].isdecimal()
            if leading and (self._currency_first() or self._number() or self._month_first() or self._phrase()):
                continue
            item = self._known.get(token.start)
            if item is None:
                item = self._known[token.start] = self._word(token)
            self._items.append(item)
            self._at += 1
        return self._items

    def _text(self, ahead: int = 0) -> str:
        place = self._at + ahead
        return self._tokens[place].text if place < len(self._tokens) else ""

    def _currency_first(self) -> bool:
        unit = self._text()
        if unit not in CURRENCIES or not self._text(1)[:1].isdigit():
            return False
        start = self._tokens[self._at].start
        self._at += 1
        return self._number(unit=unit, start=start)

    def _number(self, *, unit: str = "", start: int | None = None) -> bool:
        value, used = _number_at(self._tokens, self._at)
        if value is None:
            return False
        first = self._tokens[self._at].start if start is None else start
        if pointed(self._folded.text, self._tokens[self._at].start):
            value = Decimal(f"0.{self._tokens[self._at].text}") if self._tokens[self._at].text.isdecimal() else value
        self._at += used
        if unit and self._text() == "m":
            value, self._at = value * 10**6, self._at + 1
        elif not unit:
            if self._text() == "m" and UNITS.get(self._text(1)) in _MONEY:
                value, self._at = value * 10**6, self._at + 1  # "2.4m crowns": no metres
            unit = self._unit_after()
        month = _month(self._text()) if unit in ("", "th") else None
        end = self._tokens[self._at - 1].end
        if month and _is_day(value):
            end = self._tokens[self._at].end
            self._at += 1
            self._items.append(Item(f"{month} {int(value)}", Kind.date, first, end))
        else:
            sign = "-" if self._negative(first) else ""
            self._items.append(Item(f"{sign}{value.normalize():f} {unit}".strip(), Kind.number, first, end))
        return True

    def _negative(self, start: int) -> bool:
        before = self._folded.text[max(0, start - 2) : start]
        return before[-1:] == "-" and not before[:-1].isalnum()

    def _unit_after(self) -> str:
        following = self._text()
        if following in ("st", "nd", "rd", "th"):
            self._at += 1
            return "th"
        if following == "per" and self._text(1) == "cent":
            self._at += 2
            return "%"
        if following in UNITS:
            self._at += 1
            return UNITS[following]
        if (hour := following.replace(".", "")) in ("am", "pm"):
            self._at += 1
            return hour
        return ""

    def _month_first(self) -> bool:
        """Take a month and, where one follows, its day: "March 3" and "3 March" get the same key."""
        month = _month(self._text())
        if not month:
            return False
        token = self._tokens[self._at]
        value, used = _number_at(self._tokens, self._at + 1)
        has_day = _is_day(value) and used == 1
        capital, opening = self._case(token)
        if not has_day and (token.text not in MONTHS or (month in ("may", "march") and (opening or not capital))):
            return False
        end, key = token.end, month
        self._at += 1
        if has_day and value is not None:
            end, key = self._tokens[self._at].end, f"{month} {int(value)}"
            self._at += 1
            if self._text() in ("st", "nd", "rd", "th"):
                end, self._at = self._tokens[self._at].end, self._at + 1
        self._items.append(Item(key, Kind.date, token.start, end))
        return True

    def _phrase(self) -> bool:
        first, second = self._text(), self._text(1)
        if (first, second) not in PHRASES:
            return False
        start, end = self._tokens[self._at].start, self._tokens[self._at + 1].end
        self._items.append(Item(f"{first} {second}", Kind.negation, start, end))
        self._at += 2
        return True

    def _case(self, token: Token) -> tuple[bool, bool]:
        letter = self._source[self._folded.origins[token.start]]
        before = self._folded.text[max(0, token.start - 3) : token.start].strip(" \"'([-")
        return letter.isupper() or letter.istitle(), token.start == 0 or before[-1:] in _STOPS

    def _acronym(self, token: Token) -> bool:
        """Whether a word that is else a pronoun stands in capitals: "US", "WHO", "IT"."""
        start = self._folded.origins[token.start]
        return token.text in ACRONYMS and self._source[start : start + len(token.text)].isupper()

    def _word(self, token: Token) -> Item:
        word = token.text
        capital, opening = self._case(token)
        kind, key = _classify(word)
        if (kind is Kind.word and capital and not opening) or self._acronym(token):
            kind, key = Kind.name, bare(word.replace(".", ""))
        return Item(key, kind, token.start, token.end, capital, opening)


def _classify(word: str) -> tuple[Kind, str]:
    """The kind and key of a single word, its capital left aside."""
    if word in _LISTED:
        return _LISTED[word]
    if any(character.isdigit() or unicodedata.category(character) == "No" for character in word):
        return Kind.number, word
    return (Kind.picture if _picture.match(word) else Kind.word), word.replace(".", "")


def _month(word: str) -> str | None:
    return word if word in MONTHS else MONTH_SHORT.get(word)


def _is_day(value: Decimal | None) -> bool:
    return value is not None and value == value.to_integral_value() and 1 <= value <= 31


def _split_contraction(token: Token) -> Iterator[Token]:
    word, start, end = token.text, token.start, token.end
    if "'" not in word and word != "cannot":
        yield token
    elif word.endswith("n't") and len(word) > 3:
        stem = {"ca": "can", "wo": "will", "sha": "shall"}.get(word[:-3], word[:-3])
        yield Token(stem, start, end - 3)
        yield Token("n't", end - 3, end)
    elif word == "cannot":
        yield Token("can", start, start + 3)
        yield Token("not", start + 3, end)
    elif (cut := word.rfind("'")) > 0 and word[cut:] in CONTRACTIONS:
        yield Token(word[:cut], start, start + cut)
        yield Token(CONTRACTIONS[word[cut:]], start + cut, end)
    else:
        yield token


def _number_at(tokens: Sequence[Token], at: int) -> tuple[Decimal | None, int]:
    """The number that starts at token ``at`` (digits or words, scaled) and how many tokens it takes."""
    if at >= len(tokens):
        return None, 0
    first = tokens[at].text
    if first[0].isdecimal():
        if len(first) > _LONGEST_NUMBER:
            return None, 0  # compared letter by letter: Decimal would round it
        value, used = _digits(first), 1
        while used < 4 and (scale := _scale(tokens, at + used)) is not None:
            value, used = value * scale, used + 1
        return value, used
    return _spelt(tokens, at)


def _scale(tokens: Sequence[Token], at: int) -> int | None:
    word = tokens[at].text if at < len(tokens) else ""
    return SCALES.get(word) or SHORT_SCALES.get(word)


def _digits(written: str) -> Decimal:
    """Read digits with their separators: groups of three after a comma, point or space are thousands."""
    groups = re.split("[., ]", written)
    separators = set(re.findall("[., ]", written))
    whole = len(separators) == 1 and all(len(group) == 3 for group in groups[1:]) and len(groups[0]) <= 3
    if not separators or (whole and (separators != {"."} or len(groups) > 2)):
        return Decimal("".join(str(int(group)) if group is groups[0] else group for group in groups))
    return Decimal("".join(groups[:-1]) + "." + groups[-1])


def _spelt(tokens: Sequence[Token], at: int) -> tuple[Decimal | None, int]:
    """English number words: "two hundred and five thousand", "a million", "twenty-one"."""
    total, current, used, seen = 0, 0, 0, False
    while used < _LONGEST_NUMBER and at + used < len(tokens):
        word = tokens[at + used].text
        following = tokens[at + used + 1].text if at + used + 1 < len(tokens) else ""
        if word in ONES and not current % (10 if ONES[word] < 10 and current % 100 >= 20 else 100):
            current += ONES[word]
        elif word in TENS and not current % 100:
            current += TENS[word]
        elif word in SCALES:
            current = max(current, 1) * SCALES[word]
            if SCALES[word] > 100:
                total, current = total + current, 0
        elif (
            seen and word == "and" and tokens[at + used - 1].text in SCALES and (following in ONES or following in TENS)
        ):
            used += 1
            continue
        elif not seen and word == "a" and following in SCALES:
            current, seen, used = 1, True, 1
            continue
        else:
            break
        seen, used = True, used + 1
    return (Decimal(total + current), used) if seen else (None, 0)


def role_class(item: Item) -> str:
    """The class of a word that says who does what to whom ("be" of the passive, "by", "to" ...)."""
    return ROLES.get(item.key, "")


def person(item: Item) -> str:
    """Whom a pronoun stands for ("they" and "their" are one, "we" and "they" are two); else ""."""
    return PERSONS.get(item.key, "") if item.kind is Kind.function else ""


def borne_out(item: Item, known: Sequence[Item], *, name: bool) -> bool:
    """Whether a number, date or name of a claim stands somewhere among the ``known`` items."""
    if name:
        return item.key in TITLES or any(
            item.key == other.key or (other.capital and demonym(item.key, other.key)) for other in known
        )
    if item.kind is Kind.date:
        return any(other.kind is Kind.date and other.key in (item.key, *_days(item.key)) for other in known)
    value, _, unit = item.key.partition(" ")
    if item.key in LOOSE_NUMBERS:
        return True
    others = [other.key.partition(" ") for other in known if other.kind in (Kind.number, Kind.date)]
    return any(other == value and (not unit or not other_unit or unit == other_unit) for other, _, other_unit in others)


def _days(key: str) -> tuple[str, ...]:
    """A month alone is borne out by any of its days."""
    return () if " " in key else tuple(f"{key} {day}" for day in range(1, 32))
