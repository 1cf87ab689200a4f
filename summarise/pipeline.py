"""One document in, one record out.

Invariant: :func:`summarise_document` shares no state with other documents (a document, a model and
settings in, a record out), so a scheduler may run it anywhere, as often as it likes. A failure raises;
it never becomes an empty record.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from summarise import __version__
from summarise.chunking import cut_sentences
from summarise.documents import Document, from_value, read_path
from summarise.errors import UsageError
from summarise.extract import Strategy, choose
from summarise.extract.asking import Asker, Budget, Listener
from summarise.extract.merge import merge
from summarise.llm.client import LanguageModel
from summarise.llm.endpoint import context_of, open_model
from summarise.llm.prices import cost_usd
from summarise.llm.usage import Meter
from summarise.schemas import SCHEMA_NAME, DocumentInfo, Notice, RecipeInfo, Record, RunInfo, UsageInfo
from summarise.settings import Settings, load


async def summarise_document(
    document: Document,
    model: LanguageModel,
    settings: Settings,
    *,
    include_text: bool = False,
    listener: Listener | None = None,
) -> Record:
    """Summarise one document with an open model.

    Args:
        document: the text and where it came from.
        model: from :func:`summarise.llm.endpoint.open_model`.
        settings: strategy, language and sizes are read from it.
        include_text: whether the record carries the document's text.
        listener: told after every answer where the work stands.

    Raises:
        SummariseError: see the tree in :mod:`summarise.errors`; no record exists then.
    """
    started = time.monotonic()
    strategy = choose(settings.strategy, embedded=model.endpoint.embedded, language=settings.language)
    meter = Meter()
    sentences = cut_sentences(document.text, language=settings.language)
    asker = Asker(model, meter, listener)
    budget = Budget(model.endpoint.context_tokens or context_of(settings), settings.max_output_tokens)
    draft = await strategy.read(document, sentences, asker, budget)
    rows = merge(document.text, draft)
    notes = [Notice(code=code, message=message) for code, message in document.notes]
    return Record(
        schema_=SCHEMA_NAME,
        document=DocumentInfo(
            id=document.id,
            source=document.source,
            title=document.title,
            language=settings.language,
            chars=len(document.text),
            sentences=len(sentences),
            text=document.text if include_text else None,
        ),
        abstract=draft.abstract,
        actors=rows.actors,
        claims=rows.claims,
        stances=rows.stances,
        warnings=notes + rows.warnings,
        run=_run_info(strategy, model, meter, time.monotonic() - started),
    )


async def asummarise(
    source: str | Path,
    *,
    settings: Settings | None = None,
    include_text: bool = False,
    listener: Listener | None = None,
    **overrides: Any,
) -> Record:
    """Summarise one file (a ``Path``) or one text (a ``str``).

    Args:
        source: a path to read, or the text itself.
        settings: used as they are; by default they are loaded as the command line loads them
            (configuration file, environment).
        include_text: whether the record carries the document's text.
        listener: told after every answer where the work stands (:class:`Progress`).
        **overrides: settings by name (``model=…``, ``base_url=…``, ``strategy=…``), stronger than any
            other source; not together with ``settings``.

    Returns:
        The validated record (``news/1``).

    Raises:
        SummariseError: see :mod:`summarise.errors`.
    """
    if settings is not None and overrides:
        raise UsageError(f"give settings or {', '.join(overrides)}, not both")
    settings = settings or load(overrides, overrides_origin="call").settings
    document = read_path(source) if isinstance(source, Path) else from_value(source, source="-")
    async with open_model(settings) as model:
        return await summarise_document(document, model, settings, include_text=include_text, listener=listener)


def summarise(
    source: str | Path,
    *,
    settings: Settings | None = None,
    include_text: bool = False,
    listener: Listener | None = None,
    **overrides: Any,
) -> Record:
    """Summarise one file (a ``Path``) or one text (a ``str``): :func:`asummarise`, waited for.

    Raises:
        RuntimeError: if called from a running event loop; await :func:`asummarise` there.
    """
    return asyncio.run(asummarise(source, settings=settings, include_text=include_text, listener=listener, **overrides))


def _run_info(strategy: Strategy, model: LanguageModel, meter: Meter, seconds: float) -> RunInfo:
    endpoint = model.endpoint
    return RunInfo(
        model=endpoint.model,
        endpoint="embedded" if endpoint.embedded else endpoint.base_url,
        strategy=strategy.name,
        recipe=RecipeInfo(name=strategy.recipe.name, version=strategy.recipe.version, sha256=strategy.recipe.sha256),
        requests=meter.requests,
        reasks=meter.reasks,
        retries=meter.retries,
        usage=UsageInfo(
            prompt_tokens=meter.prompt_tokens,
            completion_tokens=meter.completion_tokens,
            cached_tokens=meter.cached_tokens,
        ),
        cost_usd=0.0 if endpoint.embedded else cost_usd(endpoint.base_url, endpoint.model, meter),
        seconds=round(seconds, 3),
        summarise_version=__version__,
    )
