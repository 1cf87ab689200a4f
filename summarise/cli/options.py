"""Options that several commands share, so that one name means and says the same everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

ModelOption = Annotated[
    str | None, typer.Option("--model", "-m", help="Model at the endpoint, embedded model, or .gguf file.")
]
BaseUrlOption = Annotated[
    str | None, typer.Option("--base-url", help="OpenAI-compatible endpoint, up to /v1 (OPENAI_BASE_URL).")
]
StrategyOption = Annotated[
    str | None, typer.Option("--strategy", help="How to ask: auto, stepwise (many small questions), single.")
]
LanguageOption = Annotated[str | None, typer.Option("--language", help="ISO 639-1 code of the document's language.")]
EncodingOption = Annotated[
    str | None, typer.Option("--encoding", help="Encoding of the file; default: UTF-8, else guessed.")
]
ContextOption = Annotated[int | None, typer.Option("--context-tokens", help="The model's context, tokens.")]
MaxOutputOption = Annotated[
    int | None, typer.Option("--max-output-tokens", help="Cap on one answer, tokens; raised once if hit.")
]
TimeoutOption = Annotated[float | None, typer.Option("--timeout", help="Longest wait for one answer, s.")]
AttemptsOption = Annotated[int | None, typer.Option("--attempts", help="Tries of one request, the first included.")]
ReasksOption = Annotated[int | None, typer.Option("--reasks", help="Re-asks after an answer that does not fit.")]
TemperatureOption = Annotated[float | None, typer.Option("--temperature", help="Sampling temperature.")]
SeedOption = Annotated[int | None, typer.Option("--seed", help="Sampling seed.")]
ThreadsOption = Annotated[int | None, typer.Option("--threads", help="Processor threads of the embedded model.")]
CacheOption = Annotated[Path | None, typer.Option("--cache-dir", help="Where embedded models are kept.")]
IncludeTextOption = Annotated[bool, typer.Option("--include-text", help="Put the document's text into the record.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on standard output.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no messages but errors.")]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Say more while working.")]
NoColorOption = Annotated[bool, typer.Option("--no-color", help="No colours (also: NO_COLOR).")]
ResultsArgument = Annotated[Path, typer.Argument(metavar="RESULTS", help="A results file, from `summarise batch`.")]

_SETTINGS = (
    "model", "base_url", "strategy", "language", "context_tokens", "max_output_tokens", "timeout", "attempts",
    "reasks", "temperature", "seed", "threads", "cache_dir",
)  # fmt: skip


def settings_in(given: Mapping[str, Any]) -> dict[str, Any]:
    """Of what a command was given (its ``locals()``), the settings: which model, and how it is asked."""
    return {name: given[name] for name in _SETTINGS}
