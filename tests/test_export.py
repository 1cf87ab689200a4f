"""Export: every format holds what the results file holds, and a file is whole or as it was."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from summarise.schemas import Record
from support.journal import a_record, a_start, an_attempt, content

from summarise.errors import ConfigurationError, UsageError
from summarise.export import Format, export
from summarise.export_columns import KINDS
from summarise.export_markdown import document, escaped, table_row
from summarise.journal.journal import Journal
from summarise.journal.reading import TABLES
from summarise.journal.rows import Commit

NASTY = (
    '=HYPERLINK("http://x")\x1b[31m\u202e | <b>&amp; *not bold* `code` [link](javascript:x)\n# no heading, “égalité”'
)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Four documents: two of one text, one with nothing found and nasty words, one that failed."""
    with Journal.open(tmp_path / "results.db") as opened:
        run = opened.begin_run(a_start())
        keep(opened, run, "b.txt", a_record("one"))
        keep(opened, run, "a.txt", a_record("two"))
        opened.attach(run, "c/sub.jsonl#7", content("two"), opened.result_of("key two") or 0)
        nothing = a_record("three", claims=0, actors=[], stances=[], abstract=NASTY)
        keep(opened, run, 'Z, "quoted".txt', nothing)
        attempt = an_attempt("refused", "-the filter declined")
        opened.fail(run, "failed.txt", content_sha256=None, work_key="key four", attempt=attempt)
        yield opened


def keep(journal: Journal, run: int, source: str, record: Record) -> None:
    text = record.document.title
    assert text is not None
    key = f"key {text.removeprefix('About ')}"
    journal.commit(run, source, work_key=key, record=record, attempt=an_attempt())


def as_text(journal: Journal, form: Format, table: str | None = None) -> str:
    out = io.StringIO()
    export(journal, format=form, table=table, stream=out)
    return out.getvalue()


def rendered(text: str) -> tuple[str, set[str]]:
    """The words a reader of the Markdown sees, and the elements they stand in."""
    words: list[str] = []
    elements: set[str] = set()

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            elements.add(tag)

        def handle_data(self, data: str) -> None:
            words.append(data)

    Reader().feed(MarkdownIt("commonmark").enable("table").render(text))
    return "".join(words), elements


# Records


def test_json_lines_are_valid_records_ordered_by_source(journal: Journal) -> None:
    lines = as_text(journal, "jsonl").splitlines()
    records = [Record.model_validate_json(line) for line in lines]
    sources = [record.document.source for record in records]
    assert sources == ['Z, "quoted".txt', "a.txt", "b.txt", "c/sub.jsonl#7"]
    assert records[1].model_copy(update={"document": records[3].document}) == records[3]
    assert records[1] == a_record("two")


def test_json_is_an_array_of_the_same_records(journal: Journal, tmp_path: Path) -> None:
    assert json.loads(as_text(journal, "json")) == [json.loads(line) for line in as_text(journal, "jsonl").splitlines()]
    with Journal.open(tmp_path / "empty.db") as empty:
        assert json.loads(as_text(empty, "json")) == []
        assert as_text(empty, "jsonl") == as_text(empty, "markdown") == ""
        assert as_text(empty, "csv", "failures").count("\r\n") == 1


def test_a_failure_is_a_row_with_a_cause_and_never_an_empty_record(journal: Journal) -> None:
    assert "failed.txt" not in as_text(journal, "jsonl")
    (row,) = json.loads(as_text(journal, "json", "failures"))
    assert (row["source"], row["cause"], row["older_result"]) == ("failed.txt", "refused", False)
    documents = {row["source"]: row for row in json.loads(as_text(journal, "json", "documents"))}
    assert documents["failed.txt"]["claims"] is None
    assert documents['Z, "quoted".txt']["claims"] == 0


# Tables


@pytest.mark.parametrize("table", TABLES)
def test_a_table_is_the_same_in_every_format(journal: Journal, table: str, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in as_text(journal, "jsonl", table).splitlines()]
    assert rows
    assert json.loads(as_text(journal, "json", table)) == rows
    cells = list(csv.DictReader(io.StringIO(as_text(journal, "csv", table))))
    assert [list(row) for row in cells] == [list(row) for row in rows]
    assert [[_uncelled(cell) for cell in row.values()] for row in cells] == [_cells(row) for row in rows]
    path = tmp_path / "table.parquet"
    assert export(journal, format="parquet", table=table, path=path) == len(rows)
    assert pq.read_table(path).to_pylist() == rows
    assert as_text(journal, "markdown", table).count("\n") == len(rows) + 2


