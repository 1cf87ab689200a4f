"""The readable summary on the terminal: abstract, actors, claims, stances, warnings.

Invariant: control characters of the document never reach the terminal, and every claim shows its
quote and the line of the file it stands on (its characters, where the text is not at hand).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from summarise.schemas import Actor, Claim, Evidence, Record, Stance
from summarise.text import Lines

_LABEL_STYLES = {"support": "green", "oppose": "red", "mixed": "yellow", "neutral": "dim"}
_MARKS = {"exact": "", "normalised": "", "fuzzy": " [close to the text]", "conflict": " [CONFLICTS with the text]"}


def print_report(record: Record, text: str | None, console: Console) -> None:
    """Print ``record`` of the document ``text``; wraps on terminals, one line per item elsewhere.

    Without the text there are no lines to count: quotes show their characters then, as the record has them.
    """
    lines = None if text is None else Lines(text)
    _head(record, console)
    _section(console, "Abstract")
    _line(console, Text(safe(record.abstract)))
    _section(console, f"Actors ({len(record.actors)})")
    for actor in record.actors:
        _line(console, _actor(actor))
    _section(console, f"Claims ({len(record.claims)})")
    for number, claim in enumerate(record.claims, 1):
        _claim(console, number, claim, lines)
    _section(console, f"Stances ({len(record.stances)})")
    for stance in record.stances:
        _stance(console, stance, lines)
    if record.warnings:
        _section(console, f"Warnings ({len(record.warnings)})")
        for warning in record.warnings:
            _line(console, Text.assemble((warning.code, "yellow"), f": {safe(warning.message)}"))
    _foot(record, console)


def safe(text: str) -> str:
    """``text`` on one line, without control and bidirectional override characters."""
    kept = (" " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c) not in ("Cc", "Cf"))
    return " ".join("".join(kept).split())


def _head(record: Record, console: Console) -> None:
    title = record.document.title or record.document.source
    _print(console, Text(safe(title), style="bold"))
    details = f"{record.document.source}, {record.document.sentences} sentences, {record.document.chars} characters"
    _print(console, Text(safe(details), style="dim"))


def _foot(record: Record, console: Console) -> None:
    run = record.run
    cost = "cost unknown" if run.cost_usd is None else f"${run.cost_usd:.4f}"
    words = (
        f"{run.model} ({run.endpoint}), {run.strategy}: {run.requests} requests, {run.reasks} re-asks, "
        f"{run.usage.prompt_tokens} + {run.usage.completion_tokens} tokens, {cost}, {run.seconds:.1f} s"
    )
    _print(console, Text(""))
    _print(console, Text(words, style="dim"))


def _actor(actor: Actor) -> Text:
    parts = Text.assemble((safe(actor.name), "bold"), f": {actor.kind}")
    if actor.role:
        parts.append(f", {safe(actor.role)}")
    if actor.aliases:
        parts.append(f"; also {', '.join(safe(alias) for alias in actor.aliases)}")
    count = len(actor.mentions)
    parts.append(f" ({count} mention{'' if count == 1 else 's'})", style="dim")
    return parts


def _claim(console: Console, number: int, claim: Claim, lines: Lines | None) -> None:
    sure = "" if claim.confidence is None else f", {claim.confidence:.0%} sure"
    head = Text.assemble(
        f"{number}. ",
        (safe(claim.claimant.name), "bold"),
        " denies" if claim.polarity == "denies" else " asserts",
        (f" ({claim.attribution}{sure})", "dim"),
    )
    _line(console, head)
    _quotes(console, claim.evidence, lines)


def _stance(console: Console, stance: Stance, lines: Lines | None) -> None:
    sure = "" if stance.confidence is None else f" ({stance.confidence:.0%} sure)"
    head = Text.assemble(
        (safe(stance.holder.name), "bold"),
        " → ",
        (safe(stance.target.name), "bold"),
        ": ",
        (stance.label, _LABEL_STYLES[stance.label]),
        (sure, "dim"),
    )
    _line(console, head)
    _quotes(console, stance.evidence, lines)


def _quotes(console: Console, evidence: Sequence[Evidence], lines: Lines | None) -> None:
    for piece in evidence:
        if piece.start is None:
            where = "not in the text"
        elif lines is None:
            where = f"characters {piece.start}–{piece.end}" + _MARKS.get(piece.grounding, "")
        else:
            where = f"line {lines.number_at(piece.start)}" + _MARKS.get(piece.grounding, "")
        _line(console, Text.assemble((f"{where}: ", "dim"), f"“{safe(piece.quote)}”"), indent=5)


def _section(console: Console, title: str) -> None:
    _print(console, Text(""))
    _print(console, Text(title, style="bold underline"))


def _line(console: Console, text: Text, *, indent: int = 2) -> None:
    if console.is_terminal:
        console.print(Padding(text, (0, 0, 0, indent)))
    else:
        _print(console, Text(" " * indent) + text)


def _print(console: Console, text: Text) -> None:
    console.print(text, soft_wrap=not console.is_terminal)
