"""Small documents for the benchmarks, made of invented words, and the answer a model might give about each.

Invariant: document N is the same on every machine, and no two documents have the same text. Every document has the
same reported sentences at the same places, so that one fixed answer is right about all of them: its words are found
in the text (most to the letter, one after folding quotation marks, one only roughly), as with a real model. The rest
of the text is different in every document. Nothing here comes from an article.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHARACTERS = 1500
"""About a short news item; with the fixed sentences and a rest of invented ones."""

_REPORTED = (
    "Mayor Ines Corval said on Monday that the ferry terminal will open before the summer.",
    "\u201cWe\u2019ve kept our promise to the islands,\u201d she told reporters in the harbour.",
    "The Dockers' Union denied that it had agreed to the new night shifts on the northern pier.",
    "Senator Piet Aldous praised the harbour office for its patience with the two contractors.",
    "According to the Halden Gazette, the old mill behind the station was sold twice in one year.",
)
_OTHERWISE = {
    _REPORTED[4]: "According to the Halden Gazette, the old mill behind the station had been sold twice in one year."
}
"""What every fourth document has instead; the answer stays the same."""
_WORDS = (
    "harbour ferry council river market bridge timber ledger winter signal cargo pilot orchard meadow copper "
    "granite lantern beacon quarry thicket marble canvas barrel anchor saddle velvet pepper walnut cedar willow "
    "ribbon candle kettle basket ladder hammer needle thimble feather pebble puddle ripple cobble gravel plaster "
    "schedule budget report survey permit tender contract payment deposit harvest voyage repair launch parade"
).split()
_PLACES = "Norrick Halden Tarvik Osterby Lunmoor Pellworth Grenby Sandvik Ulmere Varholt Eskdale Brenning".split()
_VERBS = "crossed followed measured carried replaced delayed finished covered counted shifted opened closed".split()

ANSWER: dict[str, Any] = {
    "actors": [
        {"name": "Ines Corval", "kind": "person", "role": "Mayor"},
        {"name": "Dockers' Union", "kind": "organisation", "role": None},
        {"name": "Piet Aldous", "kind": "person", "role": "Senator"},
        {"name": "harbour office", "kind": "organisation", "role": None},
        {"name": "Halden Gazette", "kind": "media", "role": None},
    ],
    "claims": [
        {
            "s": 1,
            "who": "Ines Corval",
            "cue": "said",
            "says": "the ferry terminal will open before the summer",
            "pol": "asserts",
        },
        {
            "s": 3,
            "who": "Ines Corval",
            "cue": "told reporters",
            "says": "We've kept our promise to the islands",
            "pol": "asserts",
        },
        {
            "s": 5,
            "who": "Dockers' Union",
            "cue": "denied",
            "says": "it had agreed to the new night shifts on the northern pier",
            "pol": "denies",
        },
        {
            "s": 9,
            "who": "Halden Gazette",
            "cue": "According to",
            "says": "the old mill behind the station was sold twice in one year",
            "pol": "asserts",
        },
    ],
    "stances": [
        {
            "s": 7,
            "holder": "Piet Aldous",
            "target": "harbour office",
            "label": "support",
            "words": "praised the harbour office for its patience",
        }
    ],
    "abstract": (
        "The mayor, Ines Corval, says the ferry terminal will open before the summer, while the Dockers' Union denies "
        "having agreed to new shifts. A senator praises the harbour office."
    ),
}
"""One answer of the ``single`` strategy, right about every document."""


def _extractions() -> Iterator[dict[str, Any]]:
    """The findings as rows of langextract, in order of appearance as its examples want them."""
    rows: list[tuple[int, str, str, dict[str, str]]] = [
        (at, "actor", row["name"], {"kind": row["kind"], "role": row["role"] or "none"})
        for at, row in zip((1, 5, 7, 7, 9), ANSWER["actors"], strict=True)
    ]
    rows += [
        (row["s"], "claim", row["says"], {"claimant": row["who"], "cue": row["cue"], "polarity": row["pol"]})
        for row in ANSWER["claims"]
    ]
    rows += [
        (row["s"], "stance", row["words"], {"holder": row["holder"], "target": row["target"], "label": row["label"]})
        for row in ANSWER["stances"]
    ]
    for _, kind, words, attributes in sorted(rows, key=lambda row: row[0]):
        yield {kind: words, f"{kind}_attributes": attributes}


EXTRACTIONS = list(_extractions())
"""The same findings as langextract writes them. It cannot be told an abstract."""


def text_of(number: int) -> str:
    """The text of document ``number``: one sentence a line, the reported ones on the lines 1, 3, 5, 7 and 9."""
    dice = random.Random(number)
    lines: list[str] = []
    reported = iter(_REPORTED)
    size = 0
    while size < CHARACTERS:
        line = next(reported, None) if len(lines) % 2 == 0 else None
        if line and number % 4 == 3:
            line = _OTHERWISE.get(line, line)
        lines.append(line or _sentence(dice, number, len(lines)))
        size += len(lines[-1]) + 1
    return "\n".join(lines) + "\n"


def _sentence(dice: random.Random, number: int, line: int) -> str:
    place, other = dice.sample(_PLACES, 2)
    words = " ".join(dice.choices(_WORDS, k=dice.randint(9, 15)))
    return f"In {place} the {words} {dice.choice(_VERBS)} lot {number}-{line} near {other}."


def write_folder(folder: Path, count: int, *, first: int = 0) -> Path:
    """Write documents ``first`` to ``first + count`` as text files, if they are not there; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        path = folder / f"{number:06}.txt"
        if not path.exists():
            path.write_text(text_of(number), encoding="utf-8")
    return folder


def read_folder(folder: Path) -> Iterator[tuple[str, str]]:
    """Name and text of every document in the folder, in the order of names, one at a time."""
    for path in sorted(folder.glob("*.txt")):
        yield path.name, path.read_text(encoding="utf-8")


def write_lines(path: Path, count: int) -> Path:
    """Write the documents as JSON Lines with ``id`` and ``text``, if the file is not there; returns the path."""
    if not path.exists():
        unfinished = path.with_suffix(".part")
        with unfinished.open("w", encoding="utf-8") as file:
            for number in range(count):
                file.write(json.dumps({"id": f"{number:06}", "text": text_of(number)}) + "\n")
        unfinished.replace(path)
    return path


def main() -> None:
    """Write a folder of documents."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("count", type=int)
    arguments = parser.parse_args()
    write_folder(arguments.folder, arguments.count)


if __name__ == "__main__":
    main()
