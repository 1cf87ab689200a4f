"""The command line as a user meets it: what is printed where, exit codes, one clear line for each failure."""

from __future__ import annotations

import errno
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from summarise.schemas import Record
from support.server import (
    ScriptedServer,
    completion,
    content_filter,
    context_length_exceeded,
    invalid_key,
    model_not_found,
    status,
)

from summarise.cli import main as cli

Start = Callable[..., ScriptedServer]
TEXT = 'Harbour to close\n\nMayor Ilvara Oskerin said the harbour will close. "We fight," said Marek Tolluin.\n'
PROBE = completion({"colour": "teal-7"})
ANSWER = completion(
    {
        "actors": [{"name": "Ilvara Oskerin", "kind": "person", "role": "Mayor"}],
        "claims": [
            {"s": 2, "who": "Ilvara Oskerin", "cue": "said", "says": "the harbour will close", "pol": "asserts"},
            {"s": 3, "who": "Marek Tolluin", "cue": "said", "says": "We fight", "pol": "asserts"},
        ],
        "stances": [{"s": 3, "holder": "Marek Tolluin", "target": "the plan", "label": "oppose", "words": "We fight"}],
        "abstract": "The harbour closes.",
    }
)


INVENTED = {"s": 3, "who": "Marek Tolluin", "cue": "", "says": "an invented sentence", "pol": "asserts"}
LOOSE = completion({"actors": [], "claims": [INVENTED], "stances": [], "abstract": "The harbour closes."})
NOTHING_MENDED = completion({"copies": [{"n": 1, "s": 0, "words": ""}], "abstract": ""})


@pytest.fixture
def article(tmp_path: Path) -> Path:
    path = tmp_path / "article.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


pytestmark = pytest.mark.usefixtures("own_surroundings")


def run(server: ScriptedServer | None, *args: object) -> int:
    endpoint = ["--base-url", server.base_url, "--model", "scripted-model", "--strategy", "single"] if server else []
    return cli.main([*(str(arg) for arg in args), *endpoint])


def test_json_is_the_record_and_nothing_else(scripted_server: Start, article: Path, capsys: Any) -> None:
    assert run(scripted_server([PROBE, ANSWER], play_all=True), article, "--json") == 0
    out, err = capsys.readouterr()
    record = Record.model_validate_json(out)
    assert record.document.source == str(article)
    assert record.document.title == "Harbour to close"
    assert "text" not in json.loads(out)["document"]
    for claim in record.claims:
        for evidence in claim.evidence:
            if evidence.start is not None:
                assert TEXT[evidence.start : evidence.end] == evidence.quote
    assert [claim.attribution for claim in record.claims] == ["reported", "direct"]
    assert [claim.evidence[0].grounding for claim in record.claims] == ["exact", "exact"]
    assert record.claims[0].claimant.actor == "a1"
    assert record.warnings == []
    assert record.run.requests == 2
    assert record.run.cost_usd is None
    assert "reading" in err


def test_the_report_shows_claimant_quote_and_line(scripted_server: Start, article: Path, capsys: Any) -> None:
    assert run(scripted_server([PROBE, ANSWER]), article, "--quiet") == 0
    out, err = capsys.readouterr()
    assert "Ilvara Oskerin asserts (reported)" in out
    assert "line 3: “the harbour will close”" in out
    assert "Marek Tolluin → the plan: oppose" in out
    assert "\x1b[" not in out
    assert err == ""


def test_the_report_says_what_does_not_stand_in_the_text(scripted_server: Start, article: Path, capsys: Any) -> None:
    assert run(scripted_server([PROBE, LOOSE, NOTHING_MENDED], play_all=True), article, "--quiet") == 0
    out = capsys.readouterr().out
    assert "not in the text: “an invented sentence”" in out
    assert "evidence_ungrounded: 1 quotes" in out


def test_control_characters_of_a_document_never_reach_the_terminal(
    scripted_server: Start, article: Path, capsys: Any
) -> None:
    article.write_text(TEXT.replace("We fight", "We \x1b[31mfight\u202e"), encoding="utf-8")
    assert run(scripted_server([PROBE, ANSWER, NOTHING_MENDED]), article) == 0
    assert not {"\x1b", "\u202e"} & set(capsys.readouterr().out)


