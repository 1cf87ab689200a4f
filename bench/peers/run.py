"""Run two peers and summarise on the same documents, model and server, and print the table.

    python bench/peers/run.py --gold GOLD.jsonl --base-url http://127.0.0.1:8103/v1 --model NAME \\
        --limit 10 --strategy auto -o FOLDER

Every document is read by one tool after the other before the next document begins, so that a machine
that is slower for an hour is slower for all. FOLDER keeps the records; run again, and it goes on. The
table counts only documents that every tool has been run on.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import Results, options_of, parser, run

from summarise.evaluation import Score, Tally, compare, score_document, total
from summarise.gold import GoldDocument, load_gold

BASELINE = "one_shot"
_NONE = "–"


@dataclass(frozen=True, slots=True)
class Line:
    """One tool's results on the documents that every tool was run on, in the order of the documents."""

    tool: str
    scores: list[Score]
    seconds: list[float]
    prompt_tokens: int
    completion_tokens: int
    lost: int


def line_of(tool: str, results: Results, documents: Sequence[GoldDocument]) -> Line:
    """Score one tool. A failed document costs what it cost: its seconds and tokens count."""
    seconds, prompt, completion = [], 0, 0
    for document in documents:
        record = results.records.get(document.stem)
        if record is not None:
            usage = record.run.usage
            seconds.append(record.run.seconds)
            prompt, completion = prompt + usage.prompt_tokens, completion + usage.completion_tokens
        else:
            failure = results.failures[document.id]
            seconds.append(failure.seconds)
            prompt += failure.prompt_tokens or 0
            completion += failure.completion_tokens or 0
    scores = [score_document(document, results.records.get(document.stem)) for document in documents]
    records = [results.records[document.stem] for document in documents if document.stem in results.records]
    lost = sum(any(warning.code == "chunks_lost" for warning in record.warnings) for record in records)
    return Line(tool, scores, seconds, prompt, completion, lost)


def cells_of(line: Line, baseline: Line) -> list[str]:
    """The figures of one tool, under the names in :data:`HEADINGS`."""
    score = total(line.scores)
    evidence = score.grounding.total()
    missing = score.grounding["ungrounded"] + score.grounding["conflict"]
    ratios = [own / max(0.001, other) for own, other in zip(line.seconds, baseline.seconds, strict=True)]
    return [
        line.tool,
        str(score.failed),
        _figure(score.claims, lambda tally: tally.precision),
        _figure(score.claims, lambda tally: tally.recall),
        _figure(score.claims, lambda tally: tally.f1),
        _figure(score.claimant, lambda tally: tally.recall),
        _figure(score.stances, lambda tally: tally.f1),
        _figure(score.main_actors, lambda tally: tally.recall),
        _share(missing, evidence),
        _share(score.grounding["fuzzy"], evidence),
        str(evidence),
        str(score.offset_breaches),
        str(line.prompt_tokens),
        str(line.completion_tokens),
        f"{statistics.median(line.seconds):.1f}",
        f"{statistics.median(ratios):.2f}",
    ]


HEADINGS = [
    "Tool",
    "Failed",
    "Claims P",
    "R",
    "F1",
    "Claimant",
    "Stances F1",
    "Main actors",
    "Evidence not in the text",
    "placed roughly",
    "of",
    "Offset breaches",
    "Prompt tokens",
    "Completion tokens",
    "Median s",
    f"Median ratio to {BASELINE}",
]


def _figure(tally: Tally, measure: Callable[[Tally], float]) -> str:
    return f"{measure(tally):.3f}" if tally.gold else _NONE


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else _NONE


def print_table(lines: Sequence[Line], documents: int, asked: int) -> None:
    """The table in Markdown, then every other tool against the baseline."""
    baseline = next(line for line in lines if line.tool == BASELINE)
    print(f"{documents} of {asked} documents were read by every tool.\n")
    print("| " + " | ".join(HEADINGS) + " |")
    print("|---" + "|---:" * (len(HEADINGS) - 1) + "|")
    for line in lines:
        print("| " + " | ".join(cells_of(line, baseline)) + " |")
    for line in lines:
        if line.lost:
            print(f"\n{line.tool}: parts of {line.lost} documents were left out (see the records' warnings).")
    print(f"\nAgainst {BASELINE}, with 95 % intervals (paired bootstrap over documents):\n")
    for line in lines:
        if line is baseline:
            continue
        for row in compare(baseline.scores, line.scores):
            difference = f"{row.second - row.first:+.3f} ({row.low:+.3f} to {row.high:+.3f})"
            print(f"- {line.tool}, {row.measure}: {row.second:.3f} against {row.first:.3f}: {difference}")


def tools_of(folder: Path, strategy: str) -> dict[str, tuple[str, Path]]:
    """The tools by the name they are shown under: their module and the file of their records."""
    ours = f"summarise-{strategy}"
    modules = {BASELINE: BASELINE, "langextract": "with_langextract", ours: "with_summarise"}
    return {name: (module, folder / f"{name}.jsonl") for name, module in modules.items()}


def main() -> None:
    """Parse the command line, run what is missing, print the table."""
    arguments_parser = parser("Run the peers and summarise over marked documents, paired, and print the table.")
    arguments_parser.add_argument("--strategy", default="auto", help="strategy of summarise")
    arguments_parser.add_argument("--without", action="append", default=[], metavar="TOOL", help="leave a tool out")
    arguments_parser.add_argument("--table-only", action="store_true", help="run nothing; show what there is")
    arguments = arguments_parser.parse_args()
    documents = load_gold(arguments.gold)[: arguments.limit]
    tools = tools_of(arguments.output, arguments.strategy)
    tools = {name: tool for name, tool in tools.items() if name not in arguments.without}
    arguments.output.mkdir(parents=True, exist_ok=True)
    if not arguments.table_only:
        run(tools, documents, options_of(arguments))
    results = {name: Results(path) for name, (_, path) in tools.items()}
    read = [document for document in documents if all(result.has(document) for result in results.values())]
    if not read:
        raise SystemExit("no document was read by every tool yet; run without --table-only")
    print_table([line_of(name, result, read) for name, result in results.items()], len(read), len(documents))


if __name__ == "__main__":
    main()
