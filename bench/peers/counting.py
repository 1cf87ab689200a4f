"""Counting what each tool spends at the endpoint, outside the tools themselves.

Neither peer reports everything it spent: langextract reports no tokens, instructor only those of an
answer it accepted. So the OpenAI client itself is watched: every answer received in this process is
counted, also one the tool then threw away. Only public names of the client are touched.
"""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass
from typing import Any

from openai.resources.chat.completions import AsyncCompletions, Completions


@dataclass(slots=True)
class Spent:
    """Answers received, those of them cut at the token limit, and tokens as the server counted them."""

    requests: int = 0
    cut: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int | None = None


class Counter:
    """Counts every chat completion of this process from :meth:`install` on; safe with threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spent = Spent()

    def install(self) -> None:
        """Watch the OpenAI client. Call once, before any client is made."""
        create, acreate = Completions.create, AsyncCompletions.create

        @functools.wraps(create)
        def counted(*args: Any, **kwargs: Any) -> Any:
            completion = create(*args, **kwargs)
            self._add(completion)
            return completion

        @functools.wraps(acreate)
        async def acounted(*args: Any, **kwargs: Any) -> Any:
            completion = await acreate(*args, **kwargs)
            self._add(completion)
            return completion

        Completions.create = counted  # type: ignore[method-assign]  # watching is the purpose
        AsyncCompletions.create = acounted  # type: ignore[method-assign]  # as above

    def restart(self) -> None:
        """Begin a new document."""
        with self._lock:
            self._spent = Spent()

    @property
    def spent(self) -> Spent:
        """What was spent since :meth:`restart`."""
        return self._spent

    def _add(self, completion: Any) -> None:
        with self._lock:
            self._spent.requests += 1
            self._spent.cut += any(choice.finish_reason == "length" for choice in completion.choices or ())
            usage = completion.usage
            if usage is None:
                return
            self._spent.prompt_tokens += usage.prompt_tokens
            self._spent.completion_tokens += usage.completion_tokens
            details = usage.prompt_tokens_details
            if details is not None and details.cached_tokens is not None:
                self._spent.cached_tokens = (self._spent.cached_tokens or 0) + details.cached_tokens


COUNTER = Counter()
