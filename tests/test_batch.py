"""A batch as its user sees it: what is done, what is reused, what is done again, and when it stops."""

from __future__ import annotations

import asyncio
import shlex
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from summarise.schemas import Record
from support.batch_runs import (
    answering,
    number_in,
    records,
    run_batch,
    settings_for,
    single_answer,
    states,
    text_of,
    write_documents,
)
from support.server import completion, delay

from summarise.batch.events import (
    DocumentDone,
    DocumentFailed,
    DocumentReused,
    DocumentStarted,
    Event,
    ModelReady,
    RunEnded,
    RunStarted,
)
from summarise.batch.identity import identify, strategy_name, work_key
from summarise.batch.options import BatchOptions
from summarise.batch.run import asummarise_batch
from summarise.batch.sources import SourceOptions
from summarise.batch.tally import Tally, budget_reached
from summarise.cli import main as cli
from summarise.errors import ConfigurationError, JournalBusyError, UsageError
from summarise.extract.strategies import choose
from summarise.journal.journal import Journal
from summarise.llm.endpoint import uses_embedded
from summarise.settings import Settings

pytestmark = pytest.mark.usefixtures("own_surroundings")


def asked_about(server):
    return sorted(number_in(request) for request in server.completions)


def test_every_document_gets_a_valid_record(scripted_server, tmp_path):
    folder, output = write_documents(tmp_path / "docs", range(7)), tmp_path / "r.db"
    server = scripted_server(answering)
    events: list[Event] = []
    report = run_batch([folder], output, settings_for(server, tmp_path), events=events)
    assert (report.outcome, report.exit_code, report.totals.done) == ("finished", 0, 7)
    assert report.totals.prompt_tokens == 7 * 11
    assert report.totals.cost_usd is None
    assert report.totals.cost_unknown_documents == 7
    assert report.retry_command is None
    for number, record in enumerate(records(output)):
        checked = Record.model_validate(record)
        assert record["document"]["source"] == str(folder / f"{number:03}.txt")
        evidence = checked.claims[0].evidence[0]
        assert text_of(number)[evidence.start : evidence.end] == evidence.quote
    assert isinstance(events[0], RunStarted)
    assert isinstance(events[-1], RunEnded)
    assert sum(isinstance(event, DocumentDone) for event in events) == 7


def test_finished_documents_are_reused_without_a_model(scripted_server, tmp_path):
    folder, output = write_documents(tmp_path / "docs", range(5)), tmp_path / "r.db"
    server = scripted_server(answering)
    settings = settings_for(server, tmp_path)
    run_batch([folder], output, settings)
    events: list[Event] = []
    report = run_batch([folder], output, settings, events=events)
    assert (report.totals.reused, report.totals.done, len(server.completions)) == (5, 0, 5)
    assert not any(isinstance(event, ModelReady) for event in events)


def test_reusing_loads_nothing_that_talks_to_a_model(scripted_server, tmp_path):
    folder, output = write_documents(tmp_path / "docs", range(3)), tmp_path / "r.db"
    server = scripted_server(answering)
    run_batch([folder], output, settings_for(server, tmp_path))
    code = (
        "import sys\n"
        "from summarise import BatchOptions, Settings, summarise_batch\n"
        "from pathlib import Path\n"
        "folder, output, url = sys.argv[1:]\n"
        "settings = Settings(base_url=url, model='scripted-model', reasks=1)\n"
        "report = summarise_batch([folder], settings=settings, options=BatchOptions(output=Path(output)))\n"
        "loaded = [name for name in ('openai', 'instructor', 'summarise.extract') if name in sys.modules]\n"
        "print(report.totals.reused, loaded)\n"
    )
    command = [sys.executable, "-c", code, str(folder), str(output), server.base_url]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "3 []\n"


