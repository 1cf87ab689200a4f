"""Each step of the scripted server does on the wire what it says, as the real SDK sees it.

These tests also pin what the SDK makes of each fault; the product's error translation rests on that.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import openai
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion
from support.server import (
    ReceivedRequest,
    ScriptedServer,
    Step,
    answer,
    completion,
    completion_body,
    content_filter,
    context_length_exceeded,
    delay,
    drip,
    drop,
    half,
    hang,
    http_date,
    invalid_json,
    invalid_key,
    json_schema_unsupported,
    model_not_found,
    no_choices,
    refusal,
    status,
    tool_call,
    wrong_content_type,
)

pytestmark = pytest.mark.loopback

Start = Callable[..., ScriptedServer]
Ask = Callable[..., Any]


@pytest.fixture
async def ask() -> AsyncIterator[Ask]:
    """Ask a server one question through AsyncOpenAI, without retries."""
    clients: list[AsyncOpenAI] = []

    async def send(server: ScriptedServer, *, timeout: float = 5, text: str = "Hello?", **more: Any) -> Any:
        client = AsyncOpenAI(base_url=server.base_url, api_key="none", max_retries=0, timeout=timeout)
        clients.append(client)
        messages: Any = [{"role": "user", "content": text}]
        return await client.chat.completions.create(model="m", messages=messages, **more)

    yield send
    for client in clients:
        await client.close()


def causes(error: BaseException) -> list[type[BaseException]]:
    """The types along the chain of causes."""
    chain: list[type[BaseException]] = []
    current: BaseException | None = error
    while current is not None:
        chain.append(type(current))
        current = current.__cause__
    return chain


# Answers


async def test_a_completion_and_its_usage_arrive(scripted_server: Start, ask: Ask) -> None:
    server = scripted_server([completion("“Yes” — 🙂", usage=(30, 3))], play_all=True)
    reply = await ask(server)
    assert isinstance(reply, ChatCompletion)
    assert reply.usage is not None
    assert reply.choices[0].message.content == "“Yes” — 🙂"
    assert reply.choices[0].finish_reason == "stop"
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.total_tokens) == (30, 3, 33)


async def test_a_structure_becomes_the_text_of_the_message(scripted_server: Start, ask: Ask) -> None:
    reply = await ask(scripted_server([completion({"actors": ["Ayşe"]})]))
    assert json.loads(reply.choices[0].message.content) == {"actors": ["Ayşe"]}


async def test_usage_may_be_missing(scripted_server: Start, ask: Ask) -> None:
    reply = await ask(scripted_server([completion("x", usage=None)]))
    assert reply.usage is None


async def test_a_truncated_completion_says_length(scripted_server: Start, ask: Ask) -> None:
    reply = await ask(scripted_server([completion('{"actors": [', finish_reason="length")]))
    assert reply.choices[0].finish_reason == "length"


async def test_a_tool_call_arrives(scripted_server: Start, ask: Ask) -> None:
    reply = await ask(scripted_server([tool_call("extract", '{"a": 1}')]))
    (call,) = reply.choices[0].message.tool_calls
    assert (call.function.name, call.function.arguments) == ("extract", '{"a": 1}')
    assert reply.choices[0].finish_reason == "tool_calls"


async def test_a_refusal_has_no_content(scripted_server: Start, ask: Ask) -> None:
    reply = await ask(scripted_server([refusal("No.")]))
    assert (reply.choices[0].message.content, reply.choices[0].message.refusal) == (None, "No.")


async def test_a_filtered_completion_says_so(scripted_server: Start, ask: Ask) -> None:
    reply = await ask(scripted_server([content_filter()]))
    assert reply.choices[0].finish_reason == "content_filter"


async def test_choices_may_be_null(scripted_server: Start, ask: Ask) -> None:
    reply = await ask(scripted_server([no_choices()]))
    assert reply.choices is None


# Statuses


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (404, openai.NotFoundError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
async def test_a_status_becomes_the_error_of_the_sdk(
    scripted_server: Start, ask: Ask, code: int, error: type[openai.APIStatusError]
) -> None:
    with pytest.raises(error) as caught:
        await ask(scripted_server([status(code)]))
    assert caught.value.status_code == code


async def test_retry_after_in_seconds(scripted_server: Start, ask: Ask) -> None:
    with pytest.raises(openai.RateLimitError) as caught:
        await ask(scripted_server([status(429, retry_after=2)]))
    assert caught.value.response.headers["retry-after"] == "2"


async def test_retry_after_as_a_date(scripted_server: Start, ask: Ask) -> None:
    with pytest.raises(openai.RateLimitError) as caught:
        await ask(scripted_server([status(429, headers={"Retry-After": http_date(30)})]))
    value = caught.value.response.headers["retry-after"]
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", value)


@pytest.mark.parametrize(
    ("step", "error", "words"),
    [
        (context_length_exceeded(), openai.BadRequestError, "maximum context length"),
        (context_length_exceeded("llama.cpp"), openai.BadRequestError, "exceed_context_size_error"),
        (context_length_exceeded("vllm"), openai.BadRequestError, "maximum context length"),
        (model_not_found(), openai.NotFoundError, "model_not_found"),
        (model_not_found("vllm"), openai.NotFoundError, "does not exist"),
        (model_not_found("ollama"), openai.NotFoundError, "try pulling it"),
        (invalid_key(), openai.AuthenticationError, "invalid_api_key"),
        (invalid_key("llama.cpp"), openai.AuthenticationError, "Invalid API Key"),
        (invalid_key("vllm"), openai.AuthenticationError, "Unauthorized"),
        (json_schema_unsupported(), openai.BadRequestError, "json_schema"),
        (json_schema_unsupported("deepseek"), openai.BadRequestError, "response_format"),
        (json_schema_unsupported("groq"), openai.BadRequestError, "json_schema"),
        (json_schema_unsupported("llama.cpp"), openai.BadRequestError, "JSON schema"),
        (json_schema_unsupported("old llama.cpp"), openai.BadRequestError, "json_schema"),
        (json_schema_unsupported("plain"), openai.BadRequestError, "response_format"),
    ],
    ids=str,
)
async def test_a_refusal_by_the_server_carries_its_words(
    scripted_server: Start, ask: Ask, step: Step, error: type[openai.APIStatusError], words: str
) -> None:
    with pytest.raises(error) as caught:
        await ask(scripted_server([step]))
    assert words in caught.value.response.text


async def test_the_openai_form_gives_the_code_of_the_error(scripted_server: Start, ask: Ask) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await ask(scripted_server([context_length_exceeded()]))
    assert caught.value.code == "context_length_exceeded"


# Faults on the wire


@pytest.mark.parametrize(
    ("reset", "cause"),
    [(False, httpx2.RemoteProtocolError), (True, httpx2.ReadError)],
    ids=["close", "reset"],
)
async def test_drop_is_a_connection_error(
    scripted_server: Start, ask: Ask, reset: bool, cause: type[Exception]
) -> None:
    with pytest.raises(openai.APIConnectionError) as caught:
        await ask(scripted_server([drop(reset=reset)]))
    assert not isinstance(caught.value, openai.APITimeoutError)
    assert cause in causes(caught.value)


async def test_half_an_answer_is_noticed(scripted_server: Start, ask: Ask) -> None:
    with pytest.raises((openai.APIConnectionError, httpx2.RemoteProtocolError)) as caught:
        await ask(scripted_server([half(completion_body("x"), 40)]))
    assert httpx2.RemoteProtocolError in causes(caught.value)


async def test_invalid_json_is_noticed(scripted_server: Start, ask: Ask) -> None:
    with pytest.raises((json.JSONDecodeError, openai.APIResponseValidationError)):
        await ask(scripted_server([invalid_json()]))


async def test_a_web_page_comes_back_as_text(scripted_server: Start, ask: Ask) -> None:
    # The SDK returns the page itself where its types promise a completion.
    reply = await ask(scripted_server([wrong_content_type("<html>Sign in</html>")]))
    assert reply == "<html>Sign in</html>"


async def test_hang_runs_into_the_timeout(scripted_server: Start, ask: Ask) -> None:
    began = time.monotonic()
    with pytest.raises(openai.APITimeoutError):
        await ask(scripted_server([hang(30)]), timeout=0.2)
    assert time.monotonic() - began < 10


async def test_hang_ends_without_an_answer(scripted_server: Start, ask: Ask) -> None:
    with pytest.raises(openai.APIConnectionError):
        await ask(scripted_server([hang(0.05)]))


async def test_a_drip_arrives_whole_though_it_takes_longer_than_the_read_timeout(
    scripted_server: Start, ask: Ask
) -> None:
    step = drip(completion_body("slow"), 0.05, chunk_bytes=30)
    began = time.monotonic()
    reply = await ask(scripted_server([step]), timeout=0.3)
    assert reply.choices[0].message.content == "slow"
    assert time.monotonic() - began > 0.3


async def test_a_drip_is_cut_by_a_limit_on_the_whole_call(scripted_server: Start, ask: Ask) -> None:
    server = scripted_server([drip(completion_body("slow"), 0.05, chunk_bytes=1)])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await ask(server, timeout=5)


async def test_a_slow_drip_runs_into_the_read_timeout(scripted_server: Start, ask: Ask) -> None:
    with pytest.raises(openai.APITimeoutError):
        await ask(scripted_server([drip(completion_body("slow"), 5)]), timeout=0.2)


# The script


async def test_steps_are_answered_in_turn_and_requests_are_kept(scripted_server: Start, ask: Ask) -> None:
    server = scripted_server([status(503), completion("second")], play_all=True)
    with pytest.raises(openai.InternalServerError):
        await ask(server)
    reply = await ask(server, text="again", temperature=0)
    assert reply.choices[0].message.content == "second"
    first, second = server.requests
    assert second.path == "/v1/chat/completions"
    assert second.headers["authorization"] == "Bearer none"
    assert second.json["messages"] == [{"role": "user", "content": "again"}]
    assert second.json["temperature"] == 0
    assert first.received_at < second.received_at


async def test_a_function_may_be_the_script(scripted_server: Start, ask: Ask) -> None:
    def echo(request: ReceivedRequest) -> Step:
        return completion(request.json["messages"][0]["content"].upper())

    server = scripted_server(echo)
    replies = await asyncio.gather(*(ask(server, text=f"word {n}") for n in range(8)))
    assert [reply.choices[0].message.content for reply in replies] == [f"WORD {n}" for n in range(8)]


async def test_requests_in_flight_are_counted(scripted_server: Start, ask: Ask) -> None:
    server = scripted_server(lambda _: delay(0.2, completion("x")))
    await asyncio.gather(*(ask(server) for _ in range(4)))
    await ask(server)
    assert server.peak_in_flight == 4


async def test_the_models_stand_outside_the_script(scripted_server: Start, ask: Ask) -> None:
    server = scripted_server([completion("x")], models=["one", "two"], play_all=True)
    async with AsyncOpenAI(base_url=server.base_url, api_key="none", max_retries=0) as client:
        listed = await client.models.list()
    assert [model.id for model in listed.data] == ["one", "two"]
    await ask(server)
    assert len(server.requests) == 2
    assert len(server.completions) == 1


async def test_the_models_may_fail(scripted_server: Start) -> None:
    server = scripted_server([], models=status(401))
    async with AsyncOpenAI(base_url=server.base_url, api_key="none", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError):
            await client.models.list()


async def test_a_request_too_many_is_told_so(ask: Ask) -> None:
    with ScriptedServer([completion("x")]) as server:
        await ask(server)
        with pytest.raises(openai.InternalServerError, match="only 1 steps"):
            await ask(server)
    with pytest.raises(AssertionError, match="1 requests came after the last of 1 steps"):
        server.assert_played()


def test_a_step_not_played_is_told() -> None:
    with (
        pytest.raises(AssertionError, match="2 of 2 steps were not played: answer 500, drop"),
        ScriptedServer([status(500), drop()], play_all=True),
    ):
        pass


def test_an_error_in_the_test_is_not_hidden_by_the_script() -> None:
    with pytest.raises(ZeroDivisionError), ScriptedServer([status(500)], play_all=True):
        _ = 1 / 0


# Stopping


async def test_stopping_is_quick_and_leaves_nothing_behind(ask: Ask) -> None:
    before = set(threading.enumerate())
    server = ScriptedServer(lambda _: hang(60))
    with server, socket.create_connection(("127.0.0.1", int(server.base_url.split(":")[2].split("/")[0]))):
        questions = [asyncio.ensure_future(ask(server, timeout=30)) for _ in range(3)]
        while len(server.requests) < 3:
            await asyncio.sleep(0.01)
        began = time.monotonic()
        await asyncio.to_thread(server.close)
        assert time.monotonic() - began < 10
    for question in questions:
        with pytest.raises(openai.APIConnectionError):
            await question
    assert {thread for thread in threading.enumerate() if "asyncio" not in thread.name} <= before
    server.close()


def test_the_address_needs_a_running_server() -> None:
    with pytest.raises(RuntimeError, match="Enter the server's context"):
        _ = ScriptedServer([]).base_url


async def test_answers_are_plain_http(scripted_server: Start) -> None:
    server = scripted_server([answer({"ok": True}, headers={"X-Extra": "1"})])
    async with httpx2.AsyncClient() as client:
        reply = await client.post(f"{server.base_url}/anything", content=b"not JSON")
    assert (reply.json(), reply.headers["x-extra"], reply.headers["connection"]) == (
        {"ok": True},
        "1",
        "close",
    )
    assert (server.requests[0].json, server.requests[0].body) == (None, b"not JSON")
