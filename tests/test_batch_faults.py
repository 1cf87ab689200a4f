"""What can go wrong with the endpoint and the disk while a batch runs, and that nothing is lost by it."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading
import time

import pytest
from support.batch_runs import (
    answering,
    number_in,
    records,
    run_batch,
    settings_for,
    single_answer,
    states,
    write_documents,
)
from support.server import (
    completion,
    completion_body,
    content_filter,
    context_length_exceeded,
    drop,
    half,
    hang,
    invalid_json,
    invalid_key,
    model_not_found,
    status,
)

from summarise.batch.events import DocumentPutBack, PauseEnded, PauseStarted, ProgressTick
from summarise.batch.outage import Outage
from summarise.errors import AuthenticationError, UnknownModelError
from summarise.journal.journal import Journal

pytestmark = pytest.mark.usefixtures("own_surroundings")

QUOTA = {"error": {"message": "You exceeded your current quota.", "type": "insufficient_quota", "code": None}}


@pytest.fixture
def docs(tmp_path):
    return write_documents(tmp_path / "docs", range(12))


@pytest.fixture
def output(tmp_path):
    return tmp_path / "r.db"


# Faults that pass


def test_a_storm_of_429_fails_no_document(scripted_server, tmp_path, docs, output):
    count = itertools.count()
    server = scripted_server(lambda request: status(429, retry_after=0.1) if next(count) < 20 else answering(request))
    report = run_batch([docs], output, settings_for(server, tmp_path, attempts=5), concurrency=6)
    assert (report.exit_code, report.totals.done) == (0, 12)
    assert {state for state, _ in states(output).values()} == {"done"}


def test_a_long_pause_the_endpoint_asks_for_is_shown_with_what_is_left_of_it(scripted_server, tmp_path, docs, output):
    count = itertools.count()
    server = scripted_server(lambda request: status(429, retry_after=3) if next(count) == 4 else answering(request))
    events = []
    run_batch([docs], output, settings_for(server, tmp_path, timeout=30.0), events=events, concurrency=2)
    left = [event.snapshot.limited_seconds for event in events if isinstance(event, ProgressTick)]
    waiting = [seconds for seconds in left if seconds is not None]
    assert waiting
    assert all(0 < seconds < 3.5 for seconds in waiting)
    assert waiting == sorted(waiting, reverse=True)


@pytest.mark.parametrize(
    "fault",
    [status(500), status(502), status(503), drop(), drop(reset=True), half(completion_body("{}"), 30), invalid_json()],
    ids=["500", "502", "503", "dropped", "reset", "half", "not JSON"],
)
def test_documents_whose_first_answer_is_a_fault_are_tried_again(scripted_server, tmp_path, docs, output, fault):
    seen: set[int | None] = set()

    def script(request):
        number = number_in(request)
        first = number not in seen
        seen.add(number)
        return fault if first and number in (1, 4, 5, 11) else answering(request)

    server = scripted_server(script)
    settings = settings_for(server, tmp_path, attempts=1)
    report = run_batch([docs], output, settings, give_up_seconds=4, concurrency=4)
    assert (report.exit_code, report.totals.done) == (0, 12)
    assert sum(number_in(request) is not None for request in server.completions) == 16
    assert len(records(output)) == 12


def test_answers_that_hang_are_asked_for_again(scripted_server, tmp_path, docs, output):
    count = itertools.count()
    server = scripted_server(lambda request: hang() if next(count) in (2, 5) else answering(request))
    report = run_batch([docs], output, settings_for(server, tmp_path, timeout=0.4), concurrency=4)
    assert (report.exit_code, report.totals.done) == (0, 12)


def test_an_endpoint_that_is_gone_for_a_while_costs_no_document(scripted_server, tmp_path, docs, output):
    back_at: list[float] = []

    def script(request):
        if len(server.completions) > 4 and not back_at:
            back_at.append(time.monotonic() + 1.5)
        return drop() if back_at and time.monotonic() < back_at[0] else answering(request)

    server = scripted_server(script)
    settings = settings_for(server, tmp_path, attempts=1)
    events = []
    report = run_batch([docs], output, settings, events=events, give_up_seconds=20, concurrency=3)
    assert (report.exit_code, report.totals.done, report.totals.failed) == (0, 12, 0)
    pauses = [event for event in events if isinstance(event, PauseStarted | PauseEnded)]
    assert [type(event) for event in pauses[:2]] == [PauseStarted, PauseEnded]
    assert any(isinstance(event, DocumentPutBack) for event in events)
    dropped = len(server.completions) - 12
    assert dropped < 10  # a few in flight, then a probe now and then, and not every document in turn


# Faults that stay


def test_an_endpoint_that_stays_dead_ends_the_run_in_bounded_time(scripted_server, tmp_path, docs, output):
    dead = threading.Event()

    def script(request):
        if len(server.completions) > 5:
            dead.set()
        return drop() if dead.is_set() else answering(request)

    server = scripted_server(script)
    settings = settings_for(server, tmp_path, attempts=1)
    began = time.monotonic()
    report = run_batch([docs], output, settings, give_up_seconds=1, concurrency=2)
    assert time.monotonic() - began < 20
    assert (report.outcome, report.exit_code) == ("failed", 4)
    assert "has not answered for 1 s" in (report.reason or "")
    assert report.totals.done == len(records(output)) == 5
    assert {state for state, _ in states(output).values()} == {"done"}  # what is left has no row, not a failure
    server_again = scripted_server(answering)
    assert server_again.base_url != server.base_url


def test_the_run_after_a_dead_endpoint_goes_on(scripted_server, tmp_path, docs, output):
    dead = threading.Event()

    def script(request):
        return drop() if dead.is_set() and number_in(request) != 0 else answering(request)

    server = scripted_server(script)
    settings = settings_for(server, tmp_path, attempts=1)
    run_batch([docs], output, settings, limit=1)
    dead.set()
    assert run_batch([docs], output, settings, give_up_seconds=0.5).exit_code == 4
    dead.clear()
    report = run_batch([docs], output, settings)
    assert (report.exit_code, report.totals.reused, report.totals.done) == (0, 1, 11)


def test_nobody_at_the_address(tmp_path, docs, output, scripted_server):
    server = scripted_server([])
    url = server.base_url
    server.close()
    began = time.monotonic()
    report = run_batch([docs], output, settings_for(url, tmp_path, attempts=1), give_up_seconds=0.5)
    assert time.monotonic() - began < 20
    assert (report.exit_code, states(output)) == (4, {})
    assert url in (report.reason or "")


def test_a_name_that_does_not_resolve(tmp_path, docs, output):
    settings = settings_for("http://nobody.invalid/v1", tmp_path, attempts=1)
    report = run_batch([docs], output, settings, give_up_seconds=0.5)
    assert (report.exit_code, states(output)) == (4, {})
    assert "the host's name is not known" in (report.reason or "")


def test_a_key_revoked_midway_stops_at_once(scripted_server, tmp_path, docs, output):
    server = scripted_server(lambda request: invalid_key() if len(server.completions) > 4 else answering(request))
    report = run_batch([docs], output, settings_for(server, tmp_path), concurrency=2)
    assert (report.outcome, report.exit_code) == ("failed", AuthenticationError.exit_code)
    assert "refused the key" in (report.reason or "")
    assert report.totals.done == len(records(output)) == 4
    assert len(server.completions) <= 6
    assert {state for state, _ in states(output).values()} == {"done"}


def test_a_model_that_is_not_there_stops_at_once(scripted_server, tmp_path, docs, output):
    server = scripted_server(lambda request: model_not_found())
    report = run_batch([docs], output, settings_for(server, tmp_path))
    assert (report.exit_code, states(output)) == (UnknownModelError.exit_code, {})


def test_a_used_up_quota_is_said(scripted_server, tmp_path, docs, output):
    server = scripted_server(
        lambda request: status(429, body=QUOTA) if len(server.completions) > 3 else answering(request)
    )
    report = run_batch([docs], output, settings_for(server, tmp_path), concurrency=1)
    assert (report.exit_code, report.totals.done) == (4, 3)
    assert "quota is used up (HTTP 429: “You exceeded your current quota.”)" in (report.reason or "")
    assert len(server.completions) == 4


# Faults of single documents


def test_nonsense_for_some_documents_fails_those(scripted_server, tmp_path, docs, output):
    server = scripted_server(
        lambda request: completion('{"actors": 3}') if number_in(request) in (3, 7) else answering(request)
    )
    report = run_batch([docs], output, settings_for(server, tmp_path))
    assert (report.exit_code, report.totals.done, dict(report.failed_by_cause)) == (1, 10, {"invalid_answer": 2})
    assert report.totals.prompt_tokens == 11 * (10 + 2 * 2)  # what failed was paid for too
    with Journal.open(output, create=False, write=False) as journal:
        failures = list(journal.failures())
    assert [failure.cause for failure in failures] == ["invalid_answer"] * 2
    assert all("Brook" not in (failure.message or "") for failure in failures)


@pytest.mark.parametrize(
    ("step", "cause"),
    [(content_filter(), "refused"), (context_length_exceeded(), "too_long"), (status(500), "endpoint")],
    ids=["refused", "too long", "500 always"],
)
@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_document_the_endpoint_cannot_take_fails_alone(
    scripted_server, tmp_path, docs, output, step, cause, concurrency
):
    server = scripted_server(lambda request: step if number_in(request) == 5 else answering(request))
    settings = settings_for(server, tmp_path, attempts=1)
    report = run_batch([docs], output, settings, give_up_seconds=5, concurrency=concurrency)
    assert (report.exit_code, report.totals.done) == (1, 11)
    assert states(output)["005.txt"] == ("failed", cause)


def test_what_the_server_said_is_kept_with_the_failure(scripted_server, tmp_path, docs, output):
    said = {"error": {"message": "seed 7 is not supported on this deployment"}}
    server = scripted_server(lambda request: status(418, body=said) if number_in(request) == 5 else answering(request))
    run_batch([docs], output, settings_for(server, tmp_path))
    with Journal.open(output, create=False, write=False) as journal:
        (failure,) = journal.failures()
    assert failure.cause == "endpoint"
    assert "HTTP 418: “seed 7 is not supported on this deployment”" in (failure.message or "")


def test_documents_a_server_cuts_in_silence_fail_at_once_and_are_not_paid_for_again(
    scripted_server, tmp_path, docs, output
):
    """As servers do whose context was set too small: they read what fits and answer about that."""
    write_documents(docs, [3, 8], sentences=150)
    server = scripted_server(answering)  # which reports 11 tokens whatever it is sent
    report = run_batch([docs], output, settings_for(server, tmp_path, context_tokens=65_536))
    assert (report.exit_code, dict(report.failed_by_cause)) == (1, {"too_long": 2})
    assert len(server.completions) == 12


def test_documents_left_over_that_the_endpoint_cannot_take_fail(scripted_server, tmp_path, docs, output):
    """The last ones have no others beside them that could show that the endpoint is alive."""
    server = scripted_server(lambda request: status(500) if number_in(request) in (10, 11) else answering(request))
    settings = settings_for(server, tmp_path, attempts=1)
    report = run_batch([docs], output, settings, give_up_seconds=4, concurrency=2)
    assert (report.exit_code, dict(report.failed_by_cause)) == (1, {"endpoint": 2})


# The disk


def test_a_full_disk_stops_the_run_and_keeps_what_was_committed(scripted_server, tmp_path, output):
    docs = write_documents(tmp_path / "docs", range(60))
    long_abstract = "Long words. " * 70

    def script(request):
        return completion({**single_answer(number_in(request) or 0), "abstract": long_abstract})

    server = scripted_server(script)
    settings = settings_for(server, tmp_path)
    run_batch([docs], output, settings, limit=1)
    code = (
        "import json, resource, signal, sys\n"
        "sys.path.insert(0, 'tests')\n"
        "from support.batch_runs import run_batch\nfrom summarise.settings import Settings\nfrom pathlib import Path\n"
        "docs, output, settings = sys.argv[1:]\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))\n"
        "report = run_batch([Path(docs)], Path(output), Settings(**json.loads(settings)), concurrency=4)\n"
        "print(json.dumps(report.as_dict()))\n"
        "raise SystemExit(report.exit_code)\n"
    )
    values = settings.model_dump(mode="json", exclude={"api_key"})
    command = [sys.executable, "-c", code, str(docs), str(output), json.dumps(values)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert report["outcome"] == "failed"
    assert report["unsaved"] >= 1
    kept = len(records(output))
    assert 1 <= kept < 60
    assert report["totals"]["done"] + 1 == kept
    assert {state for state, _ in states(output).values()} == {"done"}
    report = run_batch([docs], output, settings)
    assert (report.exit_code, report.totals.reused, len(records(output))) == (0, kept, 60)


# The breaker by itself


def test_the_breaker_gives_up_after_its_patience_and_not_before():
    now = [0.0]
    outage = Outage(10.0, answer_seconds=5.0, clock=lambda: now[0])
    assert outage.failed(0.0, "gone")
    assert not outage.failed(0.0, "gone")
    probes = 0
    while not outage.exhausted(probing=False):
        now[0] += outage.next_look(probing=False)
        if outage.probe_in <= 0 and not outage.exhausted(probing=False):
            probes += 1
            outage.probe_failed("gone")
    assert now[0] == pytest.approx(10.0)
    assert 6 <= probes <= 20
    assert not outage.exhausted(probing=True)
    assert outage.answered() == pytest.approx(10.0)
    assert not outage.open


def test_a_failure_beside_an_answer_opens_nothing():
    now = [0.0]
    outage = Outage(10.0, answer_seconds=5.0, clock=lambda: now[0])
    now[0] = 2.0
    outage.answered()
    assert not outage.failed(1.0, "one of many")
    assert outage.failed(3.0, "and nobody was answered since")
