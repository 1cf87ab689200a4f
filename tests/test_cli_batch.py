"""``summarise batch`` as a user meets it: what is printed where, exit codes, signals, the live view on a terminal."""

from __future__ import annotations

import json
import os
import pty
import select
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.commands import ANSWER, answering, asked, child, figure, folder_of, run
from support.server import ReceivedRequest, ScriptedServer, Step, delay

from summarise.batch.events import Snapshot
from summarise.cli import main as cli
from summarise.cli.figures import duration, money, seconds_of
from summarise.cli.live import summary_line
from summarise.errors import UsageError

Start = Callable[..., ScriptedServer]
NOWHERE = ["--base-url", "http://127.0.0.1:9/v1", "--model", "m"]
"""An endpoint that is not there: a command that should be refused must not fetch the embedded model instead."""
HIDDEN, SHOWN = b"\x1b[?25l", b"\x1b[?25h"

pytestmark = pytest.mark.usefixtures("own_surroundings")


def states(results: Path) -> dict[str, str]:
    connection = sqlite3.connect(results)
    try:
        rows = connection.execute("SELECT source, state FROM documents").fetchall()
    finally:
        connection.close()
    return {Path(source).name: state for source, state in rows}


@pytest.fixture
def slowly() -> Callable[[ReceivedRequest], Step]:
    return answering(lambda _: delay(0.8, ANSWER))


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def test_a_folder_becomes_a_results_file_and_is_not_asked_about_again(
    scripted_server: Start, tmp_path: Path, capsys: Any
) -> None:
    server, results = scripted_server(answering()), tmp_path / "results.db"
    folder = folder_of(tmp_path / "reports", 5)
    assert run(server, "batch", folder, "-o", results) == 0
    out, err = capsys.readouterr()
    assert figure("done", out) == "5"
    assert figure("failed", out) == "0"
    assert figure("cost", out) == "unknown for 5 documents"
    assert figure("tokens", out) == "66 in, 42 out"  # with the probe of what the endpoint can do
    assert "again" not in out
    assert "\x1b[" not in out + err
    assert set(states(results).values()) == {"done"}
    before = asked(server)
    assert run(server, "batch", folder, "-o", results) == 0
    out = capsys.readouterr().out
    assert (figure("done", out), figure("reused", out)) == ("0", "5")
    assert asked(server) == before == 5


@pytest.mark.parametrize(
    "words", [["{folder}"], ["{folder}/000.txt", "{folder}/001.txt"], ["{folder}/*.txt"], ["--recursive", "{folder}"]]
)
def test_the_short_form_is_batch(scripted_server: Start, tmp_path: Path, capsys: Any, words: list[str]) -> None:
    server, results = scripted_server(answering()), tmp_path / "results.db"
    folder = folder_of(tmp_path / "reports", 2)
    assert run(server, *(word.format(folder=folder) for word in words), "-o", results, "--quiet") == 0
    assert states(results) == {"000.txt": "done", "001.txt": "done"}
    assert capsys.readouterr() == ("", "")


def test_one_file_into_a_results_file_is_batch_and_into_any_other_is_not(
    scripted_server: Start, tmp_path: Path, capsys: Any
) -> None:
    server, folder = scripted_server(answering()), folder_of(tmp_path / "reports", 1)
    assert run(server, folder / "000.txt", "-o", tmp_path / "results.db") == 0
    assert states(tmp_path / "results.db") == {"000.txt": "done"}
    assert run(server, folder / "000.txt", "-o", tmp_path / "record.json", "--json") == 0
    assert json.loads((tmp_path / "record.json").read_text())["schema"] == "news/1"


