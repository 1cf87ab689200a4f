"""The ``single`` strategy against what models answer: words not copied, chunks, thinking, cut and wrong answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from summarise.schemas import Record
from support.server import (
    ScriptedServer,
    Step,
    completion,
    content_filter,
    context_length_exceeded,
    status,
)

import summarise
from summarise import errors

Start = Callable[..., ScriptedServer]
TEXT = (
    "Mayor Ilvara Oskerin said on Monday that the harbour will close in March. It was built in 1911.\n\n"
    "Marek Tolluin, who leads the union, denied that 300 jobs would be lost.\n"
)
PROBE = completion({"colour": "teal-7"})
CLOSE = {"s": 1, "who": "Ilvara Oskerin", "cue": "said", "says": "the harbour will close in March", "pol": "asserts"}
JOBS = {"s": 3, "who": "Marek Tolluin", "cue": "denied", "says": "300 jobs would be lost", "pol": "denies"}
STANCE = {
    "s": 3, "holder": "Marek Tolluin", "target": "the mayor", "label": "oppose",
    "words": "denied that 300 jobs would be lost",
}  # fmt: skip
ABSTRACT = "Ilvara Oskerin says the harbour will close; Marek Tolluin denies a loss of 300 jobs."


pytestmark = pytest.mark.usefixtures("own_surroundings")


def answer(*claims: Mapping[str, Any], **more: Any) -> Mapping[str, Any]:
    return {"actors": [], "claims": list(claims), "stances": [], "abstract": ABSTRACT, **more}


def second(*copies: tuple[int, int, str], abstract: str = "") -> Step:
    return completion({"copies": [{"n": n, "s": s, "words": words} for n, s, words in copies], "abstract": abstract})


async def read(server: ScriptedServer, text: str = TEXT, **settings: Any) -> Record:
    return await summarise.asummarise(
        text, base_url=server.base_url, model="scripted-model", api_key="k", strategy="single", **settings
    )


def quotes(record: Record) -> list[tuple[str, str]]:
    rows: list[Any] = [*record.claims, *record.stances]
    return [(piece.quote, piece.grounding) for row in rows for piece in row.evidence]


def codes(record: Record) -> list[str]:
    return [warning.code for warning in record.warnings]


# A second look


async def test_what_stands_in_the_text_is_not_asked_about_again(scripted_server: Start) -> None:
    record = await read(scripted_server([PROBE, completion(answer(CLOSE, JOBS, stances=[STANCE]))], play_all=True))
    assert [grounding for _, grounding in quotes(record)] == ["exact"] * 3
    assert (record.run.requests, record.run.reasks) == (2, 0)
    assert codes(record) == []


async def test_words_that_were_not_copied_are_copied_at_the_second_look(scripted_server: Start) -> None:
    loose = {**JOBS, "says": "the loss of 400 jobs"}
    stance = {**STANCE, "words": "rejected the idea of lost jobs"}
    steps = [
        PROBE,
        completion(answer(CLOSE, loose, stances=[stance])),
        second((1, 3, JOBS["says"]), (2, 3, STANCE["words"])),
    ]
    server = scripted_server(steps, play_all=True)
    record = await read(server)
    assert quotes(record) == [(row, "exact") for row in (CLOSE["says"], JOBS["says"], STANCE["words"])]
    assert (record.run.requests, record.run.reasks) == (3, 1)
    assert codes(record) == []
    first, again = (request.json["messages"][-1]["content"] for request in server.completions[1:])
    assert "(1) the loss of 400 jobs" in again
    assert "(2) rejected the idea of lost jobs" in again
    assert CLOSE["says"] not in again.partition("You listed before")[2]  # what stood is not in question
    # The same beginning, so that servers that cache prompts need not read the document twice.
    assert again.startswith(first.partition("Answer in JSON")[0])


async def test_what_does_not_stand_after_the_second_look_is_kept_and_marked(scripted_server: Start) -> None:
    made_up = {**CLOSE, "says": "Velden will pay 5 million"}
    changed = {**JOBS, "says": "400 jobs would be lost"}
    steps = [PROBE, completion(answer(made_up, changed)), second((1, 0, ""), (2, 3, "500 jobs would be lost"))]
    record = await read(scripted_server(steps, play_all=True))
    assert quotes(record) == [("Velden will pay 5 million", "ungrounded"), ("300 jobs would be lost", "conflict")]
    assert codes(record) == ["evidence_conflict", "evidence_ungrounded", "claim_unsupported"]
    assert record.warnings[-1].message.endswith("its sentence: c1")
    assert record.claims[1].text == "Marek Tolluin denies: 300 jobs would be lost."


async def test_a_second_look_that_copies_something_else_changes_nothing(scripted_server: Start) -> None:
    made_up = {**CLOSE, "says": "Velden pays"}
    steps = [PROBE, completion(answer(made_up)), second((1, 2, "It was built in 1911"), (7, 1, "nothing was asked"))]
    record = await read(scripted_server(steps, play_all=True))
    assert quotes(record) == [("Velden pays", "ungrounded")]


async def test_names_and_numbers_of_the_abstract_are_asked_about_once(scripted_server: Start) -> None:
    wrong = "Mayor Boris Hale of Velden closes the harbour in 2031."
    steps = [PROBE, completion(answer(CLOSE, abstract=wrong)), second(abstract="Ilvara Oskerin closes the harbour.")]
    server = scripted_server(steps, play_all=True)
    record = await read(server)
    assert record.abstract == "Ilvara Oskerin closes the harbour."
    assert codes(record) == []
    assert "Boris Hale, Velden, 2031" in server.completions[-1].json["messages"][-1]["content"]


async def test_an_abstract_that_stays_wrong_is_marked(scripted_server: Start) -> None:
    wrong = "Boris Hale closes the harbour."
    record = await read(
        scripted_server([PROBE, completion(answer(CLOSE, abstract=wrong)), second(abstract=wrong)], play_all=True)
    )
    assert record.abstract == wrong
    assert codes(record) == ["abstract_unsupported"]


@pytest.mark.parametrize(
    "steps",
    [
        [completion("nonsense")] * 3,
        [completion('{"copies": [', finish_reason="length")] * 2,
        [content_filter()],
        [context_length_exceeded()],
    ],
    ids=["invalid", "cut", "refused", "too long"],
)
async def test_a_second_look_that_fails_leaves_the_first_answer(scripted_server: Start, steps: list[Step]) -> None:
    loose = {**JOBS, "says": "a loss of 400 jobs"}
    record = await read(scripted_server([PROBE, completion(answer(CLOSE, loose)), *steps], play_all=True))
    assert [grounding for _, grounding in quotes(record)] == ["exact", "ungrounded"]
    assert "evidence_ungrounded" in codes(record)


async def test_there_is_no_second_look_without_re_asks(scripted_server: Start) -> None:
    loose = {**JOBS, "says": "a loss of 400 jobs"}
    record = await read(scripted_server([PROBE, completion(answer(loose))], play_all=True), reasks=0)
    assert codes(record) == ["evidence_ungrounded", "claim_unsupported"]


async def test_a_server_that_fails_at_the_second_look_fails_the_document(scripted_server: Start) -> None:
    loose = {**JOBS, "says": "a loss of 400 jobs"}
    server = scripted_server([PROBE, completion(answer(loose)), status(503)], play_all=True)
    with pytest.raises(errors.EndpointUnavailableError):
        await read(server, attempts=1)


async def test_a_claimant_that_is_not_in_the_text_is_marked(scripted_server: Start) -> None:
    strange = {**CLOSE, "who": "Boris Hale"}
    stance = {**STANCE, "target": "Velden Port"}
    record = await read(scripted_server([PROBE, completion(answer(strange, JOBS, stances=[stance]))], play_all=True))
    assert codes(record) == ["name_not_in_text"]
    assert record.warnings[0].message.endswith("does not stand in the text: c1, s1")


async def test_boilerplate_is_not_shown_and_is_counted(scripted_server: Start) -> None:
    text = f"{TEXT}\nRead also: Boris Hale buys a boat\n\n© 2031 The Velden Post. All rights reserved.\n"
    server = scripted_server([PROBE, completion(answer(CLOSE))], play_all=True)
    record = await read(server, text)
    assert codes(record) == ["boilerplate_skipped"]
    shown = server.completions[-1].json["messages"][-1]["content"]
    assert "Boris Hale" not in shown
    assert "All rights reserved" not in shown
    assert record.document.sentences == 6  # of the whole text


async def test_a_document_of_boilerplate_alone_is_read_as_it_is(scripted_server: Start) -> None:
    text = "Read also: Boris Hale buys a boat\n"
    server = scripted_server([PROBE, completion(answer(abstract="A link."))], play_all=True)
    assert (await read(server, text)).claims == []
    assert "Boris Hale" in server.completions[-1].json["messages"][-1]["content"]


# What else a model may answer


async def test_thinking_before_the_answer_is_left_out(scripted_server: Start) -> None:
    body = json.dumps(answer(CLOSE))
    thought = f"<think>The user wants {{claims}}. Maybe nothing?</think>\n{body}"
    record = await read(scripted_server([PROBE, completion(thought)], play_all=True))
    assert quotes(record) == [(CLOSE["says"], "exact")]


async def test_an_invalid_answer_is_re_asked_with_the_errors(scripted_server: Start) -> None:
    wrong = answer({**CLOSE, "pol": "doubts"})
    server = scripted_server([PROBE, completion(wrong), completion(answer(CLOSE))], play_all=True)
    record = await read(server)
    assert (record.run.requests, record.run.reasks) == (3, 1)
    assert "asserts" in str(server.completions[-1].json["messages"][2:])
    assert len(record.claims) == 1


async def test_an_answer_cut_at_the_limit_is_asked_for_with_twice_the_limit(scripted_server: Start) -> None:
    server = scripted_server(
        [PROBE, completion('{"actors": [', finish_reason="length"), completion(answer(CLOSE))], play_all=True
    )
    record = await read(server, max_output_tokens=300)
    assert [request.json["max_tokens"] for request in server.completions[1:]] == [300, 600]
    assert (record.run.requests, record.run.reasks) == (3, 0)


async def test_an_answer_cut_twice_fails_the_document(scripted_server: Start) -> None:
    cut = completion('{"actors": [', finish_reason="length")
    with pytest.raises(errors.TruncatedAnswerError, match="raise --max-output-tokens"):
        await read(scripted_server([PROBE, cut, cut], play_all=True))


async def test_rows_with_wrong_numbers_of_sentences_are_found_all_the_same(scripted_server: Start) -> None:
    rows = [{**CLOSE, "s": 3}, {**JOBS, "s": 99}]
    record = await read(scripted_server([PROBE, completion(answer(*rows))], play_all=True))
    assert [grounding for _, grounding in quotes(record)] == ["exact", "exact"]
    assert [claim.evidence[0].sentence for claim in record.claims] != [None, None]


async def test_the_documents_own_voice_is_no_actor(scripted_server: Start) -> None:
    actors = [{"name": name, "kind": "media", "role": None} for name in ("<Author>", " Ilvara Oskerin ")]
    voice = {**CLOSE, "who": "<AUTHOR>", "cue": "", "s": 2, "says": "It was built in 1911"}
    record = await read(scripted_server([PROBE, completion(answer(voice, actors=actors))], play_all=True))
    assert [actor.name for actor in record.actors] == ["Ilvara Oskerin"]
    assert (record.claims[0].claimant.name, record.claims[0].attribution) == ("<author>", "author")
    assert record.claims[0].text == "It was built in 1911."


async def test_a_name_of_spaces_is_no_answer(scripted_server: Start) -> None:
    steps = [PROBE, completion(answer({**CLOSE, "who": "  "})), completion(answer(CLOSE))]
    assert (await read(scripted_server(steps, play_all=True))).run.reasks == 1


async def test_every_chunk_has_its_own_second_look(scripted_server: Start) -> None:
    filler = "".join(f"The weather of day {number} was mild and the streets were dry.\n" for number in range(60))
    text = f"{TEXT}\n{filler}\nOttilene Fray said that 900 people marched.\n"
    fray = {"s": 1, "who": "Ottilene Fray", "cue": "said", "says": "nine thousand people marched", "pol": "asserts"}

    def play(request: Any) -> Step:
        content = request.json["messages"][-1]["content"]
        if "colour" in content:
            return PROBE
        if "You listed before" in content:
            asked.append(content)
            return second((1, 0, "900 people marched"))
        if "key abstract" in content:
            return completion({"abstract": "Joined." if "Do without" in content else "The mayor joined Boris Hale."})
        if "Ottilene" in content:
            return completion(answer(fray, abstract="Ottilene Fray speaks."))
        return completion(answer(CLOSE) if "Oskerin" in content else answer(abstract="Nothing."))

    asked: list[str] = []
    record = await read(scripted_server(play), text, context_tokens=1500, max_output_tokens=400)
    assert [quote for quote, _ in quotes(record)] == [CLOSE["says"], "900 people marched"]
    assert len(asked) == 1
    assert "Ottilene" in asked[0]
    assert "Oskerin" not in asked[0]
    assert record.abstract == "Joined."
    assert codes(record) == []


@pytest.mark.parametrize(
    ("text", "why"),
    [("half \ud800 a pair", "half a surrogate pair"), ("a \x00 in it", "control characters"), (" ", "is empty")],
)
async def test_a_string_is_held_to_what_is_asked_of_files(text: str, why: str) -> None:
    with pytest.raises(errors.UnreadableDocumentError, match=why):
        await summarise.asummarise(text, base_url="http://127.0.0.1:9/v1", model="m", api_key="k")
