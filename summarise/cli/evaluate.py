"""``summarise eval``: a model, or records it made, against documents people have marked."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from summarise.cli.console import Messages
from summarise.cli.output import check_output, write_output
from summarise.documents import Document, from_text
from summarise.errors import EXIT_INTERRUPTED, DocumentError, SummariseError, UnreadableDocumentError, UsageError
from summarise.evaluation import Difference, Score, as_figures, compare, score_document, total
from summarise.gold import LAYERS, GoldDocument, load_gold, load_records
from summarise.llm.endpoint import open_model
from summarise.pipeline import summarise_document
from summarise.report import safe
from summarise.schemas import Record
from summarise.settings import load

_WORST = 5
_TAKEN = frozenset({"seconds", "prompt_tokens", "completion_tokens"})
"""Measures that are means for a document, not shares."""


class InterruptedEvaluationError(SummariseError):
    """Ctrl-C after some documents; what was made is kept."""

    exit_code = EXIT_INTERRUPTED


@dataclass(frozen=True, slots=True)
class EvaluateCommand:
    """The command line of ``summarise eval``, parsed."""

    gold: Path
    records: Path | None
    against: Path | None
    output: Path | None
    force: bool
    limit: int | None
    as_json: bool
    quiet: bool
    overrides: Mapping[str, Any]


def run_evaluate(command: EvaluateCommand) -> None:
    """Get the records, score them, print the figures.

    Raises:
        SummariseError: if a file cannot be read or the model cannot be asked at all; documents that fail
            one by one are counted, not raised.
    """
    given = [name for name, value in command.overrides.items() if value is not None]
    if command.records is not None and given:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise UsageError(f"--records scores records that are there; no model is asked: leave out {options}")
    check_output(command.output, force=command.force)
    gold = load_gold(command.gold)[: command.limit]
    other = _records_of(gold, command.against) if command.against else None
    records: dict[str, Record] = {}
    with Messages(quiet=command.quiet) as messages:
        _say_unmeasured(gold, messages)
        if command.records is not None:
            records = _records_of(gold, command.records)
        else:
            try:
                asyncio.run(_summarise_all(gold, command, messages, records))
            except (SummariseError, KeyboardInterrupt) as error:
                if not records or command.output is None:
                    raise
                _keep(gold, records, command.output)
                kept = f"{len(records)} of {len(gold)} records are kept in {command.output}"
                if isinstance(error, KeyboardInterrupt):
                    raise InterruptedEvaluationError(f"interrupted; {kept}") from None
                messages.say(kept)
                raise
        _say_other_texts(gold, records, command.records, messages)
        _say_other_texts(gold, other or {}, command.against, messages)
    try:
        if command.output is not None:
            _keep(gold, records, command.output)
    finally:  # the figures are shown even if the records cannot be kept
        _show(gold, records, other, as_json=command.as_json)
    failed = sum(document.stem not in records for document in gold)
    if command.records is None and failed:
        raise DocumentError(f"{failed} of {len(gold)} documents failed (above); their marked rows count as missed")


def _say_unmeasured(gold: Sequence[GoldDocument], messages: Messages) -> None:
    """A layer's name that is misspelt would else measure nothing in silence."""
    unknown = Counter(layer for document in gold for layer in document.unmeasured)
    for layer, count in unknown.items():
        messages.say(
            f"nothing is measured on the layer {safe(layer)!r} ({count} documents); layers are {', '.join(LAYERS)}"
        )


def _say_other_texts(
    gold: Sequence[GoldDocument], records: Mapping[str, Record], path: Path | None, messages: Messages
) -> None:
    """Records are found by name; one that was made from another text has offsets of that text."""
    made = {document.stem: Document("", document.text).id for document in gold if document.stem in records}
    others = [stem for stem, identity in made.items() if records[stem].document.id != identity]
    if others and path is not None:
        messages.say(
            f"{path}: {len(others)} of {len(made)} records were made from another text than the marked one, "
            f"the first that of {safe(others[0])}; their offsets do not count here"
        )


def _records_of(gold: Sequence[GoldDocument], path: Path) -> dict[str, Record]:
    records = load_records(path)
    if records and not any(document.stem in records for document in gold):
        raise UnreadableDocumentError(
            f"{path}: none of its {len(records)} records belongs to a marked document; "
            f"a document's file must be named like its id, e.g. {safe(gold[0].stem)}.txt"
        )
    return records


