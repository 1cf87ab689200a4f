"""One document's work within a batch: asked about, timed, counted.

Invariant: whatever becomes of the document, what it cost in this run is known afterwards; answers to a
document that takes several questions are kept as they come, so a killed run asks none of them again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from summarise.batch.events import Usage
from summarise.documents import Document
from summarise.journal.rows import Attempt, AttemptUsage, Cause
from summarise.journal.writer import Writer
from summarise.settings import Settings

if TYPE_CHECKING:
    from summarise.llm.client import LanguageModel
    from summarise.llm.usage import Meter
    from summarise.schemas import Record

_DEFAULT_CONTEXT = 8192
"""The smallest context a model here is started with or assumed to have."""
_LEAST_ROOM = 256


@dataclass(slots=True)
class Item:
    """A document that needs work.

    ``followers`` (name, position) have the same text and wait for its result; ``failures`` counts failures at
    the endpoint with answers to others in between, after which it waits until ``not_before``; ``meter`` is what
    was spent on it in this run, over all tries; ``probing`` if it is to show whether the endpoint is back;
    ``answered`` once what is left is work of ours; while ``saving`` its outcome is being written.
    """

    name: str
    position: int
    document: Document
    work_key: str
    followers: list[tuple[str, int]] = field(default_factory=list)
    failures: int = 0
    answers_at_failure: int = -1
    not_before: float = 0.0
    meter: Meter | None = None
    probing: bool = False
    answered: bool = False
    saving: bool = False

    def spent(self, meter: Meter) -> None:
        """Count what one try cost."""
        if self.meter is None:
            self.meter = meter
        else:
            self.meter.merge(meter)


def takes_many_questions(characters: int, *, strategy: str, settings: Settings) -> bool:
    """Whether the document may take several requests, so that their answers are worth keeping.

    One chunk of ``single`` holds at least half a character for each token of room; a document that is
    thought to take several and takes one costs one more write and nothing else.
    """
    if strategy != "single":
        return True
    room = (settings.context_tokens or _DEFAULT_CONTEXT) - settings.max_output_tokens
    return characters > max(_LEAST_ROOM, room // 2)


class Heard:
    """The answers of a document that takes one request: none are kept, each is told as a sign of life."""

    keeps = False

    def __init__(self, on_answer: Callable[[], None]) -> None:
        self._on_answer = on_answer

    async def recall(self, request_sha256: str) -> str | None:
        """Nothing is remembered."""
        del request_sha256
        return None

    async def remember(self, request_sha256: str, completion: str) -> None:
        """Tell that an answer came."""
        del request_sha256, completion
        self._on_answer()


class Kept:
    """The answers of a document that takes many requests, in the results file until its record is."""

    keeps = True

    def __init__(self, writer: Writer, work_key: str, on_answer: Callable[[], None]) -> None:
        self._writer = writer
        self._work_key = work_key
        self._on_answer = on_answer
        self._known: dict[str, str] | None = None

    async def recall(self, request_sha256: str) -> str | None:
        """What an earlier, unfinished try was answered."""
        if self._known is None:
            self._known = dict(await self._writer.recall(self._work_key))
        return self._known.get(request_sha256)

    async def remember(self, request_sha256: str, completion: str) -> None:
        """Keep the answer; it is safe on disk when this returns."""
        self._on_answer()
        await self._writer.remember(self._work_key, request_sha256, completion)


class Pricing:
    """The price of tokens at one model and endpoint."""

    def __init__(self, base_url: str, model: str, *, embedded: bool) -> None:
        self._base_url = base_url
        self._model = model
        self._embedded = embedded

    def cost(self, prompt_tokens: int, completion_tokens: int, cached_tokens: int | None) -> float | None:
        """US dollars, None where the price is not known."""
        if self._embedded:
            return 0.0
        # Loaded here: a run that only reuses results needs no prices.
        from summarise.llm.prices import cost_usd  # noqa: PLC0415
        from summarise.schemas import UsageInfo  # noqa: PLC0415

        usage = UsageInfo(prompt_tokens=prompt_tokens, completion_tokens=completion_tokens, cached_tokens=cached_tokens)
        return cost_usd(self._base_url, self._model, usage)


class Stopwatch:
    """When a try began and how long it has taken."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self._started = datetime.now(UTC).isoformat(timespec="milliseconds")

    @property
    def seconds(self) -> float:
        """Seconds since the try began."""
        return round(time.monotonic() - self.began, 3)

    def attempt(self, usage: Usage, cause: Cause | None = None, message: str | None = None) -> Attempt:
        """The row of this try."""
        spent = AttemptUsage(
            requests=usage.requests,
            reasks=usage.reasks,
            retries=usage.retries,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            cached_tokens=usage.cached_tokens,
            cost_usd=usage.cost_usd,
        )
        return Attempt(started=self._started, seconds=self.seconds, usage=spent, cause=cause, message=message)


def usage_of(meter: Meter | None, pricing: Pricing) -> Usage:
    """What was really sent and answered in this run, with its price."""
    if meter is None:
        return Usage()
    return Usage(
        requests=meter.requests,
        reasks=meter.reasks,
        retries=meter.retries,
        prompt_tokens=meter.prompt_tokens,
        completion_tokens=meter.completion_tokens,
        cached_tokens=meter.cached_tokens,
        cost_usd=pricing.cost(meter.prompt_tokens, meter.completion_tokens, meter.cached_tokens),
    )


async def summarise_item(item: Item, model: LanguageModel, settings: Settings, *, include_text: bool) -> Record:
    """The document's record; ``model`` is its own view, from ``remembering()``.

    Raises:
        SummariseError: as :func:`summarise.pipeline.summarise_document`.
    """
    # Loaded here: it brings openai and instructor, which a run that only reuses results does without.
    from summarise.pipeline import summarise_document  # noqa: PLC0415

    return await summarise_document(item.document, model, settings, include_text=include_text)
