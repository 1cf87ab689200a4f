"""How a strategy asks: one model, one document's meter, and progress told to whoever listens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from openai.types.chat import ChatCompletion
from pydantic import BaseModel

from summarise.errors import InvalidAnswerError, TruncatedAnswerError
from summarise.llm.client import Answer, LanguageModel, Question
from summarise.llm.usage import Meter

T = TypeVar("T", bound=BaseModel)
R = TypeVar("R")
TOP_LOGPROBS = 5
"""Alternatives asked for at each token: the sides of every decision stand among the five likeliest."""


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


@dataclass(frozen=True, slots=True)
class Token:
    """One answered token: its text, its natural-log probability, and those of the likeliest at its place."""

    text: str
    logprob: float
    top: Mapping[str, float]


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
        self._slots = asyncio.Semaphore(model.endpoint.parallel)
        self.small_questions = 0
        self.unanswered = 0

    def begin(self, step: str, total: int, *, later: int = 0) -> None:
        """Start a step of ``total`` questions; about ``later`` more questions follow it in other steps."""
        self._step, self._done, self._total, self._before = step, 0, max(total, 1), later
        self._step_started = time.monotonic()
        self._tell()

    async def ask(self, question: Question, answer: type[T]) -> Answer[T]:
        """Ask one question of the current step (see :meth:`LanguageModel.ask` for what it raises)."""
        async with self._slots:
            got = await self.model.ask(question, answer, self.meter)
        self._done = min(self._done + 1, self._total)
        self._tell()
        return got

    async def try_ask(
        self, system: str, user: str, answer: type[T], max_tokens: int
    ) -> tuple[T | None, Sequence[Token] | None]:
        """Ask one of many small questions, which may stay unanswered without failing the document.

        Returns:
            The answer, None if it was invalid or cut after every re-ask, and its tokens, None where the
            endpoint gives no token probabilities. Unanswered questions are counted in :attr:`unanswered`.
        """
        self.small_questions += 1
        try:
            got = await self.ask(Question(system, user, max_tokens, top_logprobs=TOP_LOGPROBS), answer)
        except (InvalidAnswerError, TruncatedAnswerError):
            self.unanswered += 1
            return None, None
        return got.value, tokens_of(got.completion)

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


async def all_of(questions: Iterable[Coroutine[Any, Any, R]]) -> list[R]:
    """Await the questions, in any order, and return the answers in theirs; the first error cancels the rest."""
    tasks = [asyncio.create_task(question) for question in questions]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


def tokens_of(completion: ChatCompletion) -> tuple[Token, ...] | None:
    """The answer's tokens with their probabilities, None where the endpoint gave none."""
    logprobs = completion.choices[0].logprobs
    if logprobs is None or not logprobs.content:
        return None
    return tuple(
        Token(token.token, token.logprob, {other.token: other.logprob for other in token.top_logprobs})
        for token in logprobs.content
    )
