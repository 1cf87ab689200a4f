"""What a batch costs, at a provider whose prices are known: the scripted server under such a provider's name."""

from __future__ import annotations

import itertools
import json
import socket
import sqlite3
from contextlib import closing

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
from support.server import completion, status

from summarise.batch.estimate import estimate_batch
from summarise.batch.options import BatchOptions
from summarise.llm.capability import Capability, CapabilityStore
from summarise.llm.prices import cost_usd

pytestmark = pytest.mark.usefixtures("own_surroundings")

HOST, MODEL = "scripted.openai.azure.com", "gpt-4o-mini"
PROMPT, COMPLETION = 200_000, 50_000


@pytest.fixture
def priced(tmp_path, monkeypatch):
    """Settings for a scripted server whose address is known to genai-prices; the name leads to this machine."""
    real = socket.getaddrinfo

    def resolved(host, *rest, **more):
        return real("127.0.0.1" if host == HOST else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)

    def settings(server, **values):
        address = server.base_url.replace("127.0.0.1", HOST)
        CapabilityStore(tmp_path / "cache").save(address, MODEL, Capability("json_schema"))
        return settings_for(address, tmp_path, **values).model_copy(update={"model": MODEL})

    return settings


def an_answer(request, **options):
    return completion(single_answer(number_in(request) or 0), usage=(PROMPT, COMPLETION), **options)


def price(answers: int) -> float:
    """Of so many answers."""

    class Used:
        prompt_tokens, completion_tokens, cached_tokens = answers * PROMPT, answers * COMPLETION, None

    dollars = cost_usd(f"http://{HOST}/v1", MODEL, Used())
    assert dollars is not None
    return dollars


def rows(output, query):
    with closing(sqlite3.connect(output)) as connection:
        return connection.execute(query).fetchall()


def test_tokens_and_cost_are_those_of_every_answer_that_came(scripted_server, tmp_path, priced):
    docs, output = write_documents(tmp_path / "docs", range(5)), tmp_path / "r.db"
    tries = {number: itertools.count() for number in range(5)}

    def script(request):
        number, first = number_in(request), next(tries[number_in(request)]) == 0
        if number == 1 and first:
            return completion("nonsense", usage=(PROMPT, COMPLETION))  # asked again: two answers paid
        if number == 2 and first:
            return an_answer(request, finish_reason="length")  # cut, and asked for with more room: two
        if number == 3 and first:
            return status(500)  # no answer: one
        if number == 4:
            return completion("nonsense", usage=(PROMPT, COMPLETION))  # fails in the end: two
        return an_answer(request)

    server = scripted_server(script)
    report = run_batch([docs], output, priced(server, attempts=3))
    assert (report.totals.done, report.totals.failed) == (4, 1)
    assert (report.totals.prompt_tokens, report.totals.completion_tokens) == (8 * PROMPT, 8 * COMPLETION)
    assert report.totals.cost_usd == pytest.approx(price(8))
    assert report.totals.cost_unknown_documents == 0
    found = rows(output, "SELECT prompt_tokens, completion_tokens, cost_usd FROM documents_view ORDER BY source")
    answers = [1, 2, 2, 1, 2]
    assert [row[:2] for row in found] == [(n * PROMPT, n * COMPLETION) for n in answers]
    assert [row[2] for row in found] == [pytest.approx(price(n)) for n in answers]
    counts = rows(output, "SELECT requests, reasks, retries FROM attempts_view ORDER BY source")
    assert counts == [(1, 0, 0), (2, 1, 0), (2, 0, 0), (1, 0, 1), (2, 1, 0)]
    assert [record["run"]["cost_usd"] for record in records(output)] == [pytest.approx(price(n)) for n in answers[:4]]
    assert rows(output, "SELECT cost_usd, cost_unknown FROM runs_view") == [(pytest.approx(price(8)), 0)]


def test_a_bound_on_the_cost_ends_the_run_and_the_next_goes_on(scripted_server, tmp_path, priced):
    docs, output = write_documents(tmp_path / "docs", range(6)), tmp_path / "r.db"
    server = scripted_server(an_answer)
    settings = priced(server)
    report = run_batch([docs], output, settings, concurrency=1, max_cost=2.5 * price(1))
    assert (report.outcome, report.exit_code, report.totals.done) == ("stopped", 1, 3)
    assert report.totals.cost_usd == pytest.approx(price(3))
    assert (report.reason or "").startswith(f"--max-cost {2.5 * price(1):g} was reached")
    report = run_batch([docs], output, settings, concurrency=1, max_cost=10 * price(1))
    assert (report.exit_code, report.totals.reused, report.totals.done) == (0, 3, 3)
    assert len(server.completions) == 6


def test_the_estimate_is_what_others_cost_and_the_run_keeps_it(scripted_server, tmp_path, priced):
    docs, output = write_documents(tmp_path / "docs", range(20)), tmp_path / "r.db"
    server = scripted_server(an_answer)
    settings = priced(server)
    run_batch([docs], output, settings, limit=10)
    expected = estimate_batch([str(docs)], settings=settings, options=BatchOptions(output=output))
    assert (expected.count.to_do, expected.measured) == (10, 10)
    assert expected.cost_usd == pytest.approx(price(10), rel=0.05)
    run_batch([docs], output, settings)
    again = estimate_batch([str(docs)], settings=settings, options=BatchOptions(output=output))
    thought, spent = again.earlier[-1].cost_usd
    assert spent == pytest.approx(price(10))
    assert thought == pytest.approx(spent, rel=0.05)


def test_a_price_nobody_knows_is_unknown_everywhere_and_never_nothing(scripted_server, tmp_path):
    docs, output = write_documents(tmp_path / "docs", range(2)), tmp_path / "r.db"
    (docs / "empty.txt").write_text("", encoding="utf-8")
    report = run_batch([docs], output, settings_for(scripted_server(answering), tmp_path))
    assert (report.totals.cost_usd, report.totals.cost_unknown_documents) == (None, 2)
    assert json.loads(json.dumps(report.as_dict()))["totals"]["cost_usd"] is None
    assert rows(output, "SELECT cost_usd, cost_unknown FROM runs_view") == [(None, 2)]
    done = "SELECT cost_usd FROM documents_view WHERE state = 'done'"
    assert rows(output, done) == [(None,), (None,)]
    assert [record["run"]["cost_usd"] for record in records(output)] == [None, None]
    assert states(output)["empty.txt"] == ("failed", "empty")
