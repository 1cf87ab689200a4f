"""Writes examples/gold.jsonl, the marking of the example documents: `python tools/make_example_gold.py`

The marking is written as words of the text and located here: words that do not stand in the document exactly
once stop the program, unless an occurrence is named. The format is that of docs/evaluation.md.

How it was marked, after PolNeAR (Newell et al., 2018) for claims and SEESAW (Zhang et al., 2022) for stances:

- A claim is what somebody in the document says, writes, expects, denies or asks for. What the document states
  in its own voice, and a vote or an action without words, is none. A claim inside another one's words counts.
- Content is as tight as it reads: without claimant and cue, without a leading "that", without the quotation
  marks around it and the punctuation after it. A quotation that a cue interrupts is one claim of several spans.
- A claimant is named as the document names it in full; pronouns and offices are resolved. The document's own
  "we" is ``<author>``.
- "Denied it" is marked as it stands: the content is "it".
- A stance is an attitude of somebody towards somebody or something: backing, fighting, voting, accusing,
  staying out of it. A plan goes by one name within a document, and that name need not stand in the text.
- ``main`` actors are those without whom the story cannot be told.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "examples"
AUTHOR = "<author>"
OPENING_MARKS = '“"'


class MarkingError(Exception):
    """The marking does not fit its document."""


@dataclass(frozen=True)
class At:
    """The ``occurrence``-th (from 1) of words that stand in the document more than once."""

    words: str
    occurrence: int


Words = str | At
ClaimRow = tuple[str, str, list[Words]]
"""Claimant, cue, content."""
StanceRow = tuple[str, str, str, Words]
"""Holder, label, target, the words that show it."""


@dataclass(frozen=True)
class Marking:
    """What was marked in one document."""

    file: str
    main: list[str]
    others: list[str]
    claims: list[ClaimRow]
    stances: list[StanceRow]


PLAN = "the plan to close the cargo harbour"
MARINA = "the conversion of the cargo harbour into a marina"
MOTION = "the motion to close the Mill Lane branch on Saturdays"
ESTIMATE: ClaimRow = ("town hall", "according to an estimate by", ["About 140 dockers would lose their jobs"])

MARKINGS = [
    Marking(
        file="harbour_1_merrowwire",
        main=["Tolvenness council", "Ilvara Oskerin", "Pellomar Holdings", "Zoë Tarrick", "Marek Tolluin"],
        others=["Quay Hands’ Union", "Dorrin Haskavel", "Ministry of Coasts", "Immo Kelderwick", "town hall",
                "residents’ group", "police"],
        claims=[
            ESTIMATE,
            ("Ilvara Oskerin", "told the council", [
                "This harbour has lost money for nine years",
                "I will not ask families to pay for empty berths. We need homes, and we need them on this shore"]),
            ("Zoë Tarrick", "said", ["her group would challenge the vote before the regional court"]),
            ("Zoë Tarrick", "said", ["The figures were handed to us an hour before the debate"]),
            ("Marek Tolluin", "accused", ["Pellomar of running down the cranes on purpose"]),
            ("Pellomar Holdings", "denies", ["a claim"]),
            ("Dorrin Haskavel", "said", ["We have serviced every crane on schedule"]),
            ("police", "according to", ["About 600 people marched against the closure on Saturday"]),
            ("spokeswoman of the Ministry of Coasts", "said", ["the ministry was waiting for a survey of the seabed"]),
            ("Immo Kelderwick", "said", ["dredging for a marina could stir up lead left by an old paint works"]),
        ],
        stances=[
            ("Tolvenness council", "support", PLAN,
             "Councillors in Tolvenness voted 11 to 8 on Tuesday to close the town’s cargo harbour, backing a plan"),
            ("Ilvara Oskerin", "support", PLAN, "a plan by Mayor Ilvara Oskerin"),
            ("dockers’ union", "oppose", PLAN, "the dockers’ union and a residents’ group oppose"),
            ("residents’ group", "oppose", PLAN, "the dockers’ union and a residents’ group oppose"),
            ("Zoë Tarrick", "oppose", "the vote to close the cargo harbour",
             "her group would challenge the vote before the regional court"),
            ("Marek Tolluin", "oppose", "Pellomar Holdings", "accused Pellomar of running down the cranes on purpose"),
            ("About 600 people", "oppose", "the closure of the cargo harbour",
             "About 600 people marched against the closure"),
            ("Ministry of Coasts", "neutral", PLAN,
             "The Halvany regional Ministry of Coasts has not taken a position on the plan"),
        ],
    ),
    Marking(
        file="harbour_2_lantern",
        main=["council", "Ilvara Oskerin", "Pellomar Holdings", "Zoë Tarrick", "Marek Tolluin", "Ottilene Fray"],
        others=["Quay Hands' Union", "Keep the Basin", "Anselm Druett", "Merrow Wire", "town hall"],
        claims=[
            ("Merrow Wire", "reported", [
                "The plan would close the cargo berths by 31 March and turn the south basin into a marina with 220 "
                "flats. Pellomar Holdings, which has leased the quay since 2009, would pay 48 million florins towards "
                "the work. About 140 dockers would lose their jobs, according to an estimate by the town hall"]),
            ESTIMATE,
            ("Quay Hands' Union", "disputes", ["the last figure"]),
            ("Marek Tolluin", "put", ["the loss at 210 jobs"]),
            ("Marek Tolluin", "said", ["They forgot the pilots, and they forgot the night shift", "Count again"]),
            ("Ottilene Fray", "said", ["at least 900 people had joined Saturday's march"]),
            ("Ottilene Fray", "thanked", ["standing with the street"]),
            ("Zoë Tarrick", "told the Lantern",
             ["the mayor had promised the quay to Pellomar Holdings before the debate began"]),
            ("Ilvara Oskerin", "denied", ["it"]),
            ("Ilvara Oskerin", "said", [
                "Nobody was promised anything",
                "I met the company twice. Both meetings are in the public diary"]),
            ("Anselm Druett", "said", ["trade had been dead since the grain ships stopped calling"]),
        ],
        stances=[
            ("council", "support", PLAN, "the council had voted 11 to 8 to shut the cargo harbour"),
            ("Quay Hands' Union", "oppose", "the town hall's estimate",
             "The Quay Hands' Union disputes the last figure"),
            ("Marek Tolluin", "oppose", "the town hall's estimate", "put the loss at 210 jobs"),
            ("Ottilene Fray", "support", "Zoë Tarrick", "She thanked opposition leader Zoë Tarrick"),
            ("Zoë Tarrick", "oppose", "Ilvara Oskerin",
             "the mayor had promised the quay to Pellomar Holdings before the debate began"),
            ("Anselm Druett", "support", "the marina", "Baker Anselm Druett supports the marina"),
        ],
    ),
    Marking(
        file="harbour_3_brasstally",
        main=["Pellomar Holdings", "Dorrin Haskavel", "Ministry of Coasts", "Quay Hands’ Union"],
        others=["town council", "Berrit Sandovar", "Zoë Tarrick", "Ilvara Oskerin", "Immo Kelderwick"],
        claims=[
            ("Dorrin Haskavel", "told analysts",
             ["The leaseholder will invest 46.5 million florins and build 180 flats"]),
            ("Pellomar Holdings", "expects", ["95 redundancies, all of them by agreement"]),
            ("Dorrin Haskavel", "said", [
                "The berths ran at a fifth of capacity last year",
                "No investor can carry that. A marina pays for the sea wall as well"]),
            ("two people familiar with its thinking", "according to",
             ["The Halvany Ministry of Coasts supports the conversion"]),
            ("Berrit Sandovar", "said only", ["the region", "welcomes private money on the coast"]),
            ("Dorrin Haskavel", "denied", ["the company had let the cranes decay"]),
            ("Quay Hands’ Union", "alleges", ["the company had let the cranes decay"]),
            ("Dorrin Haskavel", "said", ["Pellomar had spent 3.1 million florins on upkeep since 2019"]),
            ("Zoë Tarrick", "has announced", ["a court challenge"]),
            ("lawyers", "expect", ["to take months"]),
            ("Ilvara Oskerin", "dismissed", ["the suit as theatre"]),
            ("Immo Kelderwick", "called", [
                "the lead in the south basin", "manageable, provided it is capped and not dredged"]),
            ("Pellomar Holdings", "said", ["Capping would add 2 million florins"]),
        ],
        stances=[
            ("town council", "support", MARINA, "the town council approved the scheme"),
            ("Dorrin Haskavel", "support", MARINA, "A marina pays for the sea wall as well"),
            ("Ministry of Coasts", "support", MARINA, "The Halvany Ministry of Coasts supports the conversion"),
            ("Berrit Sandovar", "support", "private money on the coast", "welcomes private money on the coast"),
            ("Quay Hands’ Union", "oppose", "Pellomar Holdings",
             "the company had let the cranes decay, as the Quay Hands’ Union alleges"),
            ("Several hundred people", "oppose", MARINA, "Several hundred people protested at the weekend"),
            ("Zoë Tarrick", "oppose", MARINA, "Zoë Tarrick has announced a court challenge"),
            ("Ilvara Oskerin", "oppose", "Zoë Tarrick’s suit", "Mayor Ilvara Oskerin dismissed the suit as theatre"),
        ],
    ),
    Marking(
        file="harbour_4_dazzler",
        # This paper writes the ë as e and a combining diaeresis, as README.md of the examples says.
        main=["Ilvara Oskerin", "Marek Tolluin", "Zoe\u0308 Tarrick", "Pellomar Holdings", "Ottilene Fray"],
        others=["dockers", "councillors", "Keep the Basin", "town hall"],
        claims=[
            ESTIMATE,
            ("Marek Tolluin", "warned", ["up to 300 will be on the dole once cafes and chandlers are counted"]),
            ("Marek Tolluin", "raged", [
                "It's a stitch-up", "She sold us for a row of yachts! My lads won't forget it"]),
            ("organisers", "said", ["More than 2,000 angry locals stormed the seafront on Saturday"]),
            ("Zoe\u0308 Tarrick", "claimed", ["Mayor Ilvara Oskerin took a free yacht trip from Pellomar Holdings"]),
            ("Ilvara Oskerin", "flatly denied", [At("it", 2)]),
            ("Ilvara Oskerin", "said", ["I get seasick on the ferry"]),
            ("spokesman of Pellomar Holdings", "said", ["the yacht story was", "invented from start to finish"]),
            ("Ottilene Fray", "told The Dazzler", ["I'll chain myself to the crane"]),
        ],
        stances=[
            (AUTHOR, "oppose", "Ilvara Oskerin", "300 jobs go overboard as mayor torpedoes our harbour"),
            ("councillors", "support", PLAN, "councillors voted 12 to 7 to scrap Tolvenness harbour"),
            ("dockers", "oppose", "town hall", "Furious dockers pelted the town hall with herring"),
            ("Marek Tolluin", "oppose", "Ilvara Oskerin", "She sold us for a row of yachts"),
            ("angry locals", "oppose", PLAN, "More than 2,000 angry locals stormed the seafront"),
            ("Zoe\u0308 Tarrick", "oppose", "Ilvara Oskerin",
             "claimed Mayor Ilvara Oskerin took a free yacht trip from Pellomar Holdings"),
            ("Ottilene Fray", "support", "the dockers", "backs the dockers all the way"),
        ],
    ),
    Marking(
        file="harbour_5_commonoar",
        main=["Pellomar Holdings", "Ilvara Oskerin", "Zoë Tarrick", "Marek Tolluin", "Ministry of Coasts"],
        others=["Quay Hands’ Union", "Berrit Sandovar", "Immo Kelderwick", "town hall", "police"],
        claims=[
            ("Ilvara Oskerin", "speaks of", ["savings"]),
            ("Quay Hands’ Union", "according to",
             ["the true public bill", "is 61 million florins once the sea wall is included"]),
            ("town hall", "rejects", ["that figure"]),
            ("police", "pretend", ["600"]),
            ("Marek Tolluin", "said", [
                "We built this quay",
                "Our mothers mended nets on it. We will not leave it to people who have never been cold"]),
            (AUTHOR, "disagree", [
                "the court is too slow, and only a strike will stop the cranes from being scrapped"]),
            ("Ministry of Coasts", "says", ["it is neutral"]),
            ("Berrit Sandovar", "insisted", ["no official had seen the contract"]),
            ("ministry clerk", "told us", ["the inter\u00adregional fund had approved the money in May"]),
            ("Immo Kelderwick", "warned of", ["lead in the mud"]),
            ("Pellomar Holdings", "quotes", ["him as if he had blessed the dredgers"]),
            ("Immo Kelderwick", "told this paper", ["I have endorsed nothing"]),
        ],
        stances=[
            (AUTHOR, "oppose", "Pellomar Holdings", "handed a working harbour to Pellomar Holdings"),
            (AUTHOR, "support", "the eight", "We stand with the eight"),
            (AUTHOR, "oppose", "Ilvara Oskerin", "The mayor’s arithmetic does not float"),
            (AUTHOR, "oppose", "police", "not 600, as the police pretend"),
            (AUTHOR, "mixed", "Zoë Tarrick",
             "Zoë Tarrick deserves credit. She opposed the lease in 2009 and she opposes the closure now. "
             "But we disagree with her on one point"),
            (AUTHOR, "support", "a strike", "only a strike will stop the cranes from being scrapped"),
            (AUTHOR, "oppose", "Berrit Sandovar", "We do not believe him"),
            ("town hall", "oppose", "the Quay Hands’ Union’s figure", "The town hall rejects that figure"),
            ("Marek Tolluin", "oppose", "the closure",
             "We will not leave it to people who have never been cold"),
            ("Zoë Tarrick", "oppose", "the lease", "She opposed the lease in 2009"),
            ("Zoë Tarrick", "oppose", "the closure", "she opposes the closure now"),
            ("Ministry of Coasts", "neutral", "the closure", "The Halvany Ministry of Coasts says it is neutral"),
        ],
    ),
    Marking(
        file="report_minutes",
        main=["Junia Parrowby", "Maud Ickering", "Osric Venn-Tallow", "Pell Dastrow", "Theodric Amblesea"],
        others=["Fallowmere Paper", "Cinderlake Library Trust"],
        claims=[
            ("Junia Parrowby", "moved", ["the Mill Lane branch close on Saturdays from 1 July"]),
            ("Junia Parrowby", "said",
             ["Saturday staffing cost 14,200 florins a year and that visits had halved"]),
            ("Maud Ickering", "said", ["the count had been taken during the flood repairs and was worthless"]),
            ("Osric Venn-Tallow", "asked for", ["a new count"]),
            ("Theodric Amblesea", "said", ["he had sympathy for both sides"]),
            ("Osric Venn-Tallow", "moved", ["to accept 5,000 florins from Fallowmere Paper"]),
            ("Pell Dastrow", "denied", ["he holds shares in the company"]),
            ("a letter from a reader", "had been stated", ["he holds shares in the company"]),
        ],
        stances=[
            ("Junia Parrowby", "support", MOTION, "Ms Parrowby moved that the Mill Lane branch close on Saturdays"),
            ("Pell Dastrow", "support", MOTION, "Mr Dastrow seconded the motion"),
            ("Maud Ickering", "oppose", MOTION, "Ms Ickering objected"),
            ("Osric Venn-Tallow", "support", "Maud Ickering", "Mr Venn-Tallow supported her objection"),
            ("Osric Venn-Tallow", "oppose", MOTION, "2 against (Ickering, Venn-Tallow)"),
            ("Theodric Amblesea", "neutral", MOTION, "The chair abstained"),
            ("Osric Venn-Tallow", "support", "the gift from Fallowmere Paper",
             "Mr Venn-Tallow moved to accept 5,000 florins from Fallowmere Paper"),
            ("Maud Ickering", "neutral", "the gift from Fallowmere Paper", "Ms Ickering abstained"),
        ],
    ),
    Marking(
        file="report_water",
        main=["Chamber of Inspection", "Ghylorren Water Utility", "Sunniva Harrowgate-Lisk",
              "Valley Consumers' League"],
        others=["Brackwater Pipeworks", "regional council"],
        claims=[
            ("Chamber of Inspection", "finds",
             ["the utility lost 31 per cent of its treated water to leaks in the past year"]),
            ("Ghylorren Water Utility", "had reported", ["a loss of 18 per cent"]),
            ("the laboratory log", "According to", ["customers in Upper Sedge were informed after eleven days"]),
            ("Chamber of Inspection", "considers", ["this unlawful"]),
            ("Chamber of Inspection", "found", ["no evidence that funds were diverted"]),
            ("Ghylorren Water Utility", "accepts", ["findings 2.2 and 2.4"]),
            ("Ghylorren Water Utility", "disputes", ["finding 2.1"]),
            ("Sunniva Harrowgate-Lisk", "wrote", [
                "The inspectors counted water used for flushing and for the fire brigade as leakage",
                "Our own figure is 22 per cent. We stand by it"]),
            ("Sunniva Harrowgate-Lisk", "denied", ["the pipe contracts broke the law"]),
            ("Sunniva Harrowgate-Lisk", "said", ["a burst main in January had left no time for a tender"]),
            ("Chamber of Inspection", "recommends", [
                "the utility publish monthly loss figures and put all pipe contracts out to tender by 1 September"]),
            ("Ghylorren Water Utility", "calls", ["unworkable"]),
        ],
        stances=[
            ("Chamber of Inspection", "oppose", "the award of contracts to Brackwater Pipeworks",
             "The Chamber considers this unlawful"),
            ("Ghylorren Water Utility", "support", "findings 2.2 and 2.4", "The utility accepts findings 2.2 and 2.4"),
            ("Ghylorren Water Utility", "oppose", "finding 2.1", "It disputes finding 2.1"),
            ("Sunniva Harrowgate-Lisk", "oppose", "the inspectors",
             "The inspectors counted water used for flushing and for the fire brigade as leakage"),
            ("Ghylorren Water Utility", "support", "the first recommendation",
             "The utility supports the first recommendation"),
            ("Ghylorren Water Utility", "oppose", "the second recommendation", "opposes the second"),
            ("Valley Consumers' League", "support", "both recommendations",
             "The Valley Consumers' League, which was heard as a third party, supports both"),
        ],
    ),
]  # fmt: skip


def locate(text: str, words: Words) -> tuple[int, int]:
    """Where the words stand as whole words, half-open.

    Raises:
        MarkingError: if they do not stand there exactly once, or not in the occurrence that is named.
    """
    wanted, occurrence = (words.words, words.occurrence) if isinstance(words, At) else (words, None)
    starts = [found.start() for found in re.finditer(rf"(?<!\w){re.escape(wanted)}(?!\w)", text)]
    if occurrence is None and len(starts) != 1:
        raise MarkingError(f"{wanted!r} stands in the document {len(starts)} times, not once")
    if occurrence is not None and not 1 <= occurrence <= len(starts):
        raise MarkingError(f"{wanted!r} has no occurrence {occurrence}, only {len(starts)}")
    start = starts[(occurrence or 1) - 1]
    return start, start + len(wanted)


def mark(marking: Marking, text: str) -> dict[str, Any]:
    """The line of gold for one document.

    Raises:
        MarkingError: if words, a name or a cue do not stand in the document.
    """
    for name in marking.main + marking.others:
        if name.lower() not in text.lower():
            raise MarkingError(f"the actor {name!r} does not stand in the document")
    return {
        "id": marking.file,
        "text": text,
        "gold_layers": ["claims", "stances", "actors"],
        "actors": [
            {"name": name, "main": main}
            for names, main in ((marking.main, True), (marking.others, False))
            for name in names
        ],
        "claims": [_claim(row, text) for row in marking.claims],
        "stances": [_stance(row, text) for row in marking.stances],
    }


def _claim(row: ClaimRow, text: str) -> dict[str, Any]:
    claimant, cue, content = row
    _check_name(claimant, text)
    spans = [locate(text, part) for part in content]
    paragraph = text[text.rfind("\n", 0, spans[0][0]) + 1 : spans[-1][1]] + text[spans[-1][1] :].partition("\n")[0]
    if not re.search(rf"\b{re.escape(cue)}\b", paragraph):
        raise MarkingError(f"the cue {cue!r} does not stand beside {content[0]!r}")
    return {
        "claimant": claimant,
        "spans": spans,
        "quote": " … ".join(text[start:end] for start, end in spans),
        "cue": cue,
        "direct": any(text[start - 1 : start] in OPENING_MARKS for start, _ in spans if start),
    }


def _stance(row: StanceRow, text: str) -> dict[str, Any]:
    holder, label, target, words = row
    _check_name(holder, text)
    start, end = locate(text, words)
    return {"holder": holder, "target": target, "label": label, "evidence": [text[start:end]], "spans": [(start, end)]}


def _check_name(name: str, text: str) -> None:
    missing = [word for word in name.split() if word.lower() not in text.lower()]
    if missing and name != AUTHOR:
        raise MarkingError(f"{missing} of the name {name!r} does not stand in the document")


def lines(folder: Path = FOLDER) -> list[str]:
    """The lines of gold, one for each document, in the order of file names."""
    made = []
    for marking in MARKINGS:
        text = (folder / f"{marking.file}.txt").read_bytes().decode()
        try:
            made.append(json.dumps(mark(marking, text), ensure_ascii=False))
        except MarkingError as error:
            raise MarkingError(f"{marking.file}: {error}") from None
    return made


def main() -> None:
    """Write the file."""
    (FOLDER / "gold.jsonl").write_text("\n".join(lines()) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
