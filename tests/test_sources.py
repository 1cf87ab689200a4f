"""Discovery: what is found, under which name, in which order, and that nothing is lost in silence."""

from __future__ import annotations

import json
import os
import socket
import sys
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from summarise.batch.sources import Row, Skipped, Source, SourceOptions, discover, shown
from summarise.documents import MAX_BYTES
from summarise.errors import UnreadableDocumentError, UsageError

posix = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX file system")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Names are as given, so tests give short ones."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(*names: str, text: str = "The town said so.") -> None:
    for name in names:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def found(inputs: Sequence[str] = (), **options: object) -> list[Source | Skipped]:
    return list(discover(inputs, options=SourceOptions(**options)))  # type: ignore[arg-type]


def names(inputs: Sequence[str] = (), **options: object) -> list[str]:
    items = found(inputs, **options)
    assert [item.position for item in items] == list(range(1, len(items) + 1))
    assert len({item.name for item in items}) == len(items)
    return [item.name for item in items]


def failures(inputs: Sequence[str] = (), **options: object) -> dict[str, str]:
    """Every document that cannot be read, with its cause; the name stands in the message."""
    failed: dict[str, str] = {}
    for item in found(inputs, **options):
        if isinstance(item, Skipped):
            failed[item.name] = item.cause
            assert item.name.split(" (")[0] in item.message
            continue
        try:
            assert item.read().source == item.name
        except UnreadableDocumentError as error:
            failed[item.name] = error.cause
            assert item.name in str(error)
    return failed


def texts(inputs: Sequence[str] = (), **options: object) -> dict[str, str]:
    items = found(inputs, **options)
    assert not [item for item in items if isinstance(item, Skipped)]
    return {item.name: item.read().text for item in items if not isinstance(item, Skipped)}


# Folders, globs, lists


def test_a_folder_gives_its_text_files_in_the_order_of_names() -> None:
    write("in/b.txt", "in/a.md", "in/C.TXT", "in/README", "in/deep/d.txt", "in/.hidden.txt", "in/.git/e.txt")
    assert names(["in"]) == ["in/C.TXT", "in/README", "in/a.md", "in/b.txt"]
    assert names(["in/"]) == names(["./in"]) == names(["in"])


def test_recursive_enters_folders_but_not_hidden_ones() -> None:
    write("in/z.txt", "in/b/x.txt", "in/b/c/y.txt", "in/a/w.txt", "in/.git/e.txt")
    assert names(["in"], recursive=True) == ["in/z.txt", "in/a/w.txt", "in/b/x.txt", "in/b/c/y.txt"]
    assert names(["."], recursive=True)[0] == "in/z.txt"


def test_what_a_folder_holds_beside_text_is_counted_not_lost() -> None:
    write("in/a.txt", "in/b.png", "in/c.png", "in/rows.csv", "in/deep/d.txt")
    discovery = discover(["in"])
    assert [item.name for item in discovery] == ["in/a.txt"]
    assert discovery.passed_over == {".png": 2, ".csv": 1, "folders": 1}


def test_a_pattern_chooses_names() -> None:
    write("in/a.txt", "in/b.html", "in/c.htm")
    assert names(["in"], pattern=("*.html", "*.htm")) == ["in/b.html", "in/c.htm"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("in/*.txt", ["in/a.txt"]),
        ("in/*/*.txt", ["in/x/b.txt"]),
        ("in/**/*.txt", ["in/a.txt", "in/x/b.txt", "in/x/y/c.txt"]),
        ("in/**/y/*", ["in/x/y/c.txt", "in/x/y/d.dat"]),
        ("**/[cd].*", ["in/x/y/c.txt", "in/x/y/d.dat"]),
        ("in/x/**", ["in/x/b.txt", "in/x/y/c.txt", "in/x/y/d.dat"]),
        ("in/?.txt", ["in/a.txt"]),
        ("in/.h*", ["in/.hidden.txt"]),
    ],
)
def test_a_glob_names_files(pattern: str, expected: list[str]) -> None:
    write("in/a.txt", "in/x/b.txt", "in/x/y/c.txt", "in/x/y/d.dat", "in/.hidden.txt")
    assert names([pattern]) == expected
    assert names([str(Path.cwd() / pattern)]) == [str(Path.cwd() / name) for name in expected]


