"""The embedded models: which there are, where they come from, whether they are whole."""

from __future__ import annotations

from summarise.assets.progress import PullProgress
from summarise.assets.registry import DEFAULT_MODEL, HubSource, ModelAsset, PackageSource, find, models
from summarise.assets.store import AssetState, default_cache_dir, listing, model_path, pull, verify

__all__ = [
    "DEFAULT_MODEL",
    "AssetState",
    "HubSource",
    "ModelAsset",
    "PackageSource",
    "PullProgress",
    "default_cache_dir",
    "find",
    "listing",
    "model_path",
    "models",
    "pull",
    "verify",
]
