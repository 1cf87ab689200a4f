"""Peer: langextract through its OpenAI provider, with its own chunks, schema and alignment.

Instructions and few-shot examples follow its documentation: extraction texts stand word for word and in
their order in the example, every class has its attributes. The examples are invented. Everything else is
the library's default except the ones the harness names (--max-char-buffer is the default's value,
--workers is the number of the server's slots, --chunk-max-tokens stops a small model that runs on).
"""

from __future__ import annotations

import importlib.metadata
import json
import logging
import time
import warnings
from typing import Any

import langextract as lx  # type: ignore[import-untyped, unused-ignore]  # only in the bench's venv
from counting import COUNTER
from harness import Options, Reader, main
from langextract.prompt_validation import (  # type: ignore[import-untyped, unused-ignore]  # as above
    PromptValidationLevel,
)
from records import ActorRow, ClaimRow, Findings, Place, Run, StanceRow, as_record
from summarise.schemas import Record

from summarise.documents import Document

PROMPT = """\
Extract actors, claims and stances from a news article, in order of appearance.
Use exact text for extractions: copy it word for word from the article, never paraphrase.

- actor: a person, organisation, country, group or medium the article names; the extraction is its full \
name. Attributes: kind (person, organisation, country, group, media or other), role (in the words of the \
article, or null).
- claim: something somebody asserts or denies. Every quotation and every reported statement is a claim. \
The extraction is the content of the claim, without the claimant and without the cue. Attributes: \
claimant (the name of who says it, never a pronoun; <author> for the article itself), cue (the words \
that attribute it, such as "said", or empty), polarity (asserts or denies).
- stance: somebody supports or opposes somebody or something. The extraction is the words that show it. \
Attributes: holder and target (names), label (support, oppose, neutral or mixed).

Never judge what is true. Skip advertisements, photo credits and copyright lines."""


def _row(extraction_class: str, words: str, /, **attributes: str | None) -> Any:
    return lx.data.Extraction(extraction_class=extraction_class, extraction_text=words, attributes=attributes)


EXAMPLES = [
    lx.data.ExampleData(
        text=(
            "Mayor Ines Corval said on Monday that the ferry terminal will open before the summer. "
            '"We have kept our promise to the islands," she told reporters. '
            "The Dockers' Union, which has fought the plan for years, denied that it had agreed to the new shifts."
        ),
        extractions=[
            _row("actor", "Ines Corval", kind="person", role="Mayor"),
            _row(
                "claim",
                "the ferry terminal will open before the summer",
                claimant="Ines Corval",
                cue="said",
                polarity="asserts",
            ),
            _row(
                "claim",
                "We have kept our promise to the islands",
                claimant="Ines Corval",
                cue="told reporters",
                polarity="asserts",
            ),
            _row("actor", "Dockers' Union", kind="organisation", role=None),
            _row(
                "stance",
                "has fought the plan for years",
                holder="Dockers' Union",
                target="Ines Corval",
                label="oppose",
            ),
            _row(
                "claim",
                "it had agreed to the new shifts",
                claimant="Dockers' Union",
                cue="denied that",
                polarity="denies",
            ),
        ],
    ),
    lx.data.ExampleData(
        text=(
            "According to the Halden Gazette, the mill was sold twice in one year. "
            "Senator Piet Aldous praised the buyer, Norvik Timber, as a company that keeps its word."
        ),
        extractions=[
            _row("actor", "Halden Gazette", kind="media", role=None),
            _row(
                "claim",
                "the mill was sold twice in one year",
                claimant="Halden Gazette",
                cue="According to",
                polarity="asserts",
            ),
            _row("actor", "Piet Aldous", kind="person", role="Senator"),
            _row("stance", "praised the buyer", holder="Piet Aldous", target="Norvik Timber", label="support"),
            _row("actor", "Norvik Timber", kind="organisation", role="buyer"),
            _row(
                "claim",
                "a company that keeps its word",
                claimant="Piet Aldous",
                cue="praised",
                polarity="asserts",
            ),
        ],
    ),
]


