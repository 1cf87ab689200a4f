"""Batches through a provider's batch endpoint, against a server that follows its published description."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import queue
import re
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import Batch, FileDeleted, FileObject
from summarise.schemas import UsageInfo
from support.batch_server import BatchServer, Fault, Plan, Reply, error_reply
from support.server import completion_body

from summarise.batch.events import BatchReport, DocumentFailed, Event, Notice
from summarise.batch.options import BatchOptions
from summarise.batch.provider import ProviderOptions, run_via_batch_api
from summarise.batch.submissions import Polling, reconcile
from summarise.errors import UsageError
from summarise.journal.journal import Journal
from summarise.llm.batch_prices import batch_cost_usd
from summarise.llm.deferred import Answered, AskAgain, Declined
from summarise.llm.prices import cost_usd
from summarise.settings import Settings

pytestmark = [pytest.mark.loopback, pytest.mark.usefixtures("own_surroundings")]

PLACES = ("Harbour", "Valley", "Bridge", "Market", "Museum")
QUICK = Polling(first=0.01, longest=0.02, sleep=lambda seconds: asyncio.sleep(min(seconds, 0.02)))
"""No waiting worth the name, neither between looks nor between tries."""


def asked_about(request: Mapping[str, Any]) -> str:
    """Which of the test's documents a request is about."""
    found = re.search(r"the (\w+) closes", request["messages"][1]["content"])
    assert found, "every document of these tests says what closes"
    return found[1]


def answer_of(request: Mapping[str, Any]) -> Mapping[str, Any]:
    place = asked_about(request)
    claim = {"s": 1, "who": "Mayor Ames", "cue": "said", "says": f"the {place} closes", "pol": "asserts"}
    actor = {"name": "Mayor Ames", "kind": "person", "role": "Mayor"}
    answer = {"actors": [actor], "claims": [claim], "stances": [], "abstract": f"The {place} closes."}
    return completion_body(json.dumps(answer), usage=(100, 20))


def but_for(place: str, odd: Callable[[int], Mapping[str, Any] | Reply]) -> Callable[..., Any]:
    """Answers as ever, but for one document, whose n-th request (from 1) gets what ``odd`` says."""
    times: Counter[str] = Counter()

    def answer(request: Mapping[str, Any]) -> Mapping[str, Any] | Reply:
        if asked_about(request) != place:
            return answer_of(request)
        times[place] += 1
        return odd(times[place]) or answer_of(request)

    return answer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "news"
    folder.mkdir()
    for place in PLACES:
        (folder / f"{place.lower()}.txt").write_text(f"Mayor Ames said the {place} closes on Monday.\n")
    return folder


@pytest.fixture
def serve() -> Iterator[Callable[..., BatchServer]]:
    started: list[BatchServer] = []

    def start(answer: Callable[..., Any] = answer_of, *plans: Plan) -> BatchServer:
        server = BatchServer(answer, plans=plans)
        started.append(server.__enter__())
        return server

    yield start
    for server in started:
        server.__exit__()


class Runner:
    """Runs of one folder into one results file."""

    def __init__(self, folder: Path, server: BatchServer) -> None:
        self.folder, self.server = folder, server
        self.output = folder.parent / "results.db"
        self.events: list[Event] = []

    def __call__(self, *inputs: str, stop: asyncio.Event | None = None, **choices: Any) -> BatchReport:
        return asyncio.run(self.run(*inputs, stop=stop, **choices))

    async def run(self, *inputs: str, stop: asyncio.Event | None = None, **choices: Any) -> BatchReport:
        provider = ProviderOptions(
            detach=choices.pop("detach", False),
            polling=QUICK,
            most_requests=choices.pop("most_requests", 2000),
        )
        settings = settings_for(self.server, self.folder, **choices.pop("settings", {}))
        return await run_via_batch_api(
            inputs or (str(self.folder),),
            settings=settings,
            options=BatchOptions(output=self.output, via="batch-api", **choices),
            provider=provider,
            listener=self.events.append,
            stop=stop,
        )

    def states(self) -> dict[str, str]:
        """What became of each document: done, or the cause of its failure."""
        with Journal.open(self.output, write=False) as journal:
            return {Path(row.source).stem: row.cause or row.state for row in journal.documents()}

    def records(self) -> list[dict[str, Any]]:
        with Journal.open(self.output, write=False) as journal:
            return [json.loads(record) for record in journal.records()]

    @property
    def notices(self) -> str:
        return "\n".join(event.message for event in self.events if isinstance(event, Notice))

    @property
    def failures(self) -> dict[str, str]:
        return {Path(e.source).stem: e.message for e in self.events if isinstance(e, DocumentFailed)}