def test_a_name_that_looks_like_a_glob_is_the_file_if_there_is_one() -> None:
    write("[draft].txt", "d.txt")
    assert names(["[draft].txt"]) == ["[draft].txt"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\0"])
def test_a_list_names_files_folders_and_tables(end: str) -> None:
    write("a.txt", "in/b.txt")
    write("rows.jsonl", text='{"text": "One."}\n')
    Path("list").write_bytes(end.join(["a.txt", "in", "", "rows.jsonl", "gone.txt", "a.txt"]).encode())
    items = found(files_from=Path("list"))
    assert [item.name for item in items] == ["a.txt", "in/b.txt", "rows.jsonl#1", "gone.txt"]
    assert isinstance(items[-1], Skipped)
    assert items[-1].cause == "vanished"


def test_a_list_comes_from_standard_input_and_its_names_are_no_globs(monkeypatch: pytest.MonkeyPatch) -> None:
    write("a*.txt", "ab.txt")
    Path("list").write_bytes(b"a*.txt\n")
    with Path("list").open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        assert names(files_from=Path("-")) == ["a*.txt"]


def test_a_list_that_is_none_is_refused() -> None:
    Path("list").write_bytes(b"x" * 300_000)
    with pytest.raises(UsageError, match="no list of files"):
        found(files_from=Path("list"))
    with pytest.raises(UsageError, match="cannot be read"):
        found(files_from=Path("nowhere"))


# One document, one name


def test_a_path_spelled_in_several_ways_is_one_document() -> None:
    write("in/a.txt", "in/sub/b.txt")
    Path("in/sub/linked").symlink_to(Path.cwd() / "in")
    spellings = ["in/a.txt", "./in//a.txt", "in/../in/a.txt", str(Path.cwd() / "in/a.txt"), "in/sub/linked/a.txt"]
    assert names(spellings) == ["in/a.txt"]
    assert names([*reversed(spellings), "in", "in/*.txt"]) == ["in/sub/linked/a.txt"]


def test_dots_after_a_link_lead_where_the_system_says() -> None:
    write("a.txt", "far/away/b.txt", "far/a.txt")
    Path("link").symlink_to("far/away")
    assert texts(["a.txt", "link/../a.txt"]).keys() == {"a.txt", "link/../a.txt"}


def test_ids_that_clash_are_reported_by_name_and_line() -> None:
    rows = [{"id": "x", "text": "One."}, {"id": 2, "text": "Two."}, {"text": "Three."}, {"id": "x", "text": "Four."}]
    write("rows.jsonl", text="".join(json.dumps(row) + "\n" for row in rows))
    items = found(["rows.jsonl"])
    assert [item.name for item in items] == [
        "rows.jsonl#x",
        "rows.jsonl#2",
        "rows.jsonl#3",
        "rows.jsonl#x (line 4)",
    ]
    assert isinstance(items[3], Skipped)
    assert "id of another row" in items[3].message


def test_a_row_that_cannot_be_parsed_keeps_its_name_for_itself() -> None:
    write("rows.jsonl", text='{"text": \n{"id": 1, "text": "One."}\nnoise\n{"id": 3, "text": "Three."}\n')
    assert names(["rows.jsonl"]) == [
        "rows.jsonl#1",
        "rows.jsonl#1 (line 2)",
        "rows.jsonl (line 3)",
        "rows.jsonl#3",
    ]


def test_a_file_named_like_a_row_is_reported() -> None:
    write("rows.jsonl", text='{"text": "One."}\n')
    write("rows.jsonl#1")
    assert failures(["rows.jsonl", "rows.jsonl#1"]) == {"rows.jsonl#1 (the file)": "unreadable"}


@posix
def test_odd_names_are_one_printable_line_and_still_open() -> None:
    for name in (b"line\nbreak.txt", b"bad\xff.txt", b"bad\\xff.txt", b"es\x1b[31m.txt", "rtl\u202e.txt".encode()):
        Path(os.fsdecode(name)).write_text("The town said so.")
    assert list(texts(["."])) == [
        r"bad\\xff.txt",
        r"bad\xff.txt",
        r"es\u001b[31m.txt",
        r"line\nbreak.txt",
        r"rtl\u202e.txt",
    ]


@given(
    st.lists(st.text(st.sampled_from("a\\nux0\n\t\x1b\x80\udc80\udcff\u202eé"), max_size=6), max_size=6, unique=True)
)
def test_different_names_never_look_the_same(several: list[str]) -> None:
    escaped = [shown(name) for name in several]
    assert len(set(escaped)) == len(several)
    assert all(name.isprintable() for name in escaped)
    assert [name.encode().decode() for name in escaped] == escaped


# What is no document


@posix
def test_everything_odd_in_a_folder_is_reported_by_name_and_the_rest_goes_on(here: Path) -> None:
    write("in/good.txt", "in/last.txt")
    os.mkfifo("in/pipe")
    os.mkfifo("in/pipe.txt")
    Path("in/loop").symlink_to("loop")
    Path("in/dangling.txt").symlink_to("nowhere")
    Path("in/empty.txt").write_bytes(b" \n")
    Path("in/paper.pdf").write_bytes(b"%PDF-1.7")
    Path("in/book.docx").write_bytes(b"PK\x03\x04")
    Path("in/noise.txt").write_bytes(bytes(range(256)))
    with Path("in/huge.txt").open("wb") as stream:
        stream.truncate(200 * 1024**2)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("in/socket")
    assert failures(["in"]) == {
        "in/book.docx": "unreadable",
        "in/dangling.txt": "vanished",
        "in/empty.txt": "empty",
        "in/huge.txt": "too_large",
        "in/loop": "unreadable",
        "in/noise.txt": "unreadable",
        "in/paper.pdf": "unreadable",
        "in/pipe": "unreadable",
        "in/pipe.txt": "unreadable",
        "in/socket": "unreadable",
    }
    assert {"in/good.txt", "in/last.txt"} <= set(names(["in"]))


@posix
def test_odd_things_that_are_named_are_reported_too() -> None:
    write("a.txt")
    os.mkfifo("pipe")
    Path("loop").symlink_to("loop")
    given = ["a.txt", "pipe", "loop", "/dev/null", "gone.txt", "none*.txt", "a.txt/below"]
    assert failures(given) == {
        "pipe": "unreadable",
        "loop": "unreadable",
        "/dev/null": "unreadable",
        "gone.txt": "vanished",
        "none*.txt": "vanished",
        "a.txt/below": "unreadable",
    }


@posix
def test_a_file_that_becomes_a_pipe_does_not_block() -> None:
    write("a.txt")
    (item,) = found(["a.txt"])
    Path("a.txt").unlink()
    os.mkfifo("a.txt")
    assert not isinstance(item, Skipped)
    with pytest.raises(UnreadableDocumentError, match="FIFO"):
        item.read()


@posix
def test_links_that_lead_back_end_and_are_said() -> None:
    write("in/a.txt", "in/sub/b.txt", "other/c.txt")
    Path("in/sub/up").symlink_to("../../in")
    Path("in/out").symlink_to("../other")
    Path("other/back").symlink_to("../in")
    items = found(["in"], recursive=True)
    documents = [item.name for item in items if not isinstance(item, Skipped)]
    assert documents == ["in/a.txt", "in/out/c.txt", "in/sub/b.txt"]
    assert [item.name for item in items if isinstance(item, Skipped)] == ["in/out/back", "in/sub/up"]
    assert [item.name for item in found(["in/**/*.txt"])][:2] == ["in/a.txt", "in/out/c.txt"]


def test_a_file_that_vanishes_before_it_is_read() -> None:
    write("a.txt", "b.txt")
    first, second = found(["a.txt", "b.txt"])
    Path("a.txt").unlink()
    assert not isinstance(first, Skipped)
    assert not isinstance(second, Skipped)
    with pytest.raises(UnreadableDocumentError, match=r"a\.txt: no such file") as caught:
        first.read()
    assert caught.value.cause == "vanished"
    assert second.read().text


@posix
def test_a_file_that_changes_while_it_is_read() -> None:
    """A reader slow enough to be overtaken: the file is larger than one read and grows on every look."""
    path = Path("growing.txt")
    path.write_bytes(b"words " * 1000)
    (item,) = found(["growing.txt"])
    assert not isinstance(item, Skipped)
    plain = os.read

    def grow_after(descriptor: int, size: int) -> bytes:
        data = plain(descriptor, size)
        with path.open("ab") as stream:
            stream.write(b"more words")
        return data

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("summarise.documents.os.read", grow_after)
        with pytest.raises(UnreadableDocumentError, match="changed while it was being read") as caught:
            item.read()
    assert caught.value.cause == "unreadable"
    assert item.read().text.startswith("words")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_one_may_not_enter_is_reported() -> None:
    write("in/a.txt", "in/locked/b.txt")
    Path("in/locked").chmod(0)
    try:
        assert failures(["in"], recursive=True) == {"in/locked": "unreadable"}
    finally:
        Path("in/locked").chmod(0o755)


def test_the_results_file_in_the_folder_is_no_document() -> None:
    write("in/a.txt", "in/results.db", "in/results.db-wal", "in/results.db-shm", "in/results.db.bak")
    options = {"pattern": ("*",), "output": Path("in/results.db")}
    assert (
        names(["in"], **options) == names(["in/*"], output=Path("./in/results.db")) == ["in/a.txt", "in/results.db.bak"]
    )
    assert failures(["in", "in/results.db"], **options) == {"in/results.db": "unreadable"}


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ([], "name a file"),
        (["gone.txt"], "there is no gone.txt"),
        (["*.text"], r"there is no \*\.text"),
        (["a.txt", ""], "is empty"),
        (["empty"], r"looked in empty for .*\*\.txt"),
        (["tables"], r"passed over: 2 \.csv.*name JSONL and CSV files themselves"),
        (["outer"], "pass --recursive"),
        (["pictures"], "--pattern"),
    ],
)
def test_nothing_at_all_is_said_at_once_with_what_was_looked_for(inputs: list[str], words: str) -> None:
    Path("empty").mkdir()
    write("tables/a.csv", "tables/b.csv", "outer/inner/a.txt", "pictures/a.png")
    with pytest.raises(UsageError, match=words):
        discover(inputs)


