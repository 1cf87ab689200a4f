"""Find the parts of an article page that are not the article: notices, credits, link lists.

Pure and conservative: a line is judged by fixed wording that news sites put around
articles, never by its topic, and a line that mixes a notice with prose is left alone
unless the notice stands at its end (a caption followed by a photo credit).

Invariants: spans are half-open, in code points of the text as read, sorted, disjoint and
non-empty; linear time (every pattern is fixed, and is tried on one line of bounded length).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from summarise.text import Lines, Span

LONGEST_NOTICE = 450
"""Characters; a longer line is prose whatever words it holds (the longest sign-up notice seen has 240)."""

LONGEST_LINK = 200
"""Characters; a longer line is no link, credit or copyright line."""

SHORTEST_REPEAT = 20
"""Characters; shorter lines may repeat for good reasons ("Yes.", a speaker's name in an interview)."""


@dataclass(frozen=True, slots=True)
class Boilerplate:
    """A stretch of text to leave out, and why: advert, by-line, copyright, credit, link, notice,
    repeated, social."""

    span: Span
    reason: str


_AGENCY = (
    r"(?:AFP|AP|AP Photo|Reuters|REUTERS|Getty|Getty Images|GettyImages|Shutterstock|EPA|Bloomberg|iStock|Alamy"
    r"|POOL|Pool)"
)
_COPYRIGHT = re.compile(
    r"(?:^\W*(?:©|\(c\)|copyright\b)\s*(?:©|\(c\))?\s*(?:\d{4}|by\b))"
    r"|\ball rights reserved\b|\bdo not reproduce\b"
    r"|\bmay not be (?:published|reproduced|reprinted)\b",
    re.IGNORECASE,
)
_CREDIT_LINE = re.compile(
    r"^\W*(?:(?:photo(?:graph)?|image|picture|video|illustration)s?\s*(?:credit|courtesy|source|by|via)?\s*[:/]"
    r"|(?:photo|image|picture|illustration) (?:by|credit|courtesy)\b"
    r"|getty\s?images(?:-\d+)?\W*$|file photo\W*$|(?:credit|photo)\s*:)",
    re.IGNORECASE,
)
_CREDIT_TAIL = re.compile(
    r"(?:(?<=[.!?”\"’)\s])|^)\(?(?:Photo(?: by)?:? )?"
    r"[A-Z][\w'’-]+(?: [A-Z]\.| [A-Z][\w'’-]*){0,4} ?/ ?"
    + _AGENCY
    + r"(?:[ /](?:via )?"
    + _AGENCY
    + r"){0,3}\)?\.?\s*$"
)
_NAMED_CREDIT_TAIL = re.compile(
    r"(?:(?<=[.!?”\"’)\s])|^)\(?(?:Photo(?:graph)?|Picture|Image)s?(?: by)? ?: ?[^.:;]{3,60}\)?\.?$"
)
_ADVERT = re.compile(
    r"^(?:\W*[*#=~|>\[(]+\W*(?:ADVERT(?:ISEMENT|ORIAL)?S?|SPONSORED)\b"
    r"|(?:ADVERT|ADVERTORIAL|SPONSORED CONTENT)\s*[:*|-])"
)
_BYLINE = re.compile(r"^\W*(?:By|BY) [A-Z][\w'’-]+(?: [A-Z][\w'’.-]*){1,3}(?:(?:,| and | in | \|) ?[\w .'’-]{2,60})?$")
_LINK = re.compile(
    r"^\W*(?:(?:read|see|watch|view) (?:also|more|next|related|full article|the full (?:article|story))\b"
    r"\s*(?:[:|>»-]|$)"
    r"|also (?:read|see|on [\w ]{2,30})\s*:|related(?: articles?| stor(?:y|ies)| coverage| content| links?)?\s*(?::|$)"
    r"|(?:more|don['’]t miss|must read|recommended|most read|trending|you may (?:also )?like)\s*:"
    r"|source\s*:\s*read full article|(?:click|tap) here\b|(?:continue|keep) reading\b\s*(?:[:.…>]|$)"
    r"|(?:story|article) continues below\b|recommended (?:stories|for you)\W*$)",
    re.IGNORECASE,
)
_TAGGED_LINK = re.compile(
    r"\[(?:LATEST|REVEAL(?:ED)?|ANALYSIS|INSIGHT|VIDEO|WATCH|LIVE|PICTURES?|PHOTOS?|REPORT|INTERVIEW|OPINION|COMMENT"
    r"|EXCLUSIVE|UPDATE|SPOTLIGHT|MAP(?:PED)?)\]\s*$"
)
_SOCIAL = re.compile(
    r"^\W*(?:@\w{2,30}|advertise?ment|sponsored(?: content)?|share this(?: article| story)?"
    r"|(?:follow|like|join|find) us on\b.*|follow @?[\w ]{2,40} on (?:twitter|facebook|instagram|x)\b.*"
    r"|comments?(?: \(\d+\))?|share|tweet|email|print)\W*$",
    re.IGNORECASE,
)
_NOTICE_START = re.compile(
    r"^\W*(?:sign up (?:for|to|here|now)\b|subscribe (?:to|now|today|here)\b"
    r"|get (?:the|our) (?:latest|best|top) [\w ]{2,40} (?:in|to|delivered)\b"
    r"|(?:this|our) (?:site|website) uses cookies\b|(?:thank you|thanks) for (?:subscribing|signing up)\b"
    r"|already (?:a subscriber|have an account)\b|(?:enter|submit) your e-?mail\b)",
    re.IGNORECASE,
)
_NOTICE_CUES = tuple(
    (stems, re.compile(cue, re.IGNORECASE))
    for stems, cue in (
        (("sign",), r"\bsign(?:ing)?[- ]up\b"),
        (("unsubscribe",), r"\bunsubscribe\b"),
        (("newsletter",), r"\bnewsletters?\b"),
        (("subscri",), r"\bsubscri(?:be|ption)\b"),
        (("consent",), r"\bconsent(?:ed)?\b"),
        (("privacy policy",), r"\bprivacy policy\b"),
        (("terms ",), r"\bterms (?:of (?:use|service)|and conditions)\b"),
        (("cookie",), r"\bcookies?\b"),
        (("advert", "part"), r"\badverts?\b|\b(?:3rd|third) part(?:y|ies)\b"),
        (("your ",), r"\byour (?:inbox|e-?mail(?: address)?)\b"),
        (("more info",), r"\bmore info\b"),
        (("at any time",), r"\bat any time\b"),
    )
)
"""Patterns, each with stems of which one stands in whatever it matches: looking for those first is much quicker."""
_CUES_FOR_A_NOTICE = 3
"""Distinct cues that make a line a notice: an article about cookies or consent has one or two in a line."""


_SHORT_LINES = (
    ("advert", ("adver", "sponsor"), _ADVERT),
    ("by-line", ("by ",), _BYLINE),
    ("copyright", ("©", "(c)", "copyright", "rights", "reproduce", "published", "reprinted"), _COPYRIGHT),
    ("credit", ("photo", "image", "picture", "video", "illustration", "getty", "credit"), _CREDIT_LINE),
    ("link", ("",), _LINK),
    ("link", ("]",), _TAGGED_LINK),
    ("social", ("",), _SOCIAL),
    ("notice", ("",), _NOTICE_START),
)
"""Reason, stems of which one stands in whatever the pattern matches (an empty one in any line), pattern."""


def find_boilerplate(text: str) -> list[Boilerplate]:
    """Return the stretches of `text` that are not the article, in order of their start."""
    seen: set[str] = set()
    found: list[Boilerplate] = []
    for start, end in _lines(text):
        line = text[start:end]
        key = " ".join(line.split()).casefold()
        if len(key) >= SHORTEST_REPEAT and key in seen:
            found.append(Boilerplate(Span(start, end), "repeated"))
            continue
        seen.add(key)
        reason = _reason(line, key)
        if reason:
            found.append(Boilerplate(Span(start, end), reason))
        elif tail := _credit_tail(line):
            found.append(Boilerplate(Span(start + tail.start(), end), "credit"))
    return found


def without(text: str, sentences: Iterable[Span], left_out: Iterable[Span]) -> tuple[Span, ...]:
    """The sentences, each cut short where a left-out stretch begins in it and dropped where it is covered.

    Both sequences are sorted by their start; the walk is linear in their lengths together.
    """
    holes = list(left_out)
    kept: list[Span] = []
    first = 0
    for sentence in sentences:
        start, end = sentence.start, sentence.end
        while first < len(holes) and holes[first].end <= start:
            first += 1
        for place in range(first, len(holes)):
            hole = holes[place]
            if hole.start >= end:
                break
            if hole.start <= start:
                start = min(end, max(start, hole.end))
            else:
                end = hole.start
        span = Span(start, end).trimmed(text)
        if len(span):
            kept.append(span)
    return tuple(kept)


def boilerplate_notes(boilerplate: Sequence[Boilerplate]) -> list[tuple[str, str]]:
    """The warning that counts it, as (code, message); none if there is none."""
    if not boilerplate:
        return []
    reasons = Counter(found.reason for found in boilerplate)
    words = ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items()))
    return [("boilerplate_skipped", f"{len(boilerplate)} stretches were taken for boilerplate: {words}")]


