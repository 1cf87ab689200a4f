"""What both sources need of the file system: room, hashes, a note of what was checked.

Invariant: a marker vouches only for the very bytes that were hashed: it carries size and
modification time in nanoseconds, and is worthless once either differs.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

from summarise.assets.registry import ModelAsset
from summarise.errors import AssetError

_BLOCK = 1 << 20


def size_text(size: int) -> str:
    """``size`` bytes for people: ``1.12 GB`` or ``3.4 MB``, decimal units."""
    if size >= 10**9:
        return f"{size / 10**9:.2f} GB"
    return f"{size / 10**6:.1f} MB"


def hash_file(path: Path) -> str:
    """The SHA-256 of the file, lower-case hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def hash_so_far(path: Path) -> hashlib._Hash:
    """A running SHA-256 that has read all of the file; a missing file counts as empty."""
    digest = hashlib.sha256()
    if path.exists():
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    return digest


def folder_size(folder: Path) -> int:
    """Bytes of all files below ``folder``; files that vanish while it is read count as nothing."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(place) / name).stat().st_size
            except FileNotFoundError:
                continue
    return total


def remove_tree(folder: Path) -> None:
    """Remove the folder and all below it; what cannot be removed stays, without complaint."""
    shutil.rmtree(folder, ignore_errors=True)


def write_atomically(path: Path, text: str) -> None:
    """Write ``text`` so that a reader sees the old file or the new one, never half of it."""
    beside = path.with_name(path.name + ".new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def require_space(folder: Path, needed: int, file: str) -> None:
    """Check that ``needed`` bytes are free where ``folder`` is.

    Raises:
        AssetError: if they are not; says how many are needed, how many are free, and where.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise AssetError(
            f"no room for {file}: {size_text(needed)} needed in {folder}, {size_text(free)} free; "
            "make room there or choose another folder with the setting cache_dir, then pull again"
        )


def mismatch(asset: ModelAsset, size: int, sha256: str | None) -> str | None:
    """What is wrong with bytes of this ``size`` and ``sha256``; None if they are the asset's own.

    ``sha256`` may be None while only the size is known.
    """
    if size != asset.size:
        return f"{size:,} bytes where {asset.size:,} were expected"
    if sha256 is not None and sha256 != asset.sha256:
        return f"SHA-256 {sha256} where {asset.sha256} was expected"
    return None


def _marker_path(path: Path) -> Path:
    return path.with_name(path.name + ".verified.json")


def mark_verified(asset: ModelAsset, path: Path) -> None:
    """Note beside ``path`` that its bytes, as they are now, have the asset's hash."""
    state = path.stat()
    marker = {"size": state.st_size, "mtime_ns": state.st_mtime_ns, "sha256": asset.sha256}
    write_atomically(_marker_path(path), json.dumps(marker))


def is_marked(asset: ModelAsset, path: Path) -> bool:
    """Whether ``path`` is unchanged since its hash was found to be the asset's."""
    try:
        marker = json.loads(_marker_path(path).read_text(encoding="utf-8"))
        state = path.stat()
    except (OSError, ValueError):
        return False
    expected = {"size": state.st_size, "mtime_ns": state.st_mtime_ns, "sha256": asset.sha256}
    return bool(marker == expected)
