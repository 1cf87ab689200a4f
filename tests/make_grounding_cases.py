"""Writes grounding_cases.jsonl: invented texts, quotes true and false, and where each must be found.

Run `python tests/make_grounding_cases.py` after changing a case. The truth is written by hand as the
passage meant; offsets come from ``str.index`` alone, so nothing here depends on the code under test.
Every name, place and event is made up.
"""

# ruff: noqa: E501 - a quote and its passage are easier to compare on one line
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from grounding_attacks import FIFTH, FOURTH, SIXTH

CASES: list[dict[str, Any]] = []
FALSE = {"negated", "number", "unit", "date", "name", "swapped", "opposite", "hedge", "role", "word", "made-up",
         "inside", "empty", "elided-false", "stitched", "second-false", "third-false", "fourth-false", "fifth-false", "sixth-false"}  # fmt: skip


def case(
    category: str, text: str, quote: str, expected: str, passage: str | None = None, *, nth: int = 0, near: str = ""
) -> None:
    """Add one case: ``passage`` is the ``nth`` occurrence in ``text``; ``near`` a stretch close to it."""
    span = None
    if passage is not None:
        start = text.index(passage)
        for _ in range(nth):
            start = text.index(passage, start + 1)
        span = [start, start + len(passage)]
    where = [text.index(near), text.index(near) + len(near)] if near else None
    CASES.append({
        "id": f"{category}-{sum(c['category'] == category for c in CASES) + 1:02}", "category": category,
        "false": category in FALSE, "text": text, "quote": quote, "near": where, "expected": expected, "span": span,
    })  # fmt: skip


