"""Which command a command line without one means: ``summarise FILE``, or ``summarise batch``.

Invariant: nothing is imported and no folder is listed here; a command line of a hundred thousand files is
walked once. A file is looked up on the disk only to tell a glob from a file of that name and a folder from a
file, and looking stops at the first word that decides.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

DOCUMENT, BATCH = "document", "batch"
TYPED = "summarise.typed"
"""Under this key of a context's ``meta`` stand the words after the command, as typed."""
RESULTS_SUFFIXES = (".db", ".sqlite", ".sqlite3")
_GLOB = frozenset("*?[")


def command_for(args: Sequence[str], commands: Mapping[str, Any]) -> str:
    """``batch`` if the words can only mean many documents, else ``document``.

    They do if there are several inputs, a folder, a glob, an option only ``batch`` has, or an output that is
    named like a results file. ``-o report.txt`` with one file stays ``summarise FILE``.
    """
    takes_value = _options(commands[DOCUMENT]) | _options(commands[BATCH])
    only_batch = _options(commands[BATCH]).keys() - _options(commands[DOCUMENT]).keys()
    inputs = 0
    for word, value in _words(args, takes_value):
        if word in only_batch:
            return BATCH
        if word in ("-o", "--output") and value is not None and value.lower().endswith(RESULTS_SUFFIXES):
            return BATCH
        if word is None and value is not None:
            inputs += 1
            if inputs > 1 or _is_many(value):
                return BATCH
    return DOCUMENT


def is_glob(word: str) -> bool:
    """Whether ``word`` has a wildcard and is no file of that very name."""
    return not _GLOB.isdisjoint(word) and not os.path.lexists(word)


def _is_many(word: str) -> bool:
    return word != "-" and (is_glob(word) or os.path.isdir(word))  # noqa: PTH112  # a path object for each would be dear


def _options(command: Any) -> dict[str, bool]:
    """Each spelling of each option, and whether a value follows it."""
    names: dict[str, bool] = {"--help": False, "-h": False}
    for param in command.params:
        if param.param_type_name == "option":
            names |= dict.fromkeys((*param.opts, *param.secondary_opts), not (param.is_flag or param.count))
    return names


def _words(args: Iterable[str], takes_value: Mapping[str, bool]) -> Iterator[tuple[str | None, str | None]]:
    """(option, value) and (None, input) in the order given; an option nobody knows is taken for a flag."""
    rest = iter(args)
    for arg in rest:
        if arg == "--":
            yield from ((None, word) for word in rest)
        elif arg.startswith("--"):
            name, equals, value = arg.partition("=")
            yield name, value if equals else next(rest, None) if takes_value.get(name) else None
        elif arg.startswith("-") and arg != "-":
            yield from _short(arg, rest, takes_value)
        else:
            yield None, arg


def _short(arg: str, rest: Iterator[str], takes_value: Mapping[str, bool]) -> Iterator[tuple[str | None, str | None]]:
    """The letters of ``-qo x.db``: flags until one takes a value, which is what is left or the next word."""
    for position, letter in enumerate(arg[1:], 2):
        name = f"-{letter}"
        if takes_value.get(name):
            yield name, arg[position:] or next(rest, None)
            return
        yield name, None
