"""Where the content of a claim stands, once a reader has said who claims and with which words.

The model names the claimant and the cue; this module finds both in the unit and computes the content around them:
the quotation that goes with the cue, what precedes ", according to X", what precedes ", X said", or else what follows
the cue up to the end of its clause. Invariants: pure, linear in the unit's length, every span lies in the unit, and no
pattern is ever built from text of a model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from summarise.extract.claims.cues import is_denial, is_naming, is_passive, is_source, is_telling
from summarise.extract.claims.lexicon import INVERTING, SAYING
from summarise.extract.claims.units import Unit, words
from summarise.text import Span

_ADVERB: Final = re.compile(r"(?:\w+ly|presumably|apparently)$", re.IGNORECASE)
_DAY: Final = r"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
_MONTH: Final = r"(?:January|February|March|April|May|June|July|August|September|October|November|December)"
_ADDRESSEE: Final = re.compile(
    r"\s*(?:(?:the|his|her|their|its|a|an|of|us|me|him|them|you|it|[A-Z][\w.&’'-]*"
    r"|reporters|lawmakers|journalists|members|voters|supporters|viewers|audience|crowd"
    r"|[a-z]+ (?:agency|newspaper|committee|station|outlet|conference|channel|audience|crowd))\s+)*"
)
#: "at least 900 people": words that look like a preposition and open the content.
_QUANTITY: Final = (
    r"\s+(?:at (?:least|most)|(?:about|over) (?:\d+|half|one|two|three|four|five|six|seven|eight|nine|ten|dozens"
    r"|hundreds|thousands|millions|an? (?:third|quarter|dozen|hundred|thousand|million|half))\b)"
)
_LEAD_IN: Final = re.compile(
    rf"(?:\s*[,:—]|\s+(?:(?:on|in|at|during|late|early|earlier|this|last|next)\s+)?"
    rf"(?:{_DAY}|{_MONTH}|week|month|year|today|yesterday|morning|night)s?\b"
    r"|\s+(?:in|during|at|via|through) an? (?:\w+ ){0,2}"
    r"(?:statement|interview|letter|speech|tweet|post|email|report|conference|op-ed)\b"
    r"|\s+(?:again|repeatedly|publicly|further|also|instead|recently|sarcastically|later|out|back|openly)\b"
    rf"|(?!{_QUANTITY})\s+(?:about|of|for|over|on|with|against|at|into|from)\b(?!\s+(?:\w+day|{_MONTH})\b))+"
)
_SEEM: Final = re.compile(
    r"(?:seem|appear|expected|believed|reported|alleged|rumou?red|thought|known|understood)\w*(?: to)?$", re.IGNORECASE
)
_CONNECTIVE: Final = re.compile(
    r"(?:(?:however|but|and|still|meanwhile|also|yet|moreover|overall|instead|for example|in addition|additionally"
    r"|furthermore|similarly|nevertheless|nonetheless|though)\b,?\s+)+",
    re.IGNORECASE,
)
_CLAUSE_BREAK: Final = re.compile(
    r",?\s+(?:according to|as per)\s|, (?:and|but|so) (?:he|she|they|it|the|a|an|I|we|has|have|had|also)\s|; "
    r"|,\s+(?:saying|adding|noting|claiming|insisting|while|after|although|though|whereas|before saying)\s"
    r"|,\s+(?:allegations|accusations|claims|charges)\s"
)
_TAIL: Final = re.compile(
    r"[\s,]*(?:(?:on|in|at|during|after|before|late|early|earlier|this|last|of|from|for|with|when|as|while|via|by)\b.*"
    r"|\w+(?:day|ly)\b.*|,.*)?[\s.!?,]*$",
    re.DOTALL,
)
_JOINT: Final = re.compile(r"(?:,|,?\s+(?:and|but|or|as|while|which|who|because))\s*$")
_REACTION: Final = re.compile(
    r",?\s+(?:(?:has|have|had|also|already)\s+)*"
    r"(?:drawn|drew|draws|sparked|prompted|met with|provoked|faced|received|attracted|caused|raised|won|earned)$"
)
_CLAUSE_MARKS: Final = (" that ", " to ", ", “", ', "', " how ", " why ")
_CIRCUMSTANCE: Final = re.compile(r"\s+(?:in|on|to|at|during|after|before|through|via)\s")
_RECIPIENT: Final = re.compile(r"to (?:the )?[A-Z][\w.’'-]*(?: [A-Z][\w.’'-]*)?")
_COMPARISON: Final = re.compile(r"(?:Like|Unlike|As|Even)\b")
#: Verbs that close a sentence as verbs of saying do: "The harvest will fail, farmers fear."
_CLOSING_TOO: Final = frozenset(
    "hope hopes hoped fear fears feared know knows knew guess guessed show shows showed".split()
)
#: Words between "dubbed by Tarvia" and the name in quotation marks: "as a".
_NAMED_WITHIN: Final = 3
_OPENING_MARKS: Final = frozenset("“\"„«‘' ")
_CLOSING_MARKS: Final = frozenset('”"“», ')
_RELATIVES: Final = frozenset({"who", "whom", "which", "whose"})


@dataclass(frozen=True, slots=True)
class Attribution:
    """Where a claim is attributed: the cue, and the claimant when it stands in the same unit."""

    cue: Span
    claimant: Span | None

    @property
    def start(self) -> int:
        """First offset of cue and claimant together."""
        return min(self.cue.start, self.claimant.start) if self.claimant else self.cue.start

    @property
    def end(self) -> int:
        """End offset of cue and claimant together."""
        return max(self.cue.end, self.claimant.end) if self.claimant else self.cue.end


@dataclass(frozen=True, slots=True)
class Content:
    """The spans of a claim's content, and whether it is a direct quotation."""

    spans: tuple[Span, ...]
    direct: bool


