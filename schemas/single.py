"""What a model answers in the ``single`` strategy: compact rows over numbered sentences.

Invariant: key names are short because output tokens are the cost; their meaning stands in the
descriptions, which travel with the JSON Schema. Lists are bounded, so a small model cannot run away.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from summarise.schemas.record import ActorKind, Polarity, StanceLabel

Words = Annotated[str, Field(min_length=1, max_length=600)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
SentenceNumber = Annotated[int, Field(ge=1, description="number of the sentence it stands in")]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ActorRow(_Row):
    """One actor."""

    name: Name = Field(description="fullest name in the text")
    kind: ActorKind
    role: str | None = Field(max_length=120, description="office or role, in the text's words")


class ClaimRow(_Row):
    """One claim."""

    s: SentenceNumber
    who: Name = Field(description="name of who asserts or denies it; <author> for the article itself")
    cue: str = Field(max_length=80, description="the words that attribute it, copied; empty if none")
    says: Words = Field(description="the claim's content, copied from the sentence, without who and cue")
    pol: Polarity


class StanceRow(_Row):
    """One stance."""

    s: SentenceNumber
    holder: Name
    target: Name
    label: StanceLabel
    words: Words = Field(description="the words that show it, copied from the sentence")


class SingleAnswer(_Row):
    """Everything about one document or chunk."""

    actors: list[ActorRow] = Field(max_length=30)
    claims: list[ClaimRow] = Field(max_length=40)
    stances: list[StanceRow] = Field(max_length=20)
    abstract: str = Field(min_length=1, max_length=900, description="two or three neutral sentences")


class CopyRow(_Row):
    """Words that were given as copied but do not stand in the document, copied again."""

    n: int = Field(ge=1, description="number of the words in question")
    s: int = Field(ge=0, description="number of the sentence that says it; 0 if none")
    words: str = Field(max_length=600, description="copied from that sentence; empty if none says it")


class SecondAnswer(_Row):
    """What a second look at one document or chunk corrects."""

    copies: list[CopyRow] = Field(max_length=60)
    abstract: str = Field(max_length=900, description="the abstract corrected; empty if it was not in question")


class AbstractAnswer(_Row):
    """The abstract of a document that was read in several chunks."""

    abstract: str = Field(min_length=1, max_length=900, description="two or three neutral sentences")
