"""How a strategy asks: one model, one document's meter, and progress told to whoever listens."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel

from summarise.llm.client import Answer, LanguageModel, Question
from summarise.llm.usage import Meter

T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the work on one document stands. ``done`` of ``total`` questions of ``step`` are answered;
    tokens are those of the whole document so far; ``seconds_left`` is None until it can be estimated."""

    step: str
    done: int
    total: int
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class Budget:
    """Sizes in tokens: the model's context and the cap on one answer."""

    context_tokens: int
    max_output_tokens: int


Listener = Callable[[Progress], None]


class Asker:
    """Asks on behalf of one document; counts into its meter and tells the listener of every answer."""

    def __init__(self, model: LanguageModel, meter: Meter, listener: Listener | None = None) -> None:
        self.model = model
        self.meter = meter
        self._listener = listener
        self._started = time.monotonic()
        self._step, self._done, self._total, self._before = "", 0, 1, 0
        self._step_started = self._started

    def begin(self, step: str, total: int, *, later: int = 0) -> None:
        """Start a step of ``total`` questions; about ``later`` more questions follow it in other steps."""
        self._step, self._done, self._total, self._before = step, 0, max(total, 1), later
        self._step_started = time.monotonic()
        self._tell()

    async def ask(self, question: Question, answer: type[T]) -> Answer[T]:
        """Ask one question of the current step (see :meth:`LanguageModel.ask` for what it raises)."""
        got = await self.model.ask(question, answer, self.meter)
        self._done = min(self._done + 1, self._total)
        self._tell()
        return got

    def _tell(self) -> None:
        if self._listener is None:
            return
        now = time.monotonic()
        left = None
        if self._done:
            left = (now - self._step_started) / self._done * (self._total - self._done + self._before)
        self._listener(
            Progress(
                step=self._step,
                done=self._done,
                total=self._total,
                prompt_tokens=self.meter.prompt_tokens,
                completion_tokens=self.meter.completion_tokens,
                seconds=now - self._started,
                seconds_left=left,
            )
        )