def clean(text: str, start: int, end: int) -> Span:
    """Trim white space, leading commas and colons, and the sentence's final mark (kept inside a quotation)."""
    while start < end and (text[start].isspace() or text[start] in ",:;.—–-"):
        start += 1
    while end > start and (text[end - 1].isspace() or text[end - 1] in ",:;.!?—–-"):
        end -= 1
    return Span(start, max(start, end))


def content_of(text: str, unit: Unit, attribution: Attribution, others: Sequence[Attribution]) -> Content | None:
    """The content that goes with one attribution, or None when nothing is left around it.

    `others` are the unit's remaining attributions; content never runs over the next one's start.
    """
    direct = _direct(text, unit, attribution, others)
    if direct:
        return Content(direct, direct=True)
    cue = attribution.cue
    if is_source(text, cue):
        spans = _around_according(text, unit, attribution)
    elif attribution.claimant is not None and is_passive(text, cue):
        spans = (clean(text, _opening(text, unit), attribution.start),)
    elif attribution.claimant is None and _is_impersonal(text, cue):
        spans = _without_cue(text, unit, cue, others)
    elif is_denial(text, cue) and not _gap_words(text, attribution.end, unit.span.end):
        spans = _object_before(text, unit, attribution)
    elif _is_tail(text, unit, attribution):
        spans = _before(text, unit, attribution)
    else:
        spans = _after(text, unit, attribution, others) or _object_before(text, unit, attribution)
    kept = tuple(span for span in spans if any(True for _ in words(text, span.start, span.end)))
    return Content(kept, direct=False) if kept else None


def _direct(text: str, unit: Unit, attribution: Attribution, others: Sequence[Attribution]) -> tuple[Span, ...]:
    """The quotations around an attribution when they, and no clause, are the content; else empty."""
    before = [q for q in unit.quotations if q.end <= attribution.start]
    after = [q for q in unit.quotations if q.start >= attribution.end]
    cue_starts = [other.cue.start for other in others]
    if before and _closes(text, before[-1], attribution, cue_starts):
        return (before[-1], *_resumed(text, before[-1], after, cue_starts))
    if (
        after
        and is_naming(text, attribution.cue)
        and _gap_words(text, attribution.end, after[0].start) <= _NAMED_WITHIN
    ):
        return (after[0],)
    if after and _opens(text, after[0], attribution, cue_starts):
        whole = _gap_words(text, after[0].end, unit.span.end) == 0 or len(after) > 1
        return tuple(after) if whole else (after[0],)
    return ()


def _closes(text: str, quote: Span, attribution: Attribution, cue_starts: Sequence[int]) -> bool:
    """Whether "QUOTE," stands right before "X said": a mark inside the quotation, at most a title between."""
    if any(quote.end <= start < attribution.cue.start for start in cue_starts):
        return False
    return _gap_words(text, quote.end, attribution.start) <= 4 and text[quote.end - 2] in ",.!?’'…—"


