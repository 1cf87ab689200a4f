"""The files and batches endpoints of a provider, with retries that never pay twice.

Invariant: a batch is created at most once for a mark. The mark is made up before anything is sent, stands in the
file's name and in the batch's metadata, and before every second try (of this process or a later one) it is looked
for; so an answer that was lost on the way, or a process that was killed, leads to no second upload and no second
batch.

Source: OpenAI's published description of ``/v1/files`` and ``/v1/batches``; limits of one batch: 50,000 requests,
200 MB.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TypeVar

import openai
import tenacity
from openai.types import Batch

from summarise.errors import ConfigurationError, SummariseError
from summarise.llm import faults
from summarise.llm.pacing import retry_after
from summarise.llm.transport import Endpoint, Limits

R = TypeVar("R")
MARK_KEY = "summarise"
TERMINAL = frozenset({"completed", "failed", "expired", "cancelled"})
MOST_BYTES = 100_000_000
"""Half of what OpenAI takes: what it took before, and what others take."""
_TRANSFER_SECONDS = 1800.0
"""Longest time for one try of an upload or a download."""
_BACKOFF = tenacity.wait_exponential(multiplier=0.5, max=30.0) + tenacity.wait_random(0, 1)
_SLACK_SECONDS = 2 * 86_400
"""Listing stops at batches this much older than the mark: clocks differ, but not by more."""


class _NotThereError(ConfigurationError):
    """The provider has no such file or batch, or no batch endpoint at all."""


class ProviderBatches:
    """Uploads, batches and downloads at one endpoint; a context manager."""

    def __init__(self, endpoint: Endpoint, limits: Limits) -> None:
        self.endpoint = endpoint
        self._limits = limits
        self._client = openai.AsyncOpenAI(
            base_url=endpoint.base_url, api_key=endpoint.api_key, max_retries=0, timeout=limits.timeout
        )

    async def __aenter__(self) -> ProviderBatches:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def upload(self, mark: str, content: bytes) -> str:
        """Upload the input file of a batch, unless it is there; returns the file's id.

        Raises:
            SummariseError: translated, after the last retry.
        """
        tried = False

        async def once() -> str:
            nonlocal tried
            if tried and (known := await self._look_for_upload(mark)) is not None:
                return known
            tried = True
            uploaded = await self._client.files.create(
                file=(file_name(mark), content, "application/jsonl"), purpose="batch", timeout=_TRANSFER_SECONDS
            )
            return uploaded.id

        return await self._retried(once, seconds=_TRANSFER_SECONDS)

    async def find_upload(self, mark: str) -> str | None:
        """The id of the input file with this mark, if it was uploaded."""
        return await self._retried(lambda: self._look_for_upload(mark))

    async def create(self, mark: str, file_id: str, *, since: float) -> Batch:
        """Create the batch with this mark, unless there is one.

        Args:
            mark: see the module.
            file_id: the uploaded input file.
            since: when the mark was made up, seconds since the epoch.

        Raises:
            SummariseError: translated, after the last retry.
        """
        tried = False

        async def once() -> Batch:
            nonlocal tried
            if tried and (known := await self._look_for(mark, since)) is not None:
                return known
            tried = True
            return await self._client.batches.create(
                input_file_id=file_id,
                endpoint="/v1/chat/completions",
                completion_window="24h",
                metadata={MARK_KEY: mark},
            )

        return await self._retried(once)

    async def find(self, mark: str, *, since: float) -> Batch | None:
        """The batch with this mark, if it was created."""
        return await self._retried(lambda: self._look_for(mark, since))

    async def look(self, batch_id: str) -> Batch | None:
        """How the batch stands; None if the provider does not know it."""
        try:
            return await self._retried(lambda: self._client.batches.retrieve(batch_id))
        except _NotThereError:
            return None

    async def lines(self, file_id: str) -> list[bytes] | None:
        """The lines of a file; None if the provider does not have it (any more)."""

        async def once() -> list[bytes]:
            content = await self._client.files.content(file_id, timeout=_TRANSFER_SECONDS)
            return content.content.splitlines()

        try:
            return await self._retried(once, seconds=_TRANSFER_SECONDS)
        except _NotThereError:
            return None

    async def _look_for(self, mark: str, since: float) -> Batch | None:
        async for batch in self._client.batches.list(limit=100):
            if (batch.metadata or {}).get(MARK_KEY) == mark:
                return batch
            if batch.created_at < since - _SLACK_SECONDS:
                return None
        return None

    async def _look_for_upload(self, mark: str) -> str | None:
        async for known in self._client.files.list(purpose="batch", order="desc", limit=1000):
            if known.filename == file_name(mark):
                return known.id
        return None

    async def _retried(self, call: Callable[[], Awaitable[R]], *, seconds: float | None = None) -> R:
        """The call, retried like a chat request (attempts, time and Retry-After from the same limits)."""
        limit = seconds or self._limits.timeout

        async def once() -> R:
            async with asyncio.timeout(limit):
                return await call()

        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(lambda e: faults.is_retryable(e) or isinstance(e, TimeoutError)),
            stop=tenacity.stop_any(
                tenacity.stop_after_attempt(self._limits.attempts),
                tenacity.stop_before_delay(self._limits.retry_seconds),
            ),
            wait=_wait,
            sleep=self._limits.sleep,
            reraise=True,
        )
        try:
            return await retrying(once)
        except (openai.OpenAIError, TimeoutError, json.JSONDecodeError) as error:
            raise self._translated(error, limit) from error

    def _translated(self, error: Exception, seconds: float) -> SummariseError:
        endpoint = self.endpoint
        status = error.status_code if isinstance(error, openai.APIStatusError) else 0
        if status in {400, 404, 405, 413, 415, 422, 501}:
            kind = _NotThereError if status == 404 else ConfigurationError
            return kind(
                f"{endpoint.base_url} did not take the batch (HTTP {status}); "
                "if it has no batch endpoint, run without --via batch-api"
            )
        return faults.translate(error, base_url=endpoint.base_url, model=endpoint.model, seconds=seconds)


def file_name(mark: str) -> str:
    """The name of the input file of the batch with this mark."""
    return f"summarise-{mark}.jsonl"


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = retry_after(error.response.headers) if isinstance(error, openai.APIStatusError) else None
    return _BACKOFF(state) if asked is None else asked
