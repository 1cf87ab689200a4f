"""``summarise export``: the records or a table of a results file, in another format."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from summarise.cli.output import check_output
from summarise.cli.results import reading
from summarise.errors import UsageError
from summarise.export import SUFFIXES, Format, export


def run_export(results: Path, *, form: str | None, table: str | None, output: Path | None, force: bool) -> None:
    """Write the records or, with ``table``, its rows.

    Raises:
        UsageError: if there is no such format or table, or they do not go together.
        OutputExistsError: if the output is there and ``force`` is not set.
    """
    check_output(output, force=force)
    # An unknown format is refused there, with the list of those there are.
    chosen = cast("Format", form) if form is not None else _by_name(output)
    with reading(results) as journal:
        export(journal, format=chosen, table=table, path=output)


def _by_name(output: Path | None) -> Format:
    if output is None or not output.suffix:
        return "jsonl"
    chosen = SUFFIXES.get(output.suffix.lower())
    if chosen is None:
        raise UsageError(f"{output}: no format goes by the name of {output.suffix}; pass --format")
    return chosen
