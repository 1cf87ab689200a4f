"""``summarise eval`` on our own gold, all of it, replayed from what the embedded model really answered.

The conversations are those of ``test_examples``: the same documents, asked in the same way. So this test records
nothing; after a changed prompt, ``make rerecord TEST=tests/test_examples.py`` mends both.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from summarise.cli import main as cli

ROOT = Path(__file__).parent.parent
GOLD = ROOT / "examples" / "gold.jsonl"
CASSETTES = ROOT / "cassettes" / "test_examples"
LINES = {json.loads(line)["id"]: line for line in GOLD.read_text(encoding="utf-8").split("\n") if line}
RECORDED = [str(CASSETTES / f"test_each_example_becomes_a_record-{name}.txt.yaml") for name in LINES]


@pytest.mark.vcr(*RECORDED)
@pytest.mark.usefixtures("own_surroundings")
def test_eval_on_every_example(
    cassette_endpoint: Any, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if cassette_endpoint.recording:
        pytest.skip("replays the cassettes of test_examples")
    monkeypatch.setenv("SUMMARISE_API_KEY", cassette_endpoint.api_key)
    endpoint = ["--base-url", cassette_endpoint.base_url, "--model", cassette_endpoint.model]
    records, alone = "", []
    for name, line in LINES.items():
        # Each was recorded with an endpoint nothing was known of yet, so each starts with an empty cache.
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))
        (tmp_path / "one.jsonl").write_text(line, encoding="utf-8")
        kept = tmp_path / f"{name}.records.jsonl"
        options = ["--strategy", "stepwise", "--json", "--quiet", "-o", str(kept), *endpoint]
        assert cli.main(["eval", str(tmp_path / "one.jsonl"), *options]) == 0
        alone.append(json.loads(capsys.readouterr().out))
        records += kept.read_text(encoding="utf-8")
    for figures in alone:
        assert (figures["documents"], figures["failed"], figures["offset_breaches"]) == (1, 0, 0)
        assert set(figures["grounding"]) == {"exact"}

    (tmp_path / "all.jsonl").write_text(records, encoding="utf-8")
    assert cli.main(["eval", str(GOLD), "--records", str(tmp_path / "all.jsonl"), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["documents"] == len(LINES)
    assert [one["id"] for one in figures["per_document"]] == list(LINES)
    for measure in ("prompt_tokens", "completion_tokens"):
        assert figures[measure] == sum(one[measure] for one in alone)
    for measure in ("claims", "claimants", "stances", "actors"):
        for count in ("gold", "predicted"):
            assert figures[measure][count] == sum(one[measure][count] for one in alone)
    # What a changed prompt should not fall below here; docs/quality.md has figures on documents it was not made with.
    assert figures["claims"]["f1"] >= 0.6
    assert figures["claimant"] >= 0.7
    assert figures["actors"]["f1"] >= 0.5
    assert figures["main_actor_recall"] >= 0.7