def _cells(row: dict[str, Any]) -> list[str]:
    return ["" if v is None else v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in row.values()]


def _uncelled(cell: str) -> str:
    return cell[1:] if cell.startswith("'") else cell


def test_every_column_has_a_kind(journal: Journal) -> None:
    assert {column for table in TABLES for column in journal.columns(table)} == set(KINDS)


def test_lists_and_truth_values_are_such_where_the_format_has_them(journal: Journal, tmp_path: Path) -> None:
    row = json.loads(as_text(journal, "jsonl", "actors").splitlines()[0])
    assert row["aliases"] == ["Quill"]
    assert row["mentions"] == [{"start": 0, "end": 10}, {"start": 20, "end": 25}]
    path = tmp_path / "actors.parquet"
    export(journal, format="parquet", table="actors", path=path)
    types = {field.name: str(field.type) for field in pq.read_schema(path)}
    assert types["aliases"].startswith("list<") and types["mentions"].startswith("list<")
    assert (types["mention_count"], types["name"]) == ("int64", "string")


def test_parquet_types_do_not_depend_on_the_rows(journal: Journal, tmp_path: Path) -> None:
    with Journal.open(tmp_path / "empty.db") as empty:
        for table in TABLES:
            paths = [tmp_path / f"{table}-{name}.parquet" for name in ("full", "empty")]
            export(journal, format="parquet", table=table, path=paths[0])
            assert export(empty, format="parquet", table=table, path=paths[1]) == 0
            assert pq.read_schema(paths[0]).equals(pq.read_schema(paths[1]))


