"""What a batch will need before anything is paid for: documents, tokens, money, time.

Two looks: a full one that reads every document (``--dry-run``), and a quick one that lists them and takes sizes
for lengths, made when a run begins and kept with it, so that later estimates can say how well it held.

Invariant: nothing is asked and nothing is written. Tokens come from what documents of this model and strategy
needed before, as the results file has them; where it has none, from figures measured once and named as such.
An unknown price or speed is None, never a guess.

Source of the shipped figures: the default embedded model on 54 news articles of 951 to 6,249 characters, 177,897 in
all, ``stepwise``, lines fitted by least squares (docs/quality.md, section 3); one example of 1,229 characters,
``single`` (``cassettes/test_examples``); for seconds five articles of 2,400 to 6,300 characters, 222 s in all.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

from summarise.batch.identity import Identity, KeyMaker, identify
from summarise.batch.intake import Intake, Loaded, decision, has_failed, is_current
from summarise.batch.items import Skipped, Source
from summarise.batch.options import BatchOptions
from summarise.batch.work import Pricing
from summarise.journal.journal import Journal
from summarise.journal.rows import DocumentState, Estimate, Line, Run, UsageHistory
from summarise.settings import Settings

_SHIPPED = {
    "stepwise": (Line(3_176.0, 2.471), Line(158.0, 0.051), "54 news articles"),
    # 703 prompt tokens for 1,229 characters, of which about 400 are the instructions.
    "single": (Line(400.0, 303 / 1_229), Line(0.0, 925 / 1_229), "one example document"),
}
_EMBEDDED_SECONDS_PER_CHAR = 222 / 18_530
_GROUP = 512
_QUICK_SECONDS = 2.0
_EARLIER_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Earlier:
    """How well the estimate of an earlier, finished run held: what was expected and what it came to."""

    run_id: int
    documents: tuple[int, int]
    prompt_tokens: tuple[int | None, int]
    completion_tokens: tuple[int | None, int]
    cost_usd: tuple[float | None, float | None]
    seconds: tuple[float | None, float | None]

    @property
    def tokens_ratio(self) -> float | None:
        """Tokens used over tokens expected; 1 is a good estimate."""
        expected = (self.prompt_tokens[0] or 0) + (self.completion_tokens[0] or 0)
        return (self.prompt_tokens[1] + self.completion_tokens[1]) / expected if expected else None


@dataclass(slots=True)
class Count:
    """Documents by what would become of them. ``chars`` are those of the documents ``to_do``."""

    found: int = 0
    to_do: int = 0
    reusable: int = 0
    same_text: int = 0
    left_failed: int = 0
    unreadable: int = 0
    chars: int = 0


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the batch will need. ``basis`` says in words where the figures come from; ``measured`` is how many
    documents of this results file stand behind them, 0 for the shipped ones."""

    count: Count
    model: str
    endpoint: str
    strategy: str
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    seconds: float | None
    basis: str
    measured: int
    earlier: Sequence[Earlier] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        """The forecast as JSON-ready values."""
        return asdict(self)

    def as_estimate(self) -> Estimate:
        """What the results file keeps of it."""
        return Estimate(self.count.to_do, self.prompt_tokens, self.completion_tokens, self.cost_usd, self.seconds)


def estimate_batch(inputs: Sequence[str], *, settings: Settings, options: BatchOptions) -> Forecast:
    """Read every document and say what a run with these options would need.

    Raises:
        UsageError: nothing was found.
        ConfigurationError: the settings, or the results file.
    """
    identity = identify(settings)
    intake = Intake(inputs, KeyMaker(identity), options)
    opened: AbstractContextManager[Journal | None] = nullcontext()
    if options.output.exists():
        opened = Journal.open(options.output, create=False, write=False)
    try:
        with opened as journal:
            return _forecast(_read_all(intake, journal, options), journal, identity, options)
    finally:
        intake.close()


def quick_forecast(journal: Journal, intake: Intake, identity: Identity, options: BatchOptions) -> Forecast | None:
    """The forecast from names and sizes alone; None if listing takes too long or cannot be done twice."""
    items = intake.listing()
    if items is None:
        return None
    keys = KeyMaker(identity)
    deadline = time.monotonic() + _QUICK_SECONDS
    count = Count()
    while group := list(islice(items, _GROUP)):
        _list_group(group, journal, keys, options, count)
        if time.monotonic() > deadline:
            return None
    if not options.only_failed:
        intake.counted_to(count.found)
    return _forecast(count, journal, identity, options)


def _list_group(
    group: Sequence[Source | Skipped], journal: Journal, keys: KeyMaker, options: BatchOptions, count: Count
) -> None:
    sources = [item for item in group if not isinstance(item, Skipped)]
    skipped = len(group) - len(sources)
    states = journal.states([source.name for source in sources])
    count.found += len(sources) + skipped
    count.unreadable += skipped
    for source in sources:
        state = states.get(source.name)
        if options.only_failed and not has_failed(state):
            continue
        if not options.force and state is not None and _seems_unchanged(state, keys, options):
            count.reusable += state.state == "done"
            count.left_failed += state.state == "failed"
        else:
            count.to_do += 1
            count.chars += source.bytes or 0


