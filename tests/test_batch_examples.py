"""Batch over five outlets' reports of one event, through the whole command line, as the embedded model answered.

The questions about a document are the same in a batch as alone, so this replays the cassettes of
``test_examples``; there is nothing of its own to record.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from summarise.schemas import Record

from summarise.cli import main as cli

ROOT = Path(__file__).parent.parent
OUTLETS = sorted(path.name for path in (ROOT / "examples").glob("harbour_*.txt"))
CASSETTES = [
    str(ROOT / "cassettes" / "test_examples" / f"test_each_example_becomes_a_record-{name}.yaml") for name in OUTLETS
]

pytestmark = pytest.mark.usefixtures("own_surroundings")


@pytest.mark.vcr(*CASSETTES)
def test_five_outlets_one_after_the_other_into_one_results_file(
    cassette_endpoint: Any, capsys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if cassette_endpoint.recording:
        pytest.skip("replays the cassettes of tests/test_examples.py: record those")
    monkeypatch.setenv("SUMMARISE_API_KEY", cassette_endpoint.api_key)
    monkeypatch.chdir(tmp_path)
    for name in OUTLETS:
        (tmp_path / "outlets").mkdir(exist_ok=True)
        shutil.copy(ROOT / "examples" / name, tmp_path / "outlets" / name)
    endpoint = ["--base-url", cassette_endpoint.base_url, "--model", cassette_endpoint.model]
    words = ["outlets", "-o", "results.db", "--strategy", "stepwise", "--json", *endpoint]

    for number in range(1, 6):
        # A budget ends each run but the last. Each cassette has a probe of its own, so each run forgets the last one's.
        budget = ["--max-documents", "1", "--cache-dir", f"cache {number}"]
        assert cli.main([*words, *budget]) == (0 if number == 5 else 1)
        totals = json.loads(capsys.readouterr().out)["totals"]
        assert (totals["done"], totals["failed"], totals["reused"]) == (1, 0, number - 1)
        assert totals["prompt_tokens"] > 0
    assert cli.main(words) == 0  # nothing is left in the cassettes to ask for
    assert json.loads(capsys.readouterr().out)["totals"]["reused"] == 5

    assert cli.main(["export", "results.db"]) == 0
    records = [Record.model_validate_json(line) for line in capsys.readouterr().out.splitlines()]
    assert [record.document.source for record in records] == [f"outlets/{name}" for name in OUTLETS]
    for record in records:
        text = (tmp_path / record.document.source).read_bytes().decode()
        assert record.abstract
        assert record.claims
        for row in [*record.claims, *record.stances]:
            for evidence in row.evidence:
                assert evidence.start is None or text[evidence.start : evidence.end] == evidence.quote

    assert cli.main(["search", "results.db", "harbour*", "--json"]) == 0
    hits = json.loads(capsys.readouterr().out)
    assert {hit["source"] for hit in hits} <= {record.document.source for record in records}
    assert hits

    assert cli.main(["show", "results.db", "harbour_2_lantern.txt"]) == 0
    assert "line " in capsys.readouterr().out
