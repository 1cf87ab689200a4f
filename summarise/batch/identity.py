"""What makes two pieces of work the same: the work key.

A document's key is a hash of its text, the recipe (all its prompts), the schema, the model, the endpoint, the
strategy and the settings that change answers. The key is what "unchanged" means: a document whose result has
the wanted key is reused, one with another key is done again.

Invariant: the key needs neither the model nor the packages that talk to it, so a finished folder is skipped
without loading them. Where that repeats a rule of a heavy module (which strategy ``auto`` means, which
settings mean the embedded model), a test holds the two together.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from summarise.assets import DEFAULT_MODEL, find, model_path, models
from summarise.errors import ConfigurationError
from summarise.prompts import load_recipe
from summarise.schemas import SCHEMA_NAME
from summarise.settings import Settings

_OPENAI_BASE_URL = "https://api.openai.com/v1"
_ENGLISH = (None, "en")
_SAMPLES = 64
_SAMPLE_BYTES = 1 << 16
_ANSWER_SETTINGS = ("language", "temperature", "seed", "max_output_tokens", "context_tokens", "reasks")


@dataclass(frozen=True, slots=True)
class Identity:
    """What the run would ask, whom, and how; everything of a work key but the document.

    ``endpoint`` is the address, or ``embedded``; ``model_sha256`` is of the embedded model's file (for a file
    of the user's own: of its size and of samples throughout it), None for an endpoint.
    """

    model: str
    endpoint: str
    strategy: str
    recipe_name: str
    recipe_version: str
    recipe_sha256: str
    model_sha256: str | None
    settings_json: str

    @property
    def embedded(self) -> bool:
        """Whether the model runs inside the process."""
        return self.endpoint == "embedded"

    def digest(self) -> bytes:
        """A hash over all of it and the schema's name."""
        facts = [
            SCHEMA_NAME,
            "embedded" if self.model_sha256 else self.model,
            self.endpoint,
            self.strategy,
            self.recipe_sha256,
            self.model_sha256,
            self.settings_json,
        ]
        return hashlib.sha256(json.dumps(facts, ensure_ascii=True).encode()).digest()


def identify(settings: Settings) -> Identity:
    """What a run with these settings would ask, whom, and how.

    Raises:
        ConfigurationError: if the settings name no model, or a model file that does not exist.
    """
    embedded = settings.base_url is None and _means_embedded(settings)
    strategy = strategy_name(settings.strategy, embedded=embedded, language=settings.language)
    recipe = load_recipe(strategy)
    model_sha256: str | None = None
    if embedded:
        (model, model_sha256), endpoint = _embedded_model(settings), "embedded"
    elif settings.model is None:
        raise ConfigurationError("no model named for this endpoint; pass --model NAME or set SUMMARISE_MODEL")
    else:
        model, endpoint = settings.model, settings.base_url or _OPENAI_BASE_URL
    return Identity(
        model=model,
        endpoint=endpoint,
        strategy=strategy,
        recipe_name=recipe.name,
        recipe_version=recipe.version,
        recipe_sha256=recipe.sha256,
        model_sha256=model_sha256,
        settings_json=json.dumps(_answer_settings(settings), sort_keys=True),
    )


def work_key(document_id: str, identity: Identity) -> str:
    """The key of this document's work, 64 hexadecimal digits.

    Args:
        document_id: SHA-256 of the document's text.
        identity: from :func:`identify`.
    """
    return KeyMaker(identity).key(document_id)


class KeyMaker:
    """Keys of many documents under one identity."""

    def __init__(self, identity: Identity) -> None:
        self._start = hashlib.sha256(identity.digest())

    def key(self, document_id: str) -> str:
        """The key of the document with this id."""
        digest = self._start.copy()
        digest.update(document_id.encode("ascii"))
        return digest.hexdigest()


def strategy_name(name: str, *, embedded: bool, language: str | None) -> str:
    """Which strategy ``auto`` means (:func:`summarise.extract.strategies.choose` without its imports)."""
    if name != "auto":
        return name
    return "stepwise" if embedded and language in _ENGLISH else "single"


def _answer_settings(settings: Settings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in _ANSWER_SETTINGS}


def _means_embedded(settings: Settings) -> bool:
    """:func:`summarise.llm.endpoint.uses_embedded` without its imports, for settings without an address."""
    if settings.model is not None:
        return _is_registered(settings.model) or settings.model.endswith(".gguf")
    return settings.api_key is None


def _embedded_model(settings: Settings) -> tuple[str, str]:
    """Name and hash of the embedded model."""
    if settings.model is None or _is_registered(settings.model):
        asset = find(settings.model or DEFAULT_MODEL)
        return asset.name, asset.sha256
    path = model_path(settings.model, settings.cache_dir / "models")
    if path is None:
        raise ConfigurationError(f"{settings.model}: no such model file; check --model")
    return path.stem, sampled_hash(path)


def sampled_hash(path: Path) -> str:
    """SHA-256 over the size and samples throughout the file: as telling as all of it, in milliseconds.

    Raises:
        ConfigurationError: if the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        size = path.stat().st_size
        digest.update(str(size).encode())
        with path.open("rb") as stream:
            for index in range(_SAMPLES):
                stream.seek(max(0, size - _SAMPLE_BYTES) * index // (_SAMPLES - 1))
                digest.update(stream.read(_SAMPLE_BYTES))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read ({error.strerror}); check --model") from error
    return digest.hexdigest()


def _is_registered(name: str) -> bool:
    return any(name in (asset.name, asset.alias) for asset in models())
