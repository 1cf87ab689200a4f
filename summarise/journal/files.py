"""Opening results files: whole and ours, or refused and untouched.

Invariants:

- a new file appears under its name only when it is complete (made beside it, then renamed), so a kill while it is
  made leaves nothing that looks like a results file;
- a file that is not ours is recognised without being locked, recovered or changed (SQLite's ``immutable`` reading);
- the writer's lock is the operating system's (``filelock``: flock, or msvcrt), on a file of its own beside the
  results: it goes with the process, also with kill -9, and a lock file left behind means nothing;
- errors of SQLite become ours here and nowhere else.

``synchronous=FULL``: a commit is on the disk when it returns, so it survives a power cut as well as a kill. With group
commit (64 callers, measured in pairs) no difference to NORMAL, which promises only the kill, could be seen.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from summarise.errors import (
    ConfigurationError,
    JournalBusyError,
    JournalDamagedError,
    JournalVersionError,
    StorageError,
    SummariseError,
    UsageError,
)
from summarise.journal.migrations import APPLICATION_ID, CURRENT_VERSION, upgrade, version_of

OLDEST_SQLITE = (3, 35, 0)
BUSY_SECONDS = 20.0
"""How long to wait for another process that holds SQLite's own lock: longer than any single commit takes."""
LOCK_SECONDS = 5.0
"""How long to wait while another process makes or upgrades the same file."""
CHECK_BYTES = 16 * 1024 * 1024
"""Files up to this size are checked through when they are opened for writing (about 40 ms); larger ones when asked."""

_DAMAGED = {"SQLITE_CORRUPT", "SQLITE_NOTADB"}
_BUSY = {"SQLITE_BUSY", "SQLITE_LOCKED"}
_NOT_WRITABLE = {"SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH"}


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Errors of SQLite inside become ours; those that can only be a mistake of this program pass."""
    try:
        yield
    except sqlite3.Error as error:
        ours = _ours(error, path)
        if ours is None:
            raise
        raise ours from error


def _ours(error: sqlite3.Error, path: Path) -> SummariseError | None:
    name = getattr(error, "sqlite_errorname", "")
    family = "_".join(name.split("_")[:2])
    if family in _DAMAGED:
        return damaged(path)
    if family in _BUSY:
        return JournalBusyError(f"{path}: another program holds the file's lock; close it and run again")
    if family == "SQLITE_FULL":
        return StorageError(f"{path} could not be written (no space left); everything committed is kept, make room")
    if family == "SQLITE_IOERR":
        return StorageError(
            f"{path} could not be read or written ({name}); everything committed is kept, "
            "look at the disk's space, quota and health"
        )
    if family in _NOT_WRITABLE:
        return not_writable(path)
    return None


def damaged(path: Path) -> JournalDamagedError:
    """The refusal of a file whose bytes are not those of a whole database."""
    return JournalDamagedError(
        f"{path} is damaged or no results file, so nothing was changed in it; restore a copy, "
        f"try `sqlite3 {path.name} .recover`, or name another file"
    )


def not_writable(path: Path) -> StorageError:
    """The refusal to write where writing is not permitted."""
    return StorageError(
        f"{path} cannot be written (the file or its folder is read-only); change the permissions or name another file"
    )


def writers_lock(path: Path) -> FileLock:
    """The lock of the file's writer, not taken yet. It may be released by another thread than the one that took it."""
    real = path.resolve()
    return FileLock(real.with_name(real.name + ".lock"), thread_local=False, fallback_to_soft=False)


def take(lock: FileLock, path: Path, *, seconds: float = 0) -> bool:
    """Whether the lock was free (within so many seconds) and is ours now."""
    try:
        lock.acquire(timeout=seconds, poll_interval=0.02)
    except Timeout:
        return False
    except NotImplementedError:
        raise StorageError(f"{path}: the file system has no locks; put the results file on another one") from None
    except OSError as error:
        raise not_writable(path) from error
    return True