def _lines(text: str) -> Iterator[tuple[int, int]]:
    """The lines as (start, end), without the white space around them; blank lines are left out."""
    for line in Lines(text):
        span = line.span.trimmed(text)
        if len(span):
            yield span.start, span.end


def _credit_tail(line: str) -> re.Match[str] | None:
    """The photo credit at the end of a caption."""
    start = max(0, len(line) - 160)
    found = _CREDIT_TAIL.search(line, start) if "/" in line else None
    return found or (_NAMED_CREDIT_TAIL.search(line, start) if ":" in line else None)


def _reason(line: str, folded: str) -> str | None:
    """Say why a whole line is boilerplate, or None; `folded` is the line with case and white space folded."""
    if len(line) > LONGEST_NOTICE:
        return None
    if len(line) <= LONGEST_LINK:
        for reason, stems, pattern in _SHORT_LINES:
            if _holds(folded, stems) and pattern.search(line):
                return reason
    cues = sum(_holds(folded, stems) and bool(cue.search(line)) for stems, cue in _NOTICE_CUES)
    return "notice" if cues >= _CUES_FOR_A_NOTICE else None


def _holds(folded: str, stems: Sequence[str]) -> bool:
    for stem in stems:  # noqa: SIM110  # any() over a generator costs more than what this saves
        if stem in folded:
            return True
    return False
