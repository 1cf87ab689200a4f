"""The command line of a run: as it was typed, or the one that means the same as a call from Python.

Invariant: a command named here does the same work as its run did, since it has every option that is part of the work
key or says which documents are meant; it never holds a key.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from summarise.batch.options import BatchOptions
from summarise.batch.sources import SourceOptions
from summarise.settings import Settings

_NAMED = (
    *("model", "base_url", "strategy", "language", "context_tokens", "max_output_tokens", "temperature", "seed"),
    *("reasks", "timeout", "attempts", "threads", "cache_dir"),
)
"""Settings that have an option. The others can only have come from the environment or the configuration file."""
_ONCE = frozenset({"--force", "-f", "--retry-failed", "--only-failed", "--detach"})
"""Options that are not repeated when a command is gone on with."""


def command_of(names: Sequence[str], settings: Settings, options: BatchOptions) -> tuple[str, ...]:
    """The words that run this batch from a command line: as typed, or made of everything that is not as usual."""
    if options.command is not None:
        return options.command
    odd = any(name.startswith("-") for name in names)
    words = ["summarise", "batch", *(() if odd else names), "-o", str(options.output)]
    words += [*_sources(options.sources), *_run(options)]
    for name in _NAMED:
        value, usual = getattr(settings, name), Settings.model_fields[name].get_default(call_default_factory=True)
        if value is not None and value != usual:
            words += [_option(name), str(value)]
    return (*words, "--", *names) if odd else tuple(words)


def going_on(command: Sequence[str], *options: str) -> str:
    """The command that goes on from a run: without what was meant for once, with ``options``; quoted for a shell."""
    words = [word for word in command if word not in _ONCE]
    end = words.index("--") if "--" in words else len(words)
    return shlex.join([*words[:end], *options, *words[end:]])


def _sources(sources: SourceOptions) -> Iterator[str]:
    usual = SourceOptions()
    if sources.recursive:
        yield "--recursive"
    for pattern in sources.pattern:
        yield from ("--pattern", pattern)
    for name in ("files_from", "text_field", "id_field", "encoding"):
        value = getattr(sources, name)
        if value is not None and value != getattr(usual, name):
            yield from (_option(name), str(value))


def _run(options: BatchOptions) -> Iterator[str]:
    for name in ("limit", "shuffle", "concurrency", "rpm", "tpm"):
        value = getattr(options, name)
        if value is not None:
            yield from (_option(name), str(value))
    if options.include_text:
        yield "--include-text"
    if options.via != "requests":
        yield from ("--via", options.via)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
