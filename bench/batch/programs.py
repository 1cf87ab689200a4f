"""The programs that are measured, as command lines over one folder of documents."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from measuring import HERE, Run, Server, run
from server import MODEL

SUMMARISE, PLAIN, LANGEXTRACT = "summarise", "plain loop", "langextract"


@dataclass(frozen=True, slots=True)
class Workshop:
    """What every measurement needs: the server, a folder for all that is written, and the peers' interpreter."""

    server: Server
    folder: Path
    peers_python: Path | None

    @property
    def tools(self) -> tuple[str, ...]:
        """The tools there are: langextract only where its environment is."""
        return (SUMMARISE, PLAIN, LANGEXTRACT) if self.peers_python else (SUMMARISE, PLAIN)

    def measure(self, tool: str, documents: Path, count: int, *, delay: float, in_flight: int | None) -> Run:
        """Run a tool over a folder of ``count`` documents, into new files, and measure it."""
        name = tool.replace(" ", "_")
        output = self.folder / f"{name}.out"
        self.forget(output)
        command = self.command(tool, documents, output, in_flight=in_flight)
        return run(command, count, self.server, delay=delay, log=self.folder / f"{name}.log")

    def command(self, tool: str, documents: Path, output: Path, *, in_flight: int | None) -> Sequence[str]:
        """The command line of a tool. ``in_flight`` None leaves it to summarise."""
        if tool == SUMMARISE:
            return summarise_command(self, documents, output, in_flight=in_flight)
        python, script = (
            (sys.executable, "plain_loop.py") if tool == PLAIN else (self.peers_python, "with_langextract.py")
        )
        places = ["--base-url", self.server.base_url, "--model", MODEL, "--in-flight", str(in_flight)]
        return [str(python), str(HERE / script), str(documents), *places, "-o", str(output)]

    @staticmethod
    def forget(output: Path) -> None:
        """Remove a file of results and what SQLite keeps beside it."""
        for path in output.parent.glob(output.name + "*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def summarise_command(shop: Workshop, documents: Path, output: Path, *, in_flight: int | None) -> list[str]:
    """``summarise batch``, its results file and all, with nothing of the user's own settings."""
    words = [sys.executable, "-m", "summarise", "batch", str(documents), "-o", str(output), "--strategy", "single"]
    words += ["--base-url", shop.server.base_url, "--model", MODEL, "--cache-dir", str(shop.folder / "cache")]
    return words + ([] if in_flight is None else ["--concurrency", str(in_flight)])
