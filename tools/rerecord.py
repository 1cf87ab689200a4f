"""Record cassettes again from the embedded model: `python tools/rerecord.py [TEST…]`.

Starts the embedded server and runs the cassette tests (all of them, or those named) in recording mode.
"""

from __future__ import annotations

import os
import subprocess
import sys

from summarise.assets import DEFAULT_MODEL
from summarise.llm.endpoint import fetch_embedded
from summarise.llm.engine import EmbeddedServer
from summarise.settings import Settings

CONTEXT_TOKENS = 8192
"""What the test of a context overflow is written for."""


def main(tests: list[str]) -> int:
    """The exit code of pytest."""
    settings = Settings(model=DEFAULT_MODEL)
    path = fetch_embedded(settings, print, lambda report: print(f"{report.note} {report.done_bytes}", end="\r"))
    with EmbeddedServer(path, context_tokens=CONTEXT_TOKENS) as server:
        environment = {
            **os.environ,
            "SUMMARISE_RECORD_BASE_URL": server.base_url,
            "SUMMARISE_RECORD_API_KEY": server.api_key,
            "SUMMARISE_RECORD_MODEL": DEFAULT_MODEL,
        }
        command = [sys.executable, "-m", "pytest", "-p", "no:randomly", "-m", "vcr", "--record-mode=rewrite", "-v"]
        return subprocess.run([*command, *(tests or ["tests"])], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