def test_an_empty_list_and_options_that_cannot_be_meant() -> None:
    write("a.txt")
    write("list", text="\n\n")
    with pytest.raises(UsageError, match="the list list names no file"):
        found(files_from=Path("list"))
    with pytest.raises(UsageError, match="unknown encoding"):
        found(["a.txt"], encoding="utf-99")
    with pytest.raises(UsageError, match="--limit"):
        found(["a.txt"], limit=0)


# Tables


def test_json_lines_are_documents_named_by_id_or_line() -> None:
    lines = [
        '\ufeff{"id": "n1", "text": "Zoë spoke.\\r\\nAll left."}',
        "",
        '{"text": "Two."}',
        '{"id": null, "text": "3."}',
    ]
    Path("rows.jsonl").write_bytes("\r\n".join(lines).encode())
    assert texts(["rows.jsonl"]) == {
        "rows.jsonl#n1": "Zoë spoke.\r\nAll left.",
        "rows.jsonl#3": "Two.",
        "rows.jsonl#4": "3.",
    }
    assert names(["rows.jsonl"], id_field=None) == ["rows.jsonl#1", "rows.jsonl#3", "rows.jsonl#4"]


def test_fields_are_chosen_by_name() -> None:
    write("rows.ndjson", text='{"body": "One.", "key": 7}\n')
    write("rows.csv", text="key,body\n7,One.\n")
    assert texts(["rows.ndjson"], text_field="body", id_field="key") == {"rows.ndjson#7": "One."}
    assert texts(["rows.csv"], text_field="body", id_field="key") == {"rows.csv#7": "One."}


