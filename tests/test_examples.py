"""The examples through the whole command line, replayed from what the embedded model really answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, field_validator
from summarise.schemas import Record

from summarise import errors
from summarise.cli import main as cli
from summarise.llm.capability import Capability
from summarise.llm.client import LanguageModel, Question, Sampling
from summarise.llm.transport import Endpoint, Limits, Transport
from summarise.llm.usage import Meter

FOLDER = Path(__file__).parent.parent / "examples"
ONLY_IN_BOILERPLATE = {
    "Jory Wendlock", "Fennick Aldous", "Brona Telwether", "Mab Olliver", "Madam Perpetua",
    "Lorcan Vey", "Tansy Broome", "Odo Pramble",
}  # fmt: skip
BOILERPLATE = ("Read also", "All rights reserved", "newsletter", "Photo:")
EXAMPLES = sorted(path.name for path in FOLDER.glob("*.txt"))


pytestmark = pytest.mark.usefixtures("own_surroundings")


@pytest.fixture(autouse=True)
def in_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)


@pytest.fixture
def command(cassette_endpoint: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the command line against the recorded endpoint."""
    monkeypatch.setenv("SUMMARISE_API_KEY", cassette_endpoint.api_key)

    def run(*args: object) -> int:
        endpoint = ["--base-url", cassette_endpoint.base_url, "--model", cassette_endpoint.model]
        return cli.main([*(str(arg) for arg in args), *endpoint])

    return run


def check_offsets(record: Record, text: str) -> None:
    rows: list[Any] = [*record.claims, *record.stances]
    for row in rows:
        for evidence in row.evidence:
            if evidence.start is not None:
                assert text[evidence.start : evidence.end] == evidence.quote
            if evidence.sentence is not None:
                assert evidence.sentence.start <= evidence.start < evidence.sentence.end
    for actor in record.actors:
        names = {actor.name, *actor.aliases}
        assert {text[mention.start : mention.end] for mention in actor.mentions} <= names
    ids = {actor.id for actor in record.actors}
    refs = [claim.claimant for claim in record.claims]
    refs += [ref for stance in record.stances for ref in (stance.holder, stance.target)]
    assert {ref.actor for ref in refs} <= ids | {None}


@pytest.mark.vcr
@pytest.mark.parametrize("name", EXAMPLES)
def test_each_example_becomes_a_record(command: Any, capsys: Any, name: str) -> None:
    assert command(name, "--json", "--strategy", "stepwise") == 0
    record = Record.model_validate_json(capsys.readouterr().out)
    text = (FOLDER / name).read_bytes().decode()
    assert record.document.source == name
    assert record.document.chars == len(text)
    assert record.abstract
    assert record.claims
    assert record.actors
    check_offsets(record, text)
    evidence = [piece for claim in record.claims for piece in claim.evidence]
    assert {piece.grounding for piece in evidence} == {"exact"}
    assert not {actor.name for actor in record.actors} & ONLY_IN_BOILERPLATE
    for words in BOILERPLATE:
        assert not any(words in piece.quote for piece in evidence)


@pytest.mark.vcr
def test_everything_asked_at_once(command: Any, capsys: Any) -> None:
    name = "report_minutes.txt"
    assert command(name, "--json", "--strategy", "single") == 0
    record = Record.model_validate_json(capsys.readouterr().out)
    assert record.run.strategy == "single"
    assert record.run.requests <= 3
    assert record.claims
    check_offsets(record, (FOLDER / name).read_bytes().decode())


class Shouted(BaseModel):
    fruit: str

    @field_validator("fruit")
    @classmethod
    def in_capitals(cls, value: str) -> str:
        if value != value.upper():
            raise ValueError("write the fruit in capital letters")
        return value


def model_at(endpoint: Any) -> LanguageModel:
    transport = Transport(
        Endpoint(endpoint.base_url, endpoint.api_key, endpoint.model), Limits(endpoint.timeout_seconds, 1, 1.0)
    )
    return LanguageModel(transport, Sampling(0.0, 7, reasks=2), Capability("json_schema"))


@pytest.mark.vcr
async def test_a_real_re_ask(cassette_endpoint: Any) -> None:
    model, meter = model_at(cassette_endpoint), Meter()
    answer = await model.ask(Question("Answer in JSON.", "Name one fruit.", 32), Shouted, meter)
    await model.transport.close()
    assert answer.value.fruit == answer.value.fruit.upper()
    assert meter.reasks >= 1
    assert meter.requests == meter.reasks + 1


@pytest.mark.vcr
async def test_a_real_truncation(cassette_endpoint: Any) -> None:
    model, meter = model_at(cassette_endpoint), Meter()
    with pytest.raises(errors.TruncatedAnswerError, match="cut at 4 tokens"):
        await model.ask(Question("Answer in JSON.", "Name one fruit.", 2), Shouted, meter)
    await model.transport.close()
    assert (meter.requests, meter.reasks) == (2, 0)


@pytest.mark.vcr
def test_a_real_context_overflow(command: Any, capsys: Any, tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text("The harbour of Tolvenness has three berths and one crane. " * 800, encoding="utf-8")
    assert command(path, "--json", "--strategy", "single", "--context-tokens", 32000) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "too long for the context" in err
    assert "8192 fit" in err
