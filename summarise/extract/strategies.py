"""The strategies by name, and the one place where they differ: how a document is asked about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from summarise.documents import Document
from summarise.errors import UsageError
from summarise.extract.asking import Asker, Budget
from summarise.extract.drafts import Draft
from summarise.extract.single import SingleStrategy
from summarise.extract.stepwise import StepwiseStrategy
from summarise.prompts import Recipe
from summarise.text import Span


class Strategy(Protocol):
    """Reads a document by asking; everything else (grounding, merging, record) is shared."""

    name: str
    recipe: Recipe

    async def read(self, document: Document, sentences: Sequence[Span], asker: Asker, budget: Budget) -> Draft:
        """Ask about the document and draft what it says."""
        ...


_ENGLISH = (None, "en")


def choose(name: str, *, embedded: bool, language: str | None) -> Strategy:
    """The strategy of that name; ``auto`` is stepwise for the embedded model and English, else single.

    Raises:
        UsageError: if there is no strategy of that name.
    """
    if name == "auto":
        name = "stepwise" if embedded and language in _ENGLISH else "single"
    if name == "stepwise":
        return StepwiseStrategy()
    if name == "single":
        return SingleStrategy()
    raise UsageError(f"no strategy named {name!r}; there are auto, single and stepwise")