# Each story: its sentences, and for each the quotes that get one thing wrong (or nothing).
# A variant is (category, quote) or (category, quote, passage); the passage is the sentence by default.
STORIES: list[list[tuple[str, list[tuple[str, ...]]]]] = [
    [
        ("The council of Marrowby voted 14 to 9 on Tuesday to close the old ferry terminal", [
            ("number", "The council of Marrowby voted 14 to 7 on Tuesday to close the old ferry terminal"),
            ("number", "The council of Marrowby voted 9 to 14 on Tuesday to close the old ferry terminal"),
            ("date", "The council of Marrowby voted 14 to 9 on Thursday to close the old ferry terminal"),
            ("name", "The council of Harwick voted 14 to 9 on Tuesday to close the old ferry terminal"),
            ("opposite", "The council of Marrowby voted 14 to 9 on Tuesday to open the old ferry terminal"),
            ("negated", "The council of Marrowby voted 14 to 9 on Tuesday not to close the old ferry terminal"),
            ("elided", "The council of Marrowby voted ... to close the old ferry terminal"),
            ("paraphrase", "Council of Marrowby voted fourteen to nine on Tuesday to close the old ferry terminal",
             "council of Marrowby voted 14 to 9 on Tuesday to close the old ferry terminal"),
        ]),
        ("Mayor Edda Quillon said the repairs would cost 3.5 million crowns", [
            ("number", "Mayor Edda Quillon said the repairs would cost 5.3 million crowns"),
            ("number", "Mayor Edda Quillon said the repairs would cost 35 million crowns"),
            ("unit", "Mayor Edda Quillon said the repairs would cost 3.5 million dollars"),
            ("unit", "Mayor Edda Quillon said the repairs would cost 3.5 billion crowns"),
            ("name", "Mayor Edda Sorrel said the repairs would cost 3.5 million crowns"),
            ("negated", "Mayor Edda Quillon said the repairs would not cost 3.5 million crowns"),
            ("negated", "Mayor Edda Quillon denied the repairs would cost 3.5 million crowns"),
            ("hedge", "Mayor Edda Quillon said the repairs might cost 3.5 million crowns"),
            ("paraphrase", "Mayor Edda Quillon stated that the repairs would cost 3,500,000 crowns"),
        ]),
        ("“We have lost money on this terminal for six years,” Quillon told reporters", [
            ("number", "We have lost money on this terminal for seven years",
             "We have lost money on this terminal for six years"),
            ("unit", "We have lost money on this terminal for six months",
             "We have lost money on this terminal for six years"),
            ("negated", "We have never lost money on this terminal for six years",
             "We have lost money on this terminal for six years"),
            ("word", "We have made money on this terminal for six years"),
            ("paraphrase", "We have lost money on this terminal for 6 years",
             "We have lost money on this terminal for six years"),
        ]),
        ("The Sailors' League, led by Orrin Vasker, opposes the closure and has not ruled out a strike", [
            ("negated", "The Sailors' League, led by Orrin Vasker, opposes the closure and has ruled out a strike"),
            ("opposite", "The Sailors' League, led by Orrin Vasker, supports the closure and has not ruled out a strike"),
            ("name", "The Sailors' League, led by Orrin Tamsin, opposes the closure and has not ruled out a strike"),
            ("elided", "The Sailors' League … opposes the closure and has not ruled out a strike"),
            ("elided-false", "has ... ruled out a strike", "has not ruled out a strike"),
        ]),
        ("Quillon accused Vasker of hiding the ferry accounts since 4 June", [
            ("swapped", "Vasker accused Quillon of hiding the ferry accounts since 4 June"),
            ("date", "Quillon accused Vasker of hiding the ferry accounts since 5 June"),
            ("date", "Quillon accused Vasker of hiding the ferry accounts since 4 July"),
            ("paraphrase", "Quillon accused Vasker of hiding the ferry accounts since June 4"),
            ("negated", "Quillon never accused Vasker of hiding the ferry accounts since 4 June"),
            ("role", "Quillon was accused by Vasker of hiding the ferry accounts since 4 June"),
        ]),
    ],
    [
        ("Ostavia sent 1,200 soldiers to the border with Kerrin after talks failed", [
            ("number", "Ostavia sent 12,000 soldiers to the border with Kerrin after talks failed"),
            ("number", "Ostavia sent soldiers to the border with Kerrin after talks failed"),
            ("name", "Ostavia sent 1,200 soldiers to the border with Dunmark after talks failed"),
            ("swapped", "Kerrin sent 1,200 soldiers to the border with Ostavia after talks failed"),
            ("opposite", "Ostavia sent 1,200 soldiers to the border with Kerrin before talks failed"),
            ("paraphrase", "Ostavia sent 1 200 soldiers to the border with Kerrin after talks failed"),
            ("paraphrase-far", "Ostavia sends twelve hundred soldiers to the border with Kerrin after talks failed"),
        ]),
        ("Foreign minister Ilse Brandmoor will meet her counterpart in Velden on 12 March", [
            ("negated", "Foreign minister Ilse Brandmoor won't meet her counterpart in Velden on 12 March"),
            ("date", "Foreign minister Ilse Brandmoor will meet her counterpart in Velden on 21 March"),
            ("date", "Foreign minister Ilse Brandmoor will meet her counterpart in Velden on 12 May"),
            ("name", "Foreign minister Ilse Brandmoor will meet her counterpart in Tarsk on 12 March"),
            ("hedge", "Foreign minister Ilse Brandmoor may meet her counterpart in Velden on 12 March"),
            ("opposite", "Foreign minister Ilse Brandmoor will meet his counterpart in Velden on 12 March"),
            ("paraphrase", "Foreign minister Ilse Brandmoor will meet her counterpart in Velden on March 12th"),
            ("word", "Finance minister Ilse Brandmoor will meet her counterpart in Velden on 12 March"),
        ]),
        ("Rebels attacked the village of Tarsk at dawn and killed at least 30 people", [
            ("number", "Rebels attacked the village of Tarsk at dawn and killed at least 300 people"),
            ("opposite", "Rebels attacked the village of Tarsk at dawn and killed at most 30 people"),
            ("opposite", "Rebels defended the village of Tarsk at dawn and killed at least 30 people"),
            ("role", "Rebels were attacked in the village of Tarsk at dawn and killed at least 30 people"),
            ("negated", "Rebels attacked the village of Tarsk at dawn and killed no people",
             "Rebels attacked the village of Tarsk at dawn and killed at least 30 people"),
            ("paraphrase", "Rebels attacked the village of Tarsk at dawn and killed at least thirty people"),
            ("word", "Soldiers attacked the village of Tarsk at dawn and killed at least 30 people"),
        ]),
        ("The army has been providing Kerrin with drones since 2019, officials in Velden claim", [
            ("date", "The army has been providing Kerrin with drones since 2021, officials in Velden claim"),
            ("name", "The army has been providing Ostavia with drones since 2019, officials in Velden claim"),
            ("negated", "The army has not been providing Kerrin with drones since 2019, officials in Velden claim"),
            ("paraphrase", "The army had been providing Kerrin with drones since 2019"),
            ("paraphrase", "army has provided Kerrin with drones since 2019",
             "army has been providing Kerrin with drones since 2019"),
            ("word", "The army has been providing Kerrin with bread since 2019, officials in Velden claim"),
        ]),
        ("Sanctions without a ceasefire are unlikely to work, Brandmoor told parliament", [
            ("negated", "Sanctions without a ceasefire are likely to work, Brandmoor told parliament"),
            ("negated", "Sanctions with a ceasefire are unlikely to work, Brandmoor told parliament"),
            ("negated", "Sanctions without a ceasefire are not unlikely to work, Brandmoor told parliament"),
            ("elided-false", "Sanctions … are unlikely to work, Brandmoor told parliament"),
        ]),
    ],
    [
        ("Prices at Fennmark Foods rose by 7 percent in the third quarter", [
            ("number", "Prices at Fennmark Foods rose by 17 percent in the third quarter"),
            ("unit", "Prices at Fennmark Foods rose by 7 million in the third quarter"),
            ("opposite", "Prices at Fennmark Foods fell by 7 percent in the third quarter"),
            ("number", "Prices at Fennmark Foods rose by 7 percent in the fourth quarter"),
            ("name", "Prices at Dunmark Foods rose by 7 percent in the third quarter"),
            ("paraphrase", "Prices at Fennmark Foods rose by 7% in the third quarter"),
            ("paraphrase", "Prices at Fennmark Foods rose by seven per cent in the third quarter"),
        ]),
        ("The company, which employs about 40,000 workers, reported a profit of $2.4bn", [
            ("number", "The company, which employs about 4,000 workers, reported a profit of $2.4bn"),
            ("unit", "The company, which employs about 40,000 workers, reported a profit of €2.4bn"),
            ("unit", "The company, which employs about 40,000 workers, reported a profit of $2.4m"),
            ("opposite", "The company, which employs about 40,000 workers, reported a loss of $2.4bn"),
            ("paraphrase", "The company, which employs about forty thousand workers, reported a profit of 2.4 billion dollars"),
            ("paraphrase-far", "The company reported a profit of $2.4bn"),
            ("paraphrase", "The company, employing about 40,000 workers, reported a profit of $2.4bn"),
            ("elided", "The company [...] reported a profit of $2.4bn"),
        ]),
        ("Its shares gained 3 points on Monday after chief executive Tobin Ashgrove refused to resign", [
            ("negated", "Its shares gained 3 points on Monday after chief executive Tobin Ashgrove agreed to resign"),
            ("negated", "Its shares gained 3 points on Monday after chief executive Tobin Ashgrove resigned"),
            ("opposite", "Its shares lost 3 points on Monday after chief executive Tobin Ashgrove refused to resign"),
            ("name", "Its shares gained 3 points on Monday after chief executive Tobin Merle refused to resign"),
            ("date", "Its shares gained 3 points on Friday after chief executive Tobin Ashgrove refused to resign"),
            ("paraphrase", "shares gained three points on Monday after chief executive Tobin Ashgrove refused to resign",
             "shares gained 3 points on Monday after chief executive Tobin Ashgrove refused to resign"),
        ]),
        ("Regulators may fine the firm for selling more than 80 tonnes of mislabelled fish", [
            ("hedge", "Regulators will fine the firm for selling more than 80 tonnes of mislabelled fish"),
            ("hedge", "Regulators fine the firm for selling more than 80 tonnes of mislabelled fish"),
            ("opposite", "Regulators may fine the firm for selling less than 80 tonnes of mislabelled fish"),
            ("unit", "Regulators may fine the firm for selling more than 80 kilograms of mislabelled fish"),
            ("negated", "Regulators may not fine the firm for selling more than 80 tonnes of mislabelled fish"),
            ("paraphrase", "Regulators might fine the firm for selling more than eighty tons of mislabeled fish"),
        ]),
        ("Ashgrove bought the Velden plant from Rosalind Pike for 60 million euros in 2018", [
            ("swapped", "Rosalind Pike bought the Velden plant from Ashgrove for 60 million euros in 2018"),
            ("opposite", "Ashgrove sold the Velden plant from Rosalind Pike for 60 million euros in 2018"),
            ("unit", "Ashgrove bought the Velden plant from Rosalind Pike for 60 million pounds in 2018"),
            ("role", "Ashgrove bought the Velden plant for Rosalind Pike for 60 million euros in 2018"),
            ("date", "Ashgrove bought the Velden plant from Rosalind Pike for 60 million euros in 2008"),
            ("paraphrase", "Ashgrove bought the Velden plant from Rosalind Pike for €60 million in 2018"),
        ]),
    ],
    [
        ("Doctors at Saint Olwen Hospital treated 212 patients for smoke inhalation", [
            ("number", "Doctors at Saint Olwen Hospital treated 221 patients for smoke inhalation"),
            ("name", "Doctors at Saint Bertram Hospital treated 212 patients for smoke inhalation"),
            ("word", "Nurses at Saint Olwen Hospital treated 212 patients for smoke inhalation"),
            ("word", "Doctors at Saint Olwen Hospital treated 212 horses for smoke inhalation"),
            ("negated", "Doctors at Saint Olwen Hospital treated no patients for smoke inhalation"),
            ("paraphrase", "Doctors at Saint Olwen Hospital treated two hundred and twelve patients for smoke inhalation"),
            ("paraphrase", "Doctors at Saint Olwen Hospital treated 212 patients for smoke inhallation"),
        ]),
        ("The fire spread over 15 km along the northern bank of the Lissel river", [
            ("unit", "The fire spread over 15 miles along the northern bank of the Lissel river"),
            ("opposite", "The fire spread over 15 km along the southern bank of the Lissel river"),
            ("number", "The fire spread over 51 km along the northern bank of the Lissel river"),
            ("name", "The fire spread over 15 km along the northern bank of the Marne river"),
            ("paraphrase", "The fire spread over fifteen kilometres along the northern bank of the Lissel river"),
        ]),
        ("Fire chief Nadia Orlo said nobody was arrested, although arson is suspected", [
            ("negated", "Fire chief Nadia Orlo said somebody was arrested, although arson is suspected"),
            ("negated", "Fire chief Nadia Orlo said nobody was arrested, although arson is not suspected"),
            ("name", "Fire chief Nadia Brandt said nobody was arrested, although arson is suspected"),
            ("paraphrase", "Fire chief Nadia Orlo told that nobody was arrested, although arson is suspected"),
        ]),
        ("All schools in the district will stay shut until Friday 9 August", [
            ("hedge", "Some schools in the district will stay shut until Friday 9 August"),
            ("date", "All schools in the district will stay shut until Friday 19 August"),
            ("date", "All schools in the district will stay shut until Wednesday 9 August"),
            ("negated", "All schools in the district will not stay shut until Friday 9 August"),
            ("hedge", "Most schools in the district will stay shut until Friday 9 August"),
            ("paraphrase", "All the schools in the district will stay shut until Friday, August 9"),
        ]),
        ("Police arrested protesters outside the town hall in Brackwater", [
            ("role", "Police were arrested by protesters outside the town hall in Brackwater"),
            ("swapped", "Protesters arrested police outside the town hall in Brackwater"),
            ("opposite", "Police arrested protesters inside the town hall in Brackwater"),
            ("name", "Police arrested protesters outside the town hall in Kingsmere"),
            ("negated", "Police never arrested protesters outside the town hall in Brackwater"),
            ("word", "Police praised protesters outside the town hall in Brackwater"),
        ]),
    ],
]  # fmt: skip


