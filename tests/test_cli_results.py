"""``summarise show``, ``search`` and ``status``: a results file looked into from the command line."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from summarise.schemas import Record
from support.commands import answering, figure, folder_of, options_for, run
from support.server import ScriptedServer

from summarise.cli import main as cli

Start = Callable[..., ScriptedServer]

pytestmark = pytest.mark.usefixtures("own_surroundings")


@pytest.fixture
def results(scripted_server: Start, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three documents, the last of which failed; named from inside their folder's parent."""
    monkeypatch.chdir(tmp_path)
    folder_of(Path("reports"), 3, failing=1)
    assert run(scripted_server(answering()), "batch", "reports", "-o", "results.db", "--quiet") == 1
    capsys.readouterr()
    return Path("results.db")


def test_show_lists_the_documents_with_what_became_of_them(results: Path, capsys: Any) -> None:
    assert run(None, "show", results) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "done" in lines[0]
    assert "reports/000.txt  Harbour 0 to close" in lines[0]
    assert "failed" in lines[2]
    assert "invalid_answer" in lines[2]
    assert run(None, "show", results, "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["state"] for row in rows] == ["done", "done", "failed"]
    assert rows[2]["cause"] == "invalid_answer"


def test_show_one_is_what_summarise_file_prints(scripted_server: Start, results: Path, capsys: Any) -> None:
    assert run(scripted_server(answering()), "reports/000.txt", "--quiet") == 0
    alone = capsys.readouterr().out.splitlines()
    assert run(None, "show", results, "reports/000.txt") == 0
    stored = capsys.readouterr().out.splitlines()
    assert stored[:-1] == alone[:-1]  # the last line has the seconds
    assert any("line 3: “the harbour will close”" in line for line in stored)


@pytest.mark.parametrize("change", ["edited", "gone"])
def test_lines_are_shown_only_while_the_text_is_the_one_that_was_read(results: Path, capsys: Any, change: str) -> None:
    path = Path("reports/000.txt")
    path.unlink() if change == "gone" else path.write_text("Another text altogether.\n")
    assert run(None, "show", results, "000.txt") == 0
    out = capsys.readouterr().out
    assert "line 3" not in out
    assert "characters 46–68: “the harbour will close”" in out


def test_a_stored_text_is_enough_for_lines(scripted_server: Start, results: Path, capsys: Any) -> None:
    words = ["batch", "reports", "-o", results, "--include-text", "--force", "--quiet"]
    assert run(scripted_server(answering()), *words) == 1
    shutil.rmtree("reports")
    assert run(None, "show", results, "001.txt") == 0
    assert "line 3: “the harbour will close”" in capsys.readouterr().out


def test_show_as_json_is_the_record_under_its_own_name(results: Path, capsys: Any) -> None:
    assert run(None, "show", results, "001.txt", "--json") == 0
    record = Record.model_validate_json(capsys.readouterr().out)
    assert record.document.source == "reports/001.txt"
    assert run(None, "show", results, record.document.id[:10], "--json") == 0
    assert Record.model_validate_json(capsys.readouterr().out) == record


@pytest.mark.parametrize(
    ("name", "words"),
    [("nothing.txt", "summarise show"), ("002.txt", "invalid_answer"), ("reports/00", "no document")],
)
def test_what_cannot_be_shown_is_said(results: Path, capsys: Any, name: str, words: str) -> None:
    assert run(None, "show", results, name) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err


def test_a_name_that_fits_several_documents_asks_for_more_of_it(
    scripted_server: Start, results: Path, capsys: Any
) -> None:
    shutil.copytree("reports", "older")
    assert run(scripted_server(answering()), "batch", "older", "-o", results, "--quiet") == 1
    assert run(None, "show", results, "000.txt") == 2
    err = capsys.readouterr().err
    assert "older/000.txt" in err
    assert "reports/000.txt" in err


def test_search_finds_words_in_claims_and_abstracts(results: Path, capsys: Any) -> None:
    assert run(None, "search", results, "HARBOUR clos*") == 0
    out = capsys.readouterr().out
    assert "reports/000.txt  c1, characters 46–68" in out
    assert "reports/001.txt  abstract" in out
    assert run(None, "search", results, "fight", "--json", "--limit", 1) == 0
    hits = json.loads(capsys.readouterr().out)
    assert len(hits) == 1
    assert hits[0]["claimant"] == "Marek Tolluin"


@pytest.mark.parametrize("words", ["zeppelin", '"unclosed', "a AND (", "NEAR(", "col:"])
def test_any_words_may_be_searched_for(results: Path, capsys: Any, words: str) -> None:
    assert run(None, "search", results, words) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "has these words" in err


def test_status_says_how_it_stands_and_how_to_go_on(results: Path, capsys: Any) -> None:
    assert run(None, "status", results) == 0
    out = capsys.readouterr().out
    shown = {name: figure(name, out) for name in ("documents", "done", "failed", "invalid_answer")}
    assert shown == {"documents": "3", "done": "2", "failed": "1", "invalid_answer": "1"}
    assert "run 1: " in out
    assert "finished after" in out
    assert "writing now" not in out
    command = out.splitlines()[-1].strip()
    assert command.startswith("summarise batch reports -o results.db")
    assert command.endswith("--retry-failed")
    assert run(None, "status", results, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["done"], shown["failed"]) == (2, 1)
    assert shown["failed_by_cause"] == {"invalid_answer": 1}
    assert shown["retry_command"] == command
    assert shown["runs"][0]["end"]["outcome"] == "finished"


def test_no_retry_is_offered_where_nothing_failed(scripted_server: Start, tmp_path: Path, capsys: Any) -> None:
    folder, file = folder_of(tmp_path / "reports", 1), tmp_path / "results.db"
    assert run(scripted_server(answering()), "batch", folder, "-o", file, "--quiet") == 0
    assert run(None, "status", file) == 0
    assert "--retry-failed" not in capsys.readouterr().out


def test_metadata_for_datasette_names_what_is_in_the_file(results: Path, tmp_path: Path, capsys: Any) -> None:
    output = tmp_path / "metadata.json"
    assert run(None, "status", results, "--datasette-metadata", output) == 0
    tables = json.loads(output.read_text())["databases"]["results"]["tables"]
    connection = sqlite3.connect(results)
    there = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')")}
    connection.close()
    assert "claims_view" in tables
    assert set(tables) <= there
    assert run(None, "status", results, "--datasette-metadata", output) == 2
    assert "--force" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["show"], ["search", "peace"], ["status"], ["export"]])