def settings_for(server: BatchServer, folder: Path, **more: Any) -> Settings:
    values: dict[str, Any] = {
        "model": server.model,
        "base_url": server.base_url,
        "api_key": "test",
        "strategy": "single",
        "attempts": 3,
        "timeout": 10,
        "cache_dir": folder.parent / "cache",
    }
    return Settings(**values | more)


ALL_DONE = dict.fromkeys((place.lower() for place in PLACES), "done")


def test_every_document_of_a_folder_gets_its_record(folder, serve):
    server = serve()
    run = Runner(folder, server)
    report = run()
    assert (report.outcome, report.exit_code, report.reason) == ("finished", 0, None)
    assert run.states() == ALL_DONE
    assert len(server.batches) == server.uploads == 1
    assert set(server.charged.values()) == {1}
    assert len(server.live) == 1, "one live question finds the form of answers; nothing else is asked live"
    record = run.records()[0]
    assert record["abstract"] == "The Bridge closes."
    assert record["run"]["usage"]["prompt_tokens"] == 100
    assert record["run"]["requests"] == 1
    assert record["run"]["cost_usd"] is None, "the price of a server of one's own is not known"
    assert (report.totals.done, report.totals.prompt_tokens) == (5, 500)


def test_finished_documents_are_reused_and_nothing_is_sent(folder, serve):
    server = serve()
    run = Runner(folder, server)
    run()
    calls = len(server.calls)
    report = run()
    assert (report.totals.reused, report.exit_code, len(server.calls)) == (5, 0, calls)


def test_the_input_file_is_the_published_form(folder, serve):
    server = serve()
    Runner(folder, server)()
    stored = next(one for one in server.files.values() if one.about["purpose"] == "batch")
    lines = [json.loads(line) for line in stored.content.splitlines()]
    assert len(lines) == 5
    for line in lines:
        assert set(line) == {"custom_id", "method", "url", "body"}
        assert (line["method"], line["url"]) == ("POST", "/v1/chat/completions")
        assert re.fullmatch(r"[A-Za-z0-9-]{1,64}", line["custom_id"])
        assert line["body"]["model"] == server.model
        assert line["body"]["response_format"]["type"] == "json_schema"
    (batch,) = server.batches.values()
    assert batch.about["completion_window"] == "24h"
    assert list(batch.about["metadata"]) == ["summarise"]


def test_documents_with_the_same_text_are_asked_about_once(folder, serve):
    (folder / "copy.txt").write_bytes((folder / "bridge.txt").read_bytes())
    server = serve()
    run = Runner(folder, server)
    report = run()
    assert run.states() == {**ALL_DONE, "copy": "done"}
    assert server.charged.total() == 5
    assert (report.totals.done, report.totals.reused) == (5, 1)
    assert {record["document"]["source"].rsplit("/")[-1] for record in run.records()} >= {"copy.txt", "bridge.txt"}


def test_lines_in_any_order_twice_unreadable_or_about_nobody(folder, serve):
    server = serve(answer_of, Plan(order="shuffled", twice=True, strangers=2, broken_lines=1))
    run = Runner(folder, server)
    assert run().exit_code == 0
    assert run.states() == ALL_DONE
    # Whichever of two lines comes first counts; a second answer that is no JSON is asked again, like any other.
    assert "5 lines repeated, 2 lines about nobody, 1 lines unreadable" in run.notices


def test_the_first_of_two_answers_counts(folder, serve):
    server = serve(answer_of, Plan(twice=True))
    run = Runner(folder, server)
    run()
    assert len(server.batches) == 1
    assert run.records()[0]["abstract"] == "The Bridge closes."


def test_invalid_answers_are_asked_again_in_a_second_batch(folder, serve):
    nonsense = completion_body('{"actors": 3}', usage=(90, 5))
    server = serve(but_for("Valley", lambda n: nonsense if n == 1 else {}))
    run = Runner(folder, server)
    assert run().exit_code == 0
    assert run.states() == ALL_DONE
    first, second = server.batches.values()
    assert (len(first.lines), len(second.lines)) == (5, 1)
    assert len(second.lines[0]["body"]["messages"]) > len(first.lines[0]["body"]["messages"])
    valley = next(record for record in run.records() if "valley" in record["document"]["source"])
    assert (valley["run"]["requests"], valley["run"]["reasks"]) == (2, 1)
    assert valley["run"]["usage"]["prompt_tokens"] == 190


