"""One request to the endpoint, with the only transport retries in the program.

Invariant: the SDK's own retries are off, instructor's are for re-asking only; tenacity here owns
connection errors, timeouts, 408/409/429/5xx and answers that are not JSON. Attempts and total time
are capped; a Retry-After header, in seconds or as a date, is honoured (RFC 9110, section 10.2.3). Every try
goes out by a turn of the run's :class:`~summarise.llm.pacing.Pace`, which hears of every answer and failure.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
import openai
import tenacity
from openai.types.chat import ChatCompletion
from pydantic import ValidationError

from summarise.errors import ContextOverflowError, RateLimitError, RefusedError, SummariseError
from summarise.llm import faults
from summarise.llm.capability import Capability
from summarise.llm.pacing import NO_PACE, Pace, PauseTooLongError, retry_after
from summarise.llm.usage import Meter

_BACKOFF = tenacity.wait_exponential(multiplier=0.5, max=30.0) + tenacity.wait_random(0, 1)
_THINK_OPEN, _THINK_CLOSE = "<think>", "</think>"
_CUT_INPUT_FACTOR = 12
"""No tokenizer in use packs more than about eight characters of running text into a token; a prompt
billed at fewer than one token in twelve characters was cut by the server."""
_CUT_INPUT_FROM = 4000
"""Shorter prompts, in characters, fit every context there is."""
_CHARACTERS_PER_TOKEN = 4
"""For guessing a request's tokens before usage says them (what OpenAI's rate limits guess by, too)."""
_CONNECTIONS = httpx2.Limits(max_connections=4096, max_keepalive_connections=None)
"""More than are ever in flight, so that no request waits for a connection: the pace is the limit."""
_NO_HEADERS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and whom to ask. ``context_tokens`` is the model's context, None where unknown; ``parallel`` is how
    many questions about one document may be under way at once (one keeps the embedded server's prompt cache
    warm and its answers in a fixed order)."""

    base_url: str
    api_key: str
    model: str
    embedded: bool = False
    context_tokens: int | None = None
    parallel: int = 1


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one request: seconds per attempt, attempts, seconds over all attempts."""

    timeout: float
    attempts: int
    retry_seconds: float
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class _StopAfter(tenacity.stop.stop_base):
    """Stops before so many seconds of trying are over; what is waited for turns is no part of what a failing
    endpoint may cost."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.waited = 0.0

    def __call__(self, retry_state: tenacity.RetryCallState) -> bool:
        spent = (retry_state.seconds_since_start or 0.0) - self.waited
        return spent + retry_state.upcoming_sleep >= self._seconds