def test_bad_rows_of_json_are_reported_and_the_rest_goes_on() -> None:
    rows = [
        b'{"text": "Good."}',
        b'{"text": "cut off',
        b"[1, 2]",
        b'{"body": "no text here"}',
        b'{"text": 7}',
        b'{"text": " "}',
        b'{"text": "bad \xff bytes"}',
        b'{"text": "half \\ud800 pair"}',
        b'{"text": "nul \\u0000 in it"}',
        b"[" * 100_000,
        b'{"text": "Also good."}',
    ]
    Path("rows.jsonl").write_bytes(b"\n".join(rows))
    causes = dict.fromkeys((f"rows.jsonl#{line}" for line in range(2, 11)), "unreadable")
    assert failures(["rows.jsonl"]) == causes | {"rows.jsonl#6": "empty"}


def test_a_row_too_large_is_refused_without_being_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("summarise.batch.tables.MAX_BYTES", 1000)
    write("rows.jsonl", text='{"text": "%s"}\n{"text": "Good."}\n' % ("x" * 5000))
    write("rows.csv", text='text\n"%s"\nGood.\n' % ("x" * 5000))
    assert failures(["rows.jsonl", "rows.csv"]) == {"rows.jsonl#1": "too_large", "rows.csv": "too_large"}
    assert MAX_BYTES > 1000


