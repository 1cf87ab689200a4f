"""Answers remembered: what was answered is not asked again, and is counted as what it cost."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import BaseModel, Field
from support.server import ScriptedServer, answer, completion, status

from summarise import errors
from summarise.llm.capability import Capability
from summarise.llm.client import LanguageModel, Question, Sampling
from summarise.llm.memory import RememberingTransport, request_key
from summarise.llm.transport import Endpoint, Limits, Transport
from summarise.llm.usage import Meter

Start = Callable[..., ScriptedServer]
QUESTION = Question("Answer.", "Which town?", 64)
GOOD = {"town": "Tolvenness", "berths": 3}


class Town(BaseModel):
    town: str
    berths: int = Field(ge=1)


class Notes(dict[str, str]):
    """Answers kept in a dictionary."""

    keeps = True

    async def recall(self, request_sha256: str) -> str | None:
        return self.get(request_sha256)

    async def remember(self, request_sha256: str, completion: str) -> None:
        self[request_sha256] = completion


def model_at(server: ScriptedServer) -> LanguageModel:
    transport = Transport(Endpoint(server.base_url, "sk-test", "m"), Limits(5.0, 1, 1.0))
    return LanguageModel(transport, Sampling(0.0, 7, reasks=2), Capability("json_schema"))


async def ask(model: LanguageModel, notes: Notes, question: Question = QUESTION) -> tuple[Town, Meter, Meter]:
    """The answer, what the document's meter says, and what was really sent."""
    view, meter = model.remembering(notes), Meter()
    town = (await view.ask(question, Town, meter)).value
    assert isinstance(view.transport, RememberingTransport)
    return town, meter, view.transport.spent


async def test_an_answer_is_asked_for_once_and_counted_each_time(scripted_server: Start) -> None:
    server = scripted_server([completion(GOOD)], play_all=True)
    model, notes = model_at(server), Notes()
    first, meter, spent = await ask(model, notes)
    assert meter == spent
    again, meter, spent = await ask(model, notes)
    await model.transport.close()
    assert first == again
    assert (meter.requests, meter.prompt_tokens, meter.completion_tokens) == (1, 11, 7)
    assert spent == Meter()


async def test_re_asks_are_remembered_too(scripted_server: Start) -> None:
    server = scripted_server([completion({"town": "X", "berths": 0}), completion(GOOD)], play_all=True)
    model, notes = model_at(server), Notes()
    await ask(model, notes)
    town, meter, spent = await ask(model, notes)
    await model.transport.close()
    assert town.berths == 3
    assert (meter.requests, meter.reasks) == (2, 1)
    assert spent.requests == 0


async def test_a_document_that_was_stopped_goes_on_where_it_was(scripted_server: Start) -> None:
    server = scripted_server([completion({"town": "X", "berths": 0}), status(503), completion(GOOD)], play_all=True)
    model, notes = model_at(server), Notes()
    with pytest.raises(errors.EndpointUnavailableError):
        await ask(model, notes)
    _, meter, spent = await ask(model, notes)
    await model.transport.close()
    assert meter.requests == 2
    assert spent.requests == 1


async def test_another_question_is_another_request(scripted_server: Start) -> None:
    server = scripted_server([completion(GOOD)] * 2, play_all=True)
    model, notes = model_at(server), Notes()
    await ask(model, notes)
    await ask(model, notes, Question("Answer.", "Which other town?", 64))
    await model.transport.close()
    assert len(notes) == 2


async def test_an_answer_is_found_before_rejected_parameters_are_learnt_anew(scripted_server: Start) -> None:
    rejects = status(400, body={"error": {"message": "no", "param": "temperature", "code": "unsupported_value"}})
    server = scripted_server([rejects, completion(GOOD)], play_all=True)
    notes = Notes()
    learnt = model_at(server)
    await ask(learnt, notes)
    await learnt.transport.close()
    fresh = model_at(server)
    _, _, spent = await ask(fresh, notes)
    await fresh.transport.close()
    assert spent.requests == 0


async def test_token_probabilities_survive(scripted_server: Start) -> None:
    token = {"token": "{", "logprob": -0.1, "bytes": [123]}
    content = [{**token, "top_logprobs": [token]}]
    body = {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "logprobs": {"content": content},
                "message": {"role": "assistant", "content": '{"town": "T", "berths": 1}'},
            }
        ],
    }
    server = scripted_server([answer(body)], play_all=True)
    model, notes = model_at(server), Notes()
    for _ in range(2):
        got = (await model.remembering(notes).ask(QUESTION, Town, Meter())).completion
        logprobs = got.choices[0].logprobs
        assert logprobs is not None
        assert logprobs.content is not None
        assert logprobs.content[0].top_logprobs[0].logprob == -0.1
    await model.transport.close()


async def test_a_view_is_not_remembered_twice(scripted_server: Start) -> None:
    model = model_at(scripted_server([]))
    with pytest.raises(TypeError, match="remembers already"):
        model.remembering(Notes()).remembering(Notes())
    await model.transport.close()


def test_the_key_does_not_depend_on_the_order_of_parameters() -> None:
    assert request_key({"a": 1, "b": [2]}) == request_key({"b": [2], "a": 1})
    assert request_key({"a": 1}) != request_key({"a": 2})