def test_answers_that_stay_invalid_fail_their_document_alone(folder, serve):
    server = serve(but_for("Valley", lambda _n: completion_body('{"actors": 3}')))
    run = Runner(folder, server)
    report = run()
    assert run.states() == {**ALL_DONE, "valley": "invalid_answer"}
    assert len(server.batches) == 3
    assert (report.outcome, report.exit_code) == ("finished", 1)
    assert "--retry-failed" in (report.retry_command or "")
    again = run()
    assert (again.totals.failed_before, again.exit_code, len(server.batches)) == (1, 1, 3)
    assert run(retry_failed=True).totals.failed == 1
    assert len(server.batches) == 6, "a retry asks anew and is not given the same answers"


@pytest.mark.parametrize(
    ("reply", "cause", "words"),
    [
        (
            error_reply(400, "This model's maximum context length is 8192 tokens.", code="context_length_exceeded"),
            "too_long",
            "--context-tokens",
        ),
        (error_reply(400, "flagged", code="content_filter"), "refused", "content filter"),
        (completion_body(None, refusal="I can't help with that."), "refused", "try another model"),
        (completion_body("", finish_reason="content_filter"), "refused", "try another model"),
        (error_reply(422, "something about the request"), "endpoint", "HTTP 422"),
    ],
    ids=["context", "filter", "refusal", "cut by filter", "not accepted"],
)
def test_what_a_line_says_about_a_document_is_that_documents_failure(folder, serve, reply, cause, words):
    server = serve(but_for("Market", lambda _n: reply))
    run = Runner(folder, server)
    assert run().exit_code == 1
    assert run.states() == {**ALL_DONE, "market": cause}
    assert words in run.failures["market"]
    assert len(server.batches) == 1


def test_lines_that_met_a_busy_or_broken_server_go_again(folder, serve):
    busy = error_reply(429, "Rate limit reached", code="rate_limit_exceeded", kind="requests")
    server = serve(but_for("Market", lambda n: (busy, error_reply(500, "oops"), {})[n - 1]))
    run = Runner(folder, server)
    assert run().exit_code == 0
    assert [len(batch.lines) for batch in server.batches.values()] == [5, 1, 1]


def test_a_request_that_is_never_carried_out_fails_after_three_batches(folder, serve):
    busy = error_reply(429, "Rate limit reached", code="rate_limit_exceeded", kind="requests")
    server = serve(but_for("Market", lambda _n: busy))
    run = Runner(folder, server)
    assert run().exit_code == 1
    assert run.states() == {**ALL_DONE, "market": "rate_limited"}
    assert len(server.batches) == 3


def test_a_parameter_the_model_does_not_take_is_left_out_of_the_next_batch(folder, serve):
    def picky(request: Mapping[str, Any]) -> Mapping[str, Any] | Reply:
        if "seed" in request:
            return Reply(400, {"error": {"message": "Unsupported parameter: 'seed'.", "param": "seed", "code": None}})
        return answer_of(request)

    server = serve(picky)
    run = Runner(folder, server)
    assert run().exit_code == 0
    assert [len(batch.lines) for batch in server.batches.values()] == [5, 5]
    (folder / "tunnel.txt").write_text("Mayor Ames said the Tunnel closes on Friday.\n")
    assert run().exit_code == 0
    assert len(server.batches) == 3, "it was remembered"


def test_questions_about_one_document_that_can_be_asked_together_go_into_one_batch(folder, serve):
    server = serve(lambda _request: completion_body("{}"))
    run = Runner(folder, server)
    text = " ".join(f"Mayor {name} said the {name} bridge is safe. It is old." for name in ("Ames", "Bell", "Cole"))
    (folder / "market.txt").write_text(text)
    run(str(folder / "market.txt"), settings={"strategy": "stepwise", "reasks": 0})
    first = next(iter(server.batches.values()))
    assert len(first.lines) > 2
    assert len(server.batches) < sum(len(batch.lines) for batch in server.batches.values())


