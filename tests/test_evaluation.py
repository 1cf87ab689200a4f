"""Scoring records against marked documents: the measures, the files, and ``summarise eval`` as a user meets it."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from summarise.schemas import Record
from support.server import ScriptedServer, completion, invalid_key

from summarise import errors
from summarise.cli import evaluate
from summarise.cli import main as cli
from summarise.evaluation import (
    Score,
    as_figures,
    compare,
    coverage,
    match,
    names_match,
    overlap,
    score_document,
    total,
)
from summarise.gold import GoldDocument, load_gold, load_records

ROOT = Path(__file__).parent.parent
EXAMPLE_GOLD = ROOT / "examples" / "gold.jsonl"
TEXT = "Mayor Ilvara Oskerin said the harbour will close. Marek Tolluin called the plan a stitch-up."
CLOSING, STITCH_UP = "the harbour will close", "the plan a stitch-up"

Spans = list[tuple[int, int]]
Start = Callable[..., ScriptedServer]


pytestmark = pytest.mark.usefixtures("own_surroundings")


def place(words: str, text: str = TEXT) -> tuple[int, int]:
    start = text.index(words)
    return start, start + len(words)


def gold_document(name: str = "town-1", **changed: Any) -> GoldDocument:
    """Two claims, two stances, two main actors, all layers marked."""
    marked = {
        "id": name,
        "text": TEXT,
        "gold_layers": ["claims", "stances", "actors"],
        "actors": [{"name": "Ilvara Oskerin", "main": True}, {"name": "Marek Tolluin", "main": True}],
        "claims": [
            {"claimant": "Ilvara Oskerin", "spans": [place(CLOSING)]},
            {"claimant": "Marek Tolluin", "spans": [place(STITCH_UP)]},
        ],
        "stances": [
            {"holder": "Ilvara Oskerin", "target": "the plan", "label": "support"},
            {"holder": "Marek Tolluin", "target": "the plan", "label": "oppose"},
        ],
    }
    return GoldDocument.model_validate({**marked, **changed})


def evidence(text: str, spans: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
    return [
        {"start": a, "end": b, "quote": text[a:b], "sentence": None, "cue": None, "grounding": "exact"}
        for a, b in spans
    ]


def record_of(gold: GoldDocument, **changed: Any) -> Record:
    """The record that says what was marked and nothing else; ``changed`` replaces whole parts of it."""
    made = {
        "schema": "news/1",
        "document": {
            "id": hashlib.sha256(gold.text.encode()).hexdigest(),
            "source": f"news/{gold.stem}.txt",
            "title": None,
            "language": None,
            "chars": len(gold.text),
            "sentences": 2,
        },
        "abstract": "An abstract.",
        "actors": [
            {"id": f"a{n}", "name": actor.name, "kind": "person", "role": None, "aliases": [], "mentions": []}
            for n, actor in enumerate(gold.actors, 1)
        ],
        "claims": [
            claim(gold.text, one.claimant or "somebody", one.spans, f"c{n}") for n, one in enumerate(gold.claims, 1)
        ],
        "stances": [stance(one.holder, one.target, one.label, f"s{n}") for n, one in enumerate(gold.stances, 1)],
        "warnings": [],
        "run": run_info(),
    }
    return Record.model_validate({**made, **changed})


def claim(text: str, who: str, spans: Sequence[tuple[int, int]], name: str = "c1") -> dict[str, Any]:
    return {
        "id": name,
        "claimant": {"name": who, "actor": None},
        "attribution": "reported",
        "polarity": "asserts",
        "text": "A claim.",
        "evidence": evidence(text, spans),
        "confidence": None,
    }


def stance(holder: str, target: str, label: str, name: str = "s1") -> dict[str, Any]:
    return {
        "id": name,
        "holder": {"name": holder, "actor": None},
        "target": {"name": target, "actor": None},
        "label": label,
        "evidence": [],
        "confidence": None,
    }


def run_info(**changed: Any) -> dict[str, Any]:
    made = {
        "model": "m",
        "endpoint": "e",
        "strategy": "single",
        "recipe": {"name": "single", "version": "1", "sha256": "0" * 64},
        "requests": 1,
        "reasks": 0,
        "retries": 0,
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "cached_tokens": None},
        "cost_usd": None,
        "seconds": 1.5,
        "summarise_version": "0",
    }
    return {**made, **changed}


def figures(gold: GoldDocument, record: Record | None) -> dict[str, Any]:
    return as_figures(score_document(gold, record))


# The measures ------------------------------------------------------------------------------------------------

span_lists = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=5)
"""Overlapping, touching, empty and backward spans are all in it."""


def characters(spans: Spans) -> set[int]:
    return {place for start, end in spans for place in range(start, end)}


@given(span_lists, span_lists)
def test_overlap_is_that_of_sets_of_characters(one: Spans, other: Spans) -> None:
    a, b = characters(one), characters(other)
    assert overlap(one, other) == len(a & b) / max(1, len(a | b))
    assert overlap(one, other) == overlap(other, one)


@given(span_lists, span_lists)
def test_coverage_is_that_of_sets_of_characters(one: Spans, other: Spans) -> None:
    a, b = characters(one), characters(other)
    assert coverage(one, other) == len(a & b) / max(1, len(a))


@given(st.lists(span_lists, max_size=5), st.lists(span_lists, max_size=5))
def test_matching_is_one_to_one_and_leaves_no_better_pair(gold: list[Spans], found: list[Spans]) -> None:
    pairs = match(gold, found, overlap)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    taken = {("gold", i): overlap(gold[i], found[j]) for i, j in pairs}
    taken |= {("found", j): overlap(gold[i], found[j]) for i, j in pairs}
    assert all(value >= 0.5 for value in taken.values())
    for i, one in enumerate(gold):
        for j, other in enumerate(found):
            value = overlap(one, other)
            assert value < 0.5 or value <= max(taken.get(("gold", i), 0), taken.get(("found", j), 0))


def test_the_better_match_goes_first() -> None:
    gold: list[Spans] = [[(0, 10)], [(4, 14)]]
    found: list[Spans] = [[(4, 14)], [(0, 8)]]
    assert match(gold, found, overlap) == [(1, 0), (0, 1)]


def test_half_is_enough_and_less_is_not() -> None:
    assert match([[(0, 10)]], [[(0, 5)]], overlap) == [(0, 0)]
    assert match([[(0, 10)]], [[(0, 4)]], overlap) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ilvara Oskerin", "Oskerin"),
        ("Mayor Ilvara Oskerin", "ilvara oskerin"),
        ("Mr. Oskerin", "Ilvara Oskerin"),
        ("the Ministry of Coasts", "Halvany Ministry of Coasts"),
        ("Oskerin, the mayor of Tolvenness", "Oskerin"),
        ("<author>", "<author>"),
        ("Илвара Оскерин", "Оскерин"),
        ("海湾报", "海湾报"),
    ],
)
def test_names_of_the_same_actor_match(one: str, other: str) -> None:
    assert names_match(one, other)
    assert names_match(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ilvara Oskerin", "Marek Tolluin"),
        ("Ilvara Oskerin", "Ilvara Tolluin"),  # a shared first name is not enough
        ("the president", "the former president"),  # titles alone name nobody
        ("Oskerin", ""),
        ("", ""),
        ("—", "—"),
        ("Оскерин", "Толлуин"),
        ("<author>", "Ilvara Oskerin"),
    ],
)
def test_names_of_different_actors_do_not_match(one: str, other: str) -> None:
    assert not names_match(one, other)
    assert not names_match(other, one)


# One document ------------------------------------------------------------------------------------------------


def test_a_perfect_record_scores_one_throughout() -> None:
    gold = gold_document()
    shown = figures(gold, record_of(gold))
    for name in ("claims", "covered", "stances", "pairs"):
        assert shown[name] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "gold": 2, "predicted": 2}
    assert shown["claimant"] == shown["main_actor_recall"] == 1.0
    assert (shown["failed"], shown["offset_breaches"]) == (0, 0)


def test_a_failed_document_counts_as_missed() -> None:
    gold = gold_document()
    shown = as_figures(total([score_document(gold, record_of(gold)), score_document(gold, None)]))
    assert (shown["documents"], shown["failed"]) == (2, 1)
    for name in ("claims", "covered", "stances", "pairs"):
        assert shown[name] == {"precision": 1.0, "recall": 0.5, "f1": 0.667, "gold": 4, "predicted": 2}
    assert shown["main_actor_recall"] == 0.5
    assert shown["prompt_tokens"] == 100
    assert shown["median_seconds"] == 1.5


def test_what_nobody_marked_costs_precision() -> None:
    gold = gold_document()
    extra = [claim(TEXT, "Marek Tolluin", [place("Mayor")]), *record_of(gold).model_dump()["claims"]]
    assert figures(gold, record_of(gold, claims=extra))["claims"]["precision"] == 0.667


@pytest.mark.parametrize("layer", ["claims", "stances", "actors"])
def test_layers_that_were_not_marked_are_not_measured(layer: str) -> None:
    measures = {
        "claims": {"claims", "covered", "claimant", "claimants"},
        "stances": {"stances", "pairs"},
        "actors": {"actors", "main_actor_recall"},
    }
    gold = gold_document(gold_layers=[layer])
    shown = figures(gold, record_of(gold))
    assert shown.keys() & set().union(*measures.values()) == measures[layer]


def test_content_that_is_too_wide_is_covered_but_not_found() -> None:
    gold = gold_document()
    whole = record_of(gold, claims=[claim(TEXT, "Ilvara Oskerin", [(0, len(TEXT))])])
    shown = figures(gold, whole)
    assert shown["claims"]["recall"] == 0.0
    assert shown["covered"]["recall"] == 0.5


@pytest.mark.parametrize("who", ["she", "They ", None])
def test_pronoun_and_missing_claimants_are_not_scored(who: str | None) -> None:
    gold = gold_document(claims=[{"claimant": who, "spans": [place(CLOSING)]}])
    shown = figures(gold, record_of(gold))
    assert shown["claims"]["f1"] == 1.0
    assert "claimant" not in shown


def test_the_claimant_is_scored_among_covered_claims() -> None:
    gold = gold_document()
    claims = [claim(TEXT, "Oskerin", [place(CLOSING)]), claim(TEXT, "Oskerin", [place(STITCH_UP)])]
    assert figures(gold, record_of(gold, claims=claims))["claimant"] == 0.5
    assert figures(gold, record_of(gold, claims=claims[:1]))["claimant"] == 1.0


def test_ungrounded_claims_count_against_precision_and_in_grounding() -> None:
    gold = gold_document()
    nowhere = claim(TEXT, "Oskerin", [])
    nowhere["evidence"] = [
        {"start": None, "end": None, "quote": "gone", "sentence": None, "cue": None, "grounding": "ungrounded"}
    ]
    shown = figures(gold, record_of(gold, claims=[nowhere]))
    assert shown["claims"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "gold": 2, "predicted": 1}
    assert shown["grounding"] == {"ungrounded": 1}
    assert shown["offset_breaches"] == 0


def test_a_wrong_label_is_a_pair_but_not_a_stance() -> None:
    gold = gold_document()
    stances = [stance("Oskerin", "plan", "oppose"), stance("Tolluin", "plan", "oppose")]
    shown = figures(gold, record_of(gold, stances=stances))
    assert (shown["stances"]["f1"], shown["pairs"]["f1"]) == (0.5, 1.0)


def test_stances_are_directed_and_used_once() -> None:
    gold = gold_document(stances=[{"holder": "Oskerin", "target": "Tolluin", "label": "oppose"}] * 2)
    turned = record_of(gold, stances=[stance("Tolluin", "Oskerin", "oppose")])
    assert figures(gold, turned)["pairs"]["recall"] == 0.0
    once = record_of(gold, stances=[stance("Oskerin", "Tolluin", "oppose")])
    assert figures(gold, once)["stances"]["recall"] == 0.5


def test_a_holder_nobody_named_is_not_asked_for() -> None:
    gold = gold_document(stances=[{"holder": "<unlisted>", "target": "the plan", "label": "oppose"}])
    assert "stances" not in figures(gold, record_of(gold))


def test_main_actors_are_found_by_any_of_their_names() -> None:
    gold = gold_document(
        actors=[{"name": "Ilvara Oskerin", "main": True}, {"name": "Zoë Tarrick", "main": True}, {"name": "Nobody"}]
    )
    actor = {"id": "a1", "name": "the mayor", "kind": "person", "role": None, "mentions": []}
    record = record_of(gold, actors=[{**actor, "aliases": ["Oskerin"]}])
    assert figures(gold, record)["main_actor_recall"] == 0.5


def test_actors_are_matched_one_to_one() -> None:
    gold = gold_document()
    twice = record_of(gold).model_dump(by_alias=True)["actors"][:1] * 2
    shown = figures(gold, record_of(gold, actors=twice))["actors"]
    assert shown == {"precision": 0.5, "recall": 0.5, "f1": 0.5, "gold": 2, "predicted": 2}


def test_a_claimant_counts_where_its_claim_is_found_too() -> None:
    gold = gold_document()
    right, wrong, wide = (
        claim(TEXT, "Oskerin", [place(CLOSING)]),
        claim(TEXT, "Oskerin", [place(STITCH_UP)]),
        claim(TEXT, "Tolluin", [(0, len(TEXT))]),
    )
    shown = figures(gold, record_of(gold, claims=[right, wrong, wide]))["claimants"]
    assert shown == {"precision": 0.333, "recall": 0.5, "f1": 0.4, "gold": 2, "predicted": 3}
    unnamed = gold_document(claims=[{"claimant": "she", "spans": [place(CLOSING)]}, *gold.model_dump()["claims"][1:]])
    shown = figures(unnamed, record_of(gold, claims=[right]))["claimants"]
    assert (shown["gold"], shown["predicted"]) == (1, 0)  # what cannot be wrong cannot be right either


def test_a_quote_that_was_re_wrapped_still_guards_its_span() -> None:
    text = "She said the\nharbour will close."
    marked = [{"claimant": None, "spans": [[9, 31]], "quote": "the harbour will close …"}]
    assert gold_document(text=text, claims=marked).claims[0].spans == ((9, 31),)


def test_offset_breaches_are_counted() -> None:
    gold = gold_document()
    shifted = claim(TEXT, "Oskerin", [place(CLOSING)])
    shifted["evidence"][0]["quote"] = "x" * len(CLOSING)
    beyond = claim(TEXT, "Oskerin", [place(STITCH_UP)])
    beyond["evidence"][0] |= {"start": len(TEXT), "end": len(TEXT) + len(STITCH_UP)}
    assert figures(gold, record_of(gold, claims=[shifted, beyond]))["offset_breaches"] == 2


def test_a_cost_that_is_not_known_stays_unknown() -> None:
    gold = gold_document()
    known = score_document(gold, record_of(gold, run=run_info(cost_usd=0.1)))
    unknown = score_document(gold, record_of(gold))
    assert as_figures(total([known, known, known]))["cost_usd"] == 0.3
    assert as_figures(total([known, unknown]))["cost_usd"] is None
    assert as_figures(total([known, score_document(gold, None)]))["cost_usd"] == 0.1


# Two runs ----------------------------------------------------------------------------------------------------


def runs(kept: Sequence[int]) -> list[Score]:
    """One run over several documents, of whose two claims ``kept`` are found."""
    gold = gold_document()
    everything = record_of(gold).model_dump(by_alias=True)
    return [score_document(gold, record_of(gold, claims=everything["claims"][:count])) for count in kept]


@pytest.mark.parametrize(
    "kept", [([0, 1, 2, 1], [2, 2, 1, 2]), ([2, 2, 2], [2, 2, 2]), ([0], [2]), ([2, 0, 2], [0, 0, 1])]
)
def test_the_interval_holds_the_difference(kept: tuple[list[int], list[int]]) -> None:
    first, second = runs(kept[0]), runs(kept[1])
    rows = compare(first, second)
    for row in rows:
        assert row.low - 1e-9 <= row.second - row.first <= row.high + 1e-9
    claims = next(row for row in rows if row.measure == "claims")
    assert claims.first == pytest.approx(total(first).claims.f1)
    assert claims.second == pytest.approx(total(second).claims.f1)


def test_the_interval_is_the_same_each_time() -> None:
    first, second = runs([0, 1, 2, 1]), runs([2, 2, 1, 2])
    assert compare(first, second) == compare(first, second)


def test_a_run_compared_with_itself_shows_no_difference() -> None:
    one = runs([0, 1, 2])
    assert {(row.low, row.high) for row in compare(one, one)} == {(0.0, 0.0)}


def test_a_measure_one_run_cannot_be_scored_on_is_not_compared() -> None:
    nothing_found, all_found = runs([0, 0]), runs([2, 2])
    for first, second in ((nothing_found, all_found), (all_found, nothing_found)):
        measures = {row.measure for row in compare(first, second)}
        assert "claimant" not in measures
        assert measures >= {"claims", "claimants", "stances", "actors", "main_actor_recall", "seconds"}


def test_what_runs_take_is_compared_on_the_documents_both_have() -> None:
    gold = gold_document()
    quick, slow = (score_document(gold, record_of(gold, run=run_info(seconds=seconds))) for seconds in (2.0, 5.0))
    failed = score_document(gold, None)
    rows = {row.measure: row for row in compare([slow, failed, slow], [quick, quick, failed])}
    assert (rows["seconds"].first, rows["seconds"].second) == (5.0, 2.0)
    assert (rows["seconds"].low, rows["seconds"].high) == (-3.0, -3.0)
    assert rows["prompt_tokens"].first == rows["prompt_tokens"].second == 100.0
    assert not {"seconds", "prompt_tokens"} & {row.measure for row in compare([failed], [quick])}


# Files -------------------------------------------------------------------------------------------------------


def write_lines(path: Path, *rows: Any) -> Path:
    lines = (row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def write_records(path: Path, *records: Record) -> Path:
    return write_lines(path, *(record.as_json() for record in records))


def gold_row(name: str = "town-1", **changed: Any) -> dict[str, Any]:
    return {**gold_document(name).model_dump(), **changed}


def test_lines_may_hold_any_character_and_blank_lines_are_skipped(tmp_path: Path) -> None:
    text = "One.\u2028Two.\x85Three.\u2029Four.\r\nFive."
    row = {"id": "odd:1/2", "text": text, "gold_layers": [], "actors": None, "claims": None, "stances": None}
    gold = load_gold(write_lines(tmp_path / "gold.jsonl", "", row, "  "))
    assert [(one.text, one.stem) for one in gold] == [(text, "odd_1_2")]
    record = record_of(gold[0])
    assert load_records(write_lines(tmp_path / "r.jsonl", record.as_json(), "")) == {"odd_1_2": record}


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "gold.jsonl", gold_row())
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load_gold(path) == [gold_document()]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("{not json", "is not JSON; must be a marked document; see docs/evaluation.md"),
        ("[]", "should be an object"),
        ({"id": "x", "text": "abc"}, "gold_layers"),
        (gold_row("x", claims=[{"spans": [[0, len(TEXT) + 1]]}]), "claim 1: no characters 0 to"),
        (gold_row("x", claims=[{"spans": [[0, 4]]}, {"spans": [[7, 7]]}]), "claim 2: no characters 7 to 7"),
        (gold_row("x", claims=[{"spans": []}]), "claims.0.spans"),
        (gold_row("x", claims=[{"spans": [[1, 5]], "quote": "Mayo"}]), "its quote does not hold characters 1 to 5"),
        (gold_row("x", stances=[{"holder": "a", "target": "b", "label": "against"}]), "stances.0.label"),
        (gold_row("town-1"), "second document with this id"),
    ],
)
def test_what_is_not_a_marked_document_is_said_with_its_line(tmp_path: Path, bad: Any, why: str) -> None:
    path = write_lines(tmp_path / "gold.jsonl", gold_row(), "", bad)
    with pytest.raises(errors.UnreadableDocumentError) as caught:
        load_gold(path)
    message = str(caught.value)
    assert message.startswith(f"{path}, line 3: ")
    assert why in message
    assert "\n" not in message
    assert "harbour" not in message  # no text of a document


@pytest.mark.parametrize("bad", ["{", '{\n "schema": "news/1",', '{"schema": "news/2"}'])
def test_what_is_not_a_record_is_said_with_its_line(tmp_path: Path, bad: str) -> None:
    path = write_lines(tmp_path / "records.jsonl", record_of(gold_document()).as_json(), bad)
    with pytest.raises(errors.UnreadableDocumentError, match=r"line 2: .*must be a record; each stands on a line"):
        load_records(path)


def test_files_that_cannot_be_read_or_hold_nothing(tmp_path: Path) -> None:
    for load in (load_gold, load_records):
        with pytest.raises(errors.UnreadableDocumentError, match=r"missing.jsonl: no such file"):
            load(tmp_path / "missing.jsonl")
        with pytest.raises(errors.UnreadableDocumentError, match="is a folder"):
            load(tmp_path)
        binary = tmp_path / "binary.jsonl"
        binary.write_bytes(b"\xff\xfe\x00")
        with pytest.raises(errors.UnreadableDocumentError, match="is not JSON Lines"):
            load(binary)
        binary.write_bytes(b"SQLite format 3\0and more")
        with pytest.raises(errors.UnreadableDocumentError, match="summarise export"):
            load(binary)
    with pytest.raises(errors.UnreadableDocumentError, match="holds no documents"):
        load_gold(write_lines(tmp_path / "empty.jsonl", ""))
    assert load_records(tmp_path / "empty.jsonl") == {}


def test_of_one_document_the_last_record_counts_and_two_of_a_name_are_refused(tmp_path: Path) -> None:
    gold = gold_document()
    later = record_of(gold, abstract="Made later.")
    path = write_records(tmp_path / "records.jsonl", record_of(gold), later)
    assert load_records(path) == {"town-1": later}
    other = record_of(gold_document(text=TEXT + " More."))
    with pytest.raises(errors.UnreadableDocumentError, match="line 2: a second document whose file is named town-1"):
        load_records(write_records(path, later, other))


# The command -------------------------------------------------------------------------------------------------


@pytest.fixture
def gold_path(tmp_path: Path) -> Path:
    return write_lines(tmp_path / "gold.jsonl", gold_row("town-1"), gold_row("town-2"))


@pytest.fixture
def records_path(tmp_path: Path) -> Path:
    records = (record_of(gold_document(name)) for name in ("town-2", "town-1"))
    return write_records(tmp_path / "records.jsonl", *records)


@pytest.fixture
def worse_path(tmp_path: Path) -> Path:
    """Another run: one document failed, the other's claims have the wrong claimant."""
    claims = [claim(TEXT, "Nobody", [place(CLOSING)]), claim(TEXT, "Nobody", [place(STITCH_UP)])]
    return write_records(tmp_path / "worse.jsonl", record_of(gold_document("town-2"), claims=claims))