def typographic_plain(text: str) -> str:
    """The text as a model types it: straight quotes, hyphens for dashes."""
    for found, typed in (("“", '"'), ("”", '"'), ("’", "'"), ("–", "-"), ("—", "-")):
        text = text.replace(found, typed)
    return text


def stories() -> None:
    for story in STORIES:
        text = ".\n\n".join(sentence for sentence, _ in story) + ".\n"
        for sentence, variants in story:
            case("exact", text, sentence, "exact", sentence)
            case("recased", text, sentence.upper(), "normalised", sentence)
            words = sentence.split()
            case("line-wrapped", text, " ".join(words[:5]) + "\n  " + " ".join(words[5:]), "normalised", sentence)
            for category, quote, *rest in variants:
                passage = rest[0] if rest else sentence
                false = category in FALSE
                if category == "paraphrase" and not rest and quote.endswith("drones since 2019"):
                    passage = "The army has been providing Kerrin with drones since 2019"
                expected = "conflict" if false else "fuzzy"
                if category == "paraphrase-far" or (category == "word" and quote.split()[0] == words[0].strip("“")):
                    case(category, text, quote, "ungrounded")
                else:
                    case(category, text, quote, expected, passage)


def requoted() -> None:
    text = (
        "“The harbour isn’t dead – it’s asleep,” said Doran Pell.\r\n"
        "Pell’s brother, Anselm, wasn’t so sure: ‘We’ve waited ten years—ten!—for a crane.’\r\n"
        "The Fisher‐Folk Council’s 2024–2025 budget grew by 4\u202f000 crowns…\r\n"
    )
    for passage in (
        "“The harbour isn’t dead – it’s asleep,”", "The harbour isn’t dead – it’s asleep", "Pell’s brother, Anselm, wasn’t so sure",
        "‘We’ve waited ten years—ten!—for a crane.’", "We’ve waited ten years—ten!—for a crane",
        "The Fisher‐Folk Council’s 2024–2025 budget", "budget grew by 4\u202f000 crowns…",
    ):  # fmt: skip
        case("requoted", text, typographic_plain(passage).replace("‘", "'").replace("‐", "-").replace("\u202f", " "),
             "normalised", passage)  # fmt: skip
    case("requoted", text, "budget grew by 4 000 crowns...", "normalised", "budget grew by 4\u202f000 crowns…")
    case("requoted", text, "asleep,\" said Doran Pell. Pell's brother", "normalised",
         "asleep,” said Doran Pell.\r\nPell’s brother")  # fmt: skip
    case("negated", text, "The harbour is dead", "conflict", "The harbour isn’t dead")
    case("negated", text, "Anselm was so sure", "conflict", "Anselm, wasn’t so sure")


def wrapped() -> None:
    text = "The bridge\nover the Lissel\r\n   will be\tclosed for\n\nrepairs until\rthe first of May.\n"
    case("line-wrapped", text, "The bridge over the Lissel will be closed", "normalised",
         "The bridge\nover the Lissel\r\n   will be\tclosed")  # fmt: skip
    case("line-wrapped", text, "closed for repairs until the first of May", "normalised",
         "closed for\n\nrepairs until\rthe first of May")  # fmt: skip
    case("line-wrapped", text, "  over the Lissel\n", "normalised", "over the Lissel")
    case("crlf", text, "over the Lissel\r\n   will be", "exact", "over the Lissel\r\n   will be")
    case(
        "crlf", "One line.\r\nAnother line.\r\n", "One line.\nAnother line.", "normalised", "One line.\r\nAnother line."
    )
    case("crlf", "No final newline at all", "newline at all", "exact", "newline at all")