def test_an_error_file_only(folder, serve):
    server = serve(lambda _request: error_reply(400, "flagged", code="content_filter"))
    run = Runner(folder, server)
    assert run().totals.failed == 5
    (batch,) = server.batches.values()
    assert batch.about["output_file_id"] is None
    assert set(run.states().values()) == {"refused"}


def test_missing_lines_are_asked_once_more_and_then_fail(folder, serve):
    def without_museum(_place: int, line: Mapping[str, Any]) -> Any:
        return "missing" if asked_about(line["body"]) == "Museum" else "answered"

    server = serve(answer_of, Plan(fate=without_museum), Plan(fate=without_museum))
    run = Runner(folder, server)
    assert run().exit_code == 1
    assert run.states() == {**ALL_DONE, "museum": "endpoint"}
    assert "no answer in 2 batches (missing)" in run.failures["museum"]
    assert len(server.batches) == 2
    assert "4 answered, 1 missing" in run.notices
    assert run(retry_failed=True).exit_code == 0
    assert run.states() == ALL_DONE


def test_an_expired_batch_keeps_its_answers_and_asks_the_rest_again(folder, serve):
    half = Plan(end="expired", fate=lambda place, _line: "answered" if place < 2 else "expired")
    server = serve(answer_of, half)
    run = Runner(folder, server)
    assert run().exit_code == 0
    assert run.states() == ALL_DONE
    assert [len(batch.lines) for batch in server.batches.values()] == [5, 3]
    assert set(server.charged.values()) == {1}


def test_a_document_whose_request_expires_every_time_fails(folder, serve):
    def museum(_place: int, line: Mapping[str, Any]) -> Any:
        return "expired" if asked_about(line["body"]) == "Museum" else "answered"

    server = serve(answer_of, *[Plan(end="expired", fate=museum)] * 3)
    run = Runner(folder, server)
    assert run().exit_code == 1
    assert run.states() == {**ALL_DONE, "museum": "endpoint"}
    assert "batch_expired" in run.failures["museum"]


def test_a_batch_that_fails_its_validation_ends_the_run_with_its_reason(folder, serve):
    error = {"code": "model_not_found", "message": "not supported", "param": "body.model", "line": 1}
    server = serve(answer_of, Plan(end="failed", errors=[error, {**error, "line": 2}]))
    run = Runner(folder, server)
    report = run()
    assert (report.outcome, report.exit_code) == ("failed", 3)
    assert "model_not_found at line 1 and 1 more" in (report.reason or "")
    assert run.states() == {}, "nothing was charged, so no document failed"
    assert run().exit_code == 0, "the next run hands everything in anew"


def test_a_full_queue_means_smaller_batches_one_after_the_other(folder, serve):
    full = Plan(end="failed", errors=[{"code": "token_limit_exceeded", "message": "Enqueued token limit reached"}])
    server = serve(answer_of, full, full)
    run = Runner(folder, server)
    assert run().exit_code == 0
    assert run.states() == ALL_DONE
    done = [batch for batch in server.batches.values() if batch.about["status"] == "completed"]
    assert [len(batch.lines) for batch in done] == [1] * 5


def test_a_cancelled_batch_keeps_its_answers_and_asks_nobody_again_by_itself(folder, serve):
    half = Plan(end="cancelled", fate=lambda place, _line: "answered" if place < 2 else "cancelled")
    server = serve(answer_of, half)
    run = Runner(folder, server)
    report = run()
    assert (report.outcome, report.exit_code, report.totals.done) == ("stopped", 1, 2)
    assert "was cancelled at the provider" in (report.reason or "")
    assert len(server.batches) == 1
    assert run().exit_code == 0
    assert set(server.charged.values()) == {1}


def test_many_requests_go_in_several_batches_at_once(folder, serve):
    server = serve()
    run = Runner(folder, server)
    assert run(most_requests=2).exit_code == 0
    assert [len(batch.lines) for batch in server.batches.values()] == [2, 2, 1]
    first_look = next(place for place, call in enumerate(server.calls) if call.startswith("GET /v1/batches/"))
    assert server.calls[:first_look].count("POST /v1/batches") == 3