def place_of(extraction: Any, text: str) -> Place:
    """Where langextract put the words. ``quote`` is the text there, as ``news/1`` asks."""
    interval = extraction.char_interval
    if interval is None or interval.start_pos is None or interval.end_pos is None:
        return Place(extraction.extraction_text, None, None, "ungrounded")
    start, end = interval.start_pos, interval.end_pos
    quote = text[start:end]
    if quote == extraction.extraction_text:
        grounding = "exact"
    elif extraction.alignment_status is lx.data.AlignmentStatus.MATCH_EXACT:
        grounding = "normalised"
    else:
        grounding = "fuzzy"
    return Place(quote, start, end, grounding)


def findings_of(extractions: list[Any], text: str) -> Findings:
    """The extractions in the rows both peers are compared in."""
    findings = Findings()
    for extraction in extractions:
        attributes = {key: str(value).strip() for key, value in (extraction.attributes or {}).items() if value}
        if extraction.extraction_class == "actor":
            kind, role = attributes.get("kind", "").lower(), attributes.get("role")
            findings.actors.append(ActorRow(extraction.extraction_text, kind, role))
        elif extraction.extraction_class == "claim":
            claimant, polarity = attributes.get("claimant", ""), attributes.get("polarity", "").lower()
            place = place_of(extraction, text)
            findings.claims.append(ClaimRow(claimant, polarity, attributes.get("cue", ""), place))
        elif extraction.extraction_class == "stance":
            holder, target = attributes.get("holder", ""), attributes.get("target", "")
            label = attributes.get("label", "").lower()
            findings.stances.append(StanceRow(holder, target, label, place_of(extraction, text)))
    return findings


class UnreadableAnswersError(Exception):
    """Every chunk was left out: langextract returns an empty result, which is a failure here."""


class LostChunks(logging.Filter):
    """Counts the chunks langextract leaves out because their answer could not be read.

    It only says so in its log, in words that may quote the document, so the line itself is not shown.
    """

    count = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Count such a line and keep it off the screen; let every other pass."""
        lost = str(record.msg).startswith("Chunk omitted")
        self.count += lost
        return not lost


def open_tool(options: Options) -> Reader:
    """The tool for the harness."""
    # langextract says with every call that a schema is made from the examples, which is what is wanted.
    warnings.filterwarnings("ignore", message="With 'config', schema constraints")
    lost = LostChunks()
    logging.getLogger("absl").addFilter(lost)
    config = lx.factory.ModelConfig(
        model_id=options.model,
        provider="OpenAILanguageModel",
        provider_kwargs={
            "api_key": options.api_key,
            "base_url": options.base_url,
            "temperature": 0.0,
            "max_output_tokens": options.chunk_max_tokens,
            "max_workers": options.workers,
        },
    )
    prompt = PROMPT + json.dumps([[vars(row) for row in example.extractions] for example in EXAMPLES], default=str)
    version = importlib.metadata.version("langextract")

    def read(document: Document) -> Record:
        lost.count = 0
        began = time.monotonic()
        result = lx.extract(
            text_or_documents=document.text,
            prompt_description=PROMPT,
            examples=EXAMPLES,
            config=config,
            max_char_buffer=options.max_char_buffer,
            max_workers=options.workers,
            prompt_validation_level=PromptValidationLevel.ERROR,
            prompt_validation_strict=True,
            show_progress=False,
        )
        findings = findings_of(result.extractions or [], document.text)
        seconds = time.monotonic() - began
        spent = COUNTER.spent
        if lost.count == spent.requests:
            raise UnreadableAnswersError(f"none of {lost.count} answers could be read")
        if lost.count:
            findings.warnings.append(("chunks_lost", f"{lost.count} of {spent.requests} answers could not be read"))
        return as_record(document, findings, Run("langextract", version, prompt, spent, 0, seconds), options)

    return read


if __name__ == "__main__":
    main("with_langextract", "Run langextract over marked documents.")
