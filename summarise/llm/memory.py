"""Answers remembered between runs: what was answered once for a document is not asked, or paid for, again.

Invariant: an answer is remembered before anything is made of it, and by the hash of the request as asked, before
parameters the endpoint does not take are left out; so it is found again by a run that has yet to learn them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Protocol

from openai.types.chat import ChatCompletion

from summarise.llm.capability import Capability
from summarise.llm.transport import Endpoint, Limits, Transport
from summarise.llm.usage import Meter


class Answers(Protocol):
    """Where the answers of one unfinished document are kept. Where ``keeps`` is False nothing is: requests then have
    no key, completions no text, and :meth:`remember` only tells that an answer came."""

    keeps: bool

    async def recall(self, request_sha256: str) -> str | None:
        """The completion remembered for this request, as JSON; None if there is none."""

    async def remember(self, request_sha256: str, completion: str) -> None:
        """Keep a completion, as JSON."""


def request_key(request: Mapping[str, Any]) -> str:
    """SHA-256, in hex, of the request's JSON with sorted keys."""
    text = json.dumps(request, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class RememberingTransport:
    """A transport for one document that asks its memory first. ``spent`` counts only what was really sent; the
    meters it is handed count recalled answers too, since they were paid for by an earlier try."""

    def __init__(self, transport: Transport, answers: Answers) -> None:
        self.spent = Meter()
        self._transport = transport
        self._answers = answers

    @property
    def endpoint(self) -> Endpoint:
        """Where the questions go."""
        return self._transport.endpoint

    @property
    def limits(self) -> Limits:
        """Bounds on one request."""
        return self._transport.limits

    async def close(self) -> None:
        """Nothing: the connections belong to the transport underneath, which others use."""

    async def models(self) -> list[str]:
        """Names of the models the endpoint offers."""
        return await self._transport.models()

    def reasked(self, meter: Meter) -> None:
        """Count a re-ask."""
        meter.reasks += 1
        self.spent.reasks += 1

    async def chat(self, request: Mapping[str, Any], capability: Capability, meter: Meter) -> ChatCompletion:
        """The remembered completion, or the endpoint's, which then is remembered.

        Raises:
            SummariseError: as :meth:`Transport.chat`.
        """
        keeps = self._answers.keeps
        key = request_key(request) if keeps else ""
        known = await self._answers.recall(key) if keeps else None
        if known is not None:
            completion = ChatCompletion.model_validate_json(known)
            meter.add(completion.usage)
            return completion
        call = Meter()
        try:
            completion = await self._transport.chat(request, capability, call)
        finally:
            meter.merge(call)
            self.spent.merge(call)
        await self._answers.remember(key, completion.model_dump_json(exclude_unset=True) if keeps else "")
        return completion