@pytest.mark.parametrize("words", [["{folder}"], ["batch", "{folder}"], ["{folder}/000.txt", "{folder}/001.txt"]])
def test_without_a_results_file_it_says_which_option_to_add(tmp_path: Path, capsys: Any, words: list[str]) -> None:
    folder = folder_of(tmp_path / "reports", 2)
    assert cli.main([*(word.format(folder=folder) for word in words), *NOWHERE]) == 2
    assert "-o results.db" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["--max-time", "soon"],
        ["--give-up", "-1"],
        ["--concurrency", "0"],
        ["--concurrency", "many"],
        ["--max-documents", "0"],
        ["--force", "--only-failed"],
        ["--via", "pigeon"],
        ["--limit", "0"],
    ],
)
def test_values_that_cannot_be_meant(tmp_path: Path, capsys: Any, words: list[str]) -> None:
    results = tmp_path / "results.db"
    folder = folder_of(tmp_path / "reports", 1)
    assert cli.main(["batch", str(folder), "-o", str(results), *NOWHERE, *words]) == 2
    assert words[0].removeprefix("--") in capsys.readouterr().err
    assert not results.exists()


def test_nothing_to_read_is_said(tmp_path: Path, capsys: Any) -> None:
    assert cli.main(["batch", "-o", str(tmp_path / "results.db"), *NOWHERE]) == 2
    assert "--files-from" in capsys.readouterr().err


def test_failures_are_counted_by_cause_and_the_command_shown_retries_them(
    scripted_server: Start, tmp_path: Path, capsys: Any
) -> None:
    server, results = scripted_server(answering()), tmp_path / "the results.db"
    folder = folder_of(tmp_path / "it's a folder", 4, failing=2)
    assert run(server, "batch", folder, "-o", results) == 1
    out, err = capsys.readouterr()
    assert (figure("done", out), figure("failed", out), figure("invalid_answer", out)) == ("2", "2", "2")
    assert "003.txt failed (invalid_answer)" in err
    command = next(line.strip() for line in out.splitlines() if "--retry-failed" in line or "--only-failed" in line)
    assert shlex.split(command)[0] == "summarise"
    for path in folder.iterdir():  # what made them fail is mended
        path.write_text(path.read_text().replace("nonsense", "sense"), encoding="utf-8")
    before = asked(server)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command], env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, figure("done", done.stdout)) == (0, "2"), done.stderr
    assert asked(server) == before + 2
    assert set(states(results).values()) == {"done"}


def test_failed_documents_are_left_alone_until_asked_for(scripted_server: Start, tmp_path: Path, capsys: Any) -> None:
    server, results = scripted_server(answering()), tmp_path / "results.db"
    folder = folder_of(tmp_path / "reports", 3, failing=1)
    assert run(server, "batch", folder, "-o", results, "--quiet") == 1
    before = asked(server)
    assert run(server, "batch", folder, "-o", results) == 1
    assert figure("failed before", capsys.readouterr().out).startswith("1 ")
    assert asked(server) == before
    assert run(server, "batch", folder, "-o", results, "--retry-failed", "--quiet") == 1
    assert asked(server) > before


def test_the_report_as_json_is_all_there_is_on_standard_output(
    scripted_server: Start, tmp_path: Path, capsys: Any
) -> None:
    server, results = scripted_server(answering()), tmp_path / "results.db"
    folder = folder_of(tmp_path / "reports", 3, failing=1)
    assert run(server, "batch", folder, "-o", results, "--json") == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["outcome"], report["exit_code"]) == ("finished", 1)
    assert (report["totals"]["done"], report["totals"]["failed"]) == (2, 1)
    assert report["failed_by_cause"] == {"invalid_answer": 1}
    assert report["totals"]["cost_usd"] is None


def test_events_as_json_have_standard_error_to_themselves(scripted_server: Start, tmp_path: Path, capsys: Any) -> None:
    server, results = scripted_server(answering()), tmp_path / "results.db"
    folder = folder_of(tmp_path / "reports", 3, failing=1)
    assert run(server, "batch", folder, "-o", results, "--log-json") == 1
    out, err = capsys.readouterr()
    assert out == ""
    events = [json.loads(line) for line in err.splitlines()]
    names = [event["event"] for event in events]
    assert names[0] == "run_started"
    assert names[-1] == "run_ended"
    assert names.count("document_done") == 2
    failed = next(event for event in events if event["event"] == "document_failed")
    assert failed["cause"] == "invalid_answer"
    assert failed["source"].endswith("002.txt")


