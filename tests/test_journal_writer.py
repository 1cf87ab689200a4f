"""Many callers of one event loop on one results file."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.journal import a_record, a_start, an_attempt, content, faults_of

from summarise.errors import JournalBusyError, StorageError
from summarise.journal.journal import Journal
from summarise.journal.rows import Estimate, RunEnd
from summarise.journal.writer import Writer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with Journal.open(path) as opened:
        yield opened


def commits_counted(journal: Journal) -> list[str]:
    """The COMMITs from now on, as they happen."""
    seen: list[str] = []
    journal._connection.set_trace_callback(lambda text: seen.append(text) if text == "COMMIT" else None)
    return seen


async def keep(writer: Writer, run_id: int, name: str) -> int:
    return await writer.commit(run_id, name, work_key=name, record=a_record(name), attempt=an_attempt())


async def test_whoever_waits_shares_a_commit_and_goes_on_after_it(journal: Journal, path: Path) -> None:
    with Journal.open(path, write=False) as other:
        async with Writer(journal) as writer:
            run_id = await writer.begin_run(a_start(estimate=Estimate(64)))
            commits = commits_counted(journal)
            seen: list[str] = []

            async def work(name: str) -> None:
                await writer.remember(name, "question", "{}")
                assert await writer.recall(name) == {"question": "{}"}
                result_id = await keep(writer, run_id, name)
                assert other.result_of(name) == result_id  # committed: another reader sees it
                seen.append(name)

            names = [str(number) for number in range(64)]
            await asyncio.gather(*(work(name) for name in names))
            assert sorted(seen) == sorted(names)
            assert len(commits) < 64
            assert (await writer.totals()).done == 64
            await writer.end_run(run_id, RunEnd("finished", None, "2026-03-01T09:00:00Z"))
    journal.close()
    assert faults_of(path) == []


async def test_questions_alone_write_nothing(journal: Journal) -> None:
    async with Writer(journal) as writer:
        run_id = await writer.begin_run(a_start())
        result_id = await keep(writer, run_id, "a")
        commits = commits_counted(journal)
        state = await writer.state("a")
        assert state is not None
        assert state.state == "done"
        assert set(await writer.states(["a", "b"])) == {"a"}
        assert await writer.result_of("a") == result_id
        assert await writer.results_of(["a", "b"]) == {"a": result_id}
        await writer.attach(run_id, "a", content("a"), result_id)
        assert await writer.read(lambda journal: len(list(journal.rows("claims")))) == 2
        assert commits == []


async def test_a_call_that_fails_fails_alone(journal: Journal) -> None:
    async with Writer(journal) as writer:
        run_id = await writer.begin_run(a_start())
        half = a_record("b").model_copy(update={"abstract": "half \ud83d"})
        good, bad, wrong, failed = await asyncio.gather(
            keep(writer, run_id, "a"),
            writer.commit(run_id, "b", work_key="b", record=half, attempt=an_attempt()),
            writer.fail(run_id, "c", content_sha256=None, work_key=None, attempt=an_attempt()),
            writer.fail(run_id, "d", content_sha256=None, work_key=None, attempt=an_attempt("vanished")),
            return_exceptions=True,
        )
        assert isinstance(good, int)
        assert isinstance(bad, StorageError)
        assert isinstance(wrong, ValueError)
        assert failed is None
        totals = await writer.totals()
        assert (totals.done, totals.failed_by_cause) == (1, {"vanished": 1})


async def test_everybody_in_a_group_is_told_that_the_disk_is_full(journal: Journal, path: Path) -> None:
    async with Writer(journal) as writer:
        run_id = await writer.begin_run(a_start())
        await keep(writer, run_id, "before")
        pages = journal._connection.execute("PRAGMA page_count").fetchone()[0]
        journal._connection.execute(f"PRAGMA max_page_count = {pages + 3}")
        outcomes = await asyncio.gather(
            *(keep(writer, run_id, str(number)) for number in range(50)), return_exceptions=True
        )
        assert {type(outcome) for outcome in outcomes} == {StorageError}
        assert (await writer.totals()).documents == 1
        journal._connection.execute("PRAGMA max_page_count = 1000000")
        await keep(writer, run_id, "after")
    journal.close()
    assert faults_of(path) == []


async def test_two_documents_of_one_text_at_once(journal: Journal) -> None:
    async with Writer(journal) as writer:
        run_id = await writer.begin_run(a_start())
        ids = await asyncio.gather(
            *(
                writer.commit(run_id, name, work_key="one key", record=a_record("same"), attempt=an_attempt())
                for name in "abcabc"
            )
        )
        assert len(set(ids)) == 1
        assert (await writer.totals()).done == 3
        assert await writer.read(lambda journal: len(list(journal.records()))) == 3


async def test_what_was_handed_over_is_kept_although_its_caller_was_cancelled(journal: Journal) -> None:
    async with Writer(journal) as writer:
        run_id = await writer.begin_run(a_start())
        tasks = [asyncio.create_task(keep(writer, run_id, str(number))) for number in range(20)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert journal.totals().done == 20


async def test_a_busy_file_is_said_to_the_caller(journal: Journal, path: Path) -> None:
    journal.begin_run(a_start())
    with Journal.open(path) as second:
        async with Writer(second) as writer:
            with pytest.raises(JournalBusyError, match="another run is writing it"):
                await writer.begin_run(a_start())


async def test_the_lock_goes_with_the_journal_wherever_it_was_taken(journal: Journal, path: Path) -> None:
    async with Writer(journal) as writer:
        await writer.begin_run(a_start())
    journal.close()
    with Journal.open(path) as second:
        second.begin_run(a_start())
