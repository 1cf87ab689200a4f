"""Peer: everything at once with instructor, as somebody who knows it would write it in an afternoon.

One pydantic model, one request, two re-asks if the answer does not fit; evidence is looked up with
``str.find``. The lists are bounded, because a small model otherwise runs on until its context is full.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Literal

import instructor
from counting import COUNTER
from harness import Options, Reader, main
from openai import AsyncOpenAI
from pydantic import BaseModel, Field
from records import ActorRow, ClaimRow, Findings, Place, Run, StanceRow, as_record
from summarise.schemas import Record

from summarise.documents import Document

SYSTEM = """\
You extract structured information from a news article. Answer in JSON.

- summary: two or three neutral sentences.
- actors: the people, organisations, countries, groups and media the article names, each with its full \
name, its kind, and its role in the words of the article (null if it has none).
- claims: who asserts or denies what. Every quotation and every reported statement is a claim. \
claimant is the name of who says it, never a pronoun; use <author> for the article itself. \
quote is the content of the claim, copied word for word from the article, without the claimant and \
without the cue. cue is the words that attribute it ("said", "according to"), copied, empty if there are \
none. polarity is "asserts", or "denies" if the claimant denies it.
- stances: who supports or opposes whom or what. holder and target are names; label is support, oppose, \
neutral or mixed; evidence is the words that show it, copied word for word from the article.

Never judge what is true. Skip advertisements, photo credits and copyright lines."""


class Actor(BaseModel):
    """Somebody the article names."""

    name: str = Field(description="full name, as in the article")
    kind: Literal["person", "organisation", "country", "group", "media", "other"]
    role: str | None = Field(description="office or role, in the article's words")


class Claim(BaseModel):
    """Who asserts or denies what."""

    claimant: str = Field(description="name of who asserts or denies it; <author> for the article itself")
    cue: str = Field(description="the words that attribute it, verbatim; empty if none")
    quote: str = Field(description="the content of the claim, verbatim from the article")
    polarity: Literal["asserts", "denies"]


class Stance(BaseModel):
    """Who supports or opposes whom or what."""

    holder: str
    target: str
    label: Literal["support", "oppose", "neutral", "mixed"]
    evidence: str = Field(description="the words that show it, verbatim from the article")


class Article(BaseModel):
    """Everything about one article."""

    summary: str = Field(description="two or three neutral sentences")
    actors: list[Actor] = Field(max_length=30)
    claims: list[Claim] = Field(max_length=40)
    stances: list[Stance] = Field(max_length=20)


def find(text: str, words: str) -> Place:
    """Where ``words`` first stand in ``text``, to the letter."""
    words = words.strip()
    start = text.find(words) if words else -1
    if start < 0:
        return Place(words, None, None, "ungrounded")
    return Place(words, start, start + len(words), "exact")


async def extract(client: instructor.AsyncInstructor, text: str, options: Options) -> Article:
    """Ask for everything in one request."""
    return await client.chat.completions.create(
        model=options.model,
        response_model=Article,
        max_retries=2,
        temperature=0,
        max_tokens=options.max_tokens,
        messages=[{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}],
    )


def findings_of(article: Article, text: str) -> Findings:
    """The answer in the rows both peers are compared in."""
    return Findings(
        actors=[ActorRow(row.name, row.kind, row.role) for row in article.actors],
        claims=[ClaimRow(row.claimant, row.polarity, row.cue, find(text, row.quote)) for row in article.claims],
        stances=[StanceRow(row.holder, row.target, row.label, find(text, row.evidence)) for row in article.stances],
        abstract=article.summary,
    )


def open_tool(options: Options) -> Reader:
    """The tool for the harness."""
    openai = AsyncOpenAI(base_url=options.base_url, api_key=options.api_key, timeout=options.timeout)
    client = instructor.from_openai(openai, mode=instructor.Mode.JSON_SCHEMA)
    loop = asyncio.Runner()
    prompt = SYSTEM + json.dumps(Article.model_json_schema())

    def read(document: Document) -> Record:
        began = time.monotonic()
        article = loop.run(extract(client, document.text, options))
        findings = findings_of(article, document.text)
        seconds = time.monotonic() - began
        spent = COUNTER.spent
        run = Run("one_shot", instructor.__version__, prompt, spent, spent.requests - 1, seconds)
        return as_record(document, findings, run, options)

    return read


if __name__ == "__main__":
    main("one_shot", "Run the instructor script over marked documents.")