def test_what_ends_a_run_before_it_begins_is_an_event_too(tmp_path: Path, capsys: Any) -> None:
    folder = folder_of(tmp_path / "reports", 1)
    assert cli.main(["batch", str(folder), "--log-json", *NOWHERE]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    event = json.loads(err)
    assert (event["event"], event["exit_code"]) == ("error", 2)


def test_a_budget_ends_the_run_and_the_command_shown_goes_on(
    scripted_server: Start, tmp_path: Path, capsys: Any
) -> None:
    server, results = scripted_server(answering()), tmp_path / "results.db"
    folder = folder_of(tmp_path / "reports", 5)
    assert run(server, "batch", folder, "-o", results, "--max-documents", 2) == 1
    out, err = capsys.readouterr()
    assert (figure("done", out), figure("left", out)) == ("2", "3")
    assert "--max-documents 2 was reached" in err
    assert "to go on with the rest" in out
    assert run(server, "batch", folder, "-o", results, "--quiet") == 0
    assert asked(server) == 5


def test_a_dry_run_asks_nothing_and_writes_nothing(scripted_server: Start, tmp_path: Path, capsys: Any) -> None:
    server, results = scripted_server(answering()), tmp_path / "results.db"
    folder = folder_of(tmp_path / "reports", 4)
    assert run(server, "batch", folder, "-o", results, "--dry-run") == 0
    out = capsys.readouterr().out
    assert figure("documents", out) == "4"
    assert figure("cost", out).startswith("unknown")
    assert "measured with the default embedded model" in figure("estimated from", out)
    assert not results.exists()
    assert server.completions == []


def test_a_dry_run_measures_by_what_documents_needed_and_says_how_well_that_held(
    scripted_server: Start, tmp_path: Path, capsys: Any
) -> None:
    server, results = scripted_server(answering()), tmp_path / "results.db"
    folder = folder_of(tmp_path / "reports", 10)
    for limit in (8, 9):
        assert run(server, "batch", folder, "-o", results, "--quiet", "--limit", limit) == 0
    before = asked(server)
    assert run(server, "batch", folder, "-o", results, "--dry-run") == 0
    out = capsys.readouterr().out
    assert (figure("  to be asked about", out)[:2], figure("  reused", out)) == ("1 ", "9")
    assert figure("estimated from", out) == "9 documents in this results file"
    assert "run 2: 1 of 1 documents expected, " in out
    assert run(server, "batch", folder, "-o", results, "--dry-run", "--json") == 0
    assert json.loads(capsys.readouterr().out)["measured"] == 9
    assert asked(server) == before


def test_control_characters_of_a_name_never_reach_the_terminal(
    scripted_server: Start, tmp_path: Path, capsys: Any
) -> None:
    folder = folder_of(tmp_path / "reports", 1, failing=1)
    (folder / "000.txt").rename(folder / "a\x1b[31m\nb.txt")
    results = tmp_path / "results.db"
    assert run(scripted_server(answering()), "batch", folder, "-o", results, "--verbose") == 1
    assert run(None, "show", results) == 0
    assert run(None, "status", results) == 0
    assert "\x1b" not in "".join(capsys.readouterr())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_finishes_what_is_in_flight(
    scripted_server: Start, tmp_path: Path, slowly: Any, number: signal.Signals
) -> None:
    server, results = scripted_server(slowly), tmp_path / "results.db"
    words = child(server, "batch", folder_of(tmp_path / "reports", 8), "-o", results, "--concurrency", 2)
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: asked(server) >= 2)
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert "in flight; press again to stop at once" in err
    assert "Traceback" not in err
    done = int(figure("done", out))
    assert 2 <= done <= 4
    assert list(states(results).values()) == ["done"] * done
    assert asked(server) == done  # nothing that was paid for is lost


