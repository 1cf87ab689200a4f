"""The results file: what is kept, what is refused, what survives a kill, a full disk and odd names."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from summarise.schemas import Record
from support.journal import STARTED, a_record, a_start, an_attempt, content, everything, faults_of

from summarise.errors import (
    JournalBusyError,
    JournalDamagedError,
    JournalVersionError,
    StorageError,
    UsageError,
)
from summarise.journal.datasette import datasette_metadata
from summarise.journal.journal import Journal
from summarise.journal.migrations import APPLICATION_ID, STEPS, upgrade, version_of
from summarise.journal.names import decoded, encoded
from summarise.journal.reading import TABLES
from summarise.journal.rows import Commit, Estimate, RunEnd
from summarise.journal.search import match_expression

TESTS = Path(__file__).parent
NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with Journal.open(path) as opened:
        yield opened


@pytest.fixture
def run_id(journal: Journal) -> int:
    return journal.begin_run(a_start())


def keep(journal: Journal, run_id: int, source: str, text: str | None = None, **changes: object) -> int:
    """Commit a document whose work key is its text."""
    text = text or source
    record = a_record(text, source=source, **changes)
    return journal.commit(run_id, source, work_key=f"key {text}", record=record, attempt=an_attempt())


def lose(journal: Journal, run_id: int, source: str, text: str | None, cause: str = "refused") -> None:
    """Fail a document."""
    attempt = an_attempt(cause, "the model declined")
    sha256 = content(text) if text else None
    journal.fail(run_id, source, content_sha256=sha256, work_key=f"key {text}", attempt=attempt)


def in_a_process(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=600,
    )


# What is kept


def test_a_record_comes_back_as_it_was_committed(journal: Journal, run_id: int) -> None:
    keep(journal, run_id, "b.txt")
    keep(journal, run_id, "a.txt")
    records = [Record.model_validate_json(line) for line in journal.records()]
    assert records == [a_record("a.txt", source="a.txt"), a_record("b.txt", source="b.txt")]


def test_two_documents_of_one_text_share_a_result_each_under_its_own_source(journal: Journal, run_id: int) -> None:
    result_id = keep(journal, run_id, "first.txt", "the same")
    assert journal.result_of("key the same") == result_id
    journal.attach(run_id, "copy/second.txt", content("the same"), result_id)
    sources = [json.loads(line)["document"]["source"] for line in journal.records()]
    assert sources == ["copy/second.txt", "first.txt"]
    assert [row["source"] for row in journal.rows("claims")] == ["copy/second.txt"] * 2 + ["first.txt"] * 2
    assert {hit.source for hit in journal.search("dredging")} == {"copy/second.txt", "first.txt"}
    assert journal.totals().done == 2
    assert len(list(journal.rows("attempts"))) == 1  # paid for once


def test_both_texts_at_once_and_the_same_name_twice_in_one_group(journal: Journal, run_id: int) -> None:
    record = a_record("the same")
    commits = [Commit(run_id, name, "one key", record, an_attempt()) for name in ("a", "b", "a")]
    ids = journal.commit_all(commits)
    assert len(set(ids)) == 1
    assert [state.source for state in journal.states(["a", "b", "c"]).values()] == ["a", "b"]
    assert len(list(journal.rows("claims"))) == 4


def test_doing_a_document_again_replaces_its_result_and_its_index(journal: Journal, run_id: int, path: Path) -> None:
    first = keep(journal, run_id, "a.txt", claims=3)
    changed = a_record("a.txt", claims=1, abstract="Nothing but zeppelins.")
    again = journal.commit(run_id, "a.txt", work_key="key a.txt", record=changed, attempt=an_attempt())
    assert again == first
    assert len(list(journal.rows("claims"))) == 1
    assert [hit.item for hit in journal.search("zeppelins")] == ["abstract"]
    assert journal.search("council") == []
    journal.close()
    assert faults_of(path) == []


def test_a_changed_document_keeps_its_old_result_until_the_new_one(journal: Journal, run_id: int) -> None:
    old = keep(journal, run_id, "a.txt", "old text")
    new = keep(journal, run_id, "a.txt", "new text")
    assert old != new
    assert [json.loads(line)["document"]["title"] for line in journal.records()] == ["About new text"]
    assert journal.result_of("key old text") == old  # paid for; should the text come back, so does its result
    assert [hit.snippet for hit in journal.search("old")] == []


@pytest.mark.parametrize(("text", "shown"), [("same", 1), ("changed", 0), (None, 0)])
def test_a_failure_leaves_an_older_result_only_if_the_text_is_the_same(
    journal: Journal, run_id: int, text: str | None, shown: int
) -> None:
    keep(journal, run_id, "a.txt", "same")
    lose(journal, run_id, "a.txt", text)
    assert len(list(journal.records())) == shown
    state = journal.state("a.txt")
    assert state is not None
    assert (state.state, state.cause, state.content_sha256) == ("failed", "refused", content(text) if text else None)
    (row,) = journal.documents("failed")
    assert row.older_result is bool(shown)
    (failure,) = journal.failures()
    assert (failure.attempts, failure.message) == (2, "the model declined")


def test_a_failed_document_that_is_reused_later_is_done(journal: Journal, run_id: int) -> None:
    result_id = keep(journal, run_id, "a.txt", "same")
    lose(journal, run_id, "b.txt", "same", "endpoint")
    journal.attach(run_id, "b.txt", content("same"), result_id)
    state = journal.state("b.txt")
    assert state is not None
    assert (state.state, state.cause, state.work_key) == ("done", None, "key same")
    assert journal.totals().failed == 0


def test_attaching_what_is_attached_writes_nothing(journal: Journal, run_id: int) -> None:
    result_id = keep(journal, run_id, "a.txt")
    changes = journal._connection.total_changes
    for _ in range(100):
        journal.attach(run_id, "a.txt", content("a.txt"), result_id)
    assert journal._connection.total_changes == changes


def test_answers_are_kept_until_their_document_is_finished(journal: Journal, run_id: int) -> None:
    journal.remember("key a", "1", '{"a": 1}')
    journal.remember("key a", "1", '{"a": 2}')
    journal.remember("key a", "2", "{}")
    journal.remember("key b", "1", "{}")
    lose(journal, run_id, "a", "a", "endpoint")
    assert journal.recall("key a") == {"1": '{"a": 2}', "2": "{}"}
    keep(journal, run_id, "a", "a")
    assert journal.recall("key a") == {}
    journal.forget("key b")
    assert journal.recall("key b") == {}


def test_a_message_is_one_line_of_its_first_words(journal: Journal, run_id: int) -> None:
    attempt = an_attempt("endpoint", "half \ud83d\n" + "x" * 400)
    journal.fail(run_id, "a", content_sha256=None, work_key=None, attempt=attempt)
    (failure,) = journal.failures()
    assert failure.message == "half \ufffd " + "x" * 293


def test_totals_say_what_is_unknown(journal: Journal, run_id: int) -> None:
    assert journal.totals().cost_usd is None
    record = a_record("a", warnings=[])
    attempt = an_attempt(prompt_tokens=10, completion_tokens=5, cost_usd=0.5, cached_tokens=4)
    journal.commit(run_id, "a", work_key="a", record=record, attempt=attempt)
    keep(journal, run_id, "b")
    lose(journal, run_id, "c", "c", "too_long")
    totals = journal.totals()
    assert (totals.documents, totals.done, totals.done_with_warnings, totals.failed) == (3, 2, 1, 1)
    assert totals.failed_by_cause == {"too_long": 1}
    assert (totals.prompt_tokens, totals.cached_tokens, totals.cost_usd, totals.cost_unknown) == (10, 4, 0.5, 2)


def test_tables_list_rows_in_a_stable_order_under_stable_columns(journal: Journal, run_id: int) -> None:
    keep(journal, run_id, "b.txt")
    keep(journal, run_id, "a.txt")
    lose(journal, run_id, "c.txt", "c.txt")
    rows = {table: list(journal.rows(table)) for table in TABLES}
    assert {table: len(found) for table, found in rows.items()} == {
        "documents": 3,
        "actors": 2,
        "claims": 4,
        "stances": 2,
        "evidence": 10,
        "warnings": 2,
        "attempts": 3,
        "failures": 1,
        "runs": 1,
    }
    for table, found in rows.items():
        assert all(tuple(row) == journal.columns(table) for row in found)
        if table != "runs":
            assert [row["source"] for row in found] == sorted(row["source"] for row in found)
    claim = rows["claims"][0]
    assert (claim["source"], claim["claim"], claim["polarity"], claim["quote"]) == (
        "a.txt",
        "c1",
        "denies",
        "pier 1 is paid for",
    )
    assert (claim["start"], claim["end"], claim["confidence"]) == (10, 28, 0.75)
    assert claim["further_quotes"] == "“a.txt”, she added"
    assert json.loads(rows["actors"][0]["mentions"]) == [{"start": 0, "end": 10}, {"start": 20, "end": 25}]
    with pytest.raises(ValueError, match="there are documents, actors"):
        list(journal.rows("answers"))


def test_the_records_view_is_the_export(journal: Journal, run_id: int, path: Path) -> None:
    keep(journal, run_id, 'odd "name".txt')
    with closing(sqlite3.connect(path)) as connection:
        (stored,) = connection.execute("SELECT record FROM records_view").fetchone()
    assert json.loads(stored) == json.loads(next(journal.records()))


def test_runs_have_their_estimate_beside_what_was_needed(journal: Journal) -> None:
    first = journal.begin_run(a_start(estimate=Estimate(2, 1000, 200, 0.1, 60.0)))
    record = a_record("a")
    attempt = an_attempt(prompt_tokens=900, completion_tokens=250, cost_usd=0.2)
    journal.commit(first, "a", work_key="a", record=record, attempt=attempt)
    lose(journal, first, "b", "b")
    journal.end_run(first, RunEnd("finished", None, "2026-03-01T08:10:00Z", 600.0, 7))
    journal.begin_run(a_start())
    journal.begin_run(a_start())
    done, killed, live = journal.runs()
    assert done.start.estimate == Estimate(2, 1000, 200, 0.1, 60.0)
    assert (done.done, done.failed, done.prompt_tokens, done.cost_usd, done.cost_unknown) == (1, 1, 900, 0.2, 1)
    assert done.end == RunEnd("finished", None, "2026-03-01T08:10:00Z", 600.0, 7)
    assert killed.end is not None
    assert killed.end.outcome == "interrupted"
    assert (live.end, live.pid) == (None, os.getpid())


def test_history_tells_the_base_from_the_tokens_of_a_character(journal: Journal, run_id: int) -> None:
    for number in range(20):
        text = "x" * (50 * number + 1)
        chars = 100 + len(text)
        attempt = an_attempt(prompt_tokens=400 + chars // 4, completion_tokens=chars // 10)
        journal.commit(run_id, str(number), work_key=str(number), record=a_record(text), attempt=attempt)
    journal.fail(
        run_id, "f", content_sha256=None, work_key=None, attempt=an_attempt("invalid_answer", prompt_tokens=70)
    )
    (history,) = journal.usage_history(model="m1", strategy="single")
    assert history.documents == 20
    assert history.prompt_line.at(4000) == pytest.approx(1400, rel=0.01)
    assert history.completion_line.at(4000) == pytest.approx(400, rel=0.02)
    assert (history.failed_attempts, history.failed_prompt_tokens) == (1, 70)
    assert journal.usage_history(model="another") == []


def test_few_documents_or_all_of_one_length_give_a_ratio(journal: Journal, run_id: int) -> None:
    for number in range(12):
        attempt = an_attempt(prompt_tokens=500)
        journal.commit(run_id, str(number), work_key=str(number), record=a_record("12345"), attempt=attempt)
    (history,) = journal.usage_history()
    assert (history.prompt_line.base, history.prompt_line.at(210)) == (0.0, pytest.approx(1000))


def test_a_clock_that_goes_back_changes_nothing(journal: Journal) -> None:
    times = ["2026-05-01T00:00:00Z", "1970-01-01T00:00:00Z", "2025-01-01T00:00:00Z"]
    for number, started in enumerate(times):
        run_id = journal.begin_run(a_start(started=started))
        keep(journal, run_id, "a.txt", f"version {number}")
        journal.end_run(run_id, RunEnd("finished", None, times[number - 1], 3.0))
    assert [run.start.started for run in journal.runs()] == times
    assert json.loads(next(journal.records()))["document"]["title"] == "About version 2"
    assert [row["attempt_id"] for row in journal.rows("attempts")] == [1, 2, 3]


# Finding


def test_find_by_name_end_of_a_name_and_id(journal: Journal, run_id: int) -> None:
    for name in ("in/a.txt", "in/deep/a.txt", "in/b.txt", "rows.jsonl#12", "data.txt"):
        keep(journal, run_id, name)

    def found(wanted: str) -> list[str]:
        return [row.source for row in journal.find(wanted)]

    assert found("in/a.txt") == ["in/a.txt"]
    assert found("b.txt") == ["in/b.txt"]
    assert found("a.txt") == ["in/a.txt", "in/deep/a.txt"]
    assert found("deep/a.txt") == ["in/deep/a.txt"]
    assert found("12") == ["rows.jsonl#12"]
    assert found(content("in/b.txt")[:12].upper()) == ["in/b.txt"]
    assert found("xt") == []
    assert found("%") == []
    assert found("") == []
    (row,) = journal.find("b.txt")
    assert json.loads(journal.record(row.document_id) or "")["document"]["source"] == "in/b.txt"


def test_search_shows_where_the_words_stand(journal: Journal, run_id: int) -> None:
    keep(journal, run_id, "a.txt")
    hits = journal.search("PIER paid")
    assert [(hit.item, hit.claimant, hit.start) for hit in hits] == [("c1", "Mara Quill", 10), ("c2", "Mara Quill", 20)]
    hit = hits[0]
    assert [hit.snippet[start:end] for start, end in hit.highlights] == ["pier", "paid"]
    assert journal.search('"paid pier"') == []
    assert [hit.item for hit in journal.search('harb* "council met"')] == ["abstract"]
    assert len(journal.search("pier", limit=1)) == 1


@pytest.mark.parametrize("words", ["", "  ", '""', "* - +", "“”", "\0", "()"])
def test_a_search_for_nothing_says_so(journal: Journal, words: str) -> None:
    with pytest.raises(UsageError, match="no word"):
        journal.search(words)


SYNTAX = [*"ab \"'*^():{}-+.,;\\/%_\0\n?@#[]|&é", "NEAR", " OR ", " AND ", " NOT ", "text:", "a* "]


@settings(deadline=None)
@given(words=st.lists(st.sampled_from(SYNTAX)).map("".join) | st.text())
def test_no_words_are_a_syntax_error(words: str) -> None:
    try:
        expression = match_expression(words)
    except UsageError:
        return
    _INDEX.execute("SELECT rowid FROM fts WHERE fts MATCH ?", (expression,)).fetchall()


_INDEX = sqlite3.connect(":memory:", check_same_thread=False)
_INDEX.execute("CREATE VIRTUAL TABLE fts USING fts5 (text, tokenize='porter unicode61 remove_diacritics 2')")
_INDEX.execute("INSERT INTO fts VALUES ('a b é near or and not')")


@pytest.fixture(scope="module", autouse=True)
def _close_index() -> Iterator[None]:
    yield
    _INDEX.close()


# Names


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=())) | st.text(st.sampled_from("bytes:%u\0\udcff\ud800é\n9F")))
def test_every_name_can_be_stored_and_comes_back(name: str) -> None:
    stored = encoded(name)
    stored.encode()
    assert "\0" not in stored
    assert decoded(stored) == name
    assert encoded(stored) == stored or stored.startswith("bytes:")


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("in/two\nlines.txt", "in/two\nlines.txt"),
        ("in/100%.txt", "in/100%.txt"),
        (os.fsdecode(b"in/caf\xe9 5%.txt"), "bytes:in/caf%E9 5%25.txt"),
        ("half \ud83d.txt", "bytes:half %uD83D.txt"),
        ("bytes:a", "bytes:bytes:a"),
        ("a\0b", "bytes:a%00b"),
    ],
)
def test_odd_names_are_kept_found_and_exported(journal: Journal, run_id: int, name: str, stored: str) -> None:
    result_id = keep(journal, run_id, "plain", "plain")
    journal.attach(run_id, name, content("plain"), result_id)
    lose(journal, run_id, name + "2", "lost")
    state = journal.state(name)
    assert state is not None
    assert state.source == name
    assert stored in [json.loads(line)["document"]["source"] for line in journal.records()]
    assert [row.source for row in journal.find(name)] == [name]
    assert [failure.source for failure in journal.failures()] == [name + "2"]
    assert stored in [row["source"] for row in journal.rows("documents")]
    keep(journal, run_id, name, "another")
    (row,) = journal.find(name)
    assert row.title == "About another"


def test_a_record_that_no_file_can_hold_is_refused_by_name(journal: Journal, run_id: int) -> None:
    record = a_record("a").model_copy(update={"abstract": "half \ud83d"})
    with pytest.raises(StorageError, match=r"a\.txt: the record holds"):
        journal.commit(run_id, "a.txt", work_key="a", record=record, attempt=an_attempt())
    assert journal.totals().documents == 0


# Refusals


def refused_untouched(path: Path, error: type[Exception], match: str) -> None:
    """Opening raises and leaves the bytes and the folder as they were."""
    before, names = path.read_bytes(), sorted(path.parent.iterdir())
    for write in (True, False):
        with pytest.raises(error, match=match):
            Journal.open(path, write=write)
        assert path.read_bytes() == before
        assert sorted(path.parent.iterdir()) == names


@pytest.mark.parametrize("data", [b"Dear diary,\n", b"SQLite format 3\0" + bytes(2000), os.urandom(5000), b"x"])
def test_a_file_that_is_no_database_is_refused(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    refused_untouched(path, JournalDamagedError, "damaged or no results file|not a results file")


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_somebody_elses_database_is_refused(path: Path, mode: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.execute("CREATE TABLE documents (source TEXT)")
        connection.commit()
    refused_untouched(path, JournalDamagedError, "not a results file of summarise")


def test_a_newer_version_is_refused(path: Path) -> None:
    Journal.open(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        upgrade(connection, (*STEPS, ["ALTER TABLE runs ADD COLUMN mood TEXT"]))
    path.with_name("results.db.lock").unlink()
    refused_untouched(path, JournalVersionError, r"newer summarise \(file version 2, this one knows 1\)")


def test_a_damaged_file_is_refused(path: Path) -> None:
    with Journal.open(path) as journal:
        run_id = journal.begin_run(a_start())
        for number in range(30):
            keep(journal, run_id, str(number))
    whole = path.read_bytes()
    chance = random.Random(4)
    for _ in range(8):
        data = bytearray(whole)
        place = chance.randrange(1, len(data) // 4096)
        data[place * 4096 : place * 4096 + 64] = chance.randbytes(64)
        path.write_bytes(data)
        with pytest.raises(JournalDamagedError, match="restore a copy"):
            Journal.open(path)
        assert path.read_bytes() == bytes(data)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(JournalDamagedError):
        Journal.open(path)


def test_places_where_no_file_can_be(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is a folder; name a file .*results\.db"):
        Journal.open(tmp_path)
    with pytest.raises(UsageError, match="create the folder first"):
        Journal.open(tmp_path / "no" / "results.db")
    with pytest.raises(UsageError, match="there is no results file"):
        Journal.open(tmp_path / "results.db", create=False, write=False)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(JournalDamagedError, match="not a regular file"):
        Journal.open(pipe)
    assert sorted(tmp_path.iterdir()) == [pipe]


def test_an_empty_file_is_taken_as_new(path: Path) -> None:
    path.touch()
    Journal.open(path).close()
    assert faults_of(path) == []


def test_a_log_without_its_file_is_not_replayed_into_a_new_one(path: Path, journal: Journal, run_id: int) -> None:
    keep(journal, run_id, "a.txt")
    log = path.with_name("results.db-wal")
    data = log.read_bytes()
    journal.close()
    path.unlink()
    log.write_bytes(data)
    with pytest.raises(JournalDamagedError, match="was moved or deleted"):
        Journal.open(path)
    assert log.read_bytes() == data
    assert not path.exists()


AS_NOBODY = """
import os, sys
from pathlib import Path
from summarise.errors import SummariseError
from summarise.journal.datasette import datasette_metadata
from summarise.journal.journal import Journal
from support.journal import a_start
if os.geteuid() == 0:
    os.setuid(65534)