def test_a_changed_document_is_done_again_and_no_other(scripted_server, tmp_path):
    folder, output = write_documents(tmp_path / "docs", range(4)), tmp_path / "r.db"
    server = scripted_server(answering)
    settings = settings_for(server, tmp_path)
    run_batch([folder], output, settings)
    (folder / "002.txt").write_text(text_of(77), encoding="utf-8")
    report = run_batch([folder], output, settings)
    assert (report.totals.reused, report.totals.done) == (3, 1)
    assert asked_about(server) == [0, 1, 2, 3, 77]
    assert len(records(output)) == 4
    assert "Brook77" in records(output)[2]["abstract"]


def test_other_settings_are_other_work(scripted_server, tmp_path):
    folder, output = write_documents(tmp_path / "docs", range(2)), tmp_path / "r.db"
    server = scripted_server(answering)
    run_batch([folder], output, settings_for(server, tmp_path))
    report = run_batch([folder], output, settings_for(server, tmp_path, temperature=0.5))
    assert report.totals.done == 2
    assert len(records(output)) == 2


def test_documents_with_the_same_text_are_paid_for_once(scripted_server, tmp_path):
    folder, output = write_documents(tmp_path / "docs", range(2)), tmp_path / "r.db"
    for name in ("a", "b", "c"):
        (folder / f"{name}.txt").write_text(text_of(1), encoding="utf-8")
    server = scripted_server(lambda request: delay(0.05, answering(request)))
    settings = settings_for(server, tmp_path)
    report = run_batch([folder], output, settings)
    assert (report.totals.done, report.totals.reused, len(server.completions)) == (2, 3, 2)
    (folder / "later.txt").write_text(text_of(0), encoding="utf-8")
    report = run_batch([folder], output, settings)
    assert (report.totals.reused, len(server.completions)) == (6, 2)
    sources = [record["document"]["source"] for record in records(output)]
    assert sources == [str(folder / name) for name in ("000.txt", "001.txt", "a.txt", "b.txt", "c.txt", "later.txt")]


def test_force_does_everything_again_but_each_text_once(scripted_server, tmp_path):
    folder, output = write_documents(tmp_path / "docs", range(3)), tmp_path / "r.db"
    (folder / "twin.txt").write_text(text_of(0), encoding="utf-8")
    server = scripted_server(answering)
    settings = settings_for(server, tmp_path)
    run_batch([folder], output, settings)
    report = run_batch([folder], output, settings, force=True)
    assert (report.totals.done, report.totals.reused) == (3, 1)
    assert asked_about(server) == [0, 0, 1, 1, 2, 2]
    assert len(records(output)) == 4


def test_failed_documents_stay_failed_until_they_are_retried(scripted_server, tmp_path):
    folder, output = write_documents(tmp_path / "docs", range(4)), tmp_path / "r.db"
    well = threading.Event()

    def script(request):
        return answering(request) if well.is_set() or number_in(request) != 2 else completion("nonsense")

    server = scripted_server(script)
    settings = settings_for(server, tmp_path)
    report = run_batch([folder], output, settings)
    assert (report.exit_code, report.totals.failed, dict(report.failed_by_cause)) == (1, 1, {"invalid_answer": 1})
    assert (report.retry_command or "").endswith(" --retry-failed")
    assert states(output)["002.txt"] == ("failed", "invalid_answer")
    before = len(server.completions)

    report = run_batch([folder], output, settings)
    assert (report.exit_code, report.totals.failed_before, report.totals.failed) == (1, 1, 0)
    assert len(server.completions) == before

    well.set()
    report = run_batch([folder], output, settings, only_failed=True)
    assert (report.exit_code, report.totals.found, report.totals.done) == (0, 1, 1)
    assert len(server.completions) == before + 1
    assert states(output)["002.txt"] == ("done", None)


