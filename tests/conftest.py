"""What every test runs under: no network, no recording, cassettes and the scripted server at hand.

Invariant: a test reaches no address but those it asks for. Connections are refused, except to loopback for
tests that take ``scripted_server`` or are marked ``loopback`` or ``model``, and to the model server while
recording.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

# A machine with other work to do may take any time for an example; what must be fast is measured in bench/.
settings.register_profile("summarise", deadline=None)
settings.load_profile("summarise")

pytest_plugins = ("support.cassettes", "support.server")

LOOPBACK = [r"127\.0\.0\.1$", r"::1$", r"localhost$"]


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers and block the network, as ``--block-network`` would."""
    config.addinivalue_line("markers", "loopback: starts a server on 127.0.0.1; may connect to loopback.")
    config.addinivalue_line("markers", "model: runs a real model on this machine; only with -m model.")
    config.option.block_network = True
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # Started in the background of a shell without job control: children would ignore Ctrl-C, too.
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip tests that need a real model unless ``-m`` names them."""
    if "model" in (config.getoption("markexpr") or ""):
        return
    for item in items:
        if item.get_closest_marker("model"):
            item.add_marker(pytest.mark.skip(reason="needs a real model: run with -m model"))


@pytest.fixture
def allowed_hosts(request: pytest.FixtureRequest) -> list[str] | None:
    """pytest-recording's fixture: patterns of hosts that this test may connect to."""
    given = request.config.getoption("--allowed-hosts")
    allowed = given.split(",") if given else []
    marked = any(request.node.get_closest_marker(name) for name in ("loopback", "model"))
    if marked or "scripted_server" in request.fixturenames:
        allowed += LOOPBACK
    return allowed or None


@pytest.fixture
def own_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of the person who runs the tests, but those that say where to record from."""
    for name in list(os.environ):
        ours = name.startswith(("SUMMARISE_", "OPENAI_")) and not name.startswith("SUMMARISE_RECORD")
        if ours or name in ("NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