path = Path(sys.argv[1])
try:
    with Journal.open(path, write=False) as journal:
        print("read", len(list(journal.records())))
except SummariseError as error:
    print(type(error).__name__, error)
try:
    with Journal.open(path) as journal:
        journal.begin_run(a_start())
        print("wrote")
except SummariseError as error:
    print(type(error).__name__, error)
"""


def _nobody_is_somebody() -> bool:
    """Whether this user namespace has the account "nobody"; one made for a single user has not."""
    try:
        lines = Path("/proc/self/uid_map").read_text(encoding="ascii").splitlines()
    except OSError:
        return True
    ranges = [[int(figure) for figure in line.split()] for line in lines]
    return any(first <= 65534 < first + count for first, _, count in ranges)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
@pytest.mark.skipif(os.geteuid() == 0 and not _nobody_is_somebody(), reason="no other user in this namespace")
@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_is_read_only_can_be_read_and_says_so_when_written(
    tmp_path_factory: pytest.TempPathFactory, what: str
) -> None:
    folder = tmp_path_factory.mktemp("readable")
    for parent in (folder, *folder.parents[:3]):
        if parent.stat().st_uid == os.geteuid() and parent != Path("/tmp"):
            parent.chmod(0o755)
    path = folder / "results.db"
    with Journal.open(path) as journal:
        keep(journal, journal.begin_run(a_start()), "a.txt")
    path.chmod(0o444)
    folder.chmod(0o777 if what == "file" else 0o555)
    done = in_a_process(AS_NOBODY, path)
    folder.chmod(0o755)
    lines = done.stdout.splitlines()
    assert lines[0] == "read 1", done.stderr
    assert lines[1].startswith("StorageError")
    assert "read-only" in lines[1]


# Locks

HOLDER = """
import sys, time
from pathlib import Path
from summarise.journal.datasette import datasette_metadata
from summarise.journal.journal import Journal
from support.journal import a_start
journal = Journal.open(Path(sys.argv[1]))
journal.begin_run(a_start())
print("holding", flush=True)
time.sleep(60)
"""


def test_a_second_run_is_told_who_writes_and_a_kill_frees_the_file(path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True, env=environment
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "holding\n"
        with Journal.open(path) as journal:
            with pytest.raises(JournalBusyError, match=rf"process {holder.pid} on .*, since {STARTED}"):
                journal.begin_run(a_start())
            assert [run.pid for run in journal.runs()] == [holder.pid]  # reading goes on
            holder.send_signal(signal.SIGKILL)
            holder.wait()
            run_id = journal.begin_run(a_start())
            keep(journal, run_id, "a.txt")
            assert [run.end.outcome if run.end else None for run in journal.runs()] == ["interrupted", None]


def test_two_openings_in_one_process_do_not_both_write(journal: Journal, run_id: int, path: Path) -> None:
    with Journal.open(path) as second, pytest.raises(JournalBusyError, match=f"process {os.getpid()}"):
        second.begin_run(a_start())
    journal.close()
    with Journal.open(path) as third:
        third.begin_run(a_start())


def test_another_programs_lock_is_waited_for_and_reading_goes_on(journal: Journal, run_id: int, path: Path) -> None:
    journal._connection.execute("PRAGMA busy_timeout = 50")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalBusyError, match="another program"):
            keep(journal, run_id, "a.txt")
        assert journal.totals().documents == 0
        other.execute("ROLLBACK")
    keep(journal, run_id, "a.txt")


# Versions


def test_every_step_is_one_transaction(path: Path) -> None:
    with Journal.open(path) as journal:
        keep(journal, journal.begin_run(a_start()), "a.txt")
    before = everything(path)
    second = ["ALTER TABLE documents ADD COLUMN colour TEXT", "UPDATE documents SET colour = 'red'"]
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        with pytest.raises(sqlite3.OperationalError):
            upgrade(connection, (*STEPS, [*second, "INSERT INTO no_such_table VALUES (1)"]))
        assert version_of(connection) == 1
    assert everything(path) == before
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert upgrade(connection, (*STEPS, second)) == 2
        assert upgrade(connection, (*STEPS, second)) == 2
        assert connection.execute("SELECT source, colour FROM documents").fetchall() == [("a.txt", "red")]
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


# Faults


def without_room(journal: Journal) -> None:
    pages = journal._connection.execute("PRAGMA page_count").fetchone()[0]
    journal._connection.execute(f"PRAGMA max_page_count = {pages + 12}")


def test_a_full_file_keeps_what_was_committed(journal: Journal, run_id: int, path: Path) -> None:
    without_room(journal)
    kept = 0
    with pytest.raises(StorageError, match="no space left"):
        for number in range(100):
            keep(journal, run_id, str(number), claims=6)
            kept += 1
    assert kept < 100
    assert journal.totals().done == kept
    journal._connection.execute("PRAGMA max_page_count = 1000000")
    keep(journal, run_id, "with room")
    journal.close()
    assert faults_of(path) == []


def test_a_full_file_in_a_group_keeps_nothing_of_the_group(journal: Journal, run_id: int, path: Path) -> None:
    keep(journal, run_id, "before")
    without_room(journal)

    def group() -> None:
        with journal.transaction():
            journal.remember("key", "1", "{}")
            for number in range(100):
                keep(journal, run_id, str(number), claims=6)

    with pytest.raises(StorageError):
        group()
    assert [row.source for row in journal.documents()] == ["before"]
    assert journal.recall("key") == {}
    journal.close()
    assert faults_of(path) == []


LIMITED = """
import resource, signal, sys
from pathlib import Path
from summarise.errors import StorageError
from summarise.journal.datasette import datasette_metadata
from summarise.journal.journal import Journal
from support.journal import a_record, a_start, an_attempt
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with Journal.open(Path(sys.argv[1])) as journal:
    run_id = journal.begin_run(a_start())
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, resource.RLIM_INFINITY))
    kept = 0
    try:
        while kept < 3000:
            name = str(kept)
            journal.commit(run_id, name, work_key=name, record=a_record(name), attempt=an_attempt())
            kept += 1
    except StorageError as error:
        print(kept, error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""


def test_a_disk_that_takes_no_more_keeps_what_was_committed(path: Path) -> None:
    done = in_a_process(LIMITED, path)
    kept, _, message = done.stdout.partition(" ")
    assert "everything committed is kept" in message, done.stderr
    with Journal.open(path) as journal:
        assert journal.totals().done == int(kept) > 0
    assert faults_of(path) == []


def test_a_call_that_fails_inside_a_group_is_undone_alone(journal: Journal, run_id: int) -> None:
    with journal.transaction():
        keep(journal, run_id, "a")
        with pytest.raises(sqlite3.IntegrityError):
            journal.commit(999, "b", work_key="b", record=a_record("b"), attempt=an_attempt("no cause"))  # type: ignore[arg-type]
        keep(journal, run_id, "c")
    assert [row.source for row in journal.documents()] == ["a", "c"]


def test_an_error_in_the_callers_block_undoes_the_group(journal: Journal, run_id: int) -> None:
    def group() -> None:
        with journal.transaction():
            keep(journal, run_id, "a")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        group()
    assert journal.totals().documents == 0
    keep(journal, run_id, "b")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")
@pytest.mark.parametrize("mode", [("moments", "50"), ("statements",)], ids=lambda mode: mode[0])
def test_kill_9_leaves_whole_documents_only(tmp_path: Path, mode: tuple[str, ...]) -> None:
    done = in_a_process("import runpy; runpy.run_module('support.journal_crash', run_name='__main__')", *mode, tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout)
    assert report["faults"] == []
    if mode[0] == "moments":
        assert 0 < report["committed"] <= report["found"]
    else:
        assert all(kills >= 4 for kills in report["kills"].values())


# Reading much


def test_reading_holds_one_row_at_a_time(journal: Journal, run_id: int) -> None:
    record = a_record("x", claims=20)
    journal.commit_all([Commit(run_id, f"{n:05}", f"{n}", record, an_attempt()) for n in range(300)])
    readings: list[Callable[[], Iterator[object]]] = [journal.records, journal.documents]
    readings += [lambda table=table: journal.rows(table) for table in ("claims", "evidence", "attempts")]
    tracemalloc.start()
    try:
        for reading in readings:
            assert sum(1 for _ in reading()) >= 300
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000
    for table, order in (pair for pair in TABLES.items() if pair[0] != "runs"):
        plan = journal._connection.execute(f"EXPLAIN QUERY PLAN SELECT * FROM {table}_view {order}").fetchall()
        assert not [step for step in plan if "TEMP B-TREE FOR ORDER BY" in step[3]], table


def test_ten_thousand_states_are_looked_up_at_once(journal: Journal, run_id: int) -> None:
    result_id = keep(journal, run_id, "0")
    names = [str(number) for number in range(10_000)]
    with journal.transaction():
        for name in names:
            journal.attach(run_id, name, content("0"), result_id)
    started = time.process_time()
    states = journal.states([*names, "unknown"])
    seconds = time.process_time() - started
    assert set(states) == set(names)
    assert seconds < 0.5  # of the processor; 0.05 is usual


def test_what_datasette_is_told_names_only_what_is_there(journal: Journal, run_id: int, path: Path) -> None:
    metadata = datasette_metadata(path)
    tables = metadata["databases"]["results"]["tables"]
    for table, facts in tables.items():
        cursor = journal._connection.execute(f"SELECT * FROM {table} LIMIT 0")
        columns = {column[0] for column in cursor.description}
        named = {*facts.get("columns", {}), *facts.get("facets", [])} | {facts[k] for k in ("fts_pk",) if k in facts}
        assert named <= columns, table
    assert {f"{table}_view" for table in TABLES} <= set(tables)
    json.dumps(metadata)


def test_what_datasette_shows_are_the_views_and_queries_that_run(journal: Journal, run_id: int, path: Path) -> None:
    journal.commit(run_id, "a.txt", work_key="k", record=a_record("a"), attempt=an_attempt())
    database = datasette_metadata(path)["databases"]["results"]
    there = journal._connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
    shown = {name for (name,) in there if not database["tables"].get(name, {}).get("hidden")}
    assert all(name.startswith(("claims_fts_", "results_fts_")) for name in shown)  # Datasette hides those by itself
    assert set(database["queries"]) == {"denials", "sides", "to_check"}
    for query in database["queries"].values():
        assert journal._connection.execute(query["sql"]).description