def test_the_commands_of_a_report_do_the_same_work_from_a_command_line(scripted_server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_documents(tmp_path / "docs", range(3))
    write_documents(tmp_path / "docs" / "-more", [7, 8])
    well = threading.Event()
    server = scripted_server(
        lambda request: answering(request) if well.is_set() or number_in(request) != 2 else completion("nonsense")
    )
    settings = settings_for(server, tmp_path, temperature=0.5, seed=3, max_output_tokens=700)
    monkeypatch.chdir(tmp_path / "docs")
    inputs, output = [Path("000.txt"), Path("002.txt"), Path("-more")], Path("r.db")
    report = run_batch(inputs, output, settings, force=True, sources=SourceOptions(pattern=("*.txt",)))
    assert (report.totals.done, report.totals.failed) == (3, 1)
    well.set()
    before = len(server.completions)
    words = shlex.split(report.retry_command or "")
    assert words[:2] == ["summarise", "batch"]
    assert "--force" not in words
    assert cli.main(["batch", "--quiet", *words[2:]]) == 0
    assert [number_in(request) for request in server.completions[before:]] == [2]
    assert set(states(output)) == {"000.txt", "002.txt", "007.txt", "008.txt"}


def test_retry_failed_asks_anew(scripted_server, tmp_path):
    folder, output = write_documents(tmp_path / "docs", [0]), tmp_path / "r.db"
    server = scripted_server([completion("no"), completion("no"), completion(single_answer(0))])
    settings = settings_for(server, tmp_path)
    assert run_batch([folder], output, settings).exit_code == 1
    assert run_batch([folder], output, settings, retry_failed=True).exit_code == 0


def test_limit_and_shuffle(scripted_server, tmp_path):
    folder = write_documents(tmp_path / "docs", range(12))
    server = scripted_server(answering)
    settings = settings_for(server, tmp_path)
    run_batch([folder], tmp_path / "a.db", settings, limit=3)
    assert asked_about(server) == [0, 1, 2]
    run_batch([folder], tmp_path / "b.db", settings, limit=4, shuffle=5)
    run_batch([folder], tmp_path / "c.db", settings, limit=4, shuffle=5)
    assert states(tmp_path / "b.db").keys() == states(tmp_path / "c.db").keys() != states(tmp_path / "a.db").keys()


@pytest.mark.parametrize("bound", [{"max_documents": 4}, {"max_tokens": 4 * 18}], ids=["documents", "tokens"])
def test_a_budget_stops_the_run_and_keeps_what_is_done(scripted_server, tmp_path, bound):
    folder, output = write_documents(tmp_path / "docs", range(9)), tmp_path / "r.db"
    server = scripted_server(answering)
    settings = settings_for(server, tmp_path)
    report = run_batch([folder], output, settings, concurrency=1, **bound)
    assert (report.outcome, report.exit_code, report.totals.done) == ("stopped", 1, 4)
    assert "was reached" in (report.reason or "")
    assert report.resume_command is not None
    report = run_batch([folder], output, settings)
    assert (report.exit_code, report.totals.reused, report.totals.done) == (0, 4, 5)
    assert asked_about(server) == list(range(9))


def test_a_budget_that_is_just_enough_is_not_reached(scripted_server, tmp_path):
    folder = write_documents(tmp_path / "docs", range(3))
    server = scripted_server(answering)
    report = run_batch([folder], tmp_path / "r.db", settings_for(server, tmp_path), max_documents=3)
    assert (report.outcome, report.exit_code) == ("finished", 0)


def test_max_time_finishes_what_is_in_flight(scripted_server, tmp_path):
    folder, output = write_documents(tmp_path / "docs", range(20)), tmp_path / "r.db"
    server = scripted_server(lambda request: delay(0.25, answering(request)))
    report = run_batch([folder], output, settings_for(server, tmp_path), concurrency=1, max_seconds=0.6)
    assert (report.outcome, report.exit_code) == ("stopped", 1)
    assert "--max-time" in (report.reason or "")
    assert 1 <= report.totals.done == len(server.completions) < 20


def test_a_bound_on_the_cost_needs_a_price(scripted_server, tmp_path):
    folder, output = write_documents(tmp_path / "docs", range(2)), tmp_path / "r.db"
    server = scripted_server(answering)
    with pytest.raises(ConfigurationError, match="no price is known"):
        run_batch([folder], output, settings_for(server, tmp_path), max_cost=1.0)
    assert not output.exists()
    assert not server.requests


def test_a_bound_on_the_cost_is_reached(tmp_path):
    options = BatchOptions(output=tmp_path / "r.db", max_cost=0.5)
    tally = Tally()
    assert budget_reached(options, tally, started=0) is None
    tally.cost_usd = 0.51
    assert budget_reached(options, tally, started=3) == "--max-cost 0.5 was reached ($0.5100)"


def test_places_are_used_while_results_are_saved_but_not_without_bound(scripted_server, tmp_path):
    """Another program holds SQLite's lock, so nothing can be saved for a while."""
    folder, output = write_documents(tmp_path / "docs", range(20)), tmp_path / "r.db"
    server = scripted_server(answering)
    other: list[sqlite3.Connection] = []
    asked: list[int] = []

    def let_go() -> None:
        deadline = time.monotonic() + 10
        while len(server.completions) < 7 and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.4)
        asked.append(len(server.completions))
        other[0].rollback()

    releasing = threading.Thread(target=let_go)

    def listen(event: Event) -> None:
        if isinstance(event, DocumentStarted) and not other:
            other.append(sqlite3.connect(output, check_same_thread=False, isolation_level=None))
            other[0].execute("BEGIN IMMEDIATE")
            releasing.start()

    report = run_batch([folder], output, settings_for(server, tmp_path), listener=listen, concurrency=4)
    releasing.join()
    other[0].close()
    assert asked == [7]
    assert (report.exit_code, report.totals.done, len(server.completions)) == (0, 20, 20)