class Transport:
    """Sends chat requests to one endpoint; safe to share between documents."""

    def __init__(self, endpoint: Endpoint, limits: Limits, pace: Pace = NO_PACE) -> None:
        self.endpoint = endpoint
        self.limits = limits
        self.pace = pace
        self._client = openai.AsyncOpenAI(
            base_url=endpoint.base_url,
            api_key=endpoint.api_key,
            max_retries=0,
            timeout=limits.timeout,
            # Half the processor time a request costs with the SDK's usual client; what it needs comes with instructor.
            http_client=openai.DefaultAioHttpClient(limits=_CONNECTIONS, timeout=limits.timeout),
        )
        self._usual_answer: float | None = None

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def models(self) -> list[str]:
        """Names of the models the endpoint offers.

        Raises:
            SummariseError: translated from whatever the client stack raised.
        """
        try:
            page = await self._client.models.list()
        except openai.OpenAIError as error:
            raise self._translated(error) from error
        return [model.id for model in page.data]

    def reasked(self, meter: Meter) -> None:
        """Count a re-ask."""
        meter.reasks += 1

    async def chat(self, request: Mapping[str, Any], capability: Capability, meter: Meter) -> ChatCompletion:
        """Send one chat request; returns the completion with any ``<think>`` block taken out.

        Parameters the endpoint turned out not to take are left out and remembered in ``capability``.

        Raises:
            SummariseError: the translated error, after the last retry.
        """
        while True:
            try:
                completion = await self._with_retries(capability.adapted(request), meter)
            except openai.APIStatusError as error:
                refused = faults.rejected_parameter(error, capability.droppable(request))
                if refused is None:
                    raise self._translated(error, request) from error
                capability.learn_rejected(refused)
            except PauseTooLongError as error:
                raise RateLimitError(
                    f"{self.endpoint.base_url} asks to wait {error.seconds:.0f} s (HTTP 429); run again later"
                ) from error
            except (openai.OpenAIError, TimeoutError, json.JSONDecodeError) as error:
                raise self._translated(error, request) from error
            else:
                checked = self._checked(completion, request, meter)
                await self.pace.give_way()
                return checked

    async def _with_retries(self, request: Mapping[str, Any], meter: Meter) -> ChatCompletion:
        stop = _StopAfter(self.limits.retry_seconds)

        def count(_: tenacity.RetryCallState) -> None:
            meter.retries += 1

        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(lambda error: faults.is_retryable(error) or _is_timeout(error)),
            stop=tenacity.stop_any(tenacity.stop_after_attempt(self.limits.attempts), stop),
            wait=self._wait,
            before_sleep=count,
            sleep=self.limits.sleep,
            reraise=True,
        )
        completion: ChatCompletion = await retrying(self._once, request, stop)
        return completion

    async def _once(self, request: Mapping[str, Any], stop: _StopAfter) -> ChatCompletion:
        """One try: a turn, the request, and word of how it went to the pace."""
        status: int | None = None
        headers: Mapping[str, str] = _NO_HEADERS
        tokens: int | None = None
        async with self.pace.turn(self._estimate(request), patience=self.limits.retry_seconds) as turn:
            stop.waited += turn.waited
            began = time.monotonic()
            try:
                async with asyncio.timeout(self.limits.timeout):
                    response = await self._client.post(
                        "/chat/completions",
                        body=dict(request),
                        cast_to=httpx2.Response,
                        options={"security": {"bearer_auth": True}},
                    )
                status, headers = response.status_code, response.headers
                completion = _completion(response)
                tokens = completion.usage.total_tokens if completion.usage else None
            except openai.APIStatusError as error:
                status, headers = error.status_code, error.response.headers
                raise
            except asyncio.CancelledError:
                turn.given_up = True
                raise
            finally:
                if not turn.given_up:
                    seconds = time.monotonic() - began
                    self.pace.heard(status=status, headers=headers, seconds=seconds, tokens=tokens, turn=turn)
        if completion.usage:
            self._learn_usual(completion.usage.completion_tokens)
        return completion

    def _estimate(self, request: Mapping[str, Any]) -> int:
        """Tokens the request will be billed for, about: its characters, and an answer as long as others were."""
        sent = sum(len(message.get("content") or "") for message in request["messages"])
        answer = self._usual_answer
        if answer is None:
            answer = request.get("max_tokens") or request.get("max_completion_tokens") or 0
        return int(sent / _CHARACTERS_PER_TOKEN + answer)

    def _learn_usual(self, tokens: int) -> None:
        self._usual_answer = tokens if self._usual_answer is None else 0.9 * self._usual_answer + 0.1 * tokens

    def _wait(self, state: tenacity.RetryCallState) -> float:
        """What the server asks, else a back-off; a pause everybody keeps stands for both, or lengthens the first."""
        error = state.outcome.exception() if state.outcome else None
        asked = retry_after(error.response.headers) if isinstance(error, openai.APIStatusError) else None
        pause = self.pace.paused_seconds
        if asked is None and not (pause and isinstance(error, openai.RateLimitError)):
            asked = float(_BACKOFF(state))
        return max(asked or 0.0, pause)

    def _checked(self, completion: ChatCompletion, request: Mapping[str, Any], meter: Meter) -> ChatCompletion:
        meter.add(completion.usage)
        choice = completion.choices[0]
        if choice.finish_reason == "content_filter" or choice.message.refusal:
            raise RefusedError(f"{self.endpoint.model} refused to answer about this document; try another model")
        sent = sum(len(message.get("content") or "") for message in request["messages"])
        billed = completion.usage.prompt_tokens if completion.usage else 0
        if billed and max(_CUT_INPUT_FROM, billed * _CUT_INPUT_FACTOR) < sent:
            raise ContextOverflowError(
                f"{self.endpoint.base_url} cut the input: {sent} characters were sent, {billed} tokens read; "
                "raise the server's context length, or set --context-tokens to it"
            )
        choice.message.content = without_thinking(choice.message.content or "")
        return completion

    def _translated(self, error: Exception, request: Mapping[str, Any] | None = None) -> SummariseError:
        return faults.translate(
            error,
            base_url=self.endpoint.base_url,
            model=self.endpoint.model,
            seconds=self.limits.timeout,
            request=request,
        )


def without_thinking(content: str) -> str:
    """The answer without a leading ``<think>…</think>`` block (some servers drop the opening tag)."""
    stripped = content.lstrip()
    head, closing, rest = stripped.partition(_THINK_CLOSE)
    if closing and (stripped.startswith(_THINK_OPEN) or not head.lstrip().startswith(("{", "["))):
        return rest.lstrip()
    return content


def _completion(response: httpx2.Response) -> ChatCompletion:
    """The body as a completion, leniently where it is not to the letter what the SDK's types say.

    Validating the bytes costs a tenth of what the SDK's own construction does, and nearly all servers pass.
    """
    try:
        completion = ChatCompletion.model_validate_json(response.content)
    except ValidationError:
        data = json.loads(response.content)
        if not isinstance(data, dict):
            raise json.JSONDecodeError("not a chat completion", "", 0) from None
        completion = ChatCompletion.construct(**data)
    if not completion.choices:
        raise json.JSONDecodeError("not a chat completion", "", 0)
    return completion


def _is_timeout(error: BaseException) -> bool:
    return isinstance(error, TimeoutError)
