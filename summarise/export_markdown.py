"""Records and tables as Markdown (CommonMark; tables as GitHub writes them) that shows the text and nothing else.

Invariant: no character of a document has a meaning in the Markdown, reaches a terminal as a control or turns the
reading direction: punctuation is escaped with backslashes, controls are shown as ``\\u001b``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from summarise.schemas import Actor, Claim, Evidence, Record, Stance

_MEANING = re.compile(r"[\\`*_{}\[\]<>#|~&$!]")
# At the beginning of a line these open a list, a heading's underline or a quotation.
_AT_START = re.compile(r"^(?:[-+=:]|\d+(?=[.)]))")
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_GROUNDING = {
    "exact": "",
    "normalised": "",
    "fuzzy": ", close to the text",
    "conflict": ", CONFLICTS with the text",
    "ungrounded": "",
}


def escaped(text: str) -> str:
    """``text`` on one line, without meaning in Markdown."""
    # White space first: what is left of the controls then is shown.
    line = _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", " ".join(text.split()))
    line = _MEANING.sub(lambda match: "\\" + match[0], line)
    # A letter or digit cannot be escaped; the mark after a number can.
    return _AT_START.sub(lambda match: match[0] + "\\" if match[0][0].isdigit() else "\\" + match[0], line)


def document(record: Record) -> str:
    """One record as a document to read: abstract, claims with claimant and quote, stances, actors, warnings."""
    about = record.document
    parts = [f"# {escaped(about.title or about.source)}", f"{_code(about.source)} · {_facts(record)}"]
    parts += ["## Abstract", escaped(record.abstract) or "_None._"]
    parts += _section("Claims", [_claim(number, claim) for number, claim in enumerate(record.claims, 1)])
    parts += _section("Stances", [_stance(number, stance) for number, stance in enumerate(record.stances, 1)])
    parts += _section("Actors", ["\n".join(_actor(actor) for actor in record.actors)] if record.actors else [])
    if record.warnings:
        lines = (f"- `{notice.code}`: {escaped(notice.message)}" for notice in record.warnings)
        parts += ["## Warnings", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def table_head(columns: Sequence[str]) -> str:
    """The first two lines of a table."""
    return f"| {' | '.join(escaped(column) for column in columns)} |\n|{' --- |' * len(columns)}\n"


def table_row(values: Sequence[Any]) -> str:
    """A line of a table; what is not there is an empty cell."""
    return f"| {' | '.join(_cell(value) for value in values)} |\n"


def _cell(value: Any) -> str:
    return "" if value is None else escaped(str(value))


def _section(title: str, items: list[str]) -> list[str]:
    return [f"## {title}", *(items or ["_None found._"])]


def _facts(record: Record) -> str:
    about, run = record.document, record.run
    return f"{about.sentences} sentences, {about.chars} characters · {escaped(run.model)}, {escaped(run.strategy)}"


def _claim(number: int, claim: Claim) -> str:
    verb = "denies" if claim.polarity == "denies" else "asserts"
    head = f"**{escaped(claim.claimant.name)}** {verb} ({claim.attribution}{_sure(claim.confidence)}): "
    return "\n".join([f"{number}. {head}{escaped(claim.text)}", *_quotes(claim.evidence, number)])


def _stance(number: int, stance: Stance) -> str:
    names = f"**{escaped(stance.holder.name)}** → **{escaped(stance.target.name)}**"
    return "\n".join(
        [f"{number}. {names}: {stance.label}{_sure(stance.confidence)}", *_quotes(stance.evidence, number)]
    )


def _sure(confidence: float | None) -> str:
    return "" if confidence is None else f", {confidence:.0%} sure"


def _quotes(evidence: Sequence[Evidence], number: int) -> Iterator[str]:
    indent = " " * len(f"{number}. ")
    for piece in evidence:
        where = "not in the text" if piece.start is None else f"characters {piece.start}–{piece.end}"
        yield f"\n{indent}> “{escaped(piece.quote)}” ({where}{_GROUNDING[piece.grounding]})"


def _actor(actor: Actor) -> str:
    role = f", {escaped(actor.role)}" if actor.role else ""
    also = f"; also {', '.join(escaped(alias) for alias in actor.aliases)}" if actor.aliases else ""
    count = len(actor.mentions)
    return f"- **{escaped(actor.name)}**: {actor.kind}{role}{also} ({count} mention{'' if count == 1 else 's'})"


def _code(text: str) -> str:
    """A name as code, where only the backquote would have a meaning."""
    line = _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", " ".join(text.split()))
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    return f"{fence} {line} {fence}" if "`" in line else f"`{line}`"
