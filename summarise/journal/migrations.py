"""Bringing a results file to the version this program writes.

Invariant: a step runs in one transaction together with the change of ``user_version``, so a file is of one version or
of the next and never between. Steps are only ever added; a released one is never changed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from summarise.journal.schema import VERSION_1

APPLICATION_ID = 0x53554D31
"""``SUM1`` in the file's header: how a results file is told from other SQLite databases (`file` prints it)."""

Step = Sequence[str]

STEPS: tuple[Step, ...] = (VERSION_1,)
"""``STEPS[n]`` brings version n to version n + 1; version 0 is an empty file."""

CURRENT_VERSION = len(STEPS)


def version_of(connection: sqlite3.Connection) -> int:
    """The version of the open file."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def upgrade(connection: sqlite3.Connection, steps: Sequence[Step] = STEPS) -> int:
    """Run the steps the file has not had and return its version then.

    ``connection`` is in autocommit mode (``isolation_level=None``). A step that fails leaves the version before it.
    """
    while (version := version_of(connection)) < len(steps):
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Another process may have been faster while this one waited for the lock.
            if version_of(connection) == version:
                for statement in steps[version]:
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {version + 1}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    return version
