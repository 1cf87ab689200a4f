"""Output files: never overwritten unasked, never half written."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import IO

from summarise.errors import OutputExistsError, UsageError
from summarise.outfile import whole_file


def check_output(path: Path | None, *, force: bool) -> None:
    """Refuse before anything is paid for.

    Raises:
        OutputExistsError: if the file is there and ``force`` is not set.
        UsageError: if it is a folder, or its folder does not exist.
    """
    if path is None:
        return
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name a file for --output")
    if path.exists() and not force:
        raise OutputExistsError(f"{path} exists; pass --force to overwrite it")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"{path.absolute().parent} does not exist; create the folder first")


def write_output(path: Path, write: Callable[[IO[str]], None]) -> None:
    """Write a file beside ``path`` and move it there when it is whole.

    Raises:
        StorageError: if there is no space or no permission; ``path`` is as it was then.
    """
    with whole_file(path) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8", newline="\n")
        write(text)
        text.detach()  # flushes; the stream is closed by its owner