def elided() -> None:
    text = (
        "Judge Halla Wren, who has sat on the bench since 2011, ruled on Monday that the port authority must publish "
        "every contract it signed with Corvane Shipping. The authority will not, under any circumstances, appeal "
        "against the ruling, its lawyer said, adding that the contracts would be online within 30 days.\n"
        "Two clerks said, not for the first time, that the archive was a mess."
    )
    case("elided", text, "Judge Halla Wren ... ruled on Monday that the port authority must publish every contract", "fuzzy",
         "Judge Halla Wren, who has sat on the bench since 2011, ruled on Monday that the port authority must publish every contract")  # fmt: skip
    case("elided", text, "the port authority must publish … contracts would be online within 30 days", "fuzzy",
         text[text.index("the port authority") : text.index("30 days") + 7])  # fmt: skip
    case("elided", text, "...the port authority must publish every contract...", "fuzzy",
         "the port authority must publish every contract")  # fmt: skip
    case("elided", text, "Judge Halla Wren (...) ruled on Monday", "fuzzy",
         "Judge Halla Wren, who has sat on the bench since 2011, ruled on Monday")  # fmt: skip
    case("elided", text, "Two clerks said … that the archive was a mess", "fuzzy",
         "Two clerks said, not for the first time, that the archive was a mess")  # fmt: skip
    case("elided-false", text, "The authority will ... appeal against the ruling", "conflict",
         "The authority will not, under any circumstances, appeal against the ruling")  # fmt: skip
    case("elided-false", text, "Judge Halla Wren ... ruled on Friday that the port authority must publish every contract",
         "conflict", "Judge Halla Wren, who has sat on the bench since 2011, ruled on Monday that the port authority must publish every contract")  # fmt: skip
    case("elided-false", text, "Judge Halla Wren ... burned the archive ... within 30 days", "ungrounded")
    case("elided-false", text, "the port authority ... must not publish every contract", "conflict",
         "the port authority must publish every contract")  # fmt: skip


def dressed() -> None:
    """True quotes as models hand them back: in quotation marks, with a full stop, with a typing slip."""
    for story in STORIES:
        text = ".\n\n".join(sentence for sentence, _ in story) + ".\n"
        for sentence, _ in story[:4]:
            plain = sentence.strip("“”")
            if "”" not in plain:
                case("dressed", text, f'"{plain}!"', "fuzzy", plain)
        sentence = story[0][0]
        long_word = max(
            (word for word in sentence.split() if word.islower() and word not in ("percent", "quarter", "third")),
            key=len,
        )
        if len(long_word) > 5:
            case("dressed", text, sentence.replace(long_word, long_word[:-3] + long_word[-2] + long_word[-3] + long_word[-1]),
                 "fuzzy", sentence)  # fmt: skip


def silent() -> None:
    """Words left out or put in without a sign: harmless ones are fuzzy, names and numbers are not."""
    text = (
        "President Mirela Stanhope said the long-awaited and very costly railway between Orbeck and Lyme would open in "
        "May. The former general Viktor Aldous allegedly paid two officials to keep silent. Aid workers from the North "
        "Coast Fund reached the camp at Dunhollow on Sunday evening. Nearly all members of the union backed the offer. "
        "The treaty was signed by Orbeck, and the minister failed to explain why the tax was not cut."
    )
    case("silent", text, "President Mirela Stanhope said the long-awaited railway between Orbeck and Lyme would open in May",
         "fuzzy", text[: text.index(". The former")])  # fmt: skip
    case("silent-fact", text, "Aid workers reached the camp at Dunhollow on Sunday", "conflict",
         "Aid workers from the North Coast Fund reached the camp at Dunhollow on Sunday")  # fmt: skip
    case("silent-fact", text, "the treaty signed by Orbeck", "conflict", "The treaty was signed by Orbeck")
    for category, quote, passage in (
        ("name", "President Mirela Stanhope said the long-awaited and very costly railway between Lyme and Orbeck would open",
         "President Mirela Stanhope said the long-awaited and very costly railway between Orbeck and Lyme would open"),
        ("date", "very costly railway between Orbeck and Lyme would open in June",
         "very costly railway between Orbeck and Lyme would open in May"),
        ("hedge", "The general Viktor Aldous allegedly paid two officials", "The former general Viktor Aldous allegedly paid two officials"),
        ("hedge", "former general Viktor Aldous paid two officials to keep silent",
         "former general Viktor Aldous allegedly paid two officials to keep silent"),
        ("number", "Viktor Aldous allegedly paid three officials to keep silent",
         "Viktor Aldous allegedly paid two officials to keep silent"),
        ("hedge", "All of the members of the union backed the offer", "all members of the union backed the offer"),
        ("role", "The treaty was signed with Orbeck", "The treaty was signed by Orbeck"),
        ("negated", "the minister explained why the tax was not cut", "the minister failed to explain why the tax was not cut"),
        ("negated", "the minister failed to explain why the tax was cut", "the minister failed to explain why the tax was not cut"),
        ("opposite", "the minister failed to explain why the tax was not raised", "the minister failed to explain why the tax was not cut"),
        ("opposite", "Nearly all members of the union opposed the offer", "Nearly all members of the union backed the offer"),
        ("unit", "Viktor Aldous allegedly paid 2% officials to keep silent", "Viktor Aldous allegedly paid two officials to keep silent"),
    ):  # fmt: skip
        case(category, text, quote, "conflict", passage)
    case("word", text, "Nearly all members of the choir backed the offer", "ungrounded")
    case(
        "word",
        text,
        "Aid workers from the North Coast Fund looted the camp at Dunhollow on Sunday evening",
        "ungrounded",
    )
    case("word", text, "The former general Viktor Aldous allegedly begged two officials to keep silent", "ungrounded")
    case(
        "paraphrase-far",
        text,
        "Mirela Stanhope told us that the expensive train line from Orbeck to Lyme opens in May",
        "ungrounded",
    )
    case("paraphrase-far", text, "Staff of the charity got to Dunhollow camp late on Sunday", "ungrounded")