async def _summarise_all(
    gold: Sequence[GoldDocument], command: EvaluateCommand, messages: Messages, records: dict[str, Record]
) -> None:
    """Fill ``records`` as they are made, so that none is lost when the endpoint goes away."""
    settings = load(command.overrides).settings
    async with open_model(settings, notify=messages.say, on_pull=messages.pulling) as model:
        for number, marked in enumerate(gold, 1):
            try:
                document = from_text(marked.text, source=f"{marked.stem}.txt")
                records[marked.stem] = await summarise_document(document, model, settings, listener=messages.reading)
            except DocumentError as error:
                messages.say(f"{safe(marked.id)} failed: {error}")
            messages.say(f"{number}/{len(gold)} {safe(marked.id)}")


def _keep(gold: Sequence[GoldDocument], records: Mapping[str, Record], path: Path) -> None:
    lines = [records[document.stem].as_json() for document in gold if document.stem in records]
    write_output(path, lambda stream: stream.writelines(f"{line}\n" for line in lines))


def _show(
    gold: Sequence[GoldDocument], records: Mapping[str, Record], other: Mapping[str, Record] | None, *, as_json: bool
) -> None:
    scores = [score_document(document, records.get(document.stem)) for document in gold]
    differences = None
    if other is not None:
        differences = compare([score_document(document, other.get(document.stem)) for document in gold], scores)
    if as_json:
        typer.echo(json.dumps(_as_json(gold, scores, differences), indent=1))
    else:
        _print(gold, scores, differences)


def _as_json(
    gold: Sequence[GoldDocument], scores: Sequence[Score], differences: Sequence[Difference] | None
) -> dict[str, Any]:
    shown = {
        **as_figures(total(scores)),
        "per_document": [
            {"id": document.id, **as_figures(score)} for document, score in zip(gold, scores, strict=True)
        ],
    }
    if differences is not None:
        shown["against"] = [
            {
                "measure": row.measure,
                "this": row.second,
                "other": row.first,
                "difference": row.second - row.first,
                "low": row.low,
                "high": row.high,
            }
            for row in differences
        ]
    return shown


def _print(gold: Sequence[GoldDocument], scores: Sequence[Score], differences: Sequence[Difference] | None) -> None:
    figures = as_figures(total(scores))
    rates = figures.pop("grounding_rates")
    figures["grounding"] = {name: f"{count} ({rates[name]:.1%})" for name, count in figures["grounding"].items()}
    for name, value in figures.items():
        shown = value
        if isinstance(value, dict):
            shown = ", ".join(f"{key} {part}" for key, part in value.items()) or "none"
        typer.echo(f"{name:18} {'unknown' if shown is None else shown}")
    worst = sorted(zip(gold, scores, strict=True), key=lambda pair: _quality(pair[1]))[:_WORST]
    typer.echo("\nworst documents: claims F1, stances F1, main actors' recall")
    for document, score in worst:
        cells = (score.claims.f1, score.stances.f1, score.main_actors.recall)
        marked = (score.claims.gold, score.stances.gold, score.main_actors.gold)
        words = "  ".join(
            f"{cell:5.2f}" if gold_rows else "    -" for cell, gold_rows in zip(cells, marked, strict=True)
        )
        typer.echo(f"  {words}  {safe(document.id)}{'  (failed)' if score.failed else ''}")
    if differences is not None:
        typer.echo("\nthis run beside the other: figures, difference, 95 % interval (paired bootstrap)")
        for row in differences:
            places = 1 if row.measure in _TAKEN else 3
            this, other, difference, low, high = (
                f"{value:{sign}.{places}f}"
                for value, sign in (
                    (row.second, ""), (row.first, ""), (row.second - row.first, "+"), (row.low, "+"), (row.high, "+"),
                )
            )  # fmt: skip
            typer.echo(f"  {row.measure:17}  {this:>8}  {other:>8}  {difference:>8}  ({low} to {high})")


def _quality(score: Score) -> float:
    figures = [
        tally.recall if tally is score.main_actors else tally.f1
        for tally in (score.claims, score.stances, score.main_actors)
        if tally.gold
    ]
    return sum(figures) / len(figures) if figures else 1.0