def test_a_file_that_is_none_is_refused_and_left(tmp_path: Path, capsys: Any, words: list[str]) -> None:
    command, *rest = words
    missing = tmp_path / "missing.db"
    assert cli.main([command, str(missing), *rest]) == 2
    assert not missing.exists()
    text = tmp_path / "letter.db"
    text.write_text("Dear results,\n" * 100)
    assert cli.main([command, str(text), *rest]) == 3
    assert text.read_text() == "Dear results,\n" * 100
    assert "damaged" in capsys.readouterr().err


def test_reading_is_possible_while_a_run_writes_and_says_who_it_is(
    scripted_server: Start, results: Path, capsys: Any
) -> None:
    import subprocess
    import time

    from support.commands import ANSWER, asked, child
    from support.server import delay

    server = scripted_server(answering(lambda _: delay(3, ANSWER)))
    process = subprocess.Popen(child(server, "batch", "reports", "-o", "results.db", "--force", "--quiet"))
    try:
        deadline = time.monotonic() + 20
        while not asked(server) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert run(None, "status", results) == 0
        assert figure("writing now", capsys.readouterr().out).startswith(f"process {process.pid} on ")
        assert run(server, "batch", "reports", "-o", "results.db", "--quiet") == 2
        assert f"process {process.pid} on " in capsys.readouterr().err
    finally:
        process.kill()
        process.wait()
    assert run(None, "status", results) == 0
    out = capsys.readouterr().out
    assert "killed" in out
    assert "writing now" not in out


def test_the_key_is_in_no_command(scripted_server: Start, results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUMMARISE_API_KEY", "sk-not-for-the-file")
    server = scripted_server(answering())
    assert cli.main(["batch", "reports", "-o", "results.db", "--quiet", "--force", *options_for(server)]) == 1
    assert b"sk-not-for-the-file" not in results.read_bytes()


def test_export_writes_the_records_ordered_by_source(results: Path, capsys: Any) -> None:
    assert run(None, "export", results) == 0
    lines = capsys.readouterr().out.splitlines()
    records = [Record.model_validate_json(line) for line in lines]
    assert [record.document.source for record in records] == ["reports/000.txt", "reports/001.txt"]
    assert run(None, "export", results, "-o", "records.jsonl") == 0
    assert Path("records.jsonl").read_text(encoding="utf-8").splitlines() == lines


@pytest.mark.parametrize(("name", "begins"), [("claims.csv", "source,"), ("all.json", "["), ("all.md", "# ")])
def test_the_format_is_that_of_the_output_s_name(results: Path, name: str, begins: str) -> None:
    table = ["--table", "claims"] if name == "claims.csv" else []
    assert run(None, "export", results, "-o", name, *table) == 0
    assert Path(name).read_text(encoding="utf-8").startswith(begins)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-o", "records.xlsx"], "--format"),
        (["--format", "stone"], "jsonl"),
        (["--table", "secrets"], "claims"),
        (["--format", "csv"], "--table"),
        (["-o", "results.db", "--format", "json"], "--force"),
    ],
)
def test_an_export_that_cannot_be_is_refused(results: Path, capsys: Any, words: list[str], said: str) -> None:
    before = results.read_bytes()
    assert run(None, "export", results, *words) == 2
    assert said in capsys.readouterr().err
    assert results.read_bytes() == before
    assert not Path("records.xlsx").exists()


def test_an_output_is_overwritten_only_if_asked_for_and_never_the_results_file(results: Path, capsys: Any) -> None:
    output = Path("records.jsonl")
    output.write_text("mine")
    assert run(None, "export", results, "-o", output) == 2
    assert output.read_text() == "mine"
    assert run(None, "export", results, "-o", output, "--force") == 0
    assert output.read_text().startswith('{"schema":')
    assert run(None, "export", results, "-o", results, "--force", "--format", "json") == 2
    assert "the results file itself" in capsys.readouterr().err
