"""Where a batch's time goes, by module: a sampled profile (py-spy) summed up.

A sample belongs to the innermost frame that is not the standard library's, so that what a module spends in ``json``,
``asyncio`` or ``re`` counts as its own. The second table adds to each of our modules what it spends in others' on its
behalf: a sample belongs there to the innermost frame of ``summarise``.

    py-spy record -r 200 --gil -f raw -o profile.raw -- python -m summarise batch …
    python bench/batch/profile_modules.py profile.raw
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

_FRAME = re.compile(r"^(?P<function>.*) \((?P<path>[^()]*?)(?::\d+)?\)$")
_STANDARD = sys.stdlib_module_names | {"<frozen importlib", "<frozen runpy>", "<frozen importlib._bootstrap>"}
OWN = "summarise"
_STARTERS = {f"{OWN}/__main__.py", f"{OWN}/cli/batch.py"}
"""What stands under the event loop; the loop's own time is not theirs."""


def frames_of(stack: str) -> Iterator[tuple[str, str]]:
    """Function and path of every frame, innermost first."""
    for frame in reversed(stack.split(";")):
        found = _FRAME.match(frame)
        if found:
            yield found["function"], found["path"]


def _is_standard(path: str) -> bool:
    top = path.split("/", 1)[0].removesuffix(".py")
    return path.startswith("<") or top in _STANDARD


def _module(path: str) -> str:
    """Our modules by name, others by package."""
    if path.startswith(OWN + "/") or path.startswith(("schemas/", "prompts/")):
        return path
    return path.split("/", 1)[0]


def tables(lines: Iterator[str]) -> tuple[Counter[str], Counter[str], Counter[str], int]:
    """Samples by owner, by our module on whose behalf, by function of the owner, and their number."""
    owners: Counter[str] = Counter()
    behalf: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    total = 0
    for line in lines:
        stack, _, number = line.rstrip("\n").rpartition(" ")
        count = int(number)
        total += count
        frames = list(frames_of(stack))
        owner = next(((name, path) for name, path in frames if not _is_standard(path)), None)
        ours = next((path for _, path in frames if path.startswith(OWN + "/")), None)
        if any("import_module" in name or "_find_and_load" in name for name, _ in frames):
            owners["importing modules"] += count
            behalf["importing modules"] += count
            continue
        if owner is None or owner[1] in _STARTERS:
            owners["event loop and interpreter"] += count
        else:
            owners[_module(owner[1])] += count
            functions[f"{owner[0]} ({owner[1]})"] += count
        behalf[ours or "event loop and interpreter"] += count
    return owners, behalf, functions, total


def print_table(title: str, rows: Counter[str], total: int, most: int) -> None:
    """One table, the largest rows first, in per cent."""
    print(f"\n| {title} | % |\n|---|---:|")
    for name, count in rows.most_common(most):
        if count * 200 >= total:
            print(f"| {name} | {100 * count / total:.1f} |")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("profile", type=Path, help="py-spy's raw format")
    parser.add_argument("--most", type=int, default=25, help="rows of each table")
    arguments = parser.parse_args()
    with arguments.profile.open(encoding="utf-8") as lines:
        owners, behalf, functions, total = tables(lines)
    print(f"{total} samples")
    print_table("Own time, with the standard library", owners, total, arguments.most)
    print_table("Our module, with all it calls outside", behalf, total, arguments.most)
    print_table("Function", functions, total, arguments.most)


if __name__ == "__main__":
    main()
