"""A whole batch as one call: documents in, a results file and a report out.

Invariant: from the moment the run is noted in the results file, whatever happens ends in a report and a closed
file; errors before that (nothing found, a busy or foreign results file, an unknown price) are raised and cost
nothing.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from summarise import __version__
from summarise.batch.command import command_of, going_on
from summarise.batch.estimate import quick_forecast
from summarise.batch.events import BatchReport, Listener, RunEnded, RunStarted, Snapshot
from summarise.batch.identity import Identity, KeyMaker, identify
from summarise.batch.intake import Intake
from summarise.batch.options import BatchOptions
from summarise.batch.scheduler import Scheduler
from summarise.batch.state import Ending, Job, RunState
from summarise.batch.work import Pricing
from summarise.errors import (
    EXIT_BUG,
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    ConfigurationError,
    StorageError,
    UsageError,
)
from summarise.journal.journal import Journal
from summarise.journal.rows import RunEnd, RunStart
from summarise.journal.writer import Writer
from summarise.settings import Settings, load


async def asummarise_batch(
    inputs: Sequence[str | Path],
    *,
    settings: Settings | None = None,
    options: BatchOptions | None = None,
    listener: Listener | None = None,
    stop: asyncio.Event | None = None,
    **overrides: Any,
) -> BatchReport:
    """Summarise many documents into one results file; goes on where an earlier run stopped.

    Args:
        inputs: files, folders, globs, JSONL or CSV files.
        settings: used as they are; by default they are loaded as the command line loads them.
        options: where the results go, budgets, what is done again.
        listener: told of everything that happens (:data:`summarise.batch.events.Event`), on the loop's thread.
        stop: set it to end the run in good order: what is in flight is finished and saved. Cancel the call to
            end it at once; nothing that was committed is lost.
        **overrides: ``output=…`` in place of ``options``, and settings by name (``model=…``), stronger than
            any other source; settings not together with ``settings``.

    Returns:
        How the run ended; ``exit_code`` and ``reason`` say whether and why it ended early.

    Raises:
        UsageError: nothing was found, or another run has the results file.
        ConfigurationError: the settings, the results file, or an unknown price with ``max_cost``.
        StorageError: the results file cannot be written at all.
    """
    output = overrides.pop("output", None)
    if options is None and output is None:
        raise UsageError("name a results file: output=PATH, or options=BatchOptions(output=PATH)")
    if options is None:
        options = BatchOptions(output=Path(output))
    elif output is not None:
        options = replace(options, output=Path(output))
    if settings is not None and overrides:
        raise UsageError(f"give settings or {', '.join(overrides)}, not both")
    settings = settings or load(overrides, overrides_origin="call").settings
    names = [str(given) for given in inputs]
    if options.via == "batch-api":
        # Loaded here: few runs go this way.
        from summarise.batch.provider import run_via_batch_api  # noqa: PLC0415

        return await run_via_batch_api(names, settings=settings, options=options, listener=listener, stop=stop)
    identity = identify(settings)
    job = Job(settings, options, identity, _pricing(settings, identity, options), listener)
    intake = Intake(names, KeyMaker(identity), options)
    try:
        with Journal.open(options.output) as journal:
            async with Writer(journal) as writer:
                return await _run(job, intake, writer, stop, names)
    finally:
        intake.close()


def summarise_batch(
    inputs: Sequence[str | Path],
    *,
    settings: Settings | None = None,
    options: BatchOptions | None = None,
    listener: Listener | None = None,
    **overrides: Any,
) -> BatchReport:
    """:func:`asummarise_batch`, waited for.

    Raises:
        RuntimeError: if called from a running event loop; await :func:`asummarise_batch` there.
    """
    return asyncio.run(asummarise_batch(inputs, settings=settings, options=options, listener=listener, **overrides))


async def _run(
    job: Job, intake: Intake, writer: Writer, stop: asyncio.Event | None, names: Sequence[str]
) -> BatchReport:
    command = shlex.join(command_of(names, job.settings, job.options))
    expected = await writer.read(lambda journal: quick_forecast(journal, intake, job.identity, job.options))
    run_id = await writer.begin_run(
        RunStart(
            command=command,
            model=job.identity.model,
            endpoint=job.identity.endpoint,
            strategy=job.identity.strategy,
            recipe_sha256=job.identity.recipe_sha256,
            settings_json=job.identity.settings_json,
            summarise_version=__version__,
            started=_now(),
            estimate=expected.as_estimate() if expected is not None else None,
        )
    )
    state = RunState(job, writer, run_id)
    scheduler = Scheduler(state, intake)
    state.emit(
        RunStarted(run_id, str(job.options.output), job.identity.model, job.identity.endpoint, job.identity.strategy)
    )
    try:
        ending = await scheduler.run(stop)
    except BaseException as error:
        cancelled = isinstance(error, asyncio.CancelledError)
        ending = (
            Ending("interrupted", "stopped at once", EXIT_INTERRUPTED, None)
            if cancelled
            else Ending("failed", f"a bug of ours ({type(error).__name__})", EXIT_BUG, None)
        )
        await _note_end(state, ending)
        raise
    await _note_end(state, ending)
    report = _report(state, scheduler.snapshot(), ending, names)
    state.emit(RunEnded(report))
    if state.listener_error is not None:
        raise state.listener_error
    return report


async def _note_end(state: RunState, ending: Ending) -> None:
    tally = state.tally
    end = RunEnd(ending.outcome, ending.reason, _now(), seconds=round(tally.seconds, 3), reused=tally.reused)
    try:
        await state.writer.end_run(state.run_id, end)
    except StorageError:
        # The disk that ended the run cannot take this note either; the next run marks this one as interrupted.
        return


def _report(state: RunState, totals: Snapshot, ending: Ending, names: Sequence[str]) -> BatchReport:
    tally, options = state.tally, state.job.options
    failed = bool(tally.failed or tally.failed_before)
    exit_code = ending.exit_code
    if exit_code == EXIT_DONE and failed:
        exit_code = EXIT_FAILED
    command = command_of(names, state.job.settings, options)
    return BatchReport(
        outcome=ending.outcome,
        reason=ending.reason,
        exit_code=exit_code,
        run_id=state.run_id,
        output=str(options.output),
        totals=totals,
        failed_by_cause=dict(tally.by_cause),
        seconds=totals.seconds,
        unsaved=tally.unsaved,
        retry_command=going_on(command, "--retry-failed") if failed else None,
        resume_command=going_on(command) if ending.outcome != "finished" else None,
    )


def _pricing(settings: Settings, identity: Identity, options: BatchOptions) -> Pricing:
    """The prices of this run.

    Raises:
        ConfigurationError: if there is a bound on the cost and no price to hold it to.
    """
    del settings
    pricing = Pricing(identity.endpoint, identity.model, embedded=identity.embedded)
    if options.max_cost is not None and pricing.cost(1000, 1000, None) is None:
        raise ConfigurationError(
            f"--max-cost cannot be kept: no price is known for {identity.model!r} at {identity.endpoint}; "
            "use --max-tokens or --max-documents"
        )
    return pricing


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
