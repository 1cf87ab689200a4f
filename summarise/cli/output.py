"""Output files: never overwritten unasked, never half written."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from summarise.errors import OutputExistsError, StorageError, UsageError


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
    temporary: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(
            "w", dir=path.absolute().parent, prefix=".summarise-", delete=False, encoding="utf-8", newline="\n"
        ) as stream:
            temporary = Path(stream.name)
            write(stream.file)
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        why = "no space left" if error.errno == errno.ENOSPC else error.strerror
        raise StorageError(f"{path} could not be written ({why}); make room or choose another place") from error