def stitched() -> None:
    """Words of one text glued together without a sign, so that they say what nobody said."""
    text = (
        "The minister's critics say that the new law on fishing will ruin small ports, while large companies expect "
        "to earn more than ever. Fishermen in the bay mend their nets in winter and sell mussels to tourists in summer. "
        "A spokesman for the owners of the trawlers said the law was overdue and called the protests a sad spectacle. "
        "The protests began in spring after a storm had sunk several boats in the old harbour."
    )
    for quote in (
        "The new law on fishing will ruin large companies", "Fishermen in the bay sell their nets to tourists",
        "The minister's law will ruin small ports", "small ports expect to earn more than ever",
        "A spokesman for the owners called the law a sad spectacle", "The protests sunk several boats in the old harbour",
        "Fishermen mend mussels in summer", "The law had sunk several boats", "critics expect to earn more than ever",
        "Fishermen in the bay said the protests began in spring", "A spokesman for the trawlers called the storm overdue",
        "The owners of the boats began protests in the old harbour after a storm",
        "The minister says that the new law on fishing will ruin small ports",
    ):  # fmt: skip
        case("stitched", text, quote, "ungrounded")
    for quote, passage in (
        ("the new law on fishing will ruin ports", "the new law on fishing will ruin small ports"),
        ("Fishermen in the bay mend nets in winter and sell mussels in summer",
         "Fishermen in the bay mend their nets in winter and sell mussels to tourists in summer"),
        ("The protests began in spring after a storm sunk several boats in the harbour",
         "The protests began in spring after a storm had sunk several boats in the old harbour"),
        ("A spokesman for the owners said the law was overdue and called the protests a spectacle",
         "A spokesman for the owners of the trawlers said the law was overdue and called the protests a sad spectacle"),
        ("new law on fishing will ruin small ports while large companies expect to earn more",
         "new law on fishing will ruin small ports, while large companies expect to earn more"),
    ):  # fmt: skip
        case("silent", text, quote, "fuzzy", passage)


def repeated() -> None:
    text = (
        "Part one. The minister said the dam was safe. Villagers disagreed.\n"
        "Part two. The minister said the dam was safe. Engineers agreed.\n"
        "Part three. The Minister said “the dam was safe”. Nobody spoke.\n"
    )
    quote = "The minister said the dam was safe"
    case("repeated", text, quote, "exact", quote)
    case("repeated", text, quote, "exact", quote, near="Part one.")
    case("repeated", text, quote, "exact", quote, nth=1, near="Part two. The minister said the dam was safe.")
    case("repeated", text, quote, "exact", quote, nth=1, near="Engineers agreed")
    case("repeated", text, quote, "exact", quote, nth=1, near="Part three")
    case("repeated", text, quote, "exact", quote, near="Villagers")
    case("repeated", text, quote.lower(), "normalised", quote)
    case("repeated", text, quote.lower(), "normalised", quote, nth=1, near="Engineers")
    case("repeated", text, "the minister  said the dam was safe", "normalised", quote, near="Part one")
    case("repeated", text, "The minister said that the dam was safe", "fuzzy", quote)
    case("repeated", text, "The minister said that the dam was safe", "fuzzy", quote, nth=1,
         near="Part two. The minister said the dam was safe. Engineers agreed.")  # fmt: skip
    case("repeated", text, "safe", "exact", "safe", nth=2, near="Nobody spoke")
    case("negated", text, "The minister said the dam was not safe", "conflict", quote)
    text = "Ten boats sank. Later, ten boats sank again, and at night Ten boats sank."
    case("repeated", text, "Ten boats sank", "exact", "Ten boats sank")
    case("repeated", text, "Ten boats sank", "exact", "Ten boats sank", nth=1, near="at night")
    case("repeated", text, "ten boats sank", "exact", "ten boats sank", near="at night")


def inside() -> None:
    text = (
        "About 55 people paid $40 each, $1,000,000 in all; he was unable to pay. The 12,500 tickets cost 3.75 crowns. "
        "She can’t go. A non-binding vote passed by 40 000 to 7. The temperature was -8 degrees. "
        "Unlawful gatherings of 2019ers were re-legalised at 10%."
    )
    for quote in ("5", "$4", "able", "$1,000", "000,000", "12", "75 crowns", "She can", "eight", "he was unab", "eople paid",
                  "2019", "1,000", "legal", "per cent", "8 degrees"):  # fmt: skip
        case("inside", text, quote, "ungrounded")
    for quote, passage in (
        ("500 tickets", "12,500 tickets"), ("000 to 7", "40 000 to 7"), ("lawful gatherings", "Unlawful gatherings"),
        ("cost 3", "cost 3.75 crowns"), ("pay. The 1", "pay. The 12,500"), ("binding vote", "binding vote"),
    ):  # fmt: skip
        case("inside", text, quote, "conflict", passage)
    case("exact", text, "40", "exact", "40")
    for quote in ("55", "$40", "unable", "$1,000,000", "3.75 crowns", "can’t", "10%", "40 000 to 7", "-8 degrees"):
        case("exact", text, quote, "exact", quote)
    case("inside", text, "The temperature was 8 degrees", "conflict", "The temperature was -8 degrees")
    case("inside", text, "he was able to pay", "conflict", "he was unable to pay")
    case("inside", text, "About 5 people paid $40 each", "conflict", "About 55 people paid $40 each")
    case("inside", text, "About 55 people paid $4 each", "conflict", "About 55 people paid $40 each")


