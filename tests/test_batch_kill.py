"""A batch killed at random moments, again and again: no result twice, none lost, no answer paid for twice.

The children are real processes, ended by SIGKILL. They are forked from a server process that has the modules
loaded, so a round costs what the batch costs and not a second of imports.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.forkserver
import os
import random
import signal
import sqlite3
import time
from pathlib import Path

import pytest
from support import batch_runs
from support.batch_runs import answering, number_in, settings_for, states, write_documents
from support.server import delay

from summarise.journal.journal import Journal
from summarise.llm.memory import request_key

pytestmark = [
    pytest.mark.usefixtures("own_surroundings"),
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL"),
]
LOOPBACK = [r"127\.0\.0\.1$"]


@pytest.fixture
def allowed_hosts():
    """Loopback, and the socket by which multiprocessing asks its server for a child."""
    return [*LOOPBACK, r".*/pymp-"]


@pytest.fixture(scope="module")
def forkserver():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["support.batch_warm"])
    with pytest.MonkeyPatch.context() as patch:
        # The server process is given our sys.path only after it has tried to preload.
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        multiprocessing.forkserver.ensure_running()
    return context


class Killing:
    """Rounds of one job, each ended by SIGKILL, and what may not be asked any more after each."""

    def __init__(self, context, server, folder: Path, output: Path, settings, **options) -> None:
        self.server = server
        self.output = output
        self.kills = 0
        self.asked_again: list[str] = []
        self._context = context
        values = settings.model_dump(mode="json", exclude={"api_key"})
        self._arguments = ([str(folder)], str(output), values, options)
        self._done: set[int] = set()
        self._answered: set[str] = set()
        self._looked_at = len(server.completions)

    def start(self):
        child = self._context.Process(target=batch_runs.batch_in_child, args=self._arguments)
        child.start()
        return child

    def round(self, seconds: float, *, from_the_start: bool = False) -> int | None:
        """Run for so many seconds at most from the first sign of work, or from the start of the process; the exit
        code if it ended by itself."""
        before = len(self.server.completions)
        child = self.start()
        deadline = time.monotonic() + (0 if from_the_start else 20)
        while child.is_alive() and len(self.server.completions) == before and time.monotonic() < deadline:
            time.sleep(0.002)
        child.join(seconds)
        ended = not child.is_alive()
        if not ended:
            os.kill(child.pid, signal.SIGKILL)
            child.join()
            self.kills += 1
        self.look()
        return child.exitcode if ended else None

    def killed_at_commit(self, number: int, *, after: bool) -> int | None:
        """Run until a commit, and be killed there; the exit code if there were not so many."""
        arguments = (number, after, *self._arguments)
        child = self._context.Process(target=batch_runs.batch_killed_at_commit, args=arguments)
        child.start()
        child.join(120)
        self.look()
        return None if child.exitcode == -signal.SIGKILL else child.exitcode

    def look(self) -> None:
        """Check what was asked in this round against what was safe before it, then note what is safe now."""
        asked = self.server.completions[self._looked_at :]
        self._looked_at += len(asked)
        for request in asked:
            if number_in(request) in self._done:
                self.asked_again.append(f"document {number_in(request)} was finished")
            if request.json is not None and request_key(request.json) in self._answered:
                self.asked_again.append(f"a question about document {number_in(request)} was answered")
        if not self.output.exists():
            return
        self._done = {int(name[:3]) for name, (state, _) in states(self.output).items() if state == "done"}
        with sqlite3.connect(f"file:{self.output}?mode=ro", uri=True) as connection:
            self._answered |= {row[0] for row in connection.execute("SELECT request_sha256 FROM answers")}
        connection.close()

    def until_done(self) -> int | None:
        """The last round, as long as it takes."""
        child = self.start()
        child.join(120)
        self.look()
        return child.exitcode


def check_whole(output: Path, documents: int) -> None:
    with Journal.open(output, create=False, write=False) as journal:
        totals = journal.totals()
        sources = [row.source for row in journal.documents()]
        assert journal.check().good
        assert len(list(journal.records())) == documents
    assert (totals.documents, totals.done, totals.failed) == (documents, documents, 0)
    assert len(set(sources)) == documents
    with sqlite3.connect(f"file:{output}?mode=ro", uri=True) as connection:
        counts = connection.execute(
            "SELECT (SELECT count(*) FROM results), (SELECT count(*) FROM answers), "
            "(SELECT count(*) FROM attempts WHERE cause IS NULL)"
        ).fetchone()
    connection.close()
    assert counts == (documents, 0, documents)


def test_killed_sixty_times(scripted_server, tmp_path, forkserver):
    documents = 240
    folder, output = write_documents(tmp_path / "docs", range(documents)), tmp_path / "r.db"
    chance = random.Random(20)
    server = scripted_server(lambda request: delay(chance.uniform(0.0, 0.08), answering(request)))
    job = Killing(forkserver, server, folder, output, settings_for(server, tmp_path), concurrency=4)
    while job.kills < 60:
        # Every sixth while it starts: reading, looking up, making the results file.
        early = job.kills % 6 == 0
        if job.round(chance.uniform(0.0, 0.2 if early else 0.12), from_the_start=early) is not None:
            pytest.fail(f"everything was done after {job.kills} kills already; take more documents")
    assert job.until_done() == 0
    assert job.asked_again == []
    check_whole(output, documents)
    asked = [number for request in server.completions if (number := number_in(request)) is not None]
    assert set(asked) == set(range(documents))
    # In flight when the process was killed: answered to nobody.
    assert len(asked) - documents <= 4 * (job.kills + 1)


@pytest.mark.parametrize("after", [False, True], ids=["before it", "after it"])
@pytest.mark.parametrize("strategy", ["single", "stepwise"])
def test_killed_at_every_commit(scripted_server, tmp_path, forkserver, strategy, after):
    documents = 4 if strategy == "single" else 2
    folder = write_documents(tmp_path / "docs", range(documents), sentences=1 if strategy == "single" else 2)
    server = scripted_server(answering)
    settings = settings_for(server, tmp_path, strategy=strategy, parallel=1)
    for number in range(1, 100):
        output = tmp_path / f"{number}.db"
        job = Killing(forkserver, server, folder, output, settings, concurrency=1)
        if job.killed_at_commit(number, after=after) == 0:
            break
        assert job.until_done() == 0
        assert job.asked_again == []
        check_whole(output, documents)
    # The run itself, its end, every answer that is kept and every document.
    assert number >= (documents + 2 if strategy == "single" else 10)


def test_killed_in_the_middle_of_documents_of_many_questions(scripted_server, tmp_path, forkserver):
    documents = 6
    folder = write_documents(tmp_path / "docs", range(documents), sentences=24)
    output = tmp_path / "r.db"
    chance = random.Random(21)
    server = scripted_server(lambda request: delay(chance.uniform(0.0, 0.03), answering(request)))
    settings = settings_for(server, tmp_path, strategy="stepwise", parallel=1)
    job = Killing(forkserver, server, folder, output, settings, concurrency=2)
    for _ in range(12):
        if job.round(chance.uniform(0.0, 0.25)) is not None:
            break
    assert job.kills >= 5
    assert job.until_done() == 0
    assert job.asked_again == []
    check_whole(output, documents)
    keys = [request_key(request.json) for request in server.completions if request.json is not None]
    assert len(keys) > 20 * documents
    assert len(keys) - len(set(keys)) <= 2 * (job.kills + 1)
