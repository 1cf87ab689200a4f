"""Find names in a news text and gather the ones that belong together.

Method: runs of capitalised words (titles and nationalities taken off their front),
a country gazetteer, and group nouns a document keeps returning to; then short forms are
put with the one long form they can stand for ("Ms. Vale" with "Ina Vale").

Invariants: pure; linear in the text but for the merging, which is linear in the number of
distinct names; every mention is a span of the text as read and lies inside one sentence.
What is found are candidates: the model says later which are actors.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from summarise.extract.actors import wordlists
from summarise.text import Span

_TOKEN = re.compile(r"(?:[^\W\d_]\.){2,}|[^\W_](?:[\w]|[-'’&](?=\w))*")
_SEAT = re.compile(r"[DRI]-[A-Z]|I['’]")
_JOINING = frozenset({"of", "de", "del", "da", "di", "van", "von", "der", "bin", "al", "el", "la"})
_ABBREVIATIONS = frozenset(
    {
        "mr",
        "mrs",
        "ms",
        "dr",
        "sen",
        "rep",
        "gov",
        "gen",
        "lt",
        "col",
        "sgt",
        "capt",
        "rev",
        "prof",
        "st",
        "brig",
        "supt",
        "n",
        "s",
    }
)
_GENERATIONS = frozenset({"jr", "sr", "ii", "iii"})
_AFFILIATIONS = frozenset({"democrat", "republican", "democratic", "conservative", "labour", "justice"})
_LOCATIVES = frozenset({"in", "at", "near", "outside", "around", "inside", "into", "toward", "towards"})
_OFFICIAL_NOUNS = frozenset(
    {
        "officials",
        "official",
        "government",
        "authorities",
        "leaders",
        "forces",
        "army",
        "military",
        "troops",
        "lawmakers",
        "diplomats",
        "regime",
        "countries",
        "nations",
    }
)
_DIRECTIONS = frozenset(
    {
        "eastern",
        "northern",
        "southern",
        "northeast",
        "northwest",
        "southeast",
        "southwest",
        "asian",
        "korean",
        "european",
        "african",
    }
)
_HEADLINE_SHARE = 0.6
"""Share of capitalised long words from which a line is read as a headline (a choice, not measured)."""


@dataclass(frozen=True, slots=True)
class Token:
    """A word without its possessive ending."""

    text: str
    span: Span
    capitalised: bool

    @property
    def folded(self) -> str:
        return self.text.casefold()


@dataclass(frozen=True, slots=True)
class Mention:
    """One name as it stands, the title before it (or None), and whether its capital says anything."""

    name: str
    span: Span
    title: str | None = None
    sure: bool = True


@dataclass(frozen=True, slots=True)
class Candidate:
    """Mentions that name the same thing; `name` is the fullest form, `kind` is None unless the form settles it.

    `located` of the mentions follow a word such as "in": there the name is a place.
    """

    name: str
    aliases: tuple[str, ...]
    mentions: tuple[Span, ...]
    kind: str | None = None
    title: str | None = None
    located: int = 0


def find_candidates(text: str, sentences: Sequence[Span]) -> tuple[Candidate, ...]:
    """Return the candidate actors of a text, most mentioned first (ties: first mentioned)."""
    tokens = [tuple(_tokens(text, sentence)) for sentence in sentences]
    plain = {token.folded for sentence in tokens for token in sentence if not token.capitalised}
    headlines = [_is_headline(text, sentence, words) for sentence, words in zip(sentences, tokens, strict=True)]
    word_before = {after.span.start: before.folded for sentence in tokens for before, after in pairwise(sentence)}
    mentions = [
        mention
        for sentence, headline in zip(tokens, headlines, strict=True)
        if not headline
        for mention in _named(text, sentence)
    ]
    mentions = _drop_unsure(mentions, plain)
    forms = {mention.name for mention in mentions}
    for sentence, headline in zip(tokens, headlines, strict=True):
        if headline:
            mentions += _known_names(sentence, forms)
    national, rest = _national(text, mentions, [token for sentence in tokens for token in sentence])
    gathered = [replace(candidate, located=_located(candidate, word_before)) for candidate in _gather(rest)]
    named = [candidate for candidate in gathered if candidate.title or candidate.located < len(candidate.mentions)]
    found = national + named + _groups(tokens)
    return tuple(sorted(found, key=lambda candidate: (-len(candidate.mentions), candidate.mentions[0])))


def _tokens(text: str, sentence: Span) -> Iterator[Token]:
    """Yield the words of a sentence; possessive endings stay outside the span."""
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


def _is_headline(text: str, sentence: Span, tokens: Sequence[Token]) -> bool:
    """Say whether a line is set in headline case, where a capital does not mark a name; it has no full stop."""
    if text[sentence.start : sentence.end].rstrip("”\"’')").endswith((".", "!", "?", ",")):
        return False
    long_words = [token for token in tokens if len(token.text) > 3]
    return len(long_words) >= 4 and sum(token.capitalised for token in long_words) > _HEADLINE_SHARE * len(long_words)


def _named(text: str, tokens: Sequence[Token]) -> Iterator[Mention]:
    """Yield the runs of capitalised words of one sentence as mentions."""
    position = 0
    while position < len(tokens):
        if not tokens[position].capitalised:
            position += 1
            continue
        end = _run_end(text, tokens, position)
        run = list(tokens[position:end])
        first = (
            position == 0
            or text[run[0].span.start - 1] in '“"‘:'
            or text[tokens[position - 1].span.end : run[0].span.start].strip() in {".", "!", "?", "—"}
        )
        while (
            run
            and run[0].folded in wordlists.words("function_words")
            and not (run[0].text.isupper() and len(run[0].text) > 1 and not first)
        ):
            run.pop(0)
            first = False
        if run:
            before = tokens[position - 1] if position else None
            role = (
                before
                if before and before.text in wordlists.words("role_nouns") and run[0].span.start - before.span.end <= 2
                else None
            )
            yield from _split_title(text, run, sure=not (first and len(run) == 1), role=role)
        position = end


def _run_end(text: str, tokens: Sequence[Token], start: int) -> int:
    """Return the index after the last word of the name that starts at `start`."""
    end = start + 1
    while end < len(tokens):
        gap = text[tokens[end - 1].span.end : tokens[end].span.start]
        previous = tokens[end - 1]
        abbreviated = previous.folded in _ABBREVIATIONS or len(previous.text) == 1
        if (
            gap != " "
            and not (gap == ". " and abbreviated)
            and not (gap == ", " and tokens[end].folded in _GENERATIONS)
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
    """Say whether the capitalised words from `start` are two or more and end in an organisation's word."""
    end = start
    while (
        end < len(tokens)
        and tokens[end].capitalised
        and (end == start or text[tokens[end - 1].span.end : tokens[end].span.start] == " ")
    ):
        end += 1
    return end - start >= 2 and tokens[end - 1].folded in {
        "enforcement",
        "commission",
        "committee",
        "department",
        "administration",
        "agency",
        "services",
        "affairs",
    }