def scripts() -> None:
    arabic = "قال الوزير يوم الثلاثاء إن الحكومة لن ترفع الضرائب هذا العام. وحضر الاجتماع ٤٥ نائبا من البرلمان الجديد."
    hebrew = "ראש העיר אמר ביום שני כי הנמל ייסגר בעוד חודש. התושבים לא הסכימו לתוכנית החדשה של העירייה."
    russian = (
        "Мэр города заявил, что порт не будет закрыт до конца года. В собрании участвовали 120 рабочих и Анна Вересова."
    )
    greek = "Ο δήμαρχος είπε ότι το λιμάνι δεν θα κλείσει φέτος. Στη συνέλευση μίλησε η Ελένη Καρά για 30 λεπτά."
    hindi = "मेयर ने कहा कि बंदरगाह इस साल बंद नहीं होगा। सभा में 250 मज़दूर शामिल हुए और उन्होंने नारे लगाए।"
    chinese = "市长周二表示,港口今年不会关闭。大约三百名工人参加了集会,要求增加工资。"
    japanese = "市長は火曜日に、港を来年三月に閉鎖すると発表した。約500人の労働者が集会に参加した。"
    thai = "นายกเทศมนตรีกล่าวว่าท่าเรือจะไม่ปิดในปีนี้ และคนงาน 80 คนเข้าร่วมการชุมนุม"
    korean = "시장은 화요일에 항구가 올해 문을 닫는다고 말했다. 노동자 90명이 집회에 참가했다."
    exact = [
        (arabic, "الحكومة لن ترفع الضرائب"), (arabic, "٤٥ نائبا من البرلمان"), (hebrew, "הנמל ייסגר בעוד חודש"),
        (hebrew, "לא הסכימו לתוכנית"), (russian, "порт не будет закрыт до конца года"), (russian, "Анна Вересова"),
        (greek, "το λιμάνι δεν θα κλείσει φέτος"), (hindi, "बंदरगाह इस साल बंद नहीं होगा"), (hindi, "250 मज़दूर"),
        (chinese, "港口今年不会关闭"), (chinese, "三百名工人"), (japanese, "港を来年三月に閉鎖する"), (japanese, "500人の労働者"),
        (thai, "ท่าเรือจะไม่ปิดในปีนี้"), (korean, "항구가 올해 문을 닫는다고"),
    ]  # fmt: skip
    for text, quote in exact:
        case("script-exact", text, quote, "exact", quote)
    case("script-folded", russian, "МЭР ГОРОДА ЗАЯВИЛ", "normalised", "Мэр города заявил")
    case("script-folded", greek, "Ο ΔΉΜΑΡΧΟΣ ΕΊΠΕ", "normalised", "Ο δήμαρχος είπε")
    case("script-folded", chinese, "港口今年不会关闭。大约", "exact", "港口今年不会关闭。大约")
    case("script-folded", japanese, "約５００人の労働者", "normalised", "約500人の労働者")
    case("script-folded", arabic, "الحكومة\u200f لن ترفع", "normalised", "الحكومة لن ترفع")
    case("script-folded", korean, "\u1112\u1161\u11bc\u1100\u116e\u1100\u1161 올해", "normalised", "항구가 올해")
    false = [
        ("negated", arabic, "إن الحكومة ترفع الضرائب هذا العام", "إن الحكومة لن ترفع الضرائب هذا العام"),
        ("number", arabic, "وحضر الاجتماع ٥٤ نائبا من البرلمان", "وحضر الاجتماع ٤٥ نائبا من البرلمان"),
        ("negated", hebrew, "התושבים הסכימו לתוכנית החדשה של העירייה", "התושבים לא הסכימו לתוכנית החדשה של העירייה"),
        ("negated", russian, "порт будет закрыт до конца года", "порт не будет закрыт до конца года"),
        ("number", russian, "В собрании участвовали 210 рабочих", "В собрании участвовали 120 рабочих"),
        ("name", russian, "120 рабочих и Анна Лескова", "120 рабочих и Анна Вересова"),
        ("negated", greek, "το λιμάνι θα κλείσει φέτος", "το λιμάνι δεν θα κλείσει φέτος"),
        ("name", greek, "Στη συνέλευση μίλησε η Ελένη Βάρδα για 30 λεπτά", "Στη συνέλευση μίλησε η Ελένη Καρά για 30 λεπτά"),
        ("negated", hindi, "बंदरगाह इस साल बंद होगा", "बंदरगाह इस साल बंद नहीं होगा"),
        ("number", hindi, "सभा में 520 मज़दूर शामिल हुए", "सभा में 250 मज़दूर शामिल हुए"),
        ("negated", chinese, "港口今年会关闭", "港口今年不会关闭"),
        ("number", chinese, "大约五百名工人参加了集会", "大约三百名工人参加了集会"),
        ("number", japanese, "約800人の労働者が集会に参加した", "約500人の労働者が集会に参加した"),
        ("number", korean, "노동자 190명이 집회에 참가했다", "노동자 90명이 집회에 참가했다"),
    ]  # fmt: skip
    for category, text, quote, passage in false:
        case(category, text, quote, "conflict", passage)
    case(
        "elided",
        russian,
        "порт не будет закрыт ... участвовали 120 рабочих",
        "fuzzy",
        russian[russian.index("порт") : russian.index(" и Анна")],
    )
    case("inside", russian, "ород", "ungrounded")
    case("inside", arabic, "حكومة", "ungrounded")
    case("inside", hindi, "250 मज", "ungrounded")
    case("inside", korean, "노동", "ungrounded")
    for text, quote in ((arabic, "اشترت الشركة سفينة جديدة من الميناء"), (hebrew, "החתול ישן על הגג כל הלילה"),
                        (russian, "Кошка спала на крыше всю ночь"), (chinese, "猫整夜睡在屋顶上"), (japanese, "猫は屋根の上で寝ていた"),
                        (greek, "Η γάτα κοιμόταν στη στέγη"), (hindi, "बिल्ली छत पर सो रही थी")):  # fmt: skip
        case("made-up", text, quote, "ungrounded")


def marks() -> None:
    text = "Zoe\u0308 Krähe opened the café 🎉 with a naïve résumé 👩‍👩‍👧. The ﬁnal ﬂood ❤️ cost ½ of 10² crowns. Ｆｕｌｌ width."
    case("marks", text, "Zoe\u0308 Krähe", "exact", "Zoe\u0308 Krähe")
    case("marks", text, "Zoë Krähe opened", "normalised", "Zoe\u0308 Krähe opened")
    case("marks", text, "Zoë Kra\u0308he", "normalised", "Zoe\u0308 Krähe")
    case("marks", text, "ZOË KRÄHE", "normalised", "Zoe\u0308 Krähe")
    case("marks", text, "the café 🎉 with", "exact", "the café 🎉 with")
    case("marks", text, "🎉", "exact", "🎉")
    case("marks", text, "cafe\u0301 🎉", "normalised", "café 🎉")
    case("marks", text, "résumé 👩‍👩‍👧", "exact", "résumé 👩‍👩‍👧")
    case("marks", text, "the final flood", "normalised", "The ﬁnal ﬂood")
    case("marks", text, "flood ❤ cost", "normalised", "ﬂood ❤️ cost")
    case("marks", text, "full width", "normalised", "Ｆｕｌｌ width")
    case("marks", text, "opened the cafe 🎉 with a naive resume", "fuzzy", "opened the café 🎉 with a naïve résumé")
    case("inside", text, "Zoe", "ungrounded")
    case("inside", text, "102 crowns", "ungrounded")
    case("inside", text, "nal flood", "ungrounded")
    soft = "The parlia\u00admentary com\u00admittee met in se\u200bcret."
    case("marks", soft, "The parliamentary committee met in secret", "normalised",
         "The parlia\u00admentary com\u00admittee met in se\u200bcret")  # fmt: skip