class Terminal:
    """A process on a pseudo-terminal of a given width, and everything it has written there."""

    def __init__(self, words: list[str]) -> None:
        self.shown = b""
        self.process_id, self._end = pty.fork()
        if self.process_id == 0:
            os.environ.update(TERM="xterm-256color", COLUMNS="100", LINES="30")
            os.execv(words[0], words)

    def read_until(self, condition: Callable[[bytes], bool], seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while not condition(self.shown):
            assert time.monotonic() < deadline, self.shown[-2000:]
            if select.select([self._end], [], [], 0.1)[0]:
                try:
                    self.shown += os.read(self._end, 65536)
                except OSError:  # Linux says so when the other end is closed
                    return

    def wait(self) -> int:
        while True:
            try:
                chunk = os.read(self._end, 65536)
            except OSError:
                break
            if not chunk:
                break
            self.shown += chunk
        os.close(self._end)
        return os.waitstatus_to_exitcode(os.waitpid(self.process_id, 0)[1])


def test_the_live_view_shows_counts_and_gives_the_cursor_back(
    scripted_server: Start, tmp_path: Path, slowly: Any
) -> None:
    server = scripted_server(slowly)
    folder = folder_of(tmp_path / "reports", 6, failing=1)
    terminal = Terminal(child(server, "batch", folder, "-o", tmp_path / "results.db", "--concurrency", 2))
    terminal.read_until(lambda shown: b"2 done" in shown or b"3 done" in shown)
    assert HIDDEN in terminal.shown
    assert terminal.wait() == 1
    text = terminal.shown.decode()
    for words in ("documents a minute", "in flight", "cost", "left", "invalid_answer: ", "005.txt"):
        assert words in text
    assert terminal.shown.rindex(SHOWN) > terminal.shown.rindex(HIDDEN)
    assert "wall time" in text


def test_a_second_signal_stops_at_once_and_gives_the_cursor_back(scripted_server: Start, tmp_path: Path) -> None:
    server = scripted_server(answering(lambda _: delay(30, ANSWER)))
    folder = folder_of(tmp_path / "reports", 3)
    terminal = Terminal(child(server, "batch", folder, "-o", tmp_path / "results.db"))
    terminal.read_until(lambda shown: HIDDEN in shown and asked(server) > 0)
    os.kill(terminal.process_id, signal.SIGINT)
    terminal.read_until(lambda shown: b"press again" in shown)
    began = time.monotonic()
    os.kill(terminal.process_id, signal.SIGINT)
    assert terminal.wait() == 130
    assert time.monotonic() - began < 15
    assert b"stopped at once" in terminal.shown
    assert b"Traceback" not in terminal.shown
    assert terminal.shown.rindex(SHOWN) > terminal.shown.rindex(HIDDEN)


@pytest.mark.parametrize("words", [["batch", "--help"], ["status", "--help"], ["export", "--help"]])
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    code = (
        f"import sys; from summarise.cli.main import main; main({words!r});"
        "heavy = {'openai', 'instructor', 'rich', 'jinja2', 'sqlite3', 'summarise.batch', 'summarise.journal'};"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("2h", 7200), ("1h30m", 5400), ("0.5h", 1800)]
)
def test_durations_as_typed(words: str, seconds: float) -> None:
    assert seconds_of(words, "--max-time") == seconds


@pytest.mark.parametrize("words", ["", "m", "1 h", "-5", "1h30", "12x", "1e3"])
def test_what_is_no_duration(words: str) -> None:
    with pytest.raises(UsageError, match="--max-time"):
        seconds_of(words, "--max-time")


def test_the_line_of_figures_says_what_is_waited_for() -> None:
    now = Snapshot(found=9, done=4, discovery_finished=True, seconds_left=65, concurrency=8)
    assert summary_line(now).startswith("4 done, 0 failed, 0 reused, 5 left; ")
    assert summary_line(now).endswith("about 1 min 05 s left")
    assert summary_line(replace(now, limited_seconds=42.2)).endswith("the endpoint limits the rate, 42 s to go")
    assert summary_line(replace(now, paused_seconds=7)).endswith("paused for 7 s")


def test_figures_as_shown() -> None:
    assert [duration(seconds) for seconds in (9.6, 65, 7320, 200000)] == [
        "10 s",
        "1 min 05 s",
        "2 h 02 min",
        "2 days 7 h",
    ]
    assert money(None, 4) == "unknown for 4 documents"
    assert money(0.0012, 1) == "$0.0012 and unknown for 1 document"
    assert money(12.5, 0) == "$12.50"
