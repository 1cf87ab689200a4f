"""The summary record ``news/1``: the only definition of it in code.

Invariant: every offset counts Unicode code points of the document's text as read, half-open; evidence
with offsets quotes the text to the letter. Adding an optional field keeps ``news/1``; anything else is
``news/2``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator
from pydantic.json_schema import SkipJsonSchema

SCHEMA_NAME = "news/1"

ActorKind = Literal["person", "organisation", "country", "group", "media", "other"]
Attribution = Literal["direct", "reported", "author"]
Polarity = Literal["asserts", "denies"]
StanceLabel = Literal["support", "oppose", "neutral", "mixed"]
Grounding = Literal["exact", "normalised", "fuzzy", "conflict", "ungrounded"]
Offset = Annotated[int, Field(ge=0)]
Probability = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, protected_namespaces=())


class Offsets(_Part):
    """Code points ``start`` (inclusive) to ``end`` (exclusive) of the document's text."""

    start: Offset
    end: Offset


class DocumentInfo(_Part):
    """The document itself; ``text`` only when asked for."""

    id: str = Field(description="SHA-256 of the text, hex", pattern="^[0-9a-f]{64}$")
    source: str = Field(description="path as given, URL, or - for standard input")
    title: str | None
    language: str | None
    chars: int = Field(ge=0, description="code points in the text")
    sentences: int = Field(ge=0)
    text: str | SkipJsonSchema[None] = None

    @model_serializer(mode="wrap")
    def _without_absent_text(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        shown: dict[str, Any] = handler(self)
        if shown.get("text") is None:
            shown.pop("text", None)
        return shown


class Ref(_Part):
    """A name and the actor it stands for; the document's own voice is ``<author>`` without an actor."""

    name: str
    actor: str | None


class Evidence(_Part):
    """Words of the document that show a claim or a stance."""

    start: Offset | None
    end: Offset | None
    quote: str
    sentence: Offsets | None
    cue: Offsets | None
    grounding: Grounding

    @model_validator(mode="after")
    def _offsets_or_ungrounded(self) -> Self:
        if (self.start is None) != (self.end is None):
            raise ValueError("start and end are given together")
        if self.start is not None and self.end is not None and self.end - self.start != len(self.quote):
            raise ValueError("the quote is as long as its offsets say")
        if (self.start is None) != (self.grounding == "ungrounded"):
            raise ValueError("evidence without offsets is ungrounded, and no other is")
        return self


class Actor(_Part):
    """Somebody the document names, with every mention."""

    id: str
    name: str
    kind: ActorKind
    role: str | None
    aliases: list[str]
    mentions: list[Offsets]


class Claim(_Part):
    """Who asserts or denies what; ``text`` is one self-contained sentence."""

    id: str
    claimant: Ref
    attribution: Attribution
    polarity: Polarity
    text: str
    evidence: list[Evidence]
    confidence: Probability | None


class Stance(_Part):
    """Who stands how towards whom or what."""

    id: str
    holder: Ref
    target: Ref
    label: StanceLabel
    evidence: list[Evidence]
    confidence: Probability | None


class Notice(_Part):
    """Something a reader of the record should know; ``code`` is from the list in docs/errors.md."""

    code: str
    message: str


class RecipeInfo(_Part):
    """The prompts that were used: name, version and the SHA-256 of all their text."""

    name: str
    version: str
    sha256: str


class UsageInfo(_Part):
    """Tokens as the endpoint counted them; ``cached_tokens`` is null where it does not say."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int | None


class RunInfo(_Part):
    """How the record came to be. ``cost_usd`` is null where the price is not known; ``seconds`` is wall time."""

    model: str
    endpoint: str
    strategy: str
    recipe: RecipeInfo
    requests: int
    reasks: int
    retries: int
    usage: UsageInfo
    cost_usd: float | None
    seconds: float
    summarise_version: str


class Record(_Part):
    """One document's summary."""

    schema_: Literal["news/1"] = Field(alias="schema")
    document: DocumentInfo
    abstract: str
    actors: list[Actor]
    claims: list[Claim]
    stances: list[Stance]
    warnings: list[Notice]
    run: RunInfo

    def as_json(self, *, indent: int | None = None) -> str:
        """The record as JSON text, non-ASCII characters as they are."""
        return self.model_dump_json(by_alias=True, indent=indent, ensure_ascii=False)