def run(*args: object) -> int:
    return cli.main(["eval", *(str(arg) for arg in args)])


def test_figures_are_printed_with_the_worst_documents(gold_path: Path, worse_path: Path, capsys: Any) -> None:
    assert run(gold_path, "--records", worse_path) == 0
    out, err = capsys.readouterr()
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "documents 2" in lines
    assert "failed 1" in lines
    assert "claims precision 1.0, recall 0.5, f1 0.667, gold 4, predicted 2" in lines
    assert "claimant 0.0" in lines
    assert "cost_usd unknown" in lines
    assert "grounding exact 2 (100.0%)" in lines
    assert "claimants precision 0.0, recall 0.0, f1 0.0, gold 4, predicted 2" in lines
    assert "actors precision 1.0, recall 0.5, f1 0.667, gold 4, predicted 2" in lines
    assert lines[-2:] == ["0.00 0.00 0.00 town-1 (failed)", "1.00 1.00 1.00 town-2"]
    assert err == ""


def test_json_holds_every_figure_and_those_of_every_document(gold_path: Path, worse_path: Path, capsys: Any) -> None:
    assert run(gold_path, "--records", worse_path, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["documents"], shown["failed"], shown["claims"]["recall"]) == (2, 1, 0.5)
    assert [(one["id"], one["failed"]) for one in shown["per_document"]] == [("town-1", 1), ("town-2", 0)]
    assert "against" not in shown


