"""summarise itself, through its Python interface, on the same endpoint as the peers.

What it knows of the endpoint is found out before the first document is timed (one tiny request, which it
otherwise remembers between runs); the user's configuration is left out of it. With ``--embedded`` it starts its own
engine instead, on the same model file, as it does for its users; while the others' server is idle, that costs nobody
anything.
"""

from __future__ import annotations

import asyncio
import atexit
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from harness import Options, Reader, main
from summarise.schemas import Record

from summarise.documents import Document
from summarise.llm.client import LanguageModel
from summarise.llm.endpoint import open_model
from summarise.llm.usage import Meter
from summarise.pipeline import summarise_document
from summarise.settings import Settings, load


def settings_of(options: Options, folder: Path) -> Settings:
    """The settings that say what the options say, and the defaults for the rest."""
    empty = folder / "config.toml"
    empty.touch()
    overrides: dict[str, Any] = {"model": options.model, "strategy": options.strategy, "timeout": options.timeout}
    if not options.embedded:
        overrides |= {
            "base_url": options.base_url,
            "api_key": options.api_key,
            "context_tokens": options.context,
            "cache_dir": folder,
        }
    return load(overrides, environment={"SUMMARISE_CONFIG": str(empty)}, overrides_origin="bench").settings


async def _open(settings: Settings, stack: AsyncExitStack) -> LanguageModel:
    model = await stack.enter_async_context(open_model(settings))
    if not model.endpoint.embedded:
        await model.probe(Meter())
    return model


def open_tool(options: Options) -> Reader:
    """The tool for the harness."""
    folder = Path(tempfile.mkdtemp(prefix="summarise-bench-"))
    settings = settings_of(options, folder)
    loop = asyncio.Runner()
    stack = AsyncExitStack()
    atexit.register(stack.pop_all)  # holds the stack: without it the model would be closed when this returns
    model = loop.run(_open(settings, stack))

    def read(document: Document) -> Record:
        return loop.run(summarise_document(document, model, settings))

    return read


if __name__ == "__main__":
    main("with_summarise", "Run summarise over marked documents.")
