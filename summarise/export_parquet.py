"""Tables as Parquet, through pyarrow.

Invariant: a column's type is that of :mod:`summarise.export_columns`, whatever rows there are, so files of
several runs can be read together; memory is that of one row group.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import IO, Any

from summarise.errors import ConfigurationError
from summarise.export_columns import Kind, kind_of

GROUP_ROWS = 10_000
"""Rows of a row group: some megabytes of claims, and few enough groups that readers skip quickly."""


def write_parquet(stream: IO[bytes], columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> int:
    """Write ``rows`` and return how many there were.

    Raises:
        ConfigurationError: if pyarrow is not installed.
    """
    arrow, parquet = _pyarrow()
    types = {
        "text": arrow.string(),
        "integer": arrow.int64(),
        "number": arrow.float64(),
        "flag": arrow.bool_(),
        "strings": arrow.list_(arrow.string()),
        "spans": arrow.list_(arrow.struct([("start", arrow.int64()), ("end", arrow.int64())])),
    }
    kinds: dict[str, Kind] = {column: kind_of(column) for column in columns}
    schema = arrow.schema([(column, types[kind]) for column, kind in kinds.items()])
    texts = [column for column, kind in kinds.items() if kind == "text"]
    count = 0
    with parquet.ParquetWriter(stream, schema, compression="zstd") as writer:
        for group in _groups(rows):
            for row in group:
                for column in texts:
                    if row[column] is not None and not isinstance(row[column], str):
                        row[column] = str(row[column])
            writer.write_table(arrow.Table.from_pylist(group, schema=schema))
            count += len(group)
    return count


def _groups(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    left = iter(rows)
    while group := list(islice(left, GROUP_ROWS)):
        yield group


def _pyarrow() -> tuple[Any, Any]:
    # Here, not above: an optional package of 100 MB that takes a quarter of a second to load.
    try:
        import pyarrow  # type: ignore[import-untyped]  # noqa: PLC0415  # it has no types
        import pyarrow.parquet  # type: ignore[import-untyped]  # noqa: PLC0415
    except ImportError:
        raise ConfigurationError(
            "Parquet needs the package pyarrow; install it with `pip install 'summarise[parquet]'`, "
            "or choose --format csv or jsonl"
        ) from None
    return pyarrow, pyarrow.parquet