def _opens(text: str, quote: Span, attribution: Attribution, cue_starts: Sequence[int]) -> bool:
    """Whether a quotation follows "X said:" or "X told Y on Monday," with no other attribution between."""
    if any(attribution.end <= start < quote.start for start in cue_starts):
        return False
    introduced = text[attribution.end - 1 : quote.start].rstrip().endswith((",", ":"))
    return introduced and _gap_words(text, attribution.end, quote.start) <= 8


def _resumed(text: str, quote: Span, after: Sequence[Span], cue_starts: Sequence[int]) -> list[Span]:
    """The later quotations that carry an interrupted one on, up to the next attribution.

    One that was interrupted at a comma and goes on with a small letter does so whatever stands between: "“If that,”
    Roe said, referring to the storm, “is all …”".
    """
    group: list[Span] = []
    for following in after:
        goes_on = text[quote.end - 2] in ",—" and text[following.start + 1 : following.start + 2].islower()
        if not goes_on and any(quote.end <= start < following.start for start in cue_starts):
            break
        if text[following.start - 1].isspace() and text[following.start - 2] in ".,!?—–:":
            group.append(following)
            quote = following
    return group


def _gap_words(text: str, start: int, end: int) -> int:
    return sum(1 for _ in words(text, start, end))


def _around_according(text: str, unit: Unit, attribution: Attribution) -> tuple[Span, ...]:
    """Both orders: "According to X, CONTENT" and "CONTENT, according to X"."""
    comma = text.find(", ", attribution.end, unit.span.end)
    if _gap_words(text, unit.span.start, attribution.start) <= 2:
        return (clean(text, comma + 1 if comma >= 0 else attribution.end, unit.span.end),)
    head = clean(text, _opening(text, unit), attribution.start)
    if comma >= 0 and _gap_words(text, comma, unit.span.end) > 6:
        tail = _CLAUSE_BREAK.match(text, comma)
        if tail is None:
            return head, clean(text, comma + 1, unit.span.end)
    return (head,)


def _is_impersonal(text: str, cue: Span) -> bool:
    """Whether the cue stands inside what it attributes: "reportedly", "is expected to", "seems"."""
    if is_passive(text, cue):
        return True
    return bool(_ADVERB.search(text, cue.start, cue.end) or _SEEM.search(text, cue.start, cue.end))


def _without_cue(text: str, unit: Unit, cue: Span, others: Sequence[Attribution]) -> tuple[Span, ...]:
    """The clause around an impersonal cue ("reportedly", "is expected"), in two parts."""
    comma = text.rfind(", ", unit.span.start, cue.start)
    start = max(_opening(text, unit), comma + 2 if comma >= 0 else unit.span.start)
    end = _clause_end(text, cue.end, _fence(text, cue.end, unit.span.end, others))
    return clean(text, start, cue.start), clean(text, cue.end, end)


def _opening(text: str, unit: Unit) -> int:
    """Start of the unit past a connective such as "However,"."""
    match = _CONNECTIVE.match(text, unit.span.start, unit.span.end)
    return match.end() if match else unit.span.start


def _is_tail(text: str, unit: Unit, attribution: Attribution) -> bool:
    """Whether the attribution closes the sentence: "CONTENT, X said on Monday."."""
    mark = max(text.rfind(char, unit.span.start, attribution.start) for char in ',”"—–')
    if mark < 0 or _gap_words(text, mark, attribution.start) > 3:
        return False
    if any(text[word.start : word.end].lower() in _RELATIVES for word in words(text, mark, attribution.cue.end)):
        return False
    verb = text[attribution.cue.start : attribution.cue.end].rpartition(" ")[2].lower()
    if verb not in INVERTING | SAYING | _CLOSING_TOO or _gap_words(text, unit.span.start, attribution.start) < 3:
        return False
    if _gap_words(text, unit.span.start, mark) < 2 or _COMPARISON.match(text, unit.span.start, mark):
        return False
    end = attribution.end
    if text.find(" that ", end, min(unit.span.end, end + 100)) >= 0:
        return False
    if is_telling(text, attribution.cue):
        addressee = _ADDRESSEE.match(text, end, unit.span.end)
        end = addressee.end() if addressee else end
    return bool(_TAIL.match(text, end, unit.span.end))


def _before(text: str, unit: Unit, attribution: Attribution) -> tuple[Span, ...]:
    """What precedes a closing attribution and its comma, from the unit's start past a connective."""
    mark = max(text.rfind(char, unit.span.start, attribution.start) for char in ',”"—–')
    end = mark if text[mark] == "," else mark + 1
    return (clean(text, _opening(text, unit), end),)