def _split_title(text: str, run: Sequence[Token], *, sure: bool, role: Token | None = None) -> Iterator[Mention]:
    """Yield the name of a run without the title before it (`role` is a lower-case one) and the place after it."""
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
    """Return how many words at the front of a run are title, office or party of the person named after them."""
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
    """Say whether the words can name somebody: not only a title, a party's adjective, a letter or a seat ("D-Ohio")."""
    last = name[-1]
    if last.folded in _AFFILIATIONS or last.folded in wordlists.words("thing_words") or _SEAT.match(last.text):
        return False
    titles = [token.folded in wordlists.words("titles") for token in name]
    if titles[-1] and (name[0].text in wordlists.demonyms() or name[0].text in wordlists.country_forms()):
        return False
    return len(last.text) > 1 and not all(titles[-2:]) and not all(_is_adjective(token) for token in name)


def _is_adjective(token: Token) -> bool:
    """Say whether a word only says where something is from: "Western", "Danish-backed", "Danish-Polish"."""
    head, hyphen, _ = token.text.partition("-")
    return token.folded in _DIRECTIONS or (
        bool(hyphen) and (head in wordlists.demonyms() or head in wordlists.country_forms())
    )


def _drop_unsure(mentions: Sequence[Mention], plain: frozenset[str] | set[str]) -> list[Mention]:
    """Leave out single words that opened a sentence unless the text or the gazetteer knows them as names."""
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


def _known_names(tokens: Sequence[Token], forms: set[str]) -> Iterator[Mention]:
    """Yield the names of a headline that the rest of the text (or the gazetteer) knows; longest first."""
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