def _seems_unchanged(state: DocumentState, keys: KeyMaker, options: BatchOptions) -> bool:
    """Whether the document is reused, or stays failed, if its text is what it was."""
    if state.content_sha256 is None or keys.key(state.content_sha256) != state.work_key:
        return False
    return state.state == "done" or not (options.retry_failed or options.only_failed)


def _read_all(intake: Intake, journal: Journal | None, options: BatchOptions) -> Count:
    count = Count()
    seen: set[int] = set()
    intake.suit(None)
    while group := intake.read_group():
        count.found += len(group)
        loaded = [one for one in group if isinstance(one, Loaded)]
        count.unreadable += len(group) - len(loaded)
        states = journal.states([one.name for one in loaded]) if journal is not None else {}
        wanted = [one.work_key for one in loaded if not is_current(states.get(one.name), one.work_key)]
        results = journal.results_of(wanted) if journal is not None and not options.force else {}
        for one in loaded:
            verdict = decision(one, states.get(one.name), results.get(one.work_key), options).verdict
            short = int(one.work_key[:16], 16)
            if verdict == "work" and short in seen:
                count.same_text += 1
            elif verdict == "work":
                seen.add(short)
                count.to_do += 1
                count.chars += len(one.document.text)
            count.reusable += verdict in ("reuse", "attach")
            count.left_failed += verdict == "left_failed"
    return count


def _forecast(count: Count, journal: Journal | None, identity: Identity, options: BatchOptions) -> Forecast:
    history = _history(journal, identity)
    documents = count.to_do if options.max_documents is None else min(count.to_do, options.max_documents)
    chars = count.chars * documents / max(1, count.to_do)
    if history is not None:
        prompt, completion = (
            _total(history.prompt_line, documents, chars),
            _total(history.completion_line, documents, chars),
        )
        # Attempts that failed are paid for too; as many are to be expected again.
        prompt *= 1 + history.failed_prompt_tokens / max(1, history.prompt_tokens)
        completion *= 1 + history.failed_completion_tokens / max(1, history.completion_tokens)
        basis = f"{history.documents} documents in this results file"
    else:
        prompt_line, completion_line, measured_on = _SHIPPED.get(identity.strategy, _SHIPPED["single"])
        prompt, completion = _total(prompt_line, documents, chars), _total(completion_line, documents, chars)
        basis = f"{measured_on}, measured with the default embedded model; this results file has none yet"
    cached = None
    if history is not None and history.cached_tokens is not None:
        cached = round(prompt * history.cached_tokens / max(1, history.prompt_tokens))
    pricing = Pricing(identity.endpoint, identity.model, embedded=identity.embedded)
    runs = [run for run in journal.runs() if _is_alike(run, identity)] if journal is not None else []
    return Forecast(
        count=count,
        model=identity.model,
        endpoint=identity.endpoint,
        strategy=identity.strategy,
        prompt_tokens=round(prompt),
        completion_tokens=round(completion),
        cost_usd=pricing.cost(round(prompt), round(completion), cached) if documents else 0.0,
        seconds=_seconds(runs, history, identity, documents, chars) if documents else 0.0,
        basis=basis,
        measured=history.documents if history is not None else 0,
        earlier=tuple(_earlier(run) for run in runs if _can_be_held_to(run))[-_EARLIER_SHOWN:],
    )


def _total(line: Line, documents: int, chars: float) -> float:
    return max(0.0, line.base * documents + line.slope * chars)


def _history(journal: Journal | None, identity: Identity) -> UsageHistory | None:
    """What documents needed with this model and endpoint: of this recipe if there are any, else of another."""
    if journal is None:
        return None
    alike = [
        history
        for history in journal.usage_history(strategy=identity.strategy)
        if history.endpoint == identity.endpoint and history.model == identity.model
    ]
    same = [history for history in alike if history.recipe_sha256 == identity.recipe_sha256]
    return next(iter(same or alike), None)


def _is_alike(run: Run, identity: Identity) -> bool:
    start = run.start
    return (start.model, start.endpoint, start.strategy) == (identity.model, identity.endpoint, identity.strategy)


def _seconds(
    runs: Sequence[Run], history: UsageHistory | None, identity: Identity, documents: int, chars: float
) -> float | None:
    """Wall time at the speed of the latest run that did something, scaled by length where it is one at a time."""
    for run in reversed(runs):
        if run.end is not None and run.end.seconds and run.done + run.failed > 0:
            return round(documents * run.end.seconds / (run.done + run.failed), 1)
    if history is not None:
        return round(documents * history.seconds_per_document, 1)
    return round(chars * _EMBEDDED_SECONDS_PER_CHAR, 1) if identity.embedded else None


def _can_be_held_to(run: Run) -> bool:
    return run.start.estimate is not None and run.end is not None and run.end.outcome == "finished" and run.done > 0


def _earlier(run: Run) -> Earlier:
    expected = run.start.estimate or Estimate(0)
    return Earlier(
        run_id=run.run_id,
        documents=(expected.documents, run.done + run.failed),
        prompt_tokens=(expected.prompt_tokens, run.prompt_tokens),
        completion_tokens=(expected.completion_tokens, run.completion_tokens),
        cost_usd=(expected.cost_usd, run.cost_usd),
        seconds=(expected.seconds, run.end.seconds if run.end is not None else None),
    )
