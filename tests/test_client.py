"""The one retry layer, re-asking and error translation, over real HTTP against a scripted server."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Callable
from typing import Any

import instructor
import pytest
from instructor.core.exceptions import InstructorRetryException
from pydantic import BaseModel, Field, create_model
from support.server import (
    ScriptedServer,
    Step,
    completion,
    completion_body,
    content_filter,
    context_length_exceeded,
    drip,
    drop,
    half,
    hang,
    http_date,
    invalid_json,
    invalid_key,
    json_schema_unsupported,
    model_not_found,
    refusal,
    status,
    wrong_content_type,
)

from summarise import errors
from summarise.llm.capability import FORMS, AnswerForm, Capability, CapabilityStore
from summarise.llm.client import LanguageModel, Question, Sampling
from summarise.llm.prepared import MODES, prepared
from summarise.llm.transport import Endpoint, Limits, Transport, without_thinking
from summarise.llm.usage import Meter

Start = Callable[..., ScriptedServer]
GOOD = {"town": "Tolvenness", "berths": 3}
QUESTION = Question("Answer.", "Which town? {{ budget }} {% if x %}", 64)


class Town(BaseModel):
    town: str
    berths: int = Field(ge=1)


class Asking:
    """One model over one scripted server; sleeps are written down, not slept."""

    def __init__(self, server: ScriptedServer, *, capability: Capability | None = None, **limits: Any) -> None:
        self.slept: list[float] = []
        self.meter = Meter()
        self.capability = capability or Capability("json_schema")
        values = {"timeout": 5.0, "attempts": 3, "retry_seconds": 3600.0, **limits}
        endpoint = Endpoint(server.base_url, "sk-test", "scripted-model")
        self.transport = Transport(endpoint, Limits(sleep=self._sleep, **values))
        self.model = LanguageModel(self.transport, Sampling(0.0, 7, reasks=2), self.capability)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def ask(self, question: Question = QUESTION) -> Town:
        try:
            return (await self.model.ask(question, Town, self.meter)).value
        finally:
            await self.transport.close()


FAULTS = {
    "429": status(429),
    "408": status(408),
    "409": status(409),
    "500": status(500),
    "502": status(502),
    "503": status(503),
    "dropped": drop(),
    "reset": drop(reset=True),
    "half an answer": half(completion_body("x" * 500), 100),
    "not JSON": invalid_json(),
    "a web page": wrong_content_type(),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_passing_fault_is_retried_and_counted(scripted_server: Start, name: str) -> None:
    asking = Asking(scripted_server([FAULTS[name], completion(GOOD)], play_all=True))
    assert (await asking.ask()).town == "Tolvenness"
    assert asking.meter.retries == len(asking.slept) == 1
    assert asking.meter.requests == 1
    assert asking.meter.reasks == 0


async def test_retry_after_in_seconds_is_honoured(scripted_server: Start) -> None:
    asking = Asking(scripted_server([status(429, retry_after=2), status(503, retry_after="0.5"), completion(GOOD)]))
    await asking.ask()
    assert asking.slept == [2.0, 0.5]


async def test_retry_after_as_a_date_is_honoured(scripted_server: Start) -> None:
    asking = Asking(scripted_server([status(429, retry_after=http_date(30)), completion(GOOD)]))
    await asking.ask()
    assert 25 < asking.slept[0] <= 30


async def test_backoff_grows_and_jitters(scripted_server: Start) -> None:
    asking = Asking(scripted_server([status(503)] * 5 + [completion(GOOD)]), attempts=6)
    await asking.ask()
    assert all(earlier < later for earlier, later in zip(asking.slept[::2], asking.slept[2::2], strict=False))


@pytest.mark.parametrize(
    ("step", "kind", "code"),
    [
        (status(429), errors.RateLimitError, 4),
        (status(503), errors.EndpointUnavailableError, 4),
        (drop(), errors.EndpointUnavailableError, 4),
        (half(completion_body("x" * 500), 100), errors.EndpointUnavailableError, 4),
        (invalid_json(), errors.EndpointUnavailableError, 4),
        (wrong_content_type(), errors.EndpointUnavailableError, 4),
    ],
)
async def test_a_lasting_fault_ends_after_the_last_attempt(
    scripted_server: Start, step: Any, kind: type[errors.SummariseError], code: int
) -> None:
    asking = Asking(scripted_server([step] * 3, play_all=True))
    with pytest.raises(kind) as caught:
        await asking.ask()
    assert type(caught.value) is kind
    assert caught.value.exit_code == code
    assert asking.meter.retries == 2


async def test_waiting_is_capped_in_time(scripted_server: Start) -> None:
    asking = Asking(scripted_server([status(429, retry_after=7200)], play_all=True), retry_seconds=60.0)
    with pytest.raises(errors.RateLimitError):
        await asking.ask()
    assert asking.slept == []


@pytest.mark.parametrize("step", [hang(30), drip(completion_body("x" * 4000), 0.05)], ids=["silent", "slow drip"])
async def test_the_timeout_bounds_the_whole_answer(scripted_server: Start, step: Any) -> None:
    asking = Asking(scripted_server([step]), timeout=0.4, attempts=1)
    with pytest.raises(errors.EndpointUnavailableError, match=r"no answer within 0\.4 s"):
        await asking.ask()


async def test_nobody_listening_is_said_with_the_address(scripted_server: Start) -> None:
    server = scripted_server([])
    asking = Asking(server, attempts=1)
    server.close()
    with pytest.raises(errors.EndpointUnavailableError, match=r"127\.0\.0\.1.*connection refused"):
        await asking.ask()


@pytest.mark.parametrize(
    ("step", "kind", "code"),
    [
        *((invalid_key(server), errors.AuthenticationError, 3) for server in ("openai", "llama.cpp", "vllm")),
        (status(403), errors.AuthenticationError, 3),
        *((model_not_found(server), errors.UnknownModelError, 3) for server in ("openai", "vllm", "ollama")),
        *(
            (context_length_exceeded(server), errors.ContextOverflowError, 1)
            for server in ("openai", "llama.cpp", "vllm")
        ),
        (status(413), errors.ContextOverflowError, 1),
        (content_filter(), errors.RefusedError, 1),
        (refusal(), errors.RefusedError, 1),
        (status(400, body={"error": {"code": "content_filter", "message": "policy"}}), errors.RefusedError, 1),
        (status(429, body={"error": {"code": "insufficient_quota"}}), errors.QuotaError, 4),
        (status(402), errors.QuotaError, 4),
        (status(400), errors.ConfigurationError, 3),
    ],
)
async def test_what_no_retry_mends_is_said_at_once(
    scripted_server: Start, step: Any, kind: type[errors.SummariseError], code: int
) -> None:
    asking = Asking(scripted_server([step], play_all=True))
    with pytest.raises(kind) as caught:
        await asking.ask()
    assert type(caught.value) is kind
    assert caught.value.exit_code == code
    assert "sk-test" not in str(caught.value)
    assert asking.slept == []


async def test_the_servers_first_words_are_in_the_message(scripted_server: Start) -> None:
    words = "Unsupported value: 'response_format' is not\navailable\x1b[31m " + "in this region " * 20
    asking = Asking(scripted_server([status(400, body={"error": {"message": words}})]))
    with pytest.raises(errors.ConfigurationError) as caught:
        await asking.ask()
    said = str(caught.value).partition("“")[2].partition("”")[0]
    assert said.startswith("Unsupported value: 'response_format' is not available[31m in this region")
    assert said.endswith(" …")
    assert len(said) < 125


@pytest.mark.parametrize("body", [{"error": "seed is not known"}, {"detail": "seed is not known"}])
async def test_servers_that_put_their_words_elsewhere_are_quoted_too(scripted_server: Start, body: object) -> None:
    asking = Asking(scripted_server([status(418, body=body)]))
    with pytest.raises(errors.ConfigurationError, match="HTTP 418: “seed is not known”"):
        await asking.ask()


async def test_a_proxys_page_is_not_quoted(scripted_server: Start) -> None:
    page = Step("page", lambda exchange: exchange.send(418, b"<html>teapot</html>", content_type="text/html"))
    with pytest.raises(errors.ConfigurationError, match=r"\(HTTP 418\)"):
        await Asking(scripted_server([page])).ask()


@pytest.mark.parametrize(
    "words",
    [
        "The prompt 'The harbour-master Ilse Brannt resigned' is against our policy",
        "blocked: ILSE  BRANNT RESIGNED",
        "Ilse Brannt re",
    ],
)
async def test_a_server_that_repeats_the_document_is_not_quoted(scripted_server: Start, words: str) -> None:
    asking = Asking(scripted_server([status(400, body={"error": {"message": words}})]))
    with pytest.raises(errors.ConfigurationError) as caught:
        await asking.ask(Question("Answer.", "News\nThe harbour-master Ilse\nBrannt resigned on Monday.", 64))
    assert "“" not in str(caught.value)
    assert "brannt" not in str(caught.value).lower()


async def test_what_is_said_about_a_key_is_not_quoted(scripted_server: Start) -> None:
    body = {"error": {"message": "Incorrect API key provided: sk-te**st."}}
    asking = Asking(scripted_server([status(401, body=body)]))
    with pytest.raises(errors.AuthenticationError) as caught:
        await asking.ask()
    assert "sk-" not in str(caught.value)


async def test_llama_cpps_overflow_says_how_much_fits(scripted_server: Start) -> None:
    asking = Asking(scripted_server([context_length_exceeded("llama.cpp")]))
    with pytest.raises(errors.ContextOverflowError, match="12030 tokens asked, 8192 fit"):
        await asking.ask()


async def test_an_invalid_answer_is_re_asked_with_what_was_wrong(scripted_server: Start) -> None:
    server = scripted_server([completion({"town": "X", "berths": 0}), completion(GOOD)], play_all=True)
    asking = Asking(server)
    assert (await asking.ask()).berths == 3
    assert (asking.meter.requests, asking.meter.reasks, asking.meter.retries) == (2, 1, 0)
    assert (asking.meter.prompt_tokens, asking.meter.completion_tokens) == (22, 14)
    last = server.completions[1].json["messages"]
    assert "greater than or equal to 1" in last[-1]["content"]


async def test_re_asks_are_bounded_and_all_are_counted(scripted_server: Start) -> None:
    asking = Asking(scripted_server([completion({"town": "X", "berths": 0})] * 3, play_all=True))
    with pytest.raises(errors.InvalidAnswerError, match="no valid Town in 3 tries") as caught:
        await asking.ask()
    assert caught.value.exit_code == 1
    assert (asking.meter.requests, asking.meter.reasks) == (3, 2)


async def test_a_re_ask_survives_a_passing_fault(scripted_server: Start) -> None:
    script = [completion("not json at all"), status(503), completion(GOOD)]
    asking = Asking(scripted_server(script, play_all=True))
    await asking.ask()
    assert (asking.meter.requests, asking.meter.reasks, asking.meter.retries) == (2, 1, 1)


async def test_a_truncated_answer_gets_a_higher_cap_once(scripted_server: Start) -> None:
    server = scripted_server([completion('{"town": "Tol', finish_reason="length"), completion(GOOD)], play_all=True)
    assert (await Asking(server).ask()).town == "Tolvenness"
    assert [request.json["max_tokens"] for request in server.completions] == [64, 128]
    assert server.completions[0].json["messages"] == server.completions[1].json["messages"]


async def test_an_answer_truncated_twice_is_an_error_and_not_re_asked(scripted_server: Start) -> None:
    asking = Asking(scripted_server([completion('{"town": "Tol', finish_reason="length")] * 2, play_all=True))
    with pytest.raises(errors.TruncatedAnswerError, match="cut at 128 tokens; raise --max-output-tokens"):
        await asking.ask()
    assert asking.meter.requests == 2


async def test_template_signs_in_a_document_reach_the_model_untouched(scripted_server: Start) -> None:
    server = scripted_server([completion(GOOD)])
    await Asking(server).ask()
    assert server.completions[0].json["messages"][1]["content"] == QUESTION.user


async def test_thinking_is_taken_out(scripted_server: Start) -> None:
    answer = '<think>Hm, {"town": "No"}?</think>\n{"town": "Tolvenness", "berths": 3}'
    assert (await Asking(scripted_server([completion(answer)])).ask()).town == "Tolvenness"


@pytest.mark.parametrize(
    ("content", "rest"),
    [
        ("<think>a</think> {}", "{}"),
        ("a thought without its opening</think>{}", "{}"),
        ('{"quote": "he wrote </think> once"}', '{"quote": "he wrote </think> once"}'),
        ("<think>never closed", "<think>never closed"),
        ("{}", "{}"),
    ],
)
def test_only_a_leading_block_counts_as_thinking(content: str, rest: str) -> None:
    assert without_thinking(content) == rest


@pytest.mark.parametrize("server", ["openai", "deepseek", "groq", "llama.cpp", "old llama.cpp", "plain"])
async def test_a_server_without_json_schema_falls_back_to_json_objects(scripted_server: Start, server: str) -> None:
    started = scripted_server(
        [json_schema_unsupported(server), completion({"colour": "red"}), completion(GOOD)], play_all=True
    )
    asking = Asking(started, capability=Capability())
    await asking.ask()
    assert asking.capability.form == "json_object"
    assert started.completions[2].json["response_format"] == {"type": "json_object"}
    assert "berths" in started.completions[2].json["messages"][0]["content"]


async def test_a_server_that_ignores_json_schema_is_found_out(scripted_server: Start) -> None:
    script = [completion({"colour": "red"}), completion("Red."), completion('```json\n{"town": "T", "berths": 2}\n```')]
    asking = Asking(scripted_server(script, play_all=True), capability=Capability())
    assert (await asking.ask()).berths == 2
    assert asking.capability.form == "prompt"


async def test_the_probe_is_sent_once_and_remembered(scripted_server: Start, tmp_path: Any) -> None:
    server = scripted_server([completion({"colour": "teal-7"}), completion(GOOD)], play_all=True)
    asking = Asking(server, capability=Capability())
    await asking.ask()
    store = CapabilityStore(tmp_path / "cache")
    store.save(server.base_url, "m", asking.capability)
    assert store.load(server.base_url, "m").form == "json_schema"
    assert store.load(server.base_url, "another").form is None


def test_a_damaged_memory_of_endpoints_counts_as_empty(tmp_path: Any) -> None:
    (tmp_path / "endpoints.json").write_text('{"broken')
    assert CapabilityStore(tmp_path).load("http://x/v1", "m") == Capability()


async def test_parameters_the_endpoint_rejects_are_dropped_and_remembered(scripted_server: Start) -> None:
    def rejects(param: str, message: str) -> Any:
        return status(400, body={"error": {"message": message, "param": param, "code": "unsupported_value"}})

    server = scripted_server(
        [
            rejects("temperature", "Unsupported value: 'temperature' does not support 0."),
            rejects("max_tokens", "Unsupported parameter: use 'max_completion_tokens' instead."),
            completion(GOOD),
        ],
        play_all=True,
    )
    asking = Asking(server)
    await asking.ask()
    last = server.completions[2].json
    assert "temperature" not in last
    assert "max_tokens" not in last
    assert last["max_completion_tokens"] == 64
    assert asking.capability.rejected == {"temperature"}


async def test_a_server_that_cuts_the_input_in_silence_is_found_out(scripted_server: Start) -> None:
    asking = Asking(scripted_server([completion(GOOD, usage=(50, 7))]))
    with pytest.raises(errors.ContextOverflowError, match="cut the input"):
        await asking.ask(Question("Answer.", "word " * 2000, 64))
    assert asking.meter.prompt_tokens == 50


async def test_an_endpoint_that_reports_no_usage_is_no_error(scripted_server: Start) -> None:
    asking = Asking(scripted_server([completion(GOOD, usage=None)]))
    await asking.ask()
    assert (asking.meter.requests, asking.meter.prompt_tokens, asking.meter.cached_tokens) == (1, 0, None)


class Berth(BaseModel):
    number: int
    note: str | None = Field(max_length=20, description="what the {harbour} says")


class Harbour(BaseModel):
    """A harbour."""

    name: str = Field(min_length=1, description='its "name"')
    berths: list[Berth]


TEXTS = [
    "Plain.",
    " ",
    "{{ x }} {% y %} {curly}",
    "lines\n\n  and indents\n",
    "\x00system\x00 in the text",
    "“Ünïcode” 🙂",
]


@pytest.mark.parametrize("form", FORMS)
async def test_what_is_prepared_once_is_what_instructor_would_send(form: AnswerForm) -> None:
    asked: list[dict[str, Any]] = []

    async def note(**request: Any) -> Any:
        asked.append(request)
        raise errors.RefusedError("seen")

    for system, user in zip(TEXTS, reversed(TEXTS), strict=True):
        messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        request = {"model": "m", "messages": messages, "max_tokens": 64, "temperature": 0.0, "seed": 7}
        with pytest.raises(InstructorRetryException):
            await instructor.patch(create=note, mode=MODES[form])(response_model=Harbour, max_retries=0, **request)
        ours = prepared(Harbour, form).filled(request)
        assert ours == asked[-1]
        assert json.dumps(ours) == json.dumps(asked[-1])


async def test_marks_in_a_text_are_text(scripted_server: Start) -> None:
    server = scripted_server([completion(GOOD)])
    await Asking(server).ask(Question("\x00user\x00", "a \x00system\x00 b", 64))
    contents = [message["content"] for message in server.completions[0].json["messages"]]
    assert contents == ["\x00user\x00", "a \x00system\x00 b"]


async def test_answer_types_made_for_one_question_are_not_kept() -> None:
    made = create_model("Made", word=(str, ...))
    prepared(made, "json_schema")
    gone = weakref.ref(made)
    del made
    gc.collect()
    assert gone() is None
