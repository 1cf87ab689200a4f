"""``summarise doctor``: is everything there that a summary needs? One line a verdict."""

from __future__ import annotations

import asyncio
import importlib.metadata
import platform
from collections.abc import Mapping
from typing import Any

import typer

from summarise import __version__
from summarise.assets import DEFAULT_MODEL, find, model_path, verify
from summarise.errors import AssetError, SummariseError
from summarise.llm.endpoint import open_model, uses_embedded
from summarise.llm.usage import Meter
from summarise.settings import Settings, load

_PACKAGES = ("openai", "instructor", "pydantic", "tenacity", "typer", "sentencex", "xllamacpp", "huggingface_hub")


def run_doctor(overrides: Mapping[str, Any]) -> None:
    """Check the set-up; ends with the exit code of the first thing that is wrong."""
    _verdict("ok", f"summarise {__version__}, Python {platform.python_version()}, {platform.machine()}")
    _verdict("ok", ", ".join(_versions()))
    settings = load(overrides).settings
    try:
        if uses_embedded(settings):
            _check_embedded(settings)
        asyncio.run(_check_endpoint(settings))
    except SummariseError as error:
        _verdict("fail", str(error))
        raise typer.Exit(error.exit_code) from error


def _check_embedded(settings: Settings) -> None:
    name = settings.model or DEFAULT_MODEL
    if name.endswith(".gguf"):
        return
    asset = find(name)
    path = model_path(asset.name, settings.cache_dir / "models")
    if path is None:
        raise AssetError(f"embedded model {asset.name}: not here; fetch it with `summarise models pull`")
    verify(asset, path)
    _verdict("ok", f"embedded model {asset.name}: present and whole ({path})")


async def _check_endpoint(settings: Settings) -> None:
    async with open_model(settings) as model:
        endpoint = model.endpoint
        names = await model.transport.models()
        _verdict("ok", f"endpoint {'embedded' if endpoint.embedded else endpoint.base_url}: answers")
        if endpoint.embedded or endpoint.model in names:
            _verdict("ok", f"model {endpoint.model}: there")
        else:
            _verdict("warn", f"model {endpoint.model}: not listed; the endpoint lists {', '.join(names[:10])}")
        form = await model.probe(Meter())
        words = {
            "json_schema": ("ok", "JSON Schema is kept to"),
            "json_object": ("warn", "JSON objects only; answers are checked and re-asked more often"),
            "prompt": ("warn", "none; JSON is asked for in the prompt, checked and re-asked"),
        }
        verdict, message = words[form]
        _verdict(verdict, f"structured output: {message}")


def _versions() -> list[str]:
    found = []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            found.append(f"{package} not installed")
    return found


def _verdict(verdict: str, message: str) -> None:
    typer.echo(f"{verdict:4} {message}")
