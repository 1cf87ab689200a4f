"""One request to the endpoint, with the only transport retries in the program.

Invariant: the SDK's own retries are off, instructor's are for re-asking only; tenacity here owns
connection errors, timeouts, 408/409/429/5xx and answers that are not JSON. Attempts and total time
are capped; a Retry-After header, in seconds or as a date, is honoured (RFC 9110, section 10.2.3).
"""

from __future__ import annotations

import asyncio
import email.utils
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import openai
import tenacity
from openai.types.chat import ChatCompletion

from summarise.errors import EndpointUnavailableError, RefusedError, SummariseError
from summarise.llm import faults
from summarise.llm.capability import Capability
from summarise.llm.usage import Meter

_BACKOFF = tenacity.wait_exponential(multiplier=0.5, max=30.0) + tenacity.wait_random(0, 1)
_THINK_OPEN, _THINK_CLOSE = "<think>", "</think>"
_CUT_INPUT_FACTOR = 12
"""No tokenizer in use packs more than about eight characters of running text into a token; a prompt
billed at fewer than one token in twelve characters was cut by the server."""
_CUT_INPUT_FROM = 4000
"""Shorter prompts, in characters, fit every context there is."""


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


class Transport:
    """Sends chat requests to one endpoint; safe to share between documents."""

    def __init__(self, endpoint: Endpoint, limits: Limits) -> None:
        self.endpoint = endpoint
        self.limits = limits
        self._client = openai.AsyncOpenAI(
            base_url=endpoint.base_url, api_key=endpoint.api_key, max_retries=0, timeout=limits.timeout
        )

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
                    raise self._translated(error) from error
                capability.learn_rejected(refused)
            except (openai.OpenAIError, TimeoutError, json.JSONDecodeError) as error:
                raise self._translated(error) from error
            else:
                return self._checked(completion, request, meter)

    async def _with_retries(self, request: Mapping[str, Any], meter: Meter) -> ChatCompletion:
        def count(_: tenacity.RetryCallState) -> None:
            meter.retries += 1

        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(lambda error: faults.is_retryable(error) or _is_timeout(error)),
            stop=tenacity.stop_any(
                tenacity.stop_after_attempt(self.limits.attempts),
                tenacity.stop_before_delay(self.limits.retry_seconds),
            ),
            wait=_wait,
            before_sleep=count,
            sleep=self.limits.sleep,
            reraise=True,
        )
        completion: ChatCompletion = await retrying(self._once, request)
        return completion

    async def _once(self, request: Mapping[str, Any]) -> ChatCompletion:
        async with asyncio.timeout(self.limits.timeout):
            completion = await self._client.chat.completions.create(**request)
        if not isinstance(completion, ChatCompletion) or not completion.choices:
            raise json.JSONDecodeError("not a chat completion", "", 0)
        return completion

    def _checked(self, completion: ChatCompletion, request: Mapping[str, Any], meter: Meter) -> ChatCompletion:
        meter.add(completion.usage)
        choice = completion.choices[0]
        if choice.finish_reason == "content_filter" or choice.message.refusal:
            raise RefusedError(f"{self.endpoint.model} refused to answer about this document; try another model")
        sent = sum(len(message.get("content") or "") for message in request["messages"])
        billed = completion.usage.prompt_tokens if completion.usage else 0
        if billed and max(_CUT_INPUT_FROM, billed * _CUT_INPUT_FACTOR) < sent:
            raise EndpointUnavailableError(
                f"{self.endpoint.base_url} cut the input: {sent} characters were sent, {billed} tokens read; "
                "raise the server's context length"
            )
        choice.message.content = without_thinking(choice.message.content or "")
        return completion

    def _translated(self, error: Exception) -> SummariseError:
        return faults.translate(
            error, base_url=self.endpoint.base_url, model=self.endpoint.model, seconds=self.limits.timeout
        )


def without_thinking(content: str) -> str:
    """The answer without a leading ``<think>…</think>`` block (some servers drop the opening tag)."""
    stripped = content.lstrip()
    head, closing, rest = stripped.partition(_THINK_CLOSE)
    if closing and (stripped.startswith(_THINK_OPEN) or not head.lstrip().startswith(("{", "["))):
        return rest.lstrip()
    return content


def retry_after(error: BaseException | None, *, now: float | None = None) -> float | None:
    """Seconds the server asks to wait (Retry-After in seconds or as an HTTP date), or None."""
    if not isinstance(error, openai.APIStatusError):
        return None
    value = error.response.headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - (time.time() if now is None else now))


def _wait(state: tenacity.RetryCallState) -> float:
    asked = retry_after(state.outcome.exception() if state.outcome else None)
    return _BACKOFF(state) if asked is None else asked


def _is_timeout(error: BaseException) -> bool:
    return isinstance(error, TimeoutError)