@pytest.mark.parametrize(
    "fault",
    [
        Fault("POST /v1/files", "drop", times=2),
        Fault("POST /v1/files", "lose"),
        Fault("POST /v1/files", 503),
        Fault("POST /v1/batches$", "lose"),
        Fault("POST /v1/batches$", 500, times=2),
        Fault("GET /v1/batches/", 500, times=2),
        Fault("GET /v1/files/.*/content", "half", times=2),
    ],
    ids=lambda fault: f"{fault.pattern.split()[0]} {fault.pattern.rsplit('/')[-1] or 'look'} {fault.how}",
)
def test_faults_on_the_way_cost_nothing_twice(folder, serve, fault):
    server = serve()
    server.faults.append(fault)
    run = Runner(folder, server)
    assert run().exit_code == 0
    assert run.states() == ALL_DONE
    assert (server.uploads, len(server.batches)) == (1, 1)
    assert fault.times == 0


def test_a_provider_that_stays_dead_ends_the_run_and_keeps_the_batch(folder, serve):
    server = serve()
    server.faults.append(Fault("GET /v1/batches/", 503, times=10_000))
    run = Runner(folder, server)
    report = run(give_up_seconds=0, settings={"attempts": 1})
    assert (report.outcome, report.exit_code) == ("failed", 4)
    server.faults.clear()
    assert run().exit_code == 0
    assert (server.uploads, len(server.batches)) == (1, 1)


def test_a_refused_key_ends_the_run(folder, serve):
    server = serve(but_for("Market", lambda _n: error_reply(401, "Incorrect API key", code="invalid_api_key")))
    run = Runner(folder, server)
    report = run()
    assert (report.outcome, report.exit_code) == ("failed", 3)
    assert "refused the key" in (report.reason or "")


def test_an_endpoint_without_batches_is_said(folder, serve):
    server = serve()
    server.faults.append(Fault("POST /v1/files", 404))
    report = Runner(folder, server)()
    assert (report.exit_code, report.outcome) == (3, "failed")
    assert "run without --via batch-api" in (report.reason or "")


def test_detached_and_fetched_by_a_later_run_without_inputs(folder, serve):
    server = serve(answer_of, Plan(held=True))
    run = Runner(folder, server)
    report = run(detach=True)
    assert (report.outcome, report.exit_code) == ("stopped", 0)
    assert "1 batch is under way at the provider (5 requests)" in (report.reason or "")
    assert run(detach=True).totals.done == 0, "nothing has come yet"
    server.release()
    later = Runner(folder, server)
    report = asyncio.run(
        run_via_batch_api(
            (),
            settings=settings_for(server, folder),
            options=BatchOptions(output=later.output, via="batch-api"),
            provider=ProviderOptions(polling=QUICK),
        )
    )
    assert (report.outcome, report.exit_code) == ("finished", 0)
    assert later.states() == ALL_DONE
    assert (server.uploads, len(server.batches), len(server.live)) == (1, 1, 1)


def test_ctrl_c_leaves_the_batch_at_the_provider(folder, serve):
    server = serve(answer_of, Plan(held=True))
    run = Runner(folder, server)

    async def stopped() -> BatchReport:
        stop = asyncio.Event()
        server.after = lambda call: loop.call_soon_threadsafe(stop.set) if "GET /v1/batches/" in call else None
        loop = asyncio.get_running_loop()
        return await run.run(stop=stop)

    report = asyncio.run(stopped())
    assert (report.outcome, report.exit_code) == ("interrupted", 130)
    server.after = lambda _call: None
    server.release()
    assert run().exit_code == 0
    assert (server.uploads, len(server.batches)) == (1, 1)


def test_a_document_that_changes_while_it_waits_is_asked_about_anew(folder, serve):
    server = serve(answer_of, Plan(held=True))
    run = Runner(folder, server)
    run(detach=True)
    (folder / "market.txt").write_text("Mayor Ames said the Tunnel closes on Friday.\n")
    server.release()
    assert run().exit_code == 0
    market = next(record for record in run.records() if "market" in record["document"]["source"])
    assert market["abstract"] == "The Tunnel closes."
    assert [len(batch.lines) for batch in server.batches.values()] == [5, 1]


def test_a_batch_the_provider_forgot_is_handed_in_anew(folder, serve):
    server = serve(answer_of, Plan(held=True))
    run = Runner(folder, server)
    run(detach=True)
    server.batches.clear()
    assert run().exit_code == 0
    assert run.states() == ALL_DONE


def test_unreadable_documents_fail_by_name_and_cost_nothing(folder, serve):
    (folder / "empty.txt").write_bytes(b"")
    server = serve()
    run = Runner(folder, server)
    assert run().exit_code == 1
    assert run.states() == {**ALL_DONE, "empty": "empty"}
    assert server.charged.total() == 5