def test_two_runs_are_compared(gold_path: Path, records_path: Path, worse_path: Path, capsys: Any) -> None:
    assert run(gold_path, "--records", records_path, "--against", worse_path) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["claimant", "1.000", "0.000", "+1.000", "(+1.000", "to", "+1.000)"] in lines
    assert ["seconds", "1.5", "1.5", "+0.0", "(+0.0", "to", "+0.0)"] in lines
    assert run(gold_path, "--records", records_path, "--against", worse_path, "--json") == 0
    rows = {row["measure"]: row for row in json.loads(capsys.readouterr().out)["against"]}
    assert rows.keys() >= {"claims", "claimant", "claimants", "stances", "pairs", "actors", "seconds", "prompt_tokens"}
    assert (rows["claims"]["this"], rows["main_actor_recall"]["other"]) == (pytest.approx(1.0), 0.5)
    for row in rows.values():
        assert row["low"] <= row["difference"] <= row["high"]


def test_records_are_kept_in_the_order_of_gold_and_never_overwritten_unasked(
    gold_path: Path, records_path: Path, tmp_path: Path, capsys: Any
) -> None:
    kept = tmp_path / "kept.jsonl"
    assert run(gold_path, "--records", records_path, "-o", kept) == 0
    assert list(load_records(kept)) == ["town-1", "town-2"]
    before = kept.read_bytes()
    capsys.readouterr()
    assert run(gold_path, "--records", records_path, "-o", kept, "--limit", 1) == 2
    assert capsys.readouterr() == ("", f"summarise: {kept} exists; pass --force to overwrite it\n")
    assert kept.read_bytes() == before
    assert run(gold_path, "--records", records_path, "-o", kept, "--limit", 1, "--force") == 0
    assert list(load_records(kept)) == ["town-1"]


