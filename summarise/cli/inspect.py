"""``summarise config`` and ``schema``: looking at the set-up without asking anybody."""

from __future__ import annotations

import json
from typing import Any

import typer
from pydantic import SecretStr

from summarise.errors import UsageError
from summarise.schemas import Record
from summarise.settings import Settings, load


def show_config(*, as_json: bool) -> None:
    """Print every setting, its value and where the value came from."""
    loaded = load()
    rows = [
        {"setting": name, "value": _shown(getattr(loaded.settings, name)), "from": loaded.origins[name]}
        for name in Settings.model_fields
    ]
    if as_json:
        typer.echo(json.dumps({"file": str(loaded.config_file), "settings": rows}, indent=1))
        return
    typer.echo(f"configuration file: {loaded.config_file}{'' if loaded.config_file.exists() else ' (not there)'}")
    for row in rows:
        typer.echo(f"{row['setting']:18} {row['value'] if row['value'] is not None else '-'}  ({row['from']})")


def show_schema(name: str) -> None:
    """Print the JSON Schema of the record ``name``.

    Raises:
        UsageError: if there is no such schema.
    """
    if name not in ("news", "news/1"):
        raise UsageError(f"no schema named {name!r}; there is news")
    schema = Record.model_json_schema(by_alias=True, mode="serialization")
    typer.echo(json.dumps(schema, indent=1, ensure_ascii=False))


def _shown(value: Any) -> Any:
    if isinstance(value, SecretStr):
        key = value.get_secret_value()
        return "****" + (key[-4:] if len(key) >= 12 else "")
    return value if isinstance(value, int | float | str | None) else str(value)