def _after(text: str, unit: Unit, attribution: Attribution, others: Sequence[Attribution]) -> tuple[Span, ...]:
    """What follows the cue: past an addressee and a date, to the end of the clause or the next attribution."""
    start = attribution.cue.end
    claimant = attribution.claimant
    if claimant and claimant.start >= start and _gap_words(text, start, claimant.start) <= 2:
        start = claimant.end
    end = _fence(text, start, unit.span.end, others)
    start = _skip_circumstance(text, _skip_addressee(text, attribution.cue, start, end), end)
    lead = _LEAD_IN.match(text, start, end)
    start = lead.end() if lead else start
    end = _clause_end(text, start, end)
    span = _without_trailing_joint(text, clean(text, start, end))
    empty = text[span.start : span.end].lower() in {"", "which", "who", "that"}
    return () if empty or _RECIPIENT.fullmatch(text, span.start, span.end) else (span,)


def _skip_circumstance(text: str, start: int, end: int) -> int:
    """Past "in a letter to the board on Friday" when "that" opens the content soon after."""
    if not _CIRCUMSTANCE.match(text, start, end):
        return start
    that = text.find(" that ", start, min(end, start + 100))
    return that if that >= 0 else start


def _fence(text: str, start: int, end: int, others: Sequence[Attribution]) -> int:
    """Where the next attribution begins, if a comma or conjunction sets it apart; else `end`."""
    for fence in (edge for other in others for edge in (other.start, other.cue.start)):
        if start < fence < end and _JOINT.search(text, max(start, fence - 12), fence):
            end = fence
    return end


def _skip_addressee(text: str, cue: Span, start: int, end: int) -> int:
    """Past whom "told", "asked", "warned" address, when the clause proper is marked."""
    if not is_telling(text, cue):
        return start
    window = min(end, start + 120)
    folded = text[start:window].lower() if text[start:window].isascii() else text[start:window]
    marks = [at for at in map(folded.find, _CLAUSE_MARKS) if at >= 0]
    if marks:
        return start + min(marks)
    skipped = _ADDRESSEE.match(text, start, end)
    return skipped.end() if skipped and skipped.end() < end else start


def _clause_end(text: str, start: int, end: int) -> int:
    """Offset at which the clause that begins at start ends."""
    found = _CLAUSE_BREAK.search(text, min(start + 15, end), end)
    return found.start() if found else end


def _without_trailing_joint(text: str, span: Span) -> Span:
    """Drop a conjunction left at the end where the next attribution begins."""
    match = _JOINT.search(text, max(span.start + 1, span.end - 12), span.end)
    return clean(text, span.start, match.start()) if match else span


def _object_before(text: str, unit: Unit, attribution: Attribution) -> tuple[Span, ...]:
    """For a cue with nothing after it, what it is about and stands before it.

    A denial ("…, charges her lawyers deny") takes all from the last comma to the unit's end; a noun with its claimant
    after it ("the plan drew criticism from X") what precedes the noun.
    """
    claimant = attribution.claimant
    if is_denial(text, attribution.cue):
        comma = text.rfind(", ", unit.span.start, attribution.start)
        return (clean(text, comma + 1 if comma >= 0 else unit.span.start, unit.span.end),)
    if claimant and text[attribution.cue.end : claimant.start].split()[:1] in (["from"], ["by"]):
        return (_without_verb(text, clean(text, _opening(text, unit), attribution.start)),)
    return ()


def _without_verb(text: str, span: Span) -> Span:
    """What something is said of, without the verb that says it met a reaction: "the visit has drawn"."""
    match = _REACTION.search(text, span.start, span.end)
    return clean(text, span.start, match.start()) if match else span


def tight(text: str, content: Span) -> Span:
    """The content without the marks around a quotation and without the "that" before a clause.

    A mark that closes a quotation inside the content stays.
    """
    span = content
    if text[span.start : span.start + 5].lower() == "that ":
        span = Span(span.start + 5, span.end)
    start, end = span.start, span.end
    while start < end and text[start] in _OPENING_MARKS:
        start += 1
    while end > start and text[end - 1] in _CLOSING_MARKS and not _closes_inside(text, start, end):
        end -= 1
    inner = Span(start, end).trimmed(text)
    return inner if len(inner) else content


def _closes_inside(text: str, start: int, end: int) -> bool:
    """Whether the last character closes a quotation that opens behind the first one."""
    inside = text[start : end - 1]
    return (text[end - 1] == "”" and inside.count("“") > inside.count("”")) or (
        text[end - 1] == '"' and inside.count('"') % 2 == 1
    )