def test_standard_input(scripted_server: Start, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode())))
    assert run(scripted_server([PROBE, ANSWER]), "-", "--json", "--include-text") == 0
    record = Record.model_validate_json(capsys.readouterr().out)
    assert record.document.source == "-"
    assert record.document.text == TEXT


def test_the_probe_is_remembered_between_runs(scripted_server: Start, article: Path, capsys: Any) -> None:
    server = scripted_server([PROBE, ANSWER, ANSWER], play_all=True)
    assert run(server, article, "--json") == run(server, article, "--json") == 0


def test_output_goes_to_the_file_and_is_never_overwritten_unasked(
    scripted_server: Start, article: Path, tmp_path: Path, capsys: Any
) -> None:
    output = tmp_path / "record.json"
    assert run(scripted_server([PROBE, ANSWER]), article, "--json", "-o", output) == 0
    assert capsys.readouterr().out == ""
    Record.model_validate_json(output.read_text(encoding="utf-8"))
    before = output.read_bytes()
    untouched = scripted_server([], play_all=True)
    assert run(untouched, article, "--json", "-o", output) == 2
    assert "--force" in capsys.readouterr().err
    assert output.read_bytes() == before
    assert run(scripted_server([PROBE, ANSWER]), article, "-o", output, "--force") == 0
    assert output.read_bytes() != before
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["article.txt", "record.json"]


