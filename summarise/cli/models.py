"""``summarise models …``: the embedded models on this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from summarise.assets import DEFAULT_MODEL, find, listing, model_path, pull, verify
from summarise.cli.console import Messages
from summarise.errors import AssetError
from summarise.settings import load


def list_models(*, as_json: bool, overrides: Mapping[str, Any]) -> None:
    """Print every model of the registry and whether it is here."""
    rows: list[dict[str, Any]] = [
        {
            "name": state.asset.name,
            "alias": state.asset.alias,
            "title": state.asset.title,
            "bytes": state.asset.size,
            "licence": state.asset.licence,
            "sha256": state.asset.sha256,
            "default": state.asset.name == DEFAULT_MODEL,
            "path": str(state.path) if state.path else None,
        }
        for state in listing(_folder(overrides))
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        here = row["path"] or "not fetched; `summarise models pull` fetches it"
        default = ", default" if row["default"] else ""
        typer.echo(f"{row['name']} ({row['alias']}{default}): {row['title']}")
        typer.echo(f"  {row['bytes'] / 1e9:.2f} GB, {row['licence']}: {here}")


def pull_model(name: str | None, *, quiet: bool, overrides: Mapping[str, Any]) -> None:
    """Fetch a model; prints its path when it is here and whole."""
    with Messages(quiet=quiet) as messages:
        path = pull(find(name or DEFAULT_MODEL), _folder(overrides), progress=messages.pulling)
    typer.echo(str(path))


def print_path(name: str | None, *, overrides: Mapping[str, Any]) -> None:
    """Print a model's path.

    Raises:
        AssetError: if it is not here.
    """
    typer.echo(str(_present(name, overrides)))


def verify_model(name: str | None, *, overrides: Mapping[str, Any]) -> None:
    """Hash a model again.

    Raises:
        AssetError: if it is not here or not whole.
    """
    asset = find(name or DEFAULT_MODEL)
    path = _present(name, overrides)
    verify(asset, path)
    typer.echo(f"{path}: whole, SHA-256 {asset.sha256}")


def _present(name: str | None, overrides: Mapping[str, Any]) -> Path:
    asset = find(name or DEFAULT_MODEL)
    path = model_path(asset.name, _folder(overrides))
    if path is None:
        raise AssetError(f"{asset.name} is not here; fetch it with `summarise models pull {asset.name}`")
    return path


def _folder(overrides: Mapping[str, Any]) -> Path:
    return load(overrides).settings.cache_dir / "models"