def test_csv_rows_are_documents_quotes_line_ends_and_all() -> None:
    Path("rows.csv").write_bytes(
        'id,text\r\na,"She said ""no"".\r\n\r\nThey left."\r\n\r\n,"Zoë, too"\r\nc,Plain\r\n'.encode("utf-8-sig")
    )
    assert texts(["rows.csv"]) == {
        "rows.csv#a": 'She said "no".\r\n\r\nThey left.',
        "rows.csv#6": "Zoë, too",
        "rows.csv#c": "Plain",
    }


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_that_makes_a_text_column(delimiter: str) -> None:
    write("rows.tsv", text=f"a,b;c|d{delimiter}Text\nx{delimiter}One.\n".replace("a,b;c|d", "other"))
    assert texts(["rows.tsv"]) == {"rows.tsv#2": "One."}


def test_bad_rows_of_csv_are_reported_and_the_rest_goes_on() -> None:
    rows = [b"id,text", b"1,Good.", b"2,cut, in two", b"3", b'4,"open" quote', b"5,bad \xff byte", b"6, ", b"7,Good."]
    Path("rows.csv").write_bytes(b"\n".join(rows))
    options = {"encoding": "utf-8"}
    assert failures(["rows.csv"], **options) == {
        "rows.csv (line 3)": "unreadable",
        "rows.csv (line 4)": "unreadable",
        "rows.csv (line 5)": "unreadable",
        "rows.csv (line 6)": "unreadable",
        "rows.csv#6": "empty",
    }
    assert {"rows.csv#1", "rows.csv#7"} <= set(names(["rows.csv"], **options))
    assert "rows.csv#3" in failures(["rows.csv"], id_field=None, **options)


def test_a_quotation_mark_that_is_never_closed_does_not_swallow_rows_in_silence() -> None:
    write("rows.csv", text='text\nGood.\n"Open.\nLost.\nLost too.\n')
    assert failures(["rows.csv"]) == {"rows.csv#3": "unreadable"}


