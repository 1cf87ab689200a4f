"""The strategies by name, and the one place where they differ: how a document is asked about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from summarise.documents import Document
from summarise.errors import UsageError
from summarise.extract.asking import Asker, Budget
from summarise.extract.drafts import Draft
from summarise.extract.single import SingleStrategy
from summarise.prompts import Recipe
from summarise.text import Span


class Strategy(Protocol):
    """Reads a document by asking; everything else (grounding, merging, record) is shared."""

    name: str
    recipe: Recipe

    async def read(self, document: Document, sentences: Sequence[Span], asker: Asker, budget: Budget) -> Draft:
        """Ask about the document and draft what it says."""
        ...


def choose(name: str, *, embedded: bool) -> Strategy:
    """The strategy of that name; ``auto`` picks the best one for the kind of endpoint.

    Raises:
        UsageError: if there is no strategy of that name.
    """
    del embedded  # both kinds of endpoint are asked the same way so far
    if name in ("auto", "single"):
        return SingleStrategy()
    raise UsageError(f"no strategy named {name!r}; there is single")
