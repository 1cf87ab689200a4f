"""``summarise eval`` on our own gold, replayed from what the embedded model really answered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from summarise.cli import main as cli

GOLD = Path(__file__).parent.parent / "examples" / "gold.jsonl"


@pytest.mark.vcr
@pytest.mark.usefixtures("own_surroundings")
def test_eval_on_an_example(
    cassette_endpoint: Any, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUMMARISE_API_KEY", cassette_endpoint.api_key)
    endpoint = ["--base-url", cassette_endpoint.base_url, "--model", cassette_endpoint.model]
    assert cli.main(["eval", str(GOLD), "--limit", "1", "--strategy", "stepwise", "--json", "--quiet", *endpoint]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["documents"] == 1
    assert figures["failed"] == 0
    assert figures["offset_breaches"] == 0
    assert figures["claims"]["f1"] >= 0.5
    assert figures["claimant"] >= 0.8
    assert figures["main_actor_recall"] >= 0.8
    assert set(figures["grounding"]) == {"exact"}
