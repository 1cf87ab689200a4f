"""What --dry-run says, and how it learns from what documents really needed."""

from __future__ import annotations

import pytest
from support.batch_runs import answering, run_batch, settings_for, text_of, write_documents
from support.server import completion, delay

from summarise.batch.estimate import estimate_batch
from summarise.batch.options import BatchOptions
from summarise.errors import UsageError
from summarise.journal.journal import Journal
from summarise.settings import Settings

pytestmark = pytest.mark.usefixtures("own_surroundings")


@pytest.fixture
def folder(tmp_path):
    return write_documents(tmp_path / "docs", range(10))


def forecast(folder, output, settings, **options):
    return estimate_batch([str(folder)], settings=settings, options=BatchOptions(output=output, **options))


def test_without_history_the_figures_are_named_for_what_they_are(folder, tmp_path):
    settings = Settings(base_url="http://127.0.0.1:9/v1", model="m", cache_dir=tmp_path)
    output = tmp_path / "r.db"
    expected = forecast(folder, output, settings)
    assert (expected.count.found, expected.count.to_do, expected.measured) == (10, 10, 0)
    assert expected.count.chars == sum(len(text_of(number)) for number in range(10))
    assert expected.prompt_tokens > 10 * 400
    assert expected.cost_usd is None
    assert expected.seconds is None
    assert "measured with the default embedded model" in expected.basis
    assert not output.exists()


def test_a_known_price_gives_a_cost(folder, tmp_path):
    settings = Settings(api_key="k", model="gpt-4o-mini", cache_dir=tmp_path)
    expected = forecast(folder, tmp_path / "r.db", settings)
    assert expected.cost_usd is not None
    assert 0 < expected.cost_usd < 1


def test_the_embedded_model_costs_nothing_and_takes_time(folder, tmp_path):
    expected = forecast(folder, tmp_path / "r.db", Settings(cache_dir=tmp_path))
    assert (expected.strategy, expected.cost_usd) == ("stepwise", 0.0)
    assert expected.seconds is not None
    assert expected.seconds > 0


def test_what_would_become_of_each_document(scripted_server, folder, tmp_path):
    output = tmp_path / "r.db"
    server = scripted_server(lambda request: completion("no") if "Brook3" in str(request.json) else answering(request))
    settings = settings_for(server, tmp_path)
    run_batch([folder], output, settings, limit=6)
    (folder / "001.txt").write_text(text_of(41), encoding="utf-8")
    (folder / "twin.txt").write_text(text_of(8), encoding="utf-8")
    (folder / "old.txt").write_text(text_of(0), encoding="utf-8")
    (folder / "empty.txt").write_text("", encoding="utf-8")
    asked = len(server.completions)
    count = forecast(folder, output, settings).count
    assert (count.found, count.to_do, count.reusable, count.same_text) == (13, 5, 5, 1)
    assert (count.left_failed, count.unreadable) == (1, 1)
    assert forecast(folder, output, settings, retry_failed=True).count.to_do == 6
    assert forecast(folder, output, settings, only_failed=True).count.to_do == 1
    assert forecast(folder, output, settings, force=True).count.to_do == 10
    assert len(server.completions) == asked


def test_tokens_are_those_that_were_measured(scripted_server, folder, tmp_path):
    output = tmp_path / "r.db"
    server = scripted_server(lambda request: delay(0.02, completion(answering_text(request), usage=(500, 60))))
    settings = settings_for(server, tmp_path)
    run_batch([folder], output, settings, limit=8)
    expected = forecast(folder, output, settings)
    assert (expected.count.to_do, expected.measured) == (2, 8)
    assert expected.prompt_tokens == pytest.approx(2 * 500, rel=0.05)
    assert expected.completion_tokens == pytest.approx(2 * 60, rel=0.05)
    assert expected.seconds is not None
    assert "8 documents in this results file" in expected.basis


def test_a_run_keeps_its_estimate_and_the_next_says_how_it_held(scripted_server, folder, tmp_path):
    output = tmp_path / "r.db"
    server = scripted_server(lambda request: completion(answering_text(request), usage=(500, 60)))
    settings = settings_for(server, tmp_path)
    run_batch([folder], output, settings, limit=5)
    run_batch([folder], output, settings)
    with Journal.open(output, create=False, write=False) as journal:
        estimates = [run.start.estimate for run in journal.runs()]
    assert [estimate.documents for estimate in estimates if estimate is not None] == [5, 5]
    held = forecast(folder, output, settings).earlier
    assert [earlier.documents for earlier in held] == [(5, 5), (5, 5)]
    assert held[1].tokens_ratio == pytest.approx(1.0, rel=0.1)


def test_nothing_found_is_said(tmp_path):
    (tmp_path / "docs").mkdir()
    with pytest.raises(UsageError, match="nothing to summarise"):
        forecast(tmp_path / "docs", tmp_path / "r.db", Settings(cache_dir=tmp_path))


def answering_text(request):
    from support.batch_runs import number_in, single_answer

    return single_answer(number_in(request) or 0)