def _national(text: str, mentions: Sequence[Mention], tokens: Sequence[Token]) -> tuple[list[Candidate], list[Mention]]:
    """Put names, capitals and "Danish officials" with their country; return those and the other mentions."""
    word_before = {after.span.start: before.folded for before, after in pairwise(tokens)}
    word_after = {before.span.end: after for before, after in pairwise(tokens)}
    found: dict[str, list[Mention]] = defaultdict(list)
    capitals: dict[str, list[Mention]] = defaultdict(list)
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
            if follower and follower.folded in _OFFICIAL_NOUNS and follower.span.start - mention.span.end == 1:
                span = Span(mention.span.start, follower.span.end)
                found[country.name].append(Mention(text[span.start : span.end], span))
            elif mention.name.endswith("s") and not mention.name.endswith("ss"):
                found[country.name].append(mention)
        elif country := wordlists.capitals().get(mention.name):
            if before not in _LOCATIVES and not mention.name.isupper():
                capitals[country.name].append(mention)
        else:
            rest.append(mention)
    adjectives = {
        wordlists.demonyms()[mention.name].name for mention in mentions if mention.name in wordlists.demonyms()
    }
    for name, metonyms in capitals.items():
        if name in found or name in adjectives:
            found[name] += metonyms
    return [_country(name, found[name]) for name in found], rest


def _located(candidate: Candidate, word_before: Mapping[int, str]) -> int:
    """Count the mentions that say where something is or goes ("in Oakfield")."""
    return sum(word_before.get(span.start) in _LOCATIVES for span in candidate.mentions)


def _country(name: str, mentions: Sequence[Mention]) -> Candidate:
    """Make a country's candidate; its name is the gazetteer's when the text has it, else the commonest form."""
    forms = Counter(mention.name for mention in mentions)
    best = name if name in forms else forms.most_common(1)[0][0]
    aliases = tuple(form for form in forms if form != best)
    kind = {"European Union": "organisation", "United Nations": "organisation", "the West": "group"}.get(
        name, "country"
    )
    return Candidate(best, aliases, tuple(sorted(mention.span for mention in mentions)), kind)


def _key(name: str) -> tuple[str, ...]:
    """Fold a name for comparing: case, hyphens, initials in the middle."""
    parts = [part.strip(".") for part in name.replace("-", " ").replace("’", "'").casefold().split()]
    return tuple(part for index, part in enumerate(parts) if len(part) > 1 or index in {0, len(parts) - 1})


def _gather(mentions: Sequence[Mention]) -> list[Candidate]:
    """Put short forms with the long form they stand for: same key, last word, first word, initials."""
    groups: dict[tuple[str, ...], list[Mention]] = defaultdict(list)
    for mention in mentions:
        groups[_key(mention.name)].append(mention)
    owner: dict[str, tuple[str, ...]] = {}
    organisation = wordlists.words("organisation_words")
    full = sorted((key for key in groups if len(key) > 1), key=lambda key: (-len(groups[key]), groups[key][0].span))
    for position in (-1, 0):
        for key in full:
            person = any(mention.title for mention in groups[key]) or (position == -1 and organisation.isdisjoint(key))
            if person:
                owner.setdefault(key[position], key)
    initials = {
        "".join(word[0] for word in key if word not in {"of", "the", "and", "for"}): key for key in full if len(key) > 2
    }
    merged: dict[tuple[str, ...], list[Mention]] = defaultdict(list)
    for key, group in groups.items():
        short = len(key) == 1
        home = owner.get(key[0]) if short and not organisation.intersection(key) else None
        if short and home is None and group[0].name.replace(".", "").isupper():
            home = initials.get(key[0].replace(".", ""))
        merged[home or key] += group
    return [_candidate(group) for group in merged.values() if group]


def _candidate(mentions: Sequence[Mention]) -> Candidate:
    """Make one candidate; the longest of the forms is its name, and a title makes it a person."""
    forms = Counter(mention.name for mention in mentions)
    name = max(forms, key=lambda form: (len(form.split()), forms[form], len(form)))
    titles = Counter(mention.title for mention in mentions if mention.title)
    title = max(titles, key=lambda form: (len(form.split()), titles[form])) if titles else None
    words = {word.casefold() for word in name.split()}
    kind = "person" if title and not words & wordlists.words("organisation_words") else None
    aliases = tuple(form for form in forms if form != name)
    return Candidate(name, aliases, tuple(sorted(mention.span for mention in mentions)), kind, title)


def _groups(tokens: Sequence[Sequence[Token]]) -> list[Candidate]:
    """Return the group nouns ("police", "the tribe") that stand in two or more sentences."""
    nouns = wordlists.words("group_nouns")
    found: dict[str, list[Span]] = defaultdict(list)
    spread: dict[str, set[int]] = defaultdict(set)
    for index, sentence in enumerate(tokens):
        for token in sentence:
            if not token.capitalised and token.text in nouns:
                found[token.text].append(token.span)
                spread[token.text].add(index)
    return [Candidate(noun, (), tuple(spans), "group") for noun, spans in found.items() if len(spread[noun]) >= 2]
