"""Settings: which source wins, where a value came from, and clear words for wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from summarise.errors import ConfigurationError
from summarise.settings import load


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text('model = "from-file"\nreasks = 1\nseed = 1\n')
    return path


def test_the_caller_beats_the_environment_beats_the_file(config_file: Path) -> None:
    environment = {"SUMMARISE_CONFIG": str(config_file), "SUMMARISE_MODEL": "from-env", "SUMMARISE_SEED": "2"}
    loaded = load({"seed": 3, "language": None}, environment=environment)
    assert (loaded.settings.model, loaded.settings.reasks, loaded.settings.seed) == ("from-env", 1, 3)
    assert loaded.origins["model"] == "environment SUMMARISE_MODEL"
    assert loaded.origins["reasks"] == str(config_file)
    assert loaded.origins["seed"] == "command line"
    assert loaded.origins["language"] == "default"


def test_our_own_variables_beat_openais() -> None:
    environment = {
        "OPENAI_API_KEY": "sk-general-000000000",
        "OPENAI_BASE_URL": "http://one.test/v1",
        "SUMMARISE_BASE_URL": "http://two.test/v1/",
        "SUMMARISE_CONFIG": "",
    }
    loaded = load(environment=environment)
    assert loaded.settings.base_url == "http://two.test/v1"
    assert loaded.settings.api_key is not None
    assert "sk-general" not in repr(loaded.settings)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SUMMARISE_SEED", "many", "seed .*SUMMARISE_SEED"),
        ("SUMMARISE_BASE_URL", "localhost:8080", "base_url .*http"),
        ("SUMMARISE_STRATEGY", "magic", "strategy"),
        ("SUMMARISE_CONFIG", "/nowhere/at/all.toml", "does not exist"),
    ],
)
def test_a_wrong_value_is_said_with_its_source(name: str, value: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        load(environment={name: value})
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(("content", "words"), [("model = ", "TOML"), ('modell = "x"', "unknown settings: modell")])
def test_a_broken_file_is_said_by_name(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=words) as caught:
        load(environment={"SUMMARISE_CONFIG": str(path)})
    assert str(path) in str(caught.value)


def test_a_wrong_key_is_never_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load({"temperature": 9, "api_key": "sk-secret-value-1234"}, environment={})
    assert "sk-secret" not in str(caught.value)