def connect(path: Path, *, create: bool, write: bool) -> sqlite3.Connection:
    """An open connection to a results file of the current version.

    Raises:
        UsageError: if there is no file (and none is to be made), or it is a folder.
        JournalDamagedError: if it is no results file, or not a whole one.
        JournalVersionError: if a newer version wrote it.
        JournalBusyError: if another process is making or upgrading it and does not come to an end.
        StorageError: if it cannot be read, or not be written although that is wanted.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise ConfigurationError(
            f"this Python has SQLite {sqlite3.sqlite_version}; results files need 3.35 or later: use a newer Python"
        )
    _check_place(path)
    if not path.exists() or path.stat().st_size == 0:
        if not (create and write):
            raise UsageError(f"{path}: there is no results file; check the name, or make one with `summarise batch`")
        _make(path)
    _check_ours(path)
    connection = _open(path, write=write)
    try:
        with translated(path):
            _check_whole(connection, path, thorough=write and path.stat().st_size <= CHECK_BYTES)
            if version_of(connection) < CURRENT_VERSION:
                connection.close()
                _upgrade(path)
                connection = _open(path, write=write)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_place(path: Path) -> None:
    try:
        if path.is_dir():
            raise UsageError(f"{path} is a folder; name a file for the results, such as {path / 'results.db'}")
        if not path.absolute().parent.is_dir():
            raise UsageError(f"{path.absolute().parent} does not exist; create the folder first")
        if path.exists() and not path.is_file():
            raise JournalDamagedError(f"{path} is not a regular file; name another file for the results")
    except OSError as error:
        raise StorageError(f"{path} cannot be reached ({error.strerror}); check the path") from error


def _check_ours(path: Path) -> None:
    """Refuse what is plainly not ours. What only a proper opening can tell (a log to be replayed) passes."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        try:
            mark = connection.execute("PRAGMA application_id").fetchone()[0]
            version = version_of(connection)
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorname", "") == "SQLITE_NOTADB":
                raise damaged(path) from None
            if getattr(error, "sqlite_errorname", "").startswith("SQLITE_CANTOPEN"):
                raise StorageError(f"{path} cannot be read; check its permissions") from None
            return
    if mark != APPLICATION_ID:
        raise JournalDamagedError(
            f"{path} is an SQLite database, but not a results file of summarise; it is left as it is: name another file"
        )
    _check_version(version, path)


def _check_version(version: int, path: Path) -> None:
    if version > CURRENT_VERSION:
        raise JournalVersionError(
            f"{path} was written by a newer summarise (file version {version}, this one knows {CURRENT_VERSION}); "
            "update summarise or name another file"
        )


def _check_whole(connection: sqlite3.Connection, path: Path, *, thorough: bool) -> None:
    _check_version(version_of(connection), path)
    # Reading the schema parses every statement of it, which bytes at random do not survive.
    connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if thorough and connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise damaged(path)


def _open(path: Path, *, write: bool) -> sqlite3.Connection:
    address = path.absolute().as_uri()
    with translated(path):
        if write:
            connection = _raw(f"{address}?mode=rw")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA cache_size = -8192")
            connection.execute(f"PRAGMA journal_size_limit = {64 * 1024 * 1024}")
            return connection
        connection = _raw(f"{address}?mode=ro")
        try:
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlite3.OperationalError:
            connection.close()
            log = path.with_name(path.name + "-wal")
            if log.exists() and log.stat().st_size:
                raise
            # A folder that may not be written has no room for SQLite's shared memory; with no log beside it the
            # file is complete by itself and can be read as something that does not change.
            connection = _raw(f"{address}?mode=ro&immutable=1")
        return connection


def _raw(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        uri, uri=True, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS, cached_statements=256
    )
    connection.text_factory = str
    return connection


def _make(path: Path) -> None:
    """Make an empty results file; what another process made meanwhile is left."""
    with _locked(path):
        if path.exists() and path.stat().st_size:
            return
        for suffix in ("-wal", "-journal"):
            log = path.with_name(path.name + suffix)
            # SQLite would replay it into the new file.
            if log.exists() and log.stat().st_size:
                raise JournalDamagedError(
                    f"{log} is there without its results file, which was moved or deleted; "
                    f"put {path.name} back, or move the log away"
                )
        draft = path.with_name(path.name + ".new")
        try:
            draft.unlink(missing_ok=True)
            with translated(path), closing(_raw(f"{draft.absolute().as_uri()}?mode=rwc")) as connection:
                connection.execute("PRAGMA synchronous = FULL")
                upgrade(connection)
                connection.execute("PRAGMA journal_mode = WAL")
            draft.replace(path)
        except OSError as error:
            raise not_writable(path) from error
        except SummariseError:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            raise


def _upgrade(path: Path) -> None:
    with _locked(path), translated(path), closing(_raw(f"{path.absolute().as_uri()}?mode=rw")) as connection:
        upgrade(connection)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = writers_lock(path)
    if not take(lock, path, seconds=LOCK_SECONDS):
        raise JournalBusyError(f"{path}: another run is writing it; wait for its end or name another file")
    try:
        yield
    finally:
        lock.release()
