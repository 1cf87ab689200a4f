"""The command line run on folders of documents against a scripted server."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

from summarise.cli import main as cli
from support.server import ReceivedRequest, ScriptedServer, Step, completion

MODEL = "scripted-model"
TEXT = 'Harbour {n} to close\n\nMayor Ilvara Oskerin said the harbour will close. "We fight," said Marek Tolluin.\n'
PROBE = completion({"colour": "teal-7"})
ANSWERED = {
    "actors": [{"name": "Ilvara Oskerin", "kind": "person", "role": "Mayor"}],
    "claims": [
        {"s": 2, "who": "Ilvara Oskerin", "cue": "said", "says": "the harbour will close", "pol": "asserts"},
        {"s": 3, "who": "Marek Tolluin", "cue": "said", "says": "We fight", "pol": "asserts"},
    ],
    "stances": [{"s": 3, "holder": "Marek Tolluin", "target": "the plan", "label": "oppose", "words": "We fight"}],
    "abstract": "The harbour closes.",
}
ANSWER = completion(ANSWERED)
NONSENSE = "nonsense please"
"""Documents that have these words get an answer that fits no schema."""


def answering(then: Callable[[ReceivedRequest], Step] = lambda _: ANSWER) -> Callable[[ReceivedRequest], Step]:
    """A script that takes the probe, gives nonsense to documents that ask for it, and ``then`` to the others."""

    def script(request: ReceivedRequest) -> Step:
        if b"teal-7" in request.body:
            return PROBE
        return completion("nonsense") if NONSENSE.encode() in request.body else then(request)

    return script


def asked(server: ScriptedServer) -> int:
    """Requests that were about a document."""
    return sum(b"teal-7" not in request.body for request in server.completions)


def folder_of(path: Path, documents: int, *, failing: int = 0) -> Path:
    """A folder of so many documents, the last ``failing`` of which the server answers with nonsense."""
    path.mkdir(parents=True)
    for n in range(documents):
        last = f"{NONSENSE}.\n" if n >= documents - failing else ""
        (path / f"{n:03}.txt").write_text(TEXT.format(n=n) + last, encoding="utf-8")
    return path


def options_for(server: ScriptedServer) -> list[str]:
    """Options that send every question to this server, one a document, without waiting."""
    return ["--base-url", server.base_url, "--model", MODEL, "--strategy", "single", "--attempts", "1", "--reasks", "0"]


def run(server: ScriptedServer | None, *args: object) -> int:
    """The exit code of ``summarise ARGS`` in this process."""
    return cli.main([*(str(arg) for arg in args), *(options_for(server) if server else [])])


def child(server: ScriptedServer, *args: object) -> list[str]:
    """The words that run ``summarise ARGS`` in a process of its own."""
    return [sys.executable, "-m", "summarise", *(str(arg) for arg in args), *options_for(server)]


def figure(name: str, out: str) -> str:
    """The figure in this row of a printed table."""
    found = re.search(rf"^ *{name}  +(.*)$", out, re.M)
    assert found is not None, f"no row {name!r} in:\n{out}"
    return found[1].strip()