def made_up() -> None:
    for story, quotes in zip(STORIES, (
        ("The ferry captain was drunk when the boat ran aground", "Residents have welcomed the plan to build a stadium",
         "“I have nothing to hide,” Quillon told the court", "The terminal was built by monks in the Middle Ages",
         "Vasker praised the mayor for her honesty and courage", "Ferries carry ten thousand passengers every summer"),
        ("Kerrin has agreed to give up its nuclear programme", "The two presidents shook hands in front of the cameras",
         "Velden was declared a neutral city by the united council", "Peace talks will resume in the spring, diplomats say",
         "The drones were made in a factory near the coast"),
        ("The firm plans to open ninety new shops in the capital", "Consumers have turned away from frozen vegetables",
         "Ashgrove is married to a famous opera singer", "The bank lowered its forecast for the whole sector",
         "Investors were told to expect a dividend in the spring"),
        ("The arsonist confessed to the crime in a long letter", "Helicopters dropped water on the burning forest",
         "The bishop prayed for the families of the victims", "Insurance companies will not pay for the damage",
         "Schools reopened after the ministry tested the air"),
    ), strict=True):  # fmt: skip
        text = ".\n\n".join(sentence for sentence, _ in story) + ".\n"
        for quote in quotes:
            case("made-up", text, quote, "ungrounded")
    for quote in ("", " ", "\n\t", "...", "…", "“”", "—", "!?", "%", "'", "\u0301", "\u200b", "()[]"):
        case("empty", "Some “text” — with … punctuation!? 5%'", quote, "ungrounded")
    case("empty", "", "anything", "ungrounded")
    case("empty", "", "", "ungrounded")


def second() -> None:
    """A second set, written when the code was done; its first run is reported in docs/quality-grounding.md."""
    text = (
        "BRENNICK, Nov 3 — Opposition leader Sana Terrell on Sunday urged President Oduya Marsh to halt "
        'the eviction of roughly 2,500 families from the Lower Quay, calling the plan "a disgrace that no '
        'court should tolerate".\n\n'
        "Marsh's office rejected the appeal. \"The families were offered new homes in 2022 and most of "
        "them accepted,\" spokesman Leo Vantongeren said in a statement. He didn't say how many had moved.\n\n"
        "The World Shelter Network estimates that one in five residents has nowhere to go. Its director, "
        "Dr. Amara Finch-Hale, told the Brennick Courier that evictions had doubled since last year, from "
        "1,100 to 2,300, and that the government hasn't built a single flat. \"If they don't stop, we'll "
        'sue," she said.\n\n'
        "Police used tear gas against demonstrators on Saturday night; 17 people, including 3 officers, "
        'were injured, none of them seriously. The interior ministry blamed "outside agitators" for the '
        "violence, but residents say officers fired first.\n\n"
        "The U.S. ambassador, Paul Ridgeway, expressed concern. The U.N. is expected to debate the matter "
        "before the end of the month. Two-thirds of voters support the eviction, according to a poll by "
        "Datum published in late October, while 28.5% oppose it."
    )
    for quote in (
        "Sana Terrell on Sunday urged President Oduya Marsh to continue the eviction of roughly 2,500 families",
        "President Oduya Marsh on Sunday urged opposition leader Sana Terrell to halt the eviction",
        "urged President Oduya Marsh to halt the eviction of roughly 25,000 families from the Lower Quay",
        "a disgrace that every court should tolerate",
        "a disgrace that courts should tolerate",
        "Marsh's office accepted the appeal",
        "Marsh's office welcomed the appeal.",
        "The families were offered new homes in 2022 and few of them accepted",
        "The families were offered new homes in 2022 and all of them accepted",
        "The families were offered new homes in 2022 and they accepted",
        "The families were refused new homes in 2022 and most of them accepted",
        "He did say how many had moved",
        "He said how many had moved",
        "He did not say how many had died",
        "one in six residents has nowhere to go",
        "one in five residents has somewhere to go",
        "four in five residents has nowhere to go",
        "evictions had halved since last year, from 1,100 to 2,300",
        "evictions had doubled since last year, from 2,300 to 1,100",
        "the government has built a single flat",
        "the government has built flats",
        "If they stop, we'll sue",
        "If they don't stop, we won't sue",
        "If they don't stop, they'll sue",
        "Police used tear gas against demonstrators on Sunday night",
        "Demonstrators used tear gas against police on Saturday night",
        "Police used live rounds against demonstrators on Saturday night",
        "17 people, including 3 officers, were killed",
        "17 people, excluding 3 officers, were injured",
        "17 people, including 3 officers, were injured, some of them seriously",
        "3 people, including 17 officers, were injured",
        "17 people, including 3 officers, were injured, all of them seriously",
        "residents say officers fired last",
        "residents deny officers fired first",
        "officers say residents fired first",
        "The interior ministry blamed residents for the violence",
        "The foreign ministry blamed outside agitators for the violence",
        "The U.K. ambassador, Paul Ridgeway, expressed concern",
        "The US ambassador expressed no concern",
        "The U.N. is expected to debate the matter after the end of the month",
        "The U.N. is not expected to debate the matter",
        "The U.N. debated the matter before the end of the month",
        "Two-thirds of voters oppose the eviction",
        "One-third of voters support the eviction",
        "a poll by Datum published in early October",
        "while 28.5% support it",
        "while 28% oppose it",
        "while 82.5% oppose it",
        "a poll by Datum published in late November",
        "the World Shelter Network denies that one in five residents has nowhere to go",
        "Amara Finch-Hale told the Marsh Courier that evictions had doubled",
        "the spokesman Leo Finch said in a statement",
        "Marsh rejected the appeal of Terrell",
        "evictions had doubled since last month",
        "evictions haven't doubled since last year",
        "Terrell and Marsh halted the eviction",
        "families were offered new homes by 2022",
        "new homes were offered to Marsh in 2022",
    ):  # fmt: skip
        case("second-false", text, quote, "not grounded")
    for quote, passage in (
        ("roughly 2500 families from the Lower Quay", "roughly 2,500 families from the Lower Quay"),
        ('calling the plan "a disgrace that no court should tolerate."', 'calling the plan "a disgrace that no court should tolerate'),
        ("The families were offered new homes in 2022, and most of them accepted", "The families were offered new homes in 2022 and most of them accepted"),
        ("The families had been offered new homes in 2022 and most of them accepted", "The families were offered new homes in 2022 and most of them accepted"),
        ("He did not say how many had moved", "He didn't say how many had moved"),
        ("He did not say how many moved", "He didn't say how many had moved"),
        ("one in 5 residents has nowhere to go", "one in five residents has nowhere to go"),
        ("evictions had doubled since last year, from 1100 to 2300", "evictions had doubled since last year, from 1,100 to 2,300"),
        ("the government has not built a single flat", "the government hasn't built a single flat"),
        ("If they do not stop, we will sue", "If they don't stop, we'll sue"),
        ("Police used tear gas against the demonstrators on Saturday night", "Police used tear gas against demonstrators on Saturday night"),
        ("seventeen people, including three officers, were injured", "17 people, including 3 officers, were injured"),
        ("The US ambassador, Paul Ridgeway, expressed concern", "The U.S. ambassador, Paul Ridgeway, expressed concern"),
        ("The UN is expected to debate the matter before the end of the month", "The U.N. is expected to debate the matter before the end of the month"),
        ("28.5 percent oppose it", "28.5% oppose it"),
        ("two thirds of voters support the eviction", "Two-thirds of voters support the eviction"),
        ("The World Shelter Network estimates that one in five residents have nowhere to go", "The World Shelter Network estimates that one in five residents has nowhere to go"),
        ("Its director, Amara Finch-Hale, told the Brennick Courier that evictions had doubled", "Its director, Dr. Amara Finch-Hale, told the Brennick Courier that evictions had doubled"),
        ("Marsh's office rejected the appeal ... \"The families were offered new homes in 2022", "Marsh's office rejected the appeal. \"The families were offered new homes in 2022"),
        ("residents said officers fired first", "residents say officers fired first"),
        ("residents say that officers fired first", "residents say officers fired first"),
        ('The interior ministry has blamed "outside agitators" for the violence', 'The interior ministry blamed "outside agitators" for the violence'),
        ("blamed outside agitators for violence", 'blamed "outside agitators" for the violence'),
        ("BRENNICK, November 3", "BRENNICK, Nov 3"),
    ):  # fmt: skip
        case("second-true", text, quote, "fuzzy", passage)
    case(
        "paraphrase-far"
        if "teargas" in (quote := "Opposition leader Sana Terrell urged President Oduya Marsh to halt the eviction")
        else "silent-fact",
        text,
        quote,
        "not grounded",
    )
    case(
        "paraphrase-far"
        if "teargas" in (quote := "Police used teargas against demonstrators on Saturday night")
        else "silent-fact",
        text,
        quote,
        "not grounded",
    )
    case(
        "paraphrase-far"
        if "teargas" in (quote := "[Terrell] urged President Oduya Marsh to halt the eviction")
        else "silent-fact",
        text,
        quote,
        "not grounded",
    )


