"""Requests that wait: asked in a provider's batch and answered hours later, behind the interface of a transport.

A document is read by the same code as ever, against a :class:`DeferredTransport`. What was answered before comes
from the document's memory (:mod:`summarise.llm.memory`); a request without an answer is noted and the work on the
document is put aside (:func:`read_until_waiting`). Once the answers are there the work begins anew, finds them
remembered, and goes on: to the record, or to further requests (re-asks, further chunks), which wait in their turn.
So nothing of a document is held while it waits, and a run that was detached or killed goes on like any other.

Invariants: a request's ``custom_id`` depends on the document's work key and the request alone, so the same work asks
under the same id in every run; a line of a batch's files is an answer, an error of one document, or a reason to ask
again, and nothing else.

Source: OpenAI's published description of the Batch API: the per-line objects of input, output and error files.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeVar

import httpx2
import openai
from openai.types.chat import ChatCompletion
from pydantic import ValidationError

from summarise.errors import RefusedError, SummariseError
from summarise.llm import faults
from summarise.llm.capability import Capability
from summarise.llm.memory import request_key
from summarise.llm.transport import Transport, without_thinking
from summarise.llm.usage import Meter

R = TypeVar("R")
CHAT_URL = "/v1/chat/completions"
_AT_ONCE = 10_000
"""Questions about one document that may wait together: all of them, since none is under way."""
_TURNS = 10
"""Turns of the event loop for questions asked beside the first one. A question that comes later still is not lost:
it joins the next batch."""
_CANCELLED = frozenset({"batch_cancelled", "request_cancelled", "cancelled"})


@dataclass(frozen=True, slots=True)
class WaitingRequest:
    """A request without an answer: ``body`` is what is sent, ``request_sha256`` the key its answer is remembered
    under for the document with this work key."""

    custom_id: str
    work_key: str
    request_sha256: str
    body: Mapping[str, Any]

    def line(self) -> bytes:
        """The request as a line of a batch's input file."""
        entry = {"custom_id": self.custom_id, "method": "POST", "url": CHAT_URL, "body": self.body}
        return json.dumps(entry, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Answered:
    """The line holds a completion, as JSON, any ``<think>`` block taken out."""

    completion: str


@dataclass(frozen=True, slots=True)
class Declined:
    """The line says that the request will not be answered: an error about this document, or about the account."""

    error: Exception


@dataclass(frozen=True, slots=True)
class AskAgain:
    """The line says that the request was not carried out; ``reason`` is one of the API's codes or an HTTP status."""

    reason: str
    cancelled: bool = False


LineOutcome = Answered | Declined | AskAgain


class DeferredTransport(Transport):
    """The transport of one document whose requests wait for a batch. ``errors`` are what earlier batches said about
    requests that will get no answer, by custom id; ``waiting`` fills with the requests that need one."""

    def __init__(self, live: Transport, work_key: str, errors: Mapping[str, Exception]) -> None:
        # Not the base's: that would open connections for every document.
        self.endpoint = dataclasses.replace(live.endpoint, parallel=_AT_ONCE)
        self.limits = live.limits
        self.waiting: dict[str, WaitingRequest] = {}
        self.asked = asyncio.Event()
        self._live = live
        self._work_key = work_key
        self._errors = errors

    async def close(self) -> None:
        """Nothing: the connections belong to the live transport."""

    async def models(self) -> list[str]:
        """Names of the models the endpoint offers."""
        return await self._live.models()

    def reasked(self, meter: Meter) -> None:
        """Count a re-ask."""
        meter.reasks += 1

    async def chat(self, request: Mapping[str, Any], capability: Capability, meter: Meter) -> ChatCompletion:
        """Note that the request needs an answer, and wait until the work is put aside.

        Raises:
            SummariseError: what a batch said about this request, translated as a live answer's error would be.
        """
        del meter  # what was answered is counted where it is recalled
        while True:
            body = capability.adapted(request)
            custom_id = custom_id_of(self._work_key, body)
            error = self._errors.get(custom_id)
            if error is None:
                break
            if isinstance(error, openai.APIStatusError):
                refused = faults.rejected_parameter(error, capability.droppable(request))
                if refused is not None:
                    capability.learn_rejected(refused)
                    continue
            raise self._translated(error, request) from error
        self.waiting[custom_id] = WaitingRequest(custom_id, self._work_key, request_key(request), body)
        self.asked.set()
        await asyncio.get_running_loop().create_future()
        raise AssertionError("nobody answers a request that waits")

    def _translated(self, error: Exception, request: Mapping[str, Any] | None = None) -> SummariseError:
        return faults.translate(
            error,
            base_url=self.endpoint.base_url,
            model=self.endpoint.model,
            seconds=self.limits.timeout,
            request=request,
        )


async def read_until_waiting(work: Coroutine[Any, Any, R], transport: DeferredTransport) -> R | None:
    """Do the work on a document until it ends or waits for answers.

    Returns:
        What the work returns; None if it waits: it is put aside then, and what it asks stands in
        ``transport.waiting``.

    Raises:
        Exception: what the work raises.
    """
    task = asyncio.create_task(work)
    asked = asyncio.create_task(transport.asked.wait())
    try:
        await asyncio.wait({task, asked}, return_when=asyncio.FIRST_COMPLETED)
        seen = -1
        while not task.done() and len(transport.waiting) != seen:
            seen = len(transport.waiting)
            for _ in range(_TURNS):
                await asyncio.sleep(0)
        return task.result() if task.done() else None
    finally:
        for one in (task, asked):
            one.cancel()
        await asyncio.gather(task, asked, return_exceptions=True)


def custom_id_of(work_key: str, body: Mapping[str, Any]) -> str:
    """The id under which a document's request goes: letters, digits and a hyphen, 50 characters (some providers take
    no more than 64)."""
    return "s-" + sha256(f"{work_key} {request_key(body)}".encode()).hexdigest()[:48]


def read_line(raw: bytes, *, base_url: str, model: str) -> tuple[str, LineOutcome] | None:
    """The custom id and the outcome of one line of an output or error file; None if it is no such line."""
    try:
        entry = json.loads(raw)
    except ValueError:
        return None
    custom_id = entry.get("custom_id") if isinstance(entry, dict) else None
    if not isinstance(custom_id, str):
        return None
    response, error = entry.get("response"), entry.get("error")
    if isinstance(response, dict) and isinstance(response.get("status_code"), int):
        return custom_id, _outcome(response["status_code"], response.get("body"), base_url, model)
    code = str(error.get("code")) if isinstance(error, dict) else "no response"
    return custom_id, AskAgain(code, cancelled=code in _CANCELLED)


def _outcome(status: int, body: Any, base_url: str, model: str) -> LineOutcome:
    if status >= 400:
        error = _status_error(status, body, base_url)
        return AskAgain(f"HTTP {status}") if faults.is_retryable(error) else Declined(error)
    try:
        completion = ChatCompletion.model_validate(body)
        choice = completion.choices[0]
    except (ValidationError, IndexError):
        return AskAgain("not a chat completion")
    if choice.finish_reason == "content_filter" or choice.message.refusal:
        return Declined(RefusedError(f"{model} refused to answer about this document; try another model"))
    choice.message.content = without_thinking(choice.message.content or "")
    return Answered(completion.model_dump_json(exclude_unset=True))


def _status_error(status: int, body: Any, base_url: str) -> openai.APIStatusError:
    """The error the SDK would have raised, had the request been made by itself."""
    inner = body.get("error", body) if isinstance(body, dict) else body
    request = httpx2.Request("POST", f"{base_url}/chat/completions")
    return openai.APIStatusError(f"HTTP {status}", response=httpx2.Response(status, request=request), body=inner)