async def test_stop_finishes_what_is_in_flight_and_the_next_run_goes_on(scripted_server, tmp_path):
    folder, output = write_documents(tmp_path / "docs", range(12)), tmp_path / "r.db"
    server = scripted_server(lambda request: delay(0.1, answering(request)))
    settings = settings_for(server, tmp_path)
    stop = asyncio.Event()

    def listen(event: Event) -> None:
        if isinstance(event, DocumentDone):
            stop.set()

    report = await asummarise_batch(
        [folder], settings=settings, options=BatchOptions(output=output, concurrency=3), listener=listen, stop=stop
    )
    assert (report.outcome, report.exit_code) == ("interrupted", 130)
    done = report.totals.done
    assert 1 <= done == len(server.completions) == len(records(output)) < 12
    report = await asummarise_batch([folder], settings=settings, output=output)
    assert (report.exit_code, report.totals.reused) == (0, done)
    assert len(server.completions) == 12


async def test_cancelling_ends_at_once_and_loses_nothing_committed(scripted_server, tmp_path):
    folder, output = write_documents(tmp_path / "docs", range(6)), tmp_path / "r.db"

    def script(request):
        return answering(request) if number_in(request) < 2 else delay(30, answering(request))

    server = scripted_server(script)
    settings = settings_for(server, tmp_path, timeout=60.0)
    task = asyncio.create_task(asummarise_batch([folder], settings=settings, output=output))
    while len(server.completions) < 4:
        await asyncio.sleep(0.02)
    task.cancel()
    async with asyncio.timeout(2):
        with pytest.raises(asyncio.CancelledError):
            await task
    assert len(records(output)) == 2
    with Journal.open(output, create=False, write=False) as journal:
        assert [run.end.outcome for run in journal.runs() if run.end] == ["interrupted"]