def third() -> None:
    """False quotes written after the second set had been worked in; see docs/quality-grounding.md."""
    text = (
        "A jury in Calder Falls found former treasurer Ines Okafor guilty on Thursday of stealing nearly "
        "$900,000 from the teachers' pension fund. Prosecutors said she moved the money through three "
        "shell companies run by her brother-in-law, Graham Tull, who pleaded guilty in March and "
        "testified against her.\n\n"
        "Okafor, who maintained that the transfers were loans, showed no emotion as the verdict was read. "
        'Her lawyer, Petra Voss, said she would appeal. "The jury never saw the bank\'s own records," Voss '
        'said outside court. "Until it does, nobody can call this justice."\n\n'
        "The union, which represents 6,200 teachers, welcomed the verdict but warned that less than a "
        "third of the money had been recovered. It wants the state to guarantee pensions, a demand "
        "Governor Hal Brisco has twice vetoed. Brisco, a Republican seeking re-election, argues that a "
        "guarantee would cost taxpayers $40m a year; the union puts the figure closer to $12m.\n\n"
        "Sentencing is set for 14 January. Okafor faces up to 15 years in prison."
    )
    for quote in (
        "A jury in Calder Falls found former treasurer Ines Okafor not guilty on Thursday",
        "found former treasurer Ines Okafor innocent on Thursday of stealing nearly $900,000",
        "stealing nearly $90,000 from the teachers' pension fund",
        "stealing over $900,000 from the teachers' pension fund",
        "A jury in Calder Falls found former treasurer Graham Tull guilty on Thursday",
        "Prosecutors said he moved the money through three shell companies",
        "Prosecutors denied she moved the money through three shell companies",
        "Graham Tull, who pleaded guilty in March and testified for her",
        "Graham Tull, who pleaded not guilty in March",
        "who pleaded guilty in May and testified against her",
        "Okafor, who admitted that the transfers were loans, showed no emotion",
        "showed emotion as the verdict was read",
        "Her lawyer, Petra Voss, said she would not appeal",
        "Her lawyer, Petra Voss, said she will resign",
        "The jury saw the bank's own records",
        "nobody can call this a crime",
        "Everybody can call this justice",
        "The union, which represents 6,200 teachers, condemned the verdict",
        "more than a third of the money had been recovered",
        "less than a half of the money had been recovered",
        "less than a third of the money had been stolen",
        "a demand Governor Hal Brisco has twice approved",
        "a demand Governor Hal Brisco has vetoed three times",
        "Brisco, a Democrat seeking re-election",
        "a guarantee would cost taxpayers $40bn a year",
        "a guarantee would save taxpayers $40m a year",
        "the union puts the figure closer to $21m",
        "Sentencing is set for 14 June",
        "Okafor faces at least 15 years in prison",
        "Okafor faces up to 15 months in prison",
        "Voss faces up to 15 years in prison",
        "It wants the union to guarantee pensions",
        "the state wants the union to guarantee pensions",
        "Brisco argues that a guarantee would cost the union $40m a year",
        "The union stole the money from the teachers' pension fund",
        "a guarantee wouldn't cost taxpayers $40m a year",
    ):  # fmt: skip
        case("third-false", text, quote, "not grounded")
    text = "Police were attacking protesters when the bridge fell, and two officers were being treated for burns."
    case("role", text, "Police were attacked when the bridge fell", "not grounded")
    case("role", text, "Police were attacked by protesters when the bridge fell", "conflict",
         "Police were attacking protesters when the bridge fell")  # fmt: skip
    case("role", text, "two officers were treating burns", "not grounded")


def attacks() -> None:
    for number, texts in (("fourth", FOURTH), ("fifth", FIFTH), ("sixth", SIXTH)):
        for text, false_quotes, true_quotes in texts:
            for quote in false_quotes:
                case(f"{number}-false", text, quote, "not grounded")
            for quote, expected, passage in true_quotes:
                case(f"{number}-true", text, quote, expected, passage)


def main() -> None:
    for write in (
        stories,
        requoted,
        wrapped,
        elided,
        dressed,
        silent,
        stitched,
        repeated,
        inside,
        scripts,
        marks,
        made_up,
        second,
        third,
        attacks,
    ):
        write()
    target = Path(__file__).with_name("grounding_cases.jsonl")
    lines = (json.dumps(one, ensure_ascii=False) for one in CASES)
    target.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