def test_bounds_that_cannot_be_kept_are_refused(folder, serve):
    run = Runner(folder, serve())
    with pytest.raises(UsageError, match="--max-cost cannot be kept"):
        run(max_cost=1.0)
    with pytest.raises(UsageError, match="no batch endpoint"):
        run(settings={"model": None, "base_url": None, "api_key": None})
    assert run(max_documents=2).totals.done == 2


LIVES = textwrap.dedent("""
    # Imports once; each line read is one life of the program, forked off and waited for. The line names an event
    # at whose n-th occurrence this life ends.
    import asyncio, os, signal, sys
    from pathlib import Path
    from summarise.batch.options import BatchOptions
    from summarise.batch.provider import ProviderOptions, run_via_batch_api
    from summarise.batch.submissions import Polling
    from summarise.settings import Settings
    folder, base_url = Path(sys.argv[1]), sys.argv[2]
    settings = Settings(model="scripted-model", base_url=base_url, api_key="test", strategy="single",
                        cache_dir=folder.parent / "cache")
    options = BatchOptions(output=folder.parent / "results.db", via="batch-api")
    provider = ProviderOptions(polling=Polling(first=0.01, longest=0.02), most_requests=3)
    for line in sys.stdin:
        event, number = line.split()
        heard = []
        def listener(happened):
            heard.append(happened.name)
            if heard.count(event) == int(number):
                os.kill(os.getpid(), signal.SIGKILL)
        pid = os.fork()
        if not pid:
            report = asyncio.run(run_via_batch_api(
                [str(folder)], settings=settings, options=options, provider=provider, listener=listener))
            os._exit(report.exit_code)
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
""")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kill -9 is for POSIX")
def test_killed_at_every_step_nothing_is_sent_or_charged_twice(folder, serve):
    nonsense = completion_body('{"actors": 3}')
    server = serve(but_for("Valley", lambda n: nonsense if n == 1 else {}))
    run = Runner(folder, server)
    # After the call was carried out and before its answer: the moment at which most can be lost.
    points = [
        ("POST /v1/files", 1),
        ("POST /v1/batches$", 1),
        ("POST /v1/files", 2),
        ("POST /v1/batches$", 2),
        ("GET /v1/batches/", 1),
        ("GET /v1/files/.*/content", 1),
        ("GET /v1/files/.*/content", 2),
    ]
    at_calls, at_commits = len(points), ["document_done 1", "document_done 2", "notice 3"]
    pids: queue.Queue[int] = queue.Queue()

    def kill(call: str) -> None:
        pattern, number = points[0] if points else ("never", 0)
        if re.search(pattern, call) and server.count(pattern) >= number:
            points.pop(0)
            os.kill(pids.get(timeout=10), signal.SIGKILL)

    server.after = kill
    with subprocess.Popen(
        [sys.executable, "-c", LIVES, str(folder), server.base_url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdin
        assert program.stdout
        codes = []
        for life in ["nothing 1"] * at_calls + at_commits + ["nothing 1"]:
            program.stdin.write(f"{life}\n")
            program.stdin.flush()
            with contextlib.suppress(queue.Empty):
                pids.get_nowait()
            pids.put(int(program.stdout.readline()))
            codes.append(int(program.stdout.readline()))
        program.stdin.close()
    assert codes == [-signal.SIGKILL] * (at_calls + len(at_commits)) + [0]
    assert run.states() == ALL_DONE
    assert server.uploads == len(server.batches) == 3, "two for the documents, one for the answer asked again"
    assert set(server.charged.values()) == {1}
    assert server.charged.total() == 6


def test_the_servers_objects_are_those_of_the_description(folder, serve):
    server = serve(answer_of, Plan(), Plan(end="expired", fate=lambda _p, _l: "expired"))
    Runner(folder, server)(most_requests=2)

    async def look() -> None:
        import openai

        async with openai.AsyncOpenAI(base_url=server.base_url, api_key="test", max_retries=0) as client:
            everything = [batch async for batch in client.batches.list(limit=2)]
            assert len(everything) == len(server.batches) > 2, "pages follow one another"
            uploaded = await client.files.create(file=("x.jsonl", b"{}\n"), purpose="batch")
            batch = await client.batches.create(
                input_file_id=uploaded.id, endpoint="/v1/chat/completions", completion_window="24h"
            )
            assert (await client.batches.retrieve(batch.id)).status == "failed", "an empty object is no request"
            batch = await client.batches.create(
                input_file_id=uploaded.id, endpoint="/v1/chat/completions", completion_window="24h"
            )
            assert (await client.batches.cancel(batch.id)).status == "cancelling"
            assert (await client.batches.retrieve(batch.id)).status == "cancelled"
            files = [one.id async for one in client.files.list(purpose="batch", limit=1)]
            assert files[0] == uploaded.id
            FileDeleted.model_validate((await client.files.delete(uploaded.id)).model_dump(), strict=True)

    asyncio.run(look())
    statuses = set()
    for stored in server.batches.values():
        Batch.model_validate(stored.about, strict=True)
        assert set(stored.about) <= set(Batch.model_fields), "no field that the description does not have"
        statuses.add(stored.about["status"])
    assert statuses == {"completed", "expired", "failed", "cancelled"}
    for file in server.files.values():
        FileObject.model_validate(file.about, strict=True)
        assert set(file.about) <= set(FileObject.model_fields)


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b", "c", "d", "nobody"]), st.sampled_from(["answer", "error", "again"])),
        max_size=12,
    )
)
def test_every_request_ends_in_exactly_one_way_whatever_the_lines_say(lines):
    outcomes = {
        "answer": lambda n: Answered(str(n)),
        "error": lambda n: Declined(ValueError(n)),
        "again": lambda n: AskAgain(str(n)),
    }
    raw = [f"{place}".encode() for place in range(len(lines))]
    read = {line: (lines[n][0], outcomes[lines[n][1]](n)) for n, line in enumerate(raw)}
    result = reconcile(["a", "b", "c", "d"], raw, read.__getitem__)
    ways = [*result.answers, *result.declined, *result.again, *result.missing]
    assert sorted(ways) == ["a", "b", "c", "d"]
    for custom_id, answer in result.answers.items():
        assert int(answer) == lines.index((custom_id, "answer")), "the first answer counts"
    assert result.strangers == sum(custom_id == "nobody" for custom_id, _ in lines)
    assert result.repeated == len(lines) - result.strangers - (4 - len(result.missing))