def test_an_error_of_the_listener_is_raised_after_saving(scripted_server, tmp_path):
    folder, output = write_documents(tmp_path / "docs", range(8)), tmp_path / "r.db"
    server = scripted_server(lambda request: delay(0.1, answering(request)))

    def listen(event: Event) -> None:
        if isinstance(event, DocumentDone):
            raise ZeroDivisionError("the listener's own")

    with pytest.raises(ZeroDivisionError):
        run_batch([folder], output, settings_for(server, tmp_path), listener=listen, concurrency=4)
    assert len(records(output)) == len(server.completions) < 8


def test_what_cannot_be_read_fails_by_name_and_the_rest_goes_on(scripted_server, tmp_path):
    folder, output = write_documents(tmp_path / "docs", range(3)), tmp_path / "r.db"
    (folder / "empty.txt").write_text("  \n", encoding="utf-8")
    (folder / "binary.txt").write_bytes(b"\x00\x01\x02\xff\xfe" * 50)
    (folder / "goes.txt").write_text(text_of(9), encoding="utf-8")
    server = scripted_server(answering)
    failed: list[DocumentFailed] = []

    def listen(event: Event) -> None:
        if isinstance(event, RunStarted):
            (folder / "goes.txt").unlink()  # found, and gone before it is read
        if isinstance(event, DocumentFailed):
            failed.append(event)

    inputs = [folder, folder / "absent.txt"]
    report = run_batch(inputs, output, settings_for(server, tmp_path), listener=listen)
    assert (report.exit_code, report.totals.done, report.totals.failed) == (1, 3, 4)
    causes = {name: cause for name, (state, cause) in states(output).items() if state == "failed"}
    expected = {"empty.txt": "empty", "binary.txt": "unreadable", "goes.txt": "vanished", "absent.txt": "vanished"}
    assert causes == expected
    assert all(event.source not in event.message for event in failed)


def test_a_run_that_finds_nothing_makes_no_results_file(tmp_path):
    (tmp_path / "docs").mkdir()
    with pytest.raises(UsageError, match="nothing to summarise"):
        run_batch([tmp_path / "docs"], tmp_path / "r.db", settings_for("http://127.0.0.1:9/v1", tmp_path))
    assert not (tmp_path / "r.db").exists()


