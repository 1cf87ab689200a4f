"""Says which cassette belongs to which test, by collecting tests in a process of its own.

``python -m support.cassette_owners tests/test_x.py …`` prints, as its last line, a JSON object from the path of each
cassette that a collected test would use to the node ids of those tests. It runs no test.
"""

from __future__ import annotations

import json
import sys

import pytest


class _Collector:
    """A pytest plugin that notes the owners of cassettes."""

    def __init__(self) -> None:
        self.owners: dict[str, list[str]] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        # Not at the top: pytest has to be the first to import its plugin modules.
        from support.cassettes import cassette_path

        for item in session.items:
            if item.get_closest_marker("vcr"):
                path = cassette_path(item).relative_to(item.config.rootpath)
                self.owners.setdefault(path.as_posix(), []).append(item.nodeid)


def main(arguments: list[str]) -> int:
    """Collect, print, and return pytest's exit code (0 also if there was nothing to collect)."""
    collector = _Collector()
    code = pytest.main([*arguments, "--collect-only", "-q", "-p", "no:cacheprovider"], plugins=[collector])
    print()
    print(json.dumps(collector.owners))
    return 0 if code == pytest.ExitCode.NO_TESTS_COLLECTED else int(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