def test_batch_prices_are_half_where_they_are_known_and_unknown_elsewhere():
    used = UsageInfo(prompt_tokens=1_000_000, completion_tokens=100_000, cached_tokens=None)
    live = cost_usd("https://api.openai.com/v1", "gpt-4o-mini", used)
    batch = batch_cost_usd("https://api.openai.com/v1", "gpt-4o-mini", used)
    assert live is not None
    assert batch == pytest.approx(live / 2)
    assert batch_cost_usd("http://127.0.0.1:8080/v1", "gpt-4o-mini", used) is None
    groq = "https://api.groq.com/openai/v1"
    assert cost_usd(groq, "llama-3.3-70b-versatile", used) is not None
    assert batch_cost_usd(groq, "llama-3.3-70b-versatile", used) is None, "no batch price is known there"


def test_through_the_command_line_detached_and_resumed(folder, serve):
    server = serve()
    base = ["--via", "batch-api", "-o", "results.db", "--base-url", server.base_url, "-m", server.model]
    environment = {**os.environ, "SUMMARISE_API_KEY": "test", "SUMMARISE_STRATEGY": "single"}

    def command(*words: str) -> subprocess.CompletedProcess[str]:
        whole = [sys.executable, "-m", "summarise", "batch", *words, *base, "--detach", "--log-json"]
        return subprocess.run(
            whole, capture_output=True, text=True, check=False, cwd=folder.parent, env=environment, timeout=300
        )

    first = command("news")
    assert first.returncode == 0, first.stderr
    ended = json.loads(first.stderr.splitlines()[-1])
    assert (ended["event"], ended["outcome"]) == ("run_ended", "stopped")
    for batch in server.batches.values():  # the provider goes on while nobody looks
        while batch.about["status"] != "completed":
            server.handle("GET", f"/v1/batches/{batch.about['id']}", b"", "")
    second = command("--resume")
    assert second.returncode == 0, second.stderr
    assert json.loads(second.stderr.splitlines()[-1])["totals"]["done"] == 5
    assert Runner(folder, server).states() == ALL_DONE
    assert (server.uploads, server.charged.total()) == (1, 5)
