"""Output files that are whole or not there.

Invariant: a file is written beside its place and moved there when it is complete; whatever goes wrong before,
the place is as it was and nothing is left beside it.
"""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from summarise.errors import StorageError


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A stream of bytes that becomes the file ``path`` when the block ends without an error.

    Raises:
        StorageError: if there is no space or no permission; ``path`` is as it was then.
    """
    temporary: Path | None = None
    try:
        folder = path.absolute().parent
        with tempfile.NamedTemporaryFile("wb", dir=folder, prefix=".summarise-", delete=False) as stream:
            temporary = Path(stream.name)
            yield stream.file
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise not_written(str(path), error) from error
        raise


class Text(Protocol):
    """Something text can be written to."""

    def write(self, text: str, /) -> object:
        """Take some text."""


class Utf8:
    """Text into a stream of bytes: UTF-8 on every system, line ends as they are, and the stream stays its owner's."""

    def __init__(self, stream: Bytes) -> None:
        self._stream = stream

    def write(self, text: str, /) -> None:
        """Take some text."""
        self._stream.write(text.encode())


class Bytes(Protocol):
    """Something bytes can be written to."""

    def write(self, data: bytes, /) -> object:
        """Take some bytes."""


def not_written(place: str, error: OSError) -> StorageError:
    """The word for an error while writing to ``place``."""
    why = "no space left" if error.errno == errno.ENOSPC else error.strerror
    return StorageError(f"{place} could not be written ({why}); make room or choose another place")