def test_two_runs_on_one_file_the_second_is_told(scripted_server, tmp_path):
    folder, output = write_documents(tmp_path / "docs", range(2)), tmp_path / "r.db"
    server = scripted_server(answering)
    settings = settings_for(server, tmp_path)
    run_batch([folder], output, settings)
    code = (
        "import sys, time\nfrom pathlib import Path\n"
        "from summarise.journal.journal import Journal\nfrom summarise.journal.rows import RunStart\n"
        "with Journal.open(Path(sys.argv[1])) as journal:\n"
        "    journal.begin_run(RunStart('c', 'm', 'e', 's', 'r', '{}', '0', '2026-01-01'))\n"
        "    print('busy', flush=True)\n    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", code, str(output)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "busy\n"
        try:
            with pytest.raises(JournalBusyError, match=f"process {other.pid}"):
                run_batch([folder], output, settings, force=True)
        finally:
            other.kill()
    assert len(server.completions) == 2
    assert run_batch([folder], output, settings).totals.reused == 2


def test_the_reading_of_a_document_that_changes_is_the_one_in_its_record(scripted_server, tmp_path):
    folder, output = write_documents(tmp_path / "docs", range(2)), tmp_path / "r.db"
    server = scripted_server(answering)

    def listen(event: Event) -> None:
        if isinstance(event, DocumentDone):
            (folder / "000.txt").write_text(text_of(50), encoding="utf-8")

    settings = settings_for(server, tmp_path)
    run_batch([folder], output, settings, listener=listen)
    first = Record.model_validate(records(output)[0])
    evidence = first.claims[0].evidence[0]
    assert text_of(0)[evidence.start : evidence.end] == evidence.quote
    report = run_batch([folder], output, settings)
    assert (report.totals.done, report.totals.reused) == (1, 1)


# What makes two pieces of work the same


def test_the_key_follows_what_changes_answers_and_nothing_else(tmp_path):
    settings = Settings(base_url="http://127.0.0.1:9/v1", model="m", cache_dir=tmp_path)

    def key(**changes: object) -> str:
        return work_key("0" * 64, identify(settings.model_copy(update=changes)))

    others = [
        key(language="de"), key(temperature=0.3), key(seed=8), key(max_output_tokens=99), key(context_tokens=4096),
        key(reasks=0), key(model="n"), key(base_url="http://127.0.0.1:10/v1"), key(strategy="stepwise"),
    ]  # fmt: skip
    assert len({key(), *others}) == 1 + len(others)
    assert key(timeout=1.0, attempts=1, parallel=9) == key()
    assert work_key("1" * 64, identify(settings)) != key()


def test_an_embedded_model_is_known_by_its_file(tmp_path):
    model = tmp_path / "own.gguf"
    model.write_bytes(b"GGUF" + bytes(300_000))
    settings = Settings(model=str(model), cache_dir=tmp_path)
    before = identify(settings)
    assert (before.model, before.endpoint, before.strategy) == ("own", "embedded", "stepwise")
    moved = model.rename(tmp_path / "moved.gguf")
    assert identify(Settings(model=str(moved), cache_dir=tmp_path)).digest() == before.digest()
    moved.write_bytes(b"GGUF" + bytes(299_999) + b"x")
    assert identify(Settings(model=str(moved), cache_dir=tmp_path)).digest() != before.digest()


@pytest.mark.parametrize("name", ["auto", "single", "stepwise"])
@pytest.mark.parametrize("embedded", [True, False])
@pytest.mark.parametrize("language", [None, "en", "de"])
def test_the_strategy_is_the_one_that_will_be_chosen(name, embedded, language):
    assert strategy_name(name, embedded=embedded, language=language) == (
        choose(name, embedded=embedded, language=language).name
    )


@pytest.mark.parametrize(
    "values",
    [
        {"api_key": "k", "model": "m"},
        {"base_url": "http://127.0.0.1:9/v1", "model": "m"},
        {},
        {"model": "1.5b"},
        {"model": "0.5b", "api_key": "k"},
    ],
)
def test_the_endpoint_is_the_one_that_will_be_asked(tmp_path, values):
    settings = Settings(cache_dir=tmp_path, **values)
    identity = identify(settings)
    assert identity.embedded == uses_embedded(settings)
    assert identity.embedded or identity.endpoint.startswith("http")


def test_options_that_cannot_be_meant_are_refused(tmp_path):
    with pytest.raises(UsageError, match="--max-tokens"):
        BatchOptions(output=tmp_path / "r.db", max_tokens=0)
    with pytest.raises(UsageError, match="--only-failed"):
        BatchOptions(output=tmp_path / "r.db", force=True, only_failed=True)


def test_reused_documents_are_named_to_the_listener(scripted_server, tmp_path):
    folder, output = write_documents(tmp_path / "docs", range(2)), tmp_path / "r.db"
    settings = settings_for(scripted_server(answering), tmp_path)
    run_batch([folder], output, settings)
    events: list[Event] = []
    run_batch([folder], output, settings, events=events)
    names = [Path(event.source).name for event in events if isinstance(event, DocumentReused)]
    assert names == ["000.txt", "001.txt"]


async def test_the_results_file_may_be_named_without_options(scripted_server, tmp_path):
    folder = write_documents(tmp_path / "docs", range(2))
    settings = settings_for(scripted_server(answering), tmp_path)
    report = await asummarise_batch([folder], settings=settings, output=tmp_path / "r.db")
    assert report.totals.done == 2
    with pytest.raises(UsageError, match="name a results file"):
        await asummarise_batch([folder], settings=settings)
    with pytest.raises(UsageError, match="not both"):
        await asummarise_batch([folder], settings=settings, output=tmp_path / "r.db", model="other")
