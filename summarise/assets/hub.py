"""The first source: the publisher's repository on the Hugging Face hub.

Invariant: an unreachable hub costs at most :data:`PATIENCE_SECONDS`; the repository's own word on the
file's hash is compared before a byte of it is downloaded.

Source of the method: ``huggingface_hub`` repeats a failing request five times with growing pauses
(23 seconds here without a network), so one HEAD request without repeats goes first. Name look-up
obeys no timeout of the HTTP client, so that request runs in a thread with a deadline of its own.
The library honours the user's HF_ENDPOINT, HF_HUB_OFFLINE, token and proxy settings.
"""

from __future__ import annotations

import errno
import importlib.util
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from summarise.assets.files import folder_size, remove_tree
from summarise.assets.progress import Reporter
from summarise.assets.registry import HubSource, ModelAsset
from summarise.errors import AssetError

PATIENCE_SECONDS = 4.0
_SHA256_LENGTH = 64


def hub_folder(asset: ModelAsset, cache_dir: Path) -> Path:
    """Where the hub's library puts the file, and what it has of it while the download goes on."""
    return cache_dir / f".{asset.file}.hub"


def drop_hub_folder(asset: ModelAsset, cache_dir: Path) -> None:
    """Remove what the hub's library has put there."""
    remove_tree(hub_folder(asset, cache_dir))


def hub_bytes(asset: ModelAsset, cache_dir: Path) -> int:
    """Bytes an interrupted download has left for the next one to go on from."""
    return folder_size(hub_folder(asset, cache_dir))


def fetch_from_hub(source: HubSource, asset: ModelAsset, cache_dir: Path, report: Reporter) -> Path:
    """Download the file into :func:`hub_folder`; the caller checks its hash.

    Raises:
        AssetError: if the library is missing, nobody answers in time, or the repository has no such
            file or another one under that name.
        OSError: if the disk is full.
    """
    if importlib.util.find_spec("huggingface_hub") is None:
        raise AssetError("huggingface_hub is not installed (pip install 'summarise[local]')")
    with _hushed():
        report(0, "asking")
        _check_offer(source, asset)
        return _download(source, asset, hub_folder(asset, cache_dir), report)


def _check_offer(source: HubSource, asset: ModelAsset) -> None:
    """Ask the repository for size and hash of the file, once, and compare."""
    # Heavy and optional, so imported only when a pull asks for it.
    from huggingface_hub import get_hf_file_metadata, hf_hub_url  # noqa: PLC0415

    url = hf_hub_url(source.repository, asset.file)
    offer = _within(PATIENCE_SECONDS, lambda: get_hf_file_metadata(url, timeout=PATIENCE_SECONDS - 1))
    if offer.size is not None and offer.size != asset.size:
        raise AssetError(f"has another file now: {offer.size:,} bytes where {asset.size:,} were expected")
    # The hub's etag of a large file is its SHA-256; a mirror's may be anything.
    if offer.etag and len(offer.etag) == _SHA256_LENGTH and offer.etag != asset.sha256:
        raise AssetError(f"has another file now: SHA-256 {offer.etag} where {asset.sha256} was expected")


def _within(seconds: float, call: Callable[[], Any]) -> Any:
    """The result of ``call``, in a thread that is given up after ``seconds``."""
    results: list[Any] = []
    failures: list[str] = []

    def work() -> None:
        with _translated(failures):
            results.append(call())

    thread = threading.Thread(target=work, name="summarise-hub", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise AssetError(f"did not answer within {seconds:.0f} seconds")
    if failures:
        raise AssetError(failures[0])
    return results[0]


def _download(source: HubSource, asset: ModelAsset, folder: Path, report: Reporter) -> Path:
    from huggingface_hub import hf_hub_download  # noqa: PLC0415
    from tqdm.std import tqdm  # type: ignore[import-untyped]  # noqa: PLC0415  # tqdm carries no types

    class Counter(tqdm):  # type: ignore[misc]  # tqdm carries no types
        """The library's progress bar with a callback in place of a terminal."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            self.arrived = int(options.get("initial") or 0)
            options.pop("name", None)
            super().__init__(*arguments, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> bool | None:
            self.arrived += int(n or 0)
            report(self.arrived, "downloading")
            return None

    failures: list[str] = []
    path = folder / asset.file
    with _translated(failures):
        path = Path(
            hf_hub_download(
                source.repository,
                asset.file,
                local_dir=folder,
                etag_timeout=PATIENCE_SECONDS - 1,
                tqdm_class=Counter,
            )
        )
    if failures:
        raise AssetError(failures[0])
    return path


@contextmanager
def _translated(failures: list[str]) -> Iterator[None]:
    """Note what the library raises in ``failures`` as one line; a full disk goes on as it is."""
    import httpx2  # noqa: PLC0415

    try:
        yield
    except (OSError, ValueError, RuntimeError, httpx2.HTTPError) as error:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            raise
        root = error
        while isinstance(root.__cause__, OSError | httpx2.HTTPError):
            root = root.__cause__
        lines = str(root).strip().splitlines() or [""]
        failures.append(f"{type(root).__name__}: {lines[0][:200]}")


@contextmanager
def _hushed() -> Iterator[None]:
    """The library's warnings stay out of the user's terminal: what matters is in the error."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
