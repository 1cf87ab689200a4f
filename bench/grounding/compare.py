"""Compare how three libraries ground quotes: summarise, langextract and instructor.

    python bench/grounding/compare.py            the table of docs/quality-grounding.md
    python bench/grounding/compare.py --mutate   the same tools on sentences of examples/ falsified by rule
    python bench/grounding/compare.py --sweep    the threshold of summarise, from 0.50 to 0.95

Every library gets the text and one quote at a time, with its default settings. See README.md.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instructor import CitationMixin
from langextract.core.data import Extraction  # type: ignore[import-not-found]  # only in the bench's venv
from langextract.resolver import WordAligner  # type: ignore[import-not-found]

from summarise import judgement
from summarise.grounding import Grounder

ROOT = Path(__file__).resolve().parents[2]
CASES = ROOT / "tests" / "grounding_cases.jsonl"
# True in meaning, but reworded, or a fact left out without a sign: no answer is called right or wrong.
UNJUDGED = ("paraphrase-far", "silent-fact")

Locate = Callable[[str, str], tuple[int, int] | None]


@dataclass(slots=True)
class Tally:
    """What one tool did with the cases of one category."""

    cases: int = 0
    right: int = 0
    false_grounded: int = 0
    wrong_span: int = 0
    missed: int = 0
    failed: int = 0


def ours(text: str, quote: str) -> tuple[int, int] | None:
    found = Grounder(text).locate(quote)
    return (found.span.start, found.span.end) if found.span and found.grounding.grounded else None


def langextract(*, lesser: bool) -> Locate:
    def locate(text: str, quote: str) -> tuple[int, int] | None:
        wanted = Extraction(extraction_class="quote", extraction_text=quote)
        [[found]] = WordAligner().align_extractions([[wanted]], text, accept_match_lesser=lesser)
        place = found.char_interval
        if place is None or place.start_pos is None or place.end_pos is None:
            return None
        return place.start_pos, place.end_pos

    return locate


def instructor() -> Locate:
    def locate(text: str, quote: str) -> tuple[int, int] | None:
        spans = CitationMixin.model_construct(substring_quotes=[quote]).get_spans(text)
        return next(iter(spans), None)

    return locate


def edges_aside(text: str, span: tuple[int, int] | list[int]) -> tuple[int, int]:
    """The span without punctuation and white space at its ends: nobody loses a point for a full stop."""
    start, end = span
    while start < end and not text[start].isalnum():
        start += 1
    while end > start and not text[end - 1].isalnum():
        end -= 1
    return start, end


def judge(case: dict[str, Any], locate: Locate, tally: Tally) -> None:
    tally.cases += 1
    try:
        span = locate(case["text"], case["quote"])
    except Exception:  # noqa: BLE001 - a peer that breaks on a quote has not grounded it; it is counted
        tally.failed += 1
        span = None
    if case["false"]:
        tally.right += span is None
        tally.false_grounded += span is not None
    elif span is None:
        tally.missed += 1
    elif edges_aside(case["text"], span) == edges_aside(case["text"], case["span"]):
        tally.right += 1
    else:
        tally.wrong_span += 1


def run(cases: list[dict[str, Any]], locate: Locate) -> tuple[dict[str, Tally], float]:
    tallies: dict[str, Tally] = {}
    began = time.process_time()
    for case in cases:
        judge(case, locate, tallies.setdefault(case["category"], Tally()))
    return tallies, time.process_time() - began


def tools() -> dict[str, Locate]:
    return {
        "summarise": ours,
        "langextract": langextract(lesser=True),
        "langextract, whole": langextract(lesser=False),
        "instructor": instructor(),
    }


def mutants(sentence: str, draw: random.Random) -> Iterator[tuple[str, str]]:
    """One falsification of each kind that the sentence allows."""
    words = sentence.split()
    place = draw.randrange(1, len(words))
    yield "not inserted", " ".join([*words[:place], "not", *words[place:]])
    for kind, pattern, change in (
        ("negation dropped", r"not|no|never", ""),
        ("number changed", r"\d+", None),
        ("name replaced", r"[A-Z][a-z]{3,}", "Zorbland"),
        ("plain word replaced", r"[a-z]{5,}", "xylophone"),
    ):
        places = [place for place, word in enumerate(words) if place and re.fullmatch(pattern, word)]
        if places:
            place = draw.choice(places)
            instead = str(int(words[place]) + draw.randint(1, 9)) if change is None else change
            yield kind, " ".join([*words[:place], *([instead] if instead else []), *words[place + 1 :]])
    names = [place for place, word in enumerate(words) if place and re.fullmatch(r"[A-Z][a-z]{3,}", word)]
    if len(names) > 1:
        one, two = draw.sample(names, 2)
        if words[one] != words[two]:
            words[one], words[two] = words[two], words[one]
            yield "names swapped", " ".join(words)


def mutate() -> None:
    draw = random.Random(5)
    made: list[tuple[str, str, str]] = []
    for path in sorted((ROOT / "examples").glob("*.txt")):
        text = path.read_text("utf-8")
        for sentence in re.split(r"(?<=[.!?”])\s+", text):
            if 6 < len(sentence.split()) < 40:
                made.extend((kind, text, quote) for kind, quote in mutants(sentence, draw))
    totals = Counter(kind for kind, _, _ in made)
    grounded: dict[str, Counter[str]] = {}
    for name, locate in tools().items():
        grounded[name] = Counter()
        for kind, text, quote in made:
            tally = Tally()
            judge({"text": text, "quote": quote, "false": True}, locate, tally)
            grounded[name][kind] += tally.false_grounded
    print("| Falsified | Quotes | " + " | ".join(grounded) + " |")
    print("|---|---:|" + "---:|" * len(grounded))
    for kind, total in totals.items():
        print(f"| {kind} | {total} | " + " | ".join(str(grounded[name][kind]) for name in grounded) + " |")


def compare(cases: list[dict[str, Any]]) -> None:
    results = {name: run(cases, locate) for name, locate in tools().items()}
    print("| Category | True or false | Cases | " + " | ".join(results) + " |")
    print("|---|---|---:|" + "---:|" * len(results))
    kinds = {case["category"]: "false" if case["false"] else "true" for case in cases}
    for category, kind in sorted(kinds.items(), key=lambda one: (one[1] == "false", one[0])):
        rows = [results[name][0][category] for name in results]
        shares = " | ".join(f"{row.right / row.cases:.0%}" for row in rows)
        print(f"| {category} | {kind} | {rows[0].cases} | {shares} |")
    falsehoods, truths = (sum(kind == value for kind in (kinds[c["category"]] for c in cases))
                          for value in ("false", "true"))  # fmt: skip
    for label, field, size in (
        ("True quotes found where they stand", "right", truths),
        ("True quotes not found", "missed", truths),
        ("True quotes put in a wrong place", "wrong_span", truths),
        ("False quotes called grounded", "false_grounded", falsehoods),
        ("Exceptions", "failed", len(cases)),
    ):
        counts = []
        for name in results:
            chosen = [
                row for category, row in results[name][0].items() if field != "right" or kinds[category] == "true"
            ]
            counts.append(str(sum(getattr(row, field) for row in chosen)))
        print(f"| **{label}** | | {size} | " + " | ".join(counts) + " |")
    print("| **Processor seconds** | | | " + " | ".join(f"{results[name][1]:.2f}" for name in results) + " |")


def sweep(cases: list[dict[str, Any]]) -> None:
    print("| CLOSE | True quotes found | True quotes missed | False quotes grounded | False quotes shown as conflict |")
    print("|---:|---:|---:|---:|---:|")
    for hundredths in range(50, 100, 5):
        judgement.CLOSE = hundredths / 100
        found = [(case, Grounder(case["text"]).locate(case["quote"])) for case in cases]
        true = [located for case, located in found if not case["false"]]
        false = [located for case, located in found if case["false"]]
        print(
            f"| {hundredths / 100:.2f} | {sum(one.grounding.grounded for one in true)} "
            f"| {sum(not one.grounding.grounded for one in true)} | {sum(one.grounding.grounded for one in false)} "
            f"| {sum(one.grounding == 'conflict' for one in false)} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare how quotes are grounded.")
    parser.add_argument("--sweep", action="store_true", help="try the threshold of summarise instead")
    parser.add_argument("--mutate", action="store_true", help="falsify sentences of examples/ by rule")
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    lines = CASES.read_text("utf-8").splitlines()
    # Neither peer can be told which occurrence is meant, so the cases that say so are left out.
    cases = [case for case in map(json.loads, lines) if case["near"] is None]
    cases = [case for case in cases if case["category"] not in UNJUDGED]
    if arguments.mutate:
        mutate()
    else:
        (sweep if arguments.sweep else compare)(cases)


if __name__ == "__main__":
    main()
