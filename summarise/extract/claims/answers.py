"""The question about one passage and the reading of its answer: labels, answer model, tokens and probabilities.

The answer is a JSON object with one short string for each cue of the passage, so that the model writes a claimant for
every cue and nothing else. Invariants: pure; a probability is computed only from the answer's own tokens and is None,
never a made-up number, when the server gave none.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pydantic

from summarise.extract.asking import Token
from summarise.extract.claims.units import Unit, words
from summarise.text import Span

UNNAMED: Final = "someone"
NOT_A_CLAIM: Final = "none"
#: A quotation of more words than this is shortened in the question: its wording does not tell who says it.
QUOTE_WORDS_SHOWN: Final = 10
CLAIMANT_CHARS: Final = 80


@dataclass(frozen=True, slots=True)
class Reading:
    """What the model said about one cue.

    `claimant` is in the model's words, or in the text's where the reading is `settled`: then the form of the passage
    said it and no model was asked. `decision` is the probability that the cue attributes something at all, `wording`
    the geometric mean probability of the claimant's tokens; both in [0, 1], None without log-probabilities.
    """

    cue: Span
    claimant: str
    decision: float | None
    wording: float | None
    settled: bool = False


def shown(text: str, unit: Unit) -> str:
    """The unit as the model sees it, white space folded; long quotations keep three words and their closing marks."""
    parts: list[str] = []
    position = unit.span.start
    for quote in unit.quotations:
        tokens = list(words(text, quote.start, quote.end))
        if len(tokens) > QUOTE_WORDS_SHOWN:
            parts += [text[position : tokens[2].end], " …"]
            position = tokens[-1].end
    return " ".join("".join([*parts, text[position : unit.span.end]]).split())


def labels(text: str, cue_spans: Sequence[Span]) -> list[str]:
    """One distinct label for each cue: its words, numbered when they occur again."""
    seen: dict[str, int] = {}
    result: list[str] = []
    for cue in cue_spans:
        word = " ".join(text[cue.start : cue.end].split())
        seen[word] = seen.get(word, 0) + 1
        result.append(word if seen[word] == 1 else f"{word} {seen[word]}")
    return result


def answer_model(keys: Sequence[str]) -> type[pydantic.BaseModel]:
    """The answer to one question: an object with one short string for each label, in their order."""
    fields: dict[str, Any] = {
        f"cue_{index}": (str, pydantic.Field(alias=key, max_length=CLAIMANT_CHARS)) for index, key in enumerate(keys)
    }
    return pydantic.create_model("Claimants", __config__=pydantic.ConfigDict(extra="forbid"), **fields)


def readings(
    cue_spans: Sequence[Span],
    keys: Sequence[str],
    answer: pydantic.BaseModel,
    tokens: Sequence[Token] | None,
) -> list[Reading]:
    """The model's answer, cue by cue."""
    values = [str(value) for value in answer.model_dump().values()]
    places = _value_tokens(keys, tokens) if tokens else [[] for _ in keys]
    return [
        Reading(cue, value.strip(), _decision(place), _wording(place))
        for cue, value, place in zip(cue_spans, values, places, strict=True)
    ]


def _value_tokens(keys: Sequence[str], tokens: Sequence[Token]) -> list[list[Token]]:
    """For each key, the tokens that overlap its value in the answer's text; empty where the key is not found."""
    answer = "".join(token.text for token in tokens)
    ranges: list[tuple[int, int]] = []
    position = 0
    for key in keys:
        label = json.dumps(key, ensure_ascii=False)
        at = answer.find(label, position)
        start = answer.find('"', at + len(label)) + 1 if at >= 0 else 0
        end = answer.find('"', start + 1) if start else 0
        ranges.append((start, max(start, end)))
        position = max(position, end)
    places: list[list[Token]] = [[] for _ in keys]
    index = at = 0
    for token in tokens:
        following = at + len(token.text)
        while index < len(ranges) and ranges[index][1] <= at:
            index += 1
        if index < len(ranges) and following > ranges[index][0]:
            places[index].append(token)
        at = following
    return places


def _decision(place: Sequence[Token]) -> float | None:
    """One minus the probability that the value begins as "none" does."""
    if not place:
        return None
    starts = ((token.strip(' ":'), logprob) for token, logprob in place[0].top.items())
    nothing = sum(math.exp(logprob) for start, logprob in starts if start and NOT_A_CLAIM.startswith(start))
    return max(0.0, min(1.0, 1.0 - nothing))


def _wording(place: Sequence[Token]) -> float | None:
    return math.exp(sum(token.logprob for token in place) / len(place)) if place else None