def test_a_full_disk_does_not_lose_what_was_paid_for(
    scripted_server: Start, article: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.NamedTemporaryFile", full)
    assert run(scripted_server([PROBE, ANSWER]), article, "--json", "-o", tmp_path / "record.json") == 1
    out, err = capsys.readouterr()
    Record.model_validate_json(out)
    assert "no space left" in err


def test_a_long_document_is_read_in_chunks_and_joined(scripted_server: Start, tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "long.txt"
    path.write_text(TEXT + "".join(f"\nThe {n} lines go on about nothing.\n" for n in range(60)), encoding="utf-8")
    server = scripted_server([PROBE, ANSWER, ANSWER, ANSWER, completion({"abstract": "Joined."})], play_all=True)
    options = ["--context-tokens", 1500, "--max-output-tokens", 400]
    assert run(server, path, "--json", *options) == 0
    record = Record.model_validate_json(capsys.readouterr().out)
    assert record.abstract == "Joined."
    assert len(record.actors) == 1
    assert len(record.claims) == 2


@pytest.mark.parametrize(
    ("step", "code", "words"),
    [
        (invalid_key(), 3, "refused the key"),
        (model_not_found(), 3, "no model"),
        (context_length_exceeded(), 1, "too long for the context"),
        (content_filter(), 1, "refused"),
        (status(503), 4, "fails"),
        (completion("nonsense"), 1, "no valid SingleAnswer"),
    ],
)
def test_each_failure_is_one_line_and_its_exit_code(
    scripted_server: Start, article: Path, capsys: Any, step: Any, code: int, words: str
) -> None:
    server = scripted_server([PROBE, *[step] * 3])
    assert run(server, article, "--json", "--attempts", 1, "--quiet") == code
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert err.count("\n") == 1


def test_what_is_wrong_with_the_file_is_said_before_any_request(
    scripted_server: Start, tmp_path: Path, capsys: Any
) -> None:
    server = scripted_server([], play_all=True)
    (tmp_path / "empty.txt").write_text("")
    assert run(server, tmp_path / "nowhere.txt") == 1
    assert run(server, tmp_path / "empty.txt") == 1
    assert run(server, tmp_path) == 2
    err = capsys.readouterr().err
    assert "no such file" in err
    assert "is empty" in err
    assert "is a folder" in err


def test_a_remote_model_without_an_endpoint_is_a_configuration_error(article: Path, capsys: Any) -> None:
    assert cli.main([str(article), "--model", "some-large-model"]) == 3
    assert "--base-url" in capsys.readouterr().err
    assert cli.main([str(article), "--base-url", "http://127.0.0.1:9/v1"]) == 3
    assert "--model" in capsys.readouterr().err


def test_a_file_named_like_a_command_is_reached_by_its_path(
    scripted_server: Start, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "doctor").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    assert run(scripted_server([PROBE, ANSWER]), "./doctor", "--json") == 0
    assert Record.model_validate_json(capsys.readouterr().out).document.source == "doctor"


def test_options_may_come_before_the_file(scripted_server: Start, article: Path, capsys: Any) -> None:
    assert run(scripted_server([PROBE, ANSWER]), "--json", article) == 0
    Record.model_validate_json(capsys.readouterr().out)


@pytest.mark.parametrize("args", [[], ["--help"], ["-h"], ["models"]])
def test_help_for_those_who_ask_and_those_who_say_nothing(args: list[str], capsys: Any) -> None:
    assert cli.main(args) == 0
    assert "Usage: summarise" in capsys.readouterr().out


@pytest.mark.parametrize(
    "args", [["--no-such-option"], ["a.txt", "b.txt"], ["schema", "novel"], ["models", "path", "x"]]
)
def test_usage_errors(args: list[str], capsys: Any) -> None:
    assert cli.main(args) in (2, 3)
    assert capsys.readouterr().err.startswith("summarise: ")


def test_version_and_schema(capsys: Any) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("summarise ")
    assert cli.main(["schema", "news"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["properties"]["schema"]["const"] == "news/1"


def test_config_masks_keys(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-key-1234")
    assert cli.main(["config"]) == 0
    out = capsys.readouterr().out
    assert "sk-very" not in out
    assert "****1234  (environment OPENAI_API_KEY)" in out
    assert cli.main(["config", "--json"]) == 0
    rows = {row["setting"]: row for row in json.loads(capsys.readouterr().out)["settings"]}
    assert rows["reasks"] == {"setting": "reasks", "value": 2, "from": "default"}


def test_doctor_gives_a_verdict_a_line(scripted_server: Start, capsys: Any) -> None:
    server = scripted_server([completion({"colour": "red"}), completion({"colour": "red"})])
    assert cli.main(["doctor", "--base-url", server.base_url, "--model", "scripted-model"]) == 0
    out = capsys.readouterr().out
    assert "ok   model scripted-model: there" in out
    assert "warn structured output: JSON objects only" in out


def test_doctor_ends_with_the_code_of_what_is_wrong(capsys: Any, tmp_path: Path) -> None:
    assert cli.main(["doctor", "--cache-dir", str(tmp_path)]) == 3
    assert "fail embedded model" in capsys.readouterr().out


def test_models_that_are_not_here_are_said_to_be_so(capsys: Any, tmp_path: Path) -> None:
    assert cli.main(["models", "list", "--json", "--cache-dir", str(tmp_path)]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["path"] for row in rows] == [None, None]
    assert sum(row["default"] for row in rows) == 1
    assert cli.main(["models", "path", "--cache-dir", str(tmp_path)]) == 3
    assert "models pull" in capsys.readouterr().err


def test_a_bug_of_ours_says_so(monkeypatch: pytest.MonkeyPatch, article: Path, capsys: Any) -> None:
    monkeypatch.setattr("summarise.documents.read_path", lambda *_, **__: 1 / 0)
    monkeypatch.setattr("summarise.cli.document.read_path", lambda *_, **__: 1 / 0)
    assert cli.main([str(article), "--model", "1.5b"]) == 70
    assert "please report it" in capsys.readouterr().err


def test_an_interruption_ends_with_130(monkeypatch: pytest.MonkeyPatch, article: Path, capsys: Any) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("summarise.cli.document.read_path", interrupt)
    assert cli.main([str(article)]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from summarise.cli.main import main; main(['--help']);"
        "heavy = {'openai', 'instructor', 'xllamacpp', 'pydantic', 'rich', 'jinja2', 'huggingface_hub'};"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    command = f"'{sys.executable}' -m summarise schema news | head -c 10"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_ctrl_c_while_the_model_works(scripted_server: Start, article: Path) -> None:
    """A real interrupt of a real process: it ends at once with 130 and no traceback."""
    import signal
    import time

    from support.server import hang

    server = scripted_server([hang(30)])
    args = [sys.executable, "-m", "summarise", str(article), "--base-url", server.base_url, "--model", "m"]
    process = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not server.completions and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err
