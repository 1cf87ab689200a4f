"""The embedded server: what a user meets when it cannot start, and what it promises while it runs.

Tests marked ``model`` run with ``-m model``, on the file SUMMARISE_TEST_MODEL names or on a model in the cache.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from summarise.assets import default_cache_dir, listing
from summarise.errors import AssetError, ConfigurationError
from summarise.llm import engine
from summarise.llm.engine import EmbeddedServer, physical_cores
from summarise.llm.plain import as_plain_text

# --- without a model --------------------------------------------------------------------------------


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    """A file that looks like a model from its first four bytes only."""
    path = tmp_path / "damaged.gguf"
    path.write_bytes(b"GGUF" + bytes(range(256)) * 8)
    return path


def test_a_missing_package_is_answered_with_the_command_that_installs_it(
    gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'summarise\[local\]'"), EmbeddedServer(gguf):
        pass


@pytest.mark.parametrize("content", [b"", b"GG", b"<html>not found</html>"])
def test_a_file_of_another_kind_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "page.gguf"
    path.write_bytes(content)
    with pytest.raises(AssetError, match=r"page\.gguf: not a model in the GGUF format"), EmbeddedServer(path):
        pass


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match=r"none\.gguf: cannot be read"), EmbeddedServer(tmp_path / "none.gguf"):
        pass


def test_a_damaged_model_is_an_error_and_not_a_crash(gguf: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("xllamacpp")
    with pytest.raises(AssetError, match=r"damaged\.gguf: the model cannot be loaded"), EmbeddedServer(gguf):
        pass
    assert capfd.readouterr() == ("", "")


def test_too_little_memory_is_told_before_loading(gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_free_memory", lambda: 100)
    with pytest.raises(AssetError, match="GB of memory"), EmbeddedServer(gguf):
        pass


def test_outside_the_context_there_is_no_address_and_no_key_in_sight(gguf: Path) -> None:
    server = EmbeddedServer(gguf)
    with pytest.raises(RuntimeError, match="with statement"):
        _ = server.base_url
    assert server.api_key not in repr(server)
    assert server.api_key != EmbeddedServer(gguf).api_key


def test_threads_default_to_cores_that_exist() -> None:
    assert 1 <= physical_cores() <= (os.cpu_count() or 1)


# --- with a model -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model() -> Path:
    """The file SUMMARISE_TEST_MODEL names, or the smallest model in the cache."""
    if named := os.environ.get("SUMMARISE_TEST_MODEL"):
        return Path(named)
    there = [state.path for state in listing(default_cache_dir()) if state.path]
    if not there:
        pytest.skip("no model in the cache and SUMMARISE_TEST_MODEL is not set")
    return min(there, key=lambda path: path.stat().st_size)


@pytest.fixture
def server(model: Path) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(model, context_tokens=512) as running:
        yield running


def ask(server: EmbeddedServer, content: str, *, key: str | None = None, tokens: int = 4) -> tuple[int, Any]:
    """Status and decoded body of one chat request."""
    body = {"messages": [{"role": "user", "content": content}], "max_tokens": tokens, "temperature": 0}
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key or server.api_key}"}
    url = f"{server.base_url}/chat/completions"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def is_open(address: str) -> bool:
    parts = urlsplit(address)
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex((parts.hostname, parts.port)) == 0


@pytest.mark.model
def test_only_the_key_opens_it(server: EmbeddedServer) -> None:
    assert ask(server, "Hi")[0] == 200
    status, body = ask(server, "Hi", key="wrong")
    assert (status, body["error"]["type"]) == (401, "authentication_error")


@pytest.mark.model
def test_it_listens_on_loopback_only(server: EmbeddedServer) -> None:
    assert urlsplit(server.base_url).hostname == "127.0.0.1"


@pytest.mark.model
def test_a_prompt_beyond_the_context_is_refused_with_both_figures(server: EmbeddedServer) -> None:
    status, body = ask(server, "word " * 600)
    assert (status, body["error"]["type"]) == (400, "exceed_context_size_error")
    assert body["error"]["n_ctx"] == server.context_tokens
    assert body["error"]["n_prompt_tokens"] > 600


@pytest.mark.model
def test_a_control_token_in_a_document_is_plain_text_once_taken_apart(server: EmbeddedServer) -> None:
    def prompt_tokens(content: str) -> int:
        return int(ask(server, content, tokens=1)[1]["usage"]["prompt_tokens"])

    empty = prompt_tokens("")
    assert prompt_tokens("<|im_end|>") == empty + 1  # why it is needed
    assert prompt_tokens(as_plain_text("<|im_end|>")) > empty + 3


@pytest.mark.model
def test_each_of_two_slots_has_the_whole_context(model: Path) -> None:
    with EmbeddedServer(model, context_tokens=512, parallel=2) as running:
        status, body = ask(running, "word " * 600)
        assert (status, body["error"]["n_ctx"]) == (400, 512)


@pytest.mark.model
def test_without_reuse_the_answer_does_not_depend_on_earlier_requests(model: Path) -> None:
    with EmbeddedServer(model, context_tokens=512, reuse_prompts=False) as running:
        answers = [ask(running, f"Count to {n}.", tokens=12)[1] for n in (7, 8, 7, 7)]
        texts = [answer["choices"][0]["message"]["content"] for answer in answers]
        assert texts[0] == texts[2] == texts[3]
        assert answers[3]["usage"]["prompt_tokens_details"]["cached_tokens"] == 0


@pytest.mark.model
def test_it_starts_again_and_leaves_no_port_and_no_thread(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    threads = []
    for _ in range(3):
        with EmbeddedServer(model, context_tokens=512) as running:
            address = running.base_url
            assert ask(running, "Hi")[0] == 200
        assert not is_open(address)
        tasks = Path("/proc/self/task")
        threads.append(len(list(tasks.iterdir())) if tasks.exists() else threading.active_count())
    assert threads[0] == threads[-1]
    assert capfd.readouterr() == ("", "")


@pytest.mark.model
def test_an_error_inside_stops_it(model: Path) -> None:
    address = ""
    with pytest.raises(KeyboardInterrupt), EmbeddedServer(model, context_tokens=512) as running:
        address = running.base_url
        raise KeyboardInterrupt
    assert not is_open(address)


@pytest.mark.model
def test_a_program_that_forgets_to_stop_it_ends_cleanly_and_silently(model: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from summarise.llm.engine import EmbeddedServer\n"
        "server = EmbeddedServer(Path(sys.argv[1]), context_tokens=512).__enter__()"
    )
    path = os.pathsep.join([str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", script, str(model)],
        capture_output=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
