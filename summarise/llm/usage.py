"""Counting what a document cost: requests, re-asks, retries, tokens.

Invariant: every answer that was received is counted, also one that was then refused, truncated or
did not fit the schema: what was paid for is never left out.
"""

from __future__ import annotations

from dataclasses import dataclass

from openai.types import CompletionUsage


@dataclass(slots=True)
class Meter:
    """Running totals of one document. ``requests`` counts answers received, re-asks included;
    ``retries`` counts tries that got no usable answer and were repeated."""

    requests: int = 0
    reasks: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int | None = None

    def add(self, usage: CompletionUsage | None) -> None:
        """Count one answer; an endpoint that reports no usage adds no tokens."""
        self.requests += 1
        if usage is None:
            return
        self.prompt_tokens += usage.prompt_tokens
        self.completion_tokens += usage.completion_tokens
        details = usage.prompt_tokens_details
        if details is not None and details.cached_tokens is not None:
            self.cached_tokens = (self.cached_tokens or 0) + details.cached_tokens

    def merge(self, other: Meter) -> None:
        """Count what ``other`` counted too."""
        self.requests += other.requests
        self.reasks += other.reasks
        self.retries += other.retries
        self.prompt_tokens += other.prompt_tokens
        self.completion_tokens += other.completion_tokens
        if other.cached_tokens is not None:
            self.cached_tokens = (self.cached_tokens or 0) + other.cached_tokens