def test_the_limit_leaves_the_other_documents_out(gold_path: Path, records_path: Path, capsys: Any) -> None:
    assert run(gold_path, "--records", records_path, "--limit", 1, "--json") == 0
    assert json.loads(capsys.readouterr().out)["documents"] == 1


def test_figures_are_shown_even_if_the_records_cannot_be_kept(
    gold_path: Path, records_path: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise errors.StorageError("no space left")

    monkeypatch.setattr("summarise.cli.evaluate.write_output", full)
    assert run(gold_path, "--records", records_path, "--json", "-o", tmp_path / "kept.jsonl") == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["documents"] == 2
    assert err == "summarise: no space left\n"


def test_records_of_other_documents_are_said_to_be(gold_path: Path, tmp_path: Path, capsys: Any) -> None:
    others = write_records(tmp_path / "others.jsonl", record_of(gold_document("village")))
    for option in (["--records", others], ["--records", write_lines(tmp_path / "none.jsonl"), "--against", others]):
        assert run(gold_path, *option) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert "none of its 1 records belongs to a marked document" in err
        assert "town-1.txt" in err


def test_a_run_in_which_every_document_failed_scores_nothing(gold_path: Path, tmp_path: Path, capsys: Any) -> None:
    assert run(gold_path, "--records", write_lines(tmp_path / "none.jsonl"), "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["failed"], shown["claims"]["f1"], shown["median_seconds"]) == (2, 0.0, None)


def test_a_bad_file_ends_with_one_line(gold_path: Path, records_path: Path, tmp_path: Path, capsys: Any) -> None:
    broken = write_lines(tmp_path / "broken.jsonl", "{")
    for args in ([broken, "--records", records_path], [gold_path, "--records", broken]):
        assert run(*args) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith(f"summarise: {broken}, line 1: ")
        assert err.count("\n") == 1


def test_control_characters_of_an_id_never_reach_the_terminal(tmp_path: Path, capsys: Any) -> None:
    gold = gold_document("town\x1b[31m-1")
    path = write_lines(tmp_path / "gold.jsonl", gold.model_dump())
    assert run(path, "--records", write_records(tmp_path / "records.jsonl", record_of(gold))) == 0
    out = capsys.readouterr().out
    assert "town[31m-1" in out
    assert "\x1b" not in out


def test_a_layer_that_is_misspelt_is_said(tmp_path: Path, records_path: Path, capsys: Any) -> None:
    gold = write_lines(tmp_path / "gold.jsonl", gold_row("town-1", gold_layers=["claim", "actors"]))
    assert run(gold, "--records", records_path) == 0
    out, err = capsys.readouterr()
    assert "claims " not in out.partition("worst")[0]
    assert "nothing is measured on the layer 'claim' (1 documents); layers are claims, stances, actors" in err


def test_records_of_another_text_are_said(tmp_path: Path, records_path: Path, capsys: Any) -> None:
    gold = write_lines(tmp_path / "gold.jsonl", gold_row("town-1", text=TEXT + " More."), gold_row("town-2"))
    assert run(gold, "--records", records_path) == 0
    assert "1 of 2 records were made from another text than the marked one, the first that of town-1" in (
        capsys.readouterr().err
    )


def test_records_that_are_there_are_scored_without_a_model(gold_path: Path, records_path: Path, capsys: Any) -> None:
    assert run(gold_path, "--records", records_path, "--model", "m", "--base-url", "http://x.test/v1") == 2
    assert "leave out --model, --base-url" in capsys.readouterr().err


PROBE = completion({"colour": "teal-7"})
ANSWER = completion({"actors": [], "claims": [], "stances": [], "abstract": "The harbour closes."})


def ask(server: ScriptedServer, *args: object) -> int:
    return run(*args, "--base-url", server.base_url, "--model", "scripted-model", "--strategy", "single")


def test_a_document_that_fails_is_counted_and_the_others_go_on(
    scripted_server: Start, tmp_path: Path, capsys: Any
) -> None:
    blank = {"id": "blank", "text": " ", "gold_layers": ["claims"]}
    gold = write_lines(tmp_path / "gold.jsonl", blank, gold_row("town-1"))
    assert ask(scripted_server([PROBE, ANSWER], play_all=True), gold, "--json") == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["failed"] == 1
    assert "blank failed" in err and "1 of 2 documents failed" in err


def test_records_are_kept_when_the_endpoint_gives_up(
    scripted_server: Start, gold_path: Path, tmp_path: Path, capsys: Any
) -> None:
    kept = tmp_path / "kept.jsonl"
    assert ask(scripted_server([PROBE, ANSWER, invalid_key()], play_all=True), gold_path, "-o", kept) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert f"1 of 2 records are kept in {kept}" in err
    assert list(load_records(kept)) == ["town-1"]


def test_records_are_kept_on_ctrl_c(
    scripted_server: Start, gold_path: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = evaluate.summarise_document

    async def interrupted(document: Any, *rest: Any, **more: Any) -> Record:
        if document.source == "town-2.txt":
            raise KeyboardInterrupt
        return await asked(document, *rest, **more)

    monkeypatch.setattr(evaluate, "summarise_document", interrupted)
    kept = tmp_path / "kept.jsonl"
    assert ask(scripted_server([PROBE, ANSWER]), gold_path, "-o", kept) == errors.EXIT_INTERRUPTED
    out, err = capsys.readouterr()
    assert out == ""
    assert f"interrupted; 1 of 2 records are kept in {kept}" in err
    assert list(load_records(kept)) == ["town-1"]


# The marked examples -----------------------------------------------------------------------------------------


@pytest.fixture
def marking(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(ROOT / "tools")
    return importlib.import_module("make_example_gold")


def test_the_marked_examples_are_what_the_tool_makes(marking: Any) -> None:
    assert marking.lines() == EXAMPLE_GOLD.read_text(encoding="utf-8").removesuffix("\n").split("\n")


def test_the_marked_examples_quote_their_documents() -> None:
    rows = [json.loads(line) for line in EXAMPLE_GOLD.read_text(encoding="utf-8").split("\n") if line]
    assert [row["id"] for row in rows] == sorted(path.stem for path in EXAMPLE_GOLD.parent.glob("*.txt"))
    for row in rows:
        text = row["text"]
        assert text.encode() == (EXAMPLE_GOLD.parent / f"{row['id']}.txt").read_bytes()
        for one in row["claims"]:
            assert " … ".join(text[start:end] for start, end in one["spans"]) == one["quote"]
            assert not {one["quote"][0], one["quote"][-1]} & set('“”" .,\n')
        for one in row["stances"]:
            assert [text[start:end] for start, end in one["spans"]] == one["evidence"]


def test_records_made_from_the_marked_examples_score_one(tmp_path: Path, capsys: Any) -> None:
    records = write_records(tmp_path / "records.jsonl", *map(record_of, load_gold(EXAMPLE_GOLD)))
    assert run(EXAMPLE_GOLD, "--records", records, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["documents"], shown["failed"], shown["offset_breaches"]) == (7, 0, 0)
    assert {shown[name]["f1"] for name in ("claims", "covered", "stances", "pairs")} == {1.0}
    assert (shown["claimant"], shown["main_actor_recall"]) == (1.0, 1.0)


def test_marking_that_does_not_fit_its_document_fails(marking: Any) -> None:
    def marked(**changed: Any) -> dict[str, Any]:
        one = {"file": "x", "main": [], "others": [], "claims": [], "stances": []}
        line: dict[str, Any] = marking.mark(
            marking.Marking(**{**one, **changed}), "Oskerin said it. Did it help? It did."
        )
        return line

    assert marked(claims=[("Oskerin", "said", [marking.At("it", 1)])])["claims"][0]["spans"] == [(13, 15)]
    for wrong in (
        {"main": ["Tolluin"]},
        {"claims": [("Oskerin", "said", ["it"])]},
        {"claims": [("Oskerin", "said", [marking.At("it", 3)])]},
        {"claims": [("Oskerin", "said", ["help it"])]},
        {"claims": [("Oskerin", "told", ["It did"])]},
        {"claims": [("Tolluin", "said", ["It did"])]},
        {"stances": [("Oskerin", "oppose", "help", "no help")]},
    ):
        with pytest.raises(marking.MarkingError):
            marked(**wrong)