def test_csv_of_another_encoding_is_guessed_and_said() -> None:
    words = "Le maire a déclaré que la fête était annulée à cause de la grève générale, dit-on là-bas."
    Path("rows.csv").write_bytes("\n".join(["text", *[f'"{words}"'] * 8]).encode("cp1252"))
    documents = [item.read() for item in found(["rows.csv"]) if not isinstance(item, Skipped)]
    assert [document.text for document in documents] == [words] * 8
    assert {code for document in documents for code, _ in document.notes} == {"encoding_guessed"}


@pytest.mark.parametrize(
    ("name", "data", "cause"),
    [
        ("a.csv", b"", "empty"),
        ("a.csv", b"id,text\n", "empty"),
        ("a.csv", b"id,body\n1,One.\n", "unreadable"),
        ("a.csv", "text\nOne.\n".encode("utf-16"), "unreadable"),
        ("a.jsonl", b"\n\n", "empty"),
        ("a.jsonl", '{"text": "One."}'.encode("utf-16"), "unreadable"),
    ],
)
def test_a_table_without_documents_is_reported(name: str, data: bytes, cause: str) -> None:
    Path(name).write_bytes(data)
    assert failures([name]) == {name: cause}


def test_a_missing_column_is_said_with_the_columns_there_are_but_never_with_text() -> None:
    write("a.csv", text="id,body\n1,One.\n")
    write("b.csv", text='"The mayor said, at last, that it would close.",2\n')
    first, second = found(["a.csv", "b.csv"])
    assert isinstance(first, Skipped)
    assert "(id, body)" in first.message
    assert isinstance(second, Skipped)
    assert "mayor" not in second.message


def test_a_row_is_read_again_in_any_order_and_never_as_another_one() -> None:
    write("rows.jsonl", text="".join(f'{{"text": "Row {n}."}}\n' for n in range(50)))
    write("rows.csv", text="text\n" + "".join(f'"Row\n{n}."\n' for n in range(50)))
    items = [item for item in found(["rows.jsonl", "rows.csv"], shuffle=3) if isinstance(item, Row)]
    assert len(items) == 100
    first = {item.name: item.read().text for item in items}
    assert len(set(first.values())) == 100
    write("rows.jsonl", text="".join(f'{{"text": "Row {n}."}}\n' for n in range(49)) + '{"text": "Other."}\n')
    for item in reversed(items):
        if item.name == "rows.jsonl#50":
            with pytest.raises(UnreadableDocumentError, match="changed since"):
                item.read()
        else:
            assert item.read().text == first[item.name]


# Order, limits, memory


def test_a_seed_gives_an_order_of_its_own_that_comes_again() -> None:
    write(*(f"in/{n:03}.txt" for n in range(100)))
    plain, shuffled = names(["in"]), names(["in"], shuffle=1)
    assert shuffled == names(["in"], shuffle=1)
    assert shuffled != plain
    assert shuffled != names(["in"], shuffle=2)
    assert sorted(shuffled) == plain
    assert names(["in"], shuffle=1, limit=5) == shuffled[:5]
    assert names(["in"], limit=5) == plain[:5]


def test_a_limit_counts_documents_not_what_is_skipped() -> None:
    write("a.txt", "b.txt", "c.txt")
    Path("broken.txt").symlink_to("nowhere")
    assert names(["."], limit=2) == ["a.txt", "b.txt"]
    assert names(["broken.txt", "."], limit=1) == ["a.txt"]


def test_memory_stays_flat_while_a_large_table_streams_by() -> None:
    with Path("rows.jsonl").open("w") as stream:
        for number in range(10_000):
            stream.write(f'{{"id": "row-{number}", "text": "{"The mayor said so. " * 80}"}}\n')
    tracemalloc.start()
    try:
        discovery = discover(["rows.jsonl"])
        next(discovery)
        assert sum(1 for _ in discovery) == 9_999
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * 1024**2  # 16 MB of text went by; names take 0.3 MB, the file's buffer 1 MB
