"""The settings of a run: one frozen object, built once at the edge and handed down.

Invariant: nothing below this module reads the environment or a configuration file, and every value
can say where it came from. Later sources win: default, configuration file, environment, caller
(command line or Python call).
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from summarise.errors import ConfigurationError

StrategyName = Literal["auto", "single", "stepwise"]


class Settings(BaseModel):
    """Everything that decides how documents are read and asked about."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    model: str | None = Field(None, description="model name at the endpoint, embedded model, or .gguf file")
    base_url: str | None = Field(None, description="address of an OpenAI-compatible endpoint, up to /v1")
    api_key: SecretStr | None = Field(None, description="key for the endpoint")
    strategy: StrategyName = Field("auto", description="how the document is asked about")
    language: str | None = Field(None, description="ISO 639-1 code of the documents' language")
    temperature: float = Field(0.0, ge=0, le=2, description="sampling temperature")
    seed: int | None = Field(7, description="sampling seed, where the endpoint takes one")
    context_tokens: int | None = Field(None, ge=512, description="the model's context, tokens")
    max_output_tokens: int = Field(1536, ge=16, description="cap on one answer, tokens; raised once if hit")
    timeout: float = Field(600.0, gt=0, description="longest wait for one answer, seconds")
    attempts: int = Field(5, ge=1, le=50, description="tries of one request, the first included")
    retry_seconds: float = Field(300.0, gt=0, description="longest time spent on retries of one request")
    reasks: int = Field(2, ge=0, le=10, description="re-asks after an answer that does not fit the schema")
    parallel: int = Field(4, ge=1, le=64, description="questions about one document under way at once (endpoints)")
    threads: int | None = Field(None, ge=1, description="processor threads of the embedded model")
    cache_dir: Path = Field(
        default_factory=lambda: Path(platformdirs.user_cache_dir("summarise", appauthor=False)),
        description="where the embedded model and what was learnt of endpoints are kept",
    )

    @field_validator("base_url")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value.rstrip("/")

    @field_validator("cache_dir")
    @classmethod
    def _without_tilde(cls, value: Path) -> Path:
        return value.expanduser()


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings and, for each field, the words for where its value came from."""

    settings: Settings
    origins: Mapping[str, str]
    config_file: Path


def config_path(environment: Mapping[str, str]) -> Path:
    """The configuration file: SUMMARISE_CONFIG, else config.toml in the user's configuration folder."""
    named = environment.get("SUMMARISE_CONFIG")
    if named:
        return Path(named).expanduser()
    return Path(platformdirs.user_config_dir("summarise", appauthor=False)) / "config.toml"


def load(
    overrides: Mapping[str, Any] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    overrides_origin: str = "command line",
) -> Loaded:
    """Build the settings from file, environment and ``overrides`` (None values count as not given).

    Raises:
        ConfigurationError: if a file cannot be read or a value is not of its kind.
    """
    environment = os.environ if environment is None else environment
    path = config_path(environment)
    values: dict[str, Any] = {}
    origins = dict.fromkeys(Settings.model_fields, "default")
    layers: list[tuple[str, Mapping[str, Any]]] = [(str(path), _from_file(path, environment))]
    layers += [(f"environment {name}", {field: value}) for name, field, value in _from_environment(environment)]
    layers.append((overrides_origin, overrides or {}))
    for origin, layer in layers:
        for field, value in layer.items():
            if value is not None:
                values[field] = value
                origins[field] = origin
    return Loaded(_validated(values, origins), origins, path)


def _from_file(path: Path, environment: Mapping[str, str]) -> Mapping[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if environment.get("SUMMARISE_CONFIG"):
            raise ConfigurationError(
                f"SUMMARISE_CONFIG names {path}, which does not exist: create it or unset the variable"
            ) from None
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read as TOML ({error}): correct or remove it") from error
    unknown = sorted(set(table) - set(Settings.model_fields))
    if unknown:
        raise ConfigurationError(
            f"{path} has unknown settings: {', '.join(unknown)}; known are {', '.join(Settings.model_fields)}"
        )
    return table


def _from_environment(environment: Mapping[str, str]) -> list[tuple[str, str, str]]:
    names = [("OPENAI_BASE_URL", "base_url"), ("OPENAI_API_KEY", "api_key")]
    names += [(f"SUMMARISE_{field.upper()}", field) for field in Settings.model_fields]
    return [(name, field, environment[name]) for name, field in names if environment.get(name)]


def _validated(values: Mapping[str, Any], origins: Mapping[str, str]) -> Settings:
    try:
        return Settings.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = str(first["loc"][0]) if first["loc"] else "settings"
        why = first["msg"].removeprefix("Value error, ")
        raise ConfigurationError(
            f"{field} ({origins.get(field, 'unknown')}) is not right: {why}; `summarise config` shows every setting"
        ) from None