def test_parquet_comes_in_row_groups(journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("summarise.export_parquet.GROUP_ROWS", 4)
    path = tmp_path / "evidence.parquet"
    count = export(journal, format="parquet", table="evidence", path=path)
    about = pq.read_metadata(path)
    assert about.num_rows == count == 15
    assert [about.row_group(number).num_rows for number in range(about.num_row_groups)] == [4, 4, 4, 3]


@pytest.mark.parametrize("first", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1"])
def test_no_spreadsheet_runs_a_text(tmp_path: Path, first: str) -> None:
    with Journal.open(tmp_path / "results.db") as journal:
        run = journal.begin_run(a_start())
        keep(journal, run, "a.txt", a_record("one", abstract=first))
        rows = list(csv.DictReader(io.StringIO(as_text(journal, "csv", "documents"), newline="")))
        assert rows[0]["abstract"] == f"'{first}"
        assert json.loads(as_text(journal, "jsonl", "documents"))["abstract"] == first


def test_csv_keeps_numbers_line_ends_and_quotes(journal: Journal) -> None:
    rows = list(csv.DictReader(io.StringIO(as_text(journal, "csv", "documents"), newline="")))
    assert rows[0]["source"] == 'Z, "quoted".txt'
    assert rows[0]["abstract"] == f"'{NASTY}"
    failure = next(csv.DictReader(io.StringIO(as_text(journal, "csv", "failures"))))
    assert failure["message"] == "'-the filter declined"
    assert failure["older_result"] == "false"


# Markdown


def test_markdown_is_a_document_a_record_with_claimants_and_quotes(journal: Journal) -> None:
    text = as_text(journal, "markdown")
    words, elements = rendered(text)
    assert {"h1", "h2", "blockquote", "ol", "ul", "strong", "hr"} <= elements
    assert text.count("\n---\n") == 3
    assert "Mara Quill denies (reported, 75% sure): Mara Quill says the dredging of pier 1 is paid for." in words
    assert "“pier 1 is paid for” (characters 10–28)" in words
    assert "Mara Quill → the dredging: support" in words
    assert "Mara Quill: person, mayor; also Quill (2 mentions)" in words
    assert "evidence_fuzzy: 1 quote" in words
    assert "c/sub.jsonl#7" in words
    assert words.count("None found.") == 3


def test_what_a_document_says_has_no_meaning_in_markdown(journal: Journal) -> None:
    words, elements = rendered(as_text(journal, "markdown"))
    seen = " ".join(NASTY.replace("\x1b", "\\u001b").replace("\u202e", "\\u202e").split())
    assert seen in words
    assert not elements & {"b", "a", "img", "h3"}
    assert "&amp;" in words  # as written, not as a character reference


@given(
    st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from("-+=#>`*_~|\\[]()!&<:$1.\n "), min_size=1)
)
def test_any_text_is_seen_as_it_is(text: str) -> None:
    line = " ".join(text.split())
    words, elements = rendered(escaped(text))
    assert elements <= {"p"}
    hidden = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    for mark in hidden:
        line = line.replace(mark, f"\\u{ord(mark):04x}")
    assert words.removesuffix("\n") == line
    row, cells = rendered(f"| a | b |\n| --- | --- |\n{table_row([text, None])}")
    assert cells == {"table", "thead", "tbody", "tr", "th", "td"}
    assert line in row


def test_a_name_with_backquotes_is_shown_whole() -> None:
    words, _ = rendered(document(a_record("one", source="a`b``c.txt")))
    assert "a`b``c.txt" in words


# Where it goes


def test_a_file_takes_the_place_of_an_older_one(journal: Journal, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("old")
    assert export(journal, format="jsonl", path=path) == 4
    assert path.read_bytes().decode() == as_text(journal, "jsonl")
    assert path.stat().st_mode & 0o777 == 0o644
    assert not list(tmp_path.glob(".summarise-*"))


def test_without_a_place_it_goes_to_standard_output_in_utf8(journal: Journal, capfdbinary: Any) -> None:
    assert export(journal, format="csv", table="documents") == 5
    assert capfdbinary.readouterr().out.decode() == as_text(journal, "csv", "documents")


EXPORT = """
import resource, sys
from pathlib import Path
from summarise.errors import SummariseError
from summarise.export import export
from summarise.journal.journal import Journal
results, form, table, place, limit = sys.argv[1:]
if limit != "0":
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
with Journal.open(Path(results), create=False, write=False) as journal:
    try:
        export(journal, format=form, table=table or None, path=Path(place) if place else None)
    except SummariseError as error:
        print(type(error).__name__, error, file=sys.stderr)
        sys.exit(error.exit_code)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no file size limits")
@pytest.mark.parametrize(
    ("form", "table"), [("jsonl", ""), ("markdown", ""), ("csv", "evidence"), ("parquet", "evidence")]
)
def test_a_disk_that_is_full_leaves_the_older_file_as_it_was(
    journal: Journal, tmp_path: Path, form: str, table: str
) -> None:
    path = tmp_path / "out"
    path.write_text("old")
    words = [sys.executable, "-c", EXPORT, str(journal.path), form, table, str(path), "1000"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "StorageError" in done.stderr
    assert str(path) in done.stderr
    assert path.read_text() == "old"
    assert not list(tmp_path.glob(".summarise-*"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_standard_output_that_is_full_is_said(journal: Journal) -> None:
    words = [sys.executable, "-c", EXPORT, str(journal.path), "jsonl", "", "", "0"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert "StorageError standard output could not be written (no space left)" in done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"format": "xml"}, "no format 'xml'"),
        ({"format": "csv"}, "--table with one of documents"),
        ({"format": "parquet"}, "--table"),
        ({"format": "parquet", "table": "claims"}, "--output"),
        ({"format": "csv", "table": "answers"}, "no table 'answers'"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_written(
    journal: Journal, capsys: Any, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        export(journal, **options)
    assert capsys.readouterr().out == ""


def test_the_results_file_is_never_written_over(journal: Journal, tmp_path: Path) -> None:
    (tmp_path / "link.jsonl").symlink_to(journal.path)
    for path in (journal.path, tmp_path / "link.jsonl"):
        with pytest.raises(UsageError, match="the results file itself"):
            export(journal, format="jsonl", path=path)


def test_parquet_without_pyarrow_says_what_to_install(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'summarise\[parquet\]'"):
        export(journal, format="parquet", table="claims", path=tmp_path / "claims.parquet")
    assert not list(tmp_path.glob("*.parquet"))


@pytest.mark.parametrize(("form", "table"), [("jsonl", None), ("markdown", None), ("csv", "evidence")])
def test_memory_stays_flat(tmp_path: Path, form: Format, table: str | None) -> None:
    with Journal.open(tmp_path / "results.db") as journal:
        run = journal.begin_run(a_start())
        records = [a_record(f"text {number}", claims=20) for number in range(200)]
        journal.commit_all(
            [
                Commit(run, f"{number}.txt", f"key {number}", record, an_attempt())
                for number, record in enumerate(records)
            ]
        )
        del records
        export(journal, format=form, table=table, path=tmp_path / "out")  # modules and caches are filled
        tracemalloc.start()
        try:
            export(journal, format=form, table=table, path=tmp_path / "out")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 300_000
    assert (tmp_path / "out").stat().st_size > 550_000
